#include "kernels/image/normalize.h"

#include "engine/core/error.h"
#include "engine/core/portable.h"

namespace engine {

void Normalize::keys(Keys& keys) {
  keys.custom("mean", mean,
              {.doc = "Subtracted: a number, one for each channel, or \"measured\" on the training "
                      "split."});
  keys.custom("std", std,
              {.doc = "Divided by: a number, one for each channel, or \"measured\" on the training "
                      "split."});
  when_key(keys, when_);
}

Shape Normalize::infer(Shape input) const {
  auto check = [&](const ChannelNumbers& numbers, const char* key) {
    const auto count = static_cast<int64_t>(numbers.numbers.size());
    if (count > 1 && count != input.c) {
      fail(ExitCode::experiment,
           "normalize.{} has {} numbers, but images here are {}: {} channel{}", key, count,
           to_string(input), input.c, input.c == 1 ? "" : "s");
    }
  };
  check(mean, "mean");
  check(std, "std");
  return input;
}

std::string Normalize::brief() const {
  return fmt::format("mean {}; std {}", mean.brief(), std.brief());
}

NormalizeNumbers normalize_numbers(const Normalize& stage, int64_t channels,
                                   std::span<const double> measured) {
  NormalizeNumbers numbers;
  const auto number = [&](const ChannelNumbers& given, int64_t place, int64_t channel) {
    if (given.measured()) return measured[static_cast<size_t>(place)];
    return given.numbers[given.numbers.size() > 1 ? static_cast<size_t>(channel) : 0];
  };
  for (int64_t c = 0; c < channels; ++c) {
    const double deviation = number(stage.std, channels + c, c);
    numbers.mean.push_back(static_cast<float>(number(stage.mean, c, c)));
    numbers.factor.push_back(static_cast<float>(deviation > 0 ? 1 / deviation : 1));
  }
  return numbers;
}

PortableValue Normalize::portable(const PortableStage& stage) const {
  const int64_t channels = stage.shape.c;
  const NormalizeNumbers numbers = normalize_numbers(*this, channels, stage.statistics);
  PortableGraph& graph = stage.graph;
  const PortableValue mean = graph.floats("mean", {channels, 1, 1}, numbers.mean);
  const PortableValue factor = graph.floats("factor", {channels, 1, 1}, numbers.factor);
  return graph.node("Mul", {graph.node("Sub", {stage.input, mean}), factor});
}

}  // namespace engine
