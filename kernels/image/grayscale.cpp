#include "kernels/image/grayscale.h"

#include "engine/core/error.h"
#include "engine/core/portable.h"
#include "kernels/image/stage_keys.h"

namespace engine {

std::optional<std::string> GrayWeights::read(const Value& value) {
  const std::string expected = "\"mean\", \"luma\" or three numbers [red, green, blue]";
  if (value.is(Value::Kind::string)) {
    if (value.string() == "mean") {
      mode = Mode::mean;
    } else if (value.string() == "luma") {
      mode = Mode::luma;
    } else {
      return expected;
    }
    return std::nullopt;
  }
  std::vector<double> numbers;
  if (!read_numbers(value, numbers) || numbers.size() != 3) return expected;
  mode = Mode::own;
  for (size_t i = 0; i < 3; ++i) own[i] = numbers[i];
  return std::nullopt;
}

Value GrayWeights::write() const {
  if (mode == Mode::mean) return "mean";
  if (mode == Mode::luma) return "luma";
  return Array{own[0], own[1], own[2]};
}

Value GrayWeights::schema() const {
  Value numbers = Object{};
  numbers.set("type", "array");
  numbers.set("items", Object{{"type", "number", {}}});
  numbers.set("minItems", 3);
  numbers.set("maxItems", 3);
  Value names = Object{};
  names.set("enum", Array{"mean", "luma"});
  return Object{{"anyOf", Array{names, numbers}, {}}};
}

std::array<double, 3> GrayWeights::numbers() const {
  switch (mode) {
    case Mode::mean:
      return {1.0 / 3, 1.0 / 3, 1.0 / 3};
    case Mode::luma:
      return {0.299, 0.587, 0.114};
    case Mode::own:
      break;
  }
  return own;
}

void Grayscale::keys(Keys& keys) {
  keys.custom("weights", weights,
              {.doc = "How red, green and blue add up: \"mean\" (a third each), \"luma\" (0.299, "
                      "0.587, 0.114), or three numbers [red, green, blue]."});
  when_key(keys, when_);
}

Shape Grayscale::infer(Shape input) const {
  if (input.c != 1 && input.c != 3) {
    fail(ExitCode::experiment, "grayscale needs images of 3 channels (or 1), got {}",
         to_string(input));
  }
  input.c = 1;
  return input;
}

std::string Grayscale::brief() const {
  switch (weights.mode) {
    case GrayWeights::Mode::mean:
      return "mean";
    case GrayWeights::Mode::luma:
      return "luma";
    case GrayWeights::Mode::own:
      break;
  }
  return fmt::format("[{}, {}, {}]", weights.own[0], weights.own[1], weights.own[2]);
}

PortableValue Grayscale::portable(const PortableStage& stage) const {
  if (stage.shape.c == 1) return stage.input;
  const auto [r, g, b] = weights.numbers();
  const float sum[]{static_cast<float>(r), static_cast<float>(g), static_cast<float>(b)};
  const PortableValue weight = stage.graph.floats("weights", {1, 3, 1, 1}, sum);
  return stage.graph.node("Conv", {stage.input, weight});
}

}  // namespace engine
