#include "engine/core/stage.h"

#include "engine/core/error.h"

namespace engine {

StageOrder order_stages(const std::vector<const Stage*>& stages, Shape image) {
  StageOrder order;
  order.shapes.push_back(image.with_batch(1));
  const Stage* fresh = nullptr;
  for (const Stage* stage : stages) {
    try {
      order.shapes.push_back(stage->infer(order.shapes.back()));
    } catch (const Error& error) {
      fail(error.code(), "preprocess.{}: {}", stage->name, error.what());
    }
    if (stage->when() == When::every_epoch) {
      if (!fresh) fresh = stage;
    } else if (fresh) {
      fail(ExitCode::experiment,
           "preprocess.{} runs once, but comes after \"{}\", which runs every epoch: put it before "
           "\"{}\", or give it \"when\": \"every_epoch\"",
           stage->name, fresh->name, fresh->name);
    } else {
      ++order.once;
    }
  }
  return order;
}

std::vector<std::span<const double>> split_statistics(const std::vector<const Stage*>& stages,
                                                      const StageOrder& order,
                                                      std::span<const double> statistics) {
  std::vector<std::span<const double>> parts(stages.size());
  std::span<const double> rest = statistics;
  bool fit = true;
  for (size_t i = 0; i < stages.size(); ++i) {
    if (!stages[i]->needs_statistics()) continue;
    const size_t count = 2 * static_cast<size_t>(order.shapes[i].c);
    fit = count <= rest.size();
    if (!fit) break;
    parts[i] = rest.first(count);
    rest = rest.subspan(count);
  }
  if (!fit || !rest.empty()) {
    fail(ExitCode::data,
         "the run's {} preprocessing statistics do not fit its stages: was its config.json "
         "changed?",
         statistics.size());
  }
  return parts;
}

}  // namespace engine
