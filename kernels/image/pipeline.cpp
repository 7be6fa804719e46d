#include "kernels/image/pipeline.h"

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

bool is_cheap(const Stage& stage) {
  return stage.type() == "grayscale" || stage.type() == "normalize";
}

}  // namespace engine
