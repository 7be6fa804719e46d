#include "kernels/image/smooth.h"

#include <cmath>

#include "engine/core/error.h"
#include "engine/core/portable.h"
#include "kernels/image/stage_keys.h"

namespace engine {

std::optional<std::string> SmoothAxes::read(const Value& value) {
  const std::string expected =
      "an array of \"height\", \"width\" and \"sample\", each at most once";
  if (!value.is(Value::Kind::array) || value.array().empty()) return expected;
  bool found[3] = {};
  for (const Value& item : value.array()) {
    if (!item.is(Value::Kind::string)) return expected;
    const std::string& name = item.string();
    const int axis = name == "height" ? 0 : name == "width" ? 1 : name == "sample" ? 2 : 3;
    if (axis == 3 || found[axis]) return expected;
    found[axis] = true;
  }
  height = found[0];
  width = found[1];
  sample = found[2];
  return std::nullopt;
}

Value SmoothAxes::write() const {
  Array names;
  if (sample) names.push_back("sample");
  if (height) names.push_back("height");
  if (width) names.push_back("width");
  return names;
}

Value SmoothAxes::schema() const {
  Value schema = Object{};
  schema.set("type", "array");
  schema.set("items", Object{{"enum", Array{"height", "width", "sample"}, {}}});
  schema.set("minItems", 1);
  schema.set("uniqueItems", true);
  return schema;
}

void Smooth::keys(Keys& keys) {
  keys.number(
      "sigma", sigma,
      {.doc = "Standard deviation of the Gaussian in pixels (and samples); 0 changes nothing.",
       .required = true,
       .minimum = 0,
       .maximum = 1000});
  keys.custom(
      "axes", axes,
      {.doc = "Which axes are smoothed: \"height\", \"width\", and \"sample\", which blends "
              "an image with its neighbours in the data set."});
  keys.number("truncate", truncate,
              {.doc = "The filter ends at this many standard deviations.",
               .minimum = 0,
               .maximum = 100,
               .exclusive_minimum = true});
  when_key(keys, when_);
}

Shape Smooth::infer(Shape input) const {
  if (axes.sample && when_ == When::every_epoch) {
    fail(ExitCode::experiment,
         "smooth over the axis \"sample\" looks at the whole data set, so it needs \"when\": "
         "\"once\"");
  }
  return input;
}

std::string Smooth::brief() const {
  std::string text = fmt::format("sigma {}", sigma);
  if (axes.sample) text += ", sample";
  if (axes.height) text += ", height";
  if (axes.width) text += ", width";
  return text;
}

std::vector<float> gaussian_weights(double sigma, double truncate) {
  const auto radius = static_cast<int64_t>(truncate * sigma + 0.5);
  std::vector<double> exact(radius + 1, 1.0);
  double sum = 1;
  for (int64_t k = 1; k <= radius; ++k) {
    exact[k] = std::exp(-0.5 / (sigma * sigma) * static_cast<double>(k * k));
    sum += 2 * exact[k];
  }
  std::vector<float> weights(exact.size());
  for (size_t k = 0; k < exact.size(); ++k) weights[k] = static_cast<float>(exact[k] / sum);
  return weights;
}

PortableValue Smooth::portable(const PortableStage& stage) const {
  if (sigma == 0) return stage.input;
  const std::vector<float> half = gaussian_weights(sigma, truncate);
  const auto radius = static_cast<int64_t>(half.size()) - 1;
  const int64_t channels = stage.shape.c, taps = 2 * radius + 1;
  std::vector<float> filters;  // the same one for each channel
  for (int64_t i = 0; i < channels * taps; ++i)
    filters.push_back(half[static_cast<size_t>(std::abs(i % taps - radius))]);
  // Pad of opset 17 cannot mirror with the edge pixel included; Gather by index can.
  const auto along = [&](const PortableValue& x, std::string_view name, bool height) {
    const int64_t length = height ? stage.shape.h : stage.shape.w;
    std::vector<int64_t> places;
    for (int64_t i = -radius; i < length + radius; ++i) places.push_back(reflect(i, length));
    const std::string of(name);
    const PortableValue wider =
        stage.graph.node("Gather", {x, stage.graph.integers(of + ".mirrored", places)},
                         {{"axis", int64_t{height ? 2 : 3}}});
    const std::vector<int64_t> window{height ? taps : 1, height ? 1 : taps};
    const PortableValue weight =
        stage.graph.floats(of + ".weights", {channels, 1, window[0], window[1]}, filters);
    return stage.graph.node("Conv", {wider, weight}, {{"group", channels}});
  };
  // Predictions see one image at a time: over the axis sample, its neighbours are itself.
  PortableValue x = stage.input;
  if (axes.height) x = along(x, "height", true);
  if (axes.width) x = along(x, "width", false);
  return x;
}

}  // namespace engine
