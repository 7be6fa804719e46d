// gpu_kernel_times BATCH fp32|tf32|bf16 STEPS COPY_BYTES: how long each launch of a training step
// of the study's network takes by itself, and what a copy within the device reaches. Prints JSON.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

#include "engine/core/error.h"
#include "tests/gpu/cuda_backend.h"
#include "tests/support/study_network.h"
#include "tests/support/tested_device.h"

namespace engine::test {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Gigabytes a second of Device::copy, read and written bytes counted.
double copy_speed(Device& device, size_t bytes) {
  constexpr int kCopies = 10, kWindows = 7;
  const Buffer from(device, bytes), to(device, bytes);
  device.zero(from.data(), bytes);
  std::vector<double> speeds;
  for (int window = -1; window < kWindows; ++window) {  // the first only warms up
    device.synchronize();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kCopies; ++i) device.copy(to.data(), from.data(), bytes);
    device.synchronize();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (window >= 0) speeds.push_back(2e-9 * kCopies * static_cast<double>(bytes) / taken.count());
  }
  return median(speeds);
}

/// The launches of one step in their order, each with its median time over some steps.
std::vector<LaunchList::Launch> step_launches(SmallNetwork& network, Executor& executor,
                                              int steps) {
  const RandomBatch batch(network, 1);
  const auto step = [&] { executor.step_on(batch.images, batch.labels, 0.0, true); };
  step();
  std::vector<std::vector<double>> times;
  std::vector<LaunchList::Launch> launches;
  for (int i = 0; i < steps; ++i) {
    launches = cuda_backend().time_launches(*network.device, step).launches;
    times.resize(launches.size());
    for (size_t k = 0; k < launches.size(); ++k) times[k].push_back(launches[k].microseconds);
  }
  for (size_t k = 0; k < launches.size(); ++k) launches[k].microseconds = median(times[k]);
  return launches;
}

Value as_json(const LaunchList::Launch& launch, const std::map<std::string, int64_t>& products) {
  Value value{Object{}};
  value.set("phase", launch.phase);
  value.set("node", launch.node);
  value.set("kernel", launch.kernel);
  value.set("bytes", launch.bytes);
  value.set("microseconds", launch.microseconds);
  const auto found = products.find(launch.node);
  const bool convolution = launch.kernel.starts_with("convolution ");
  if (convolution && found != products.end()) value.set("multiply_adds", found->second);
  return value;
}

int measure(int64_t batch, std::string_view precision, int steps, size_t copy_bytes) {
  SmallNetwork network(study_network(batch));
  for (const Precision each : tested_precisions()) {
    if (to_string(each) == precision) network.precision = each;
  }
  Value result{Object{}};
  result.set("copy_gigabytes_per_second", copy_speed(*network.device, copy_bytes));
  const auto executor = network.executor();
  executor->initialize();
  std::map<std::string, int64_t> products;
  for (const Node& node : executor->training_graph().nodes) {
    products[node.name] = node.signature.multiply_adds;
  }
  Array launches;
  for (const auto& launch : step_launches(network, *executor, steps)) {
    launches.push_back(as_json(launch, products));
  }
  result.set("launches", std::move(launches));
  fmt::print("{}\n", to_json(result));
  return 0;
}

}  // namespace
}  // namespace engine::test

int main(int count, char** words) {
  if (count != 5) {
    std::fputs("usage: gpu_kernel_times BATCH fp32|tf32|bf16 STEPS COPY_BYTES\n", stderr);
    return static_cast<int>(engine::ExitCode::usage);
  }
  try {
    return engine::test::measure(std::stoll(words[1]), words[2], std::stoi(words[3]),
                                 std::stoull(words[4]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(engine::ExitCode::device);
  }
}
