#include "engine/run/gathered.h"

#include <algorithm>
#include <numeric>

namespace engine {

std::vector<float> gathered(Device& device, Pipeline& pipeline, const PreparedSet& set) {
  std::vector<int32_t> order(static_cast<size_t>(set.count()));
  std::iota(order.begin(), order.end(), 0);
  return gathered(device, pipeline, set, order);
}

std::vector<float> gathered(Device& device, Pipeline& pipeline, const PreparedSet& set,
                            const std::vector<int32_t>& order) {
  const auto count = static_cast<int64_t>(order.size()), chunk = std::min<int64_t>(count, 250);
  const auto per_sample = static_cast<size_t>(pipeline.output().per_sample());
  const Buffer rows(device, order.size() * sizeof(int32_t));
  device.copy_to_device(rows.data(), order.data(), rows.bytes());
  const Buffer batch(device, static_cast<size_t>(chunk) * per_sample * sizeof(float));
  const Buffer labels(device, static_cast<size_t>(chunk) * sizeof(int32_t));
  const Buffer samples(device, static_cast<size_t>(chunk) * sizeof(int32_t));
  const StepState start;
  const Buffer state(device, sizeof(start));
  device.copy_to_device(state.data(), &start, sizeof(start));
  std::vector<float> values(static_cast<size_t>(count) * per_sample);
  for (int64_t at = 0; at < count; at += chunk) {
    const int64_t now = std::min(chunk, count - at);
    pipeline.gather(set, static_cast<int32_t*>(rows.data()) + at,
                    static_cast<const StepState*>(state.data()),
                    packed_view(batch.data(), pipeline.output().with_batch(now)),
                    static_cast<int32_t*>(labels.data()), static_cast<int32_t*>(samples.data()));
    device.copy_to_host(values.data() + static_cast<size_t>(at) * per_sample, batch.data(),
                        static_cast<size_t>(now) * per_sample * sizeof(float));
  }
  return values;
}

}  // namespace engine
