#include "engine/core/attributes.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/core/keys_schema.h"

namespace engine {
namespace {

constexpr int64_t kLargest = 65536;  // pixels; far beyond any image, far below any overflow

bool read_integer(const Value& value, int64_t minimum, int64_t& out) {
  if (!value.is(Value::Kind::integer)) return false;
  if (value.integer() < minimum || value.integer() > kLargest) return false;
  out = value.integer();
  return true;
}

Value side_schema(int64_t minimum) {
  return number_schema("integer", {.minimum = static_cast<double>(minimum), .maximum = kLargest});
}

Value sides_schema(int64_t minimum, int64_t count) {
  return Object{{"type", "array", {}},
                {"items", side_schema(minimum), {}},
                {"minItems", count, {}},
                {"maxItems", count, {}}};
}

/// One axis of a window: padding before and after, and the output's length.
void place_window(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, Padding::Mode mode,
                  int64_t& before, int64_t& after, int64_t& out) {
  const int64_t reach = (kernel - 1) * dilation + 1;
  if (mode == Padding::Mode::same) {
    out = (in + stride - 1) / stride;
    const int64_t total = std::max<int64_t>((out - 1) * stride + reach - in, 0);
    before = total / 2;
    after = total - before;
    return;
  }
  if (mode == Padding::Mode::valid) before = after = 0;
  const int64_t room = in + before + after - reach;
  out = room < 0 ? 0 : room / stride + 1;
}

}  // namespace

std::optional<std::string> Pair::read(const Value& value) {
  int64_t height = 0, width = 0;
  if (value.is(Value::Kind::array) && value.array().size() == 2) {
    if (read_integer(value.array()[0], minimum_, height) &&
        read_integer(value.array()[1], minimum_, width)) {
      h = height;
      w = width;
      return std::nullopt;
    }
  } else if (read_integer(value, minimum_, height)) {
    h = w = height;
    return std::nullopt;
  }
  return fmt::format("an integer >= {} and <= {}, or two of them: [height, width]", minimum_,
                     kLargest);
}

Value Pair::write() const {
  if (h == w) return h;
  return Array{h, w};
}

Value Pair::schema() const {
  return any_of({side_schema(minimum_), sides_schema(minimum_, 2)});
}

std::optional<std::string> Padding::read(const Value& value) {
  if (value.is(Value::Kind::string)) {
    if (value.string() == "same" || value.string() == "valid") {
      mode = value.string() == "same" ? Mode::same : Mode::valid;
      margins = {};
      return std::nullopt;
    }
  }
  int64_t side[4];
  size_t count = 0;
  bool good = false;
  if (value.is(Value::Kind::array) && (value.array().size() == 2 || value.array().size() == 4)) {
    count = value.array().size();
    good = true;
    for (size_t i = 0; i < count; ++i) good = good && read_integer(value.array()[i], 0, side[i]);
  } else if (read_integer(value, 0, side[0])) {
    count = 1;
    good = true;
  }
  if (!good)
    return fmt::format(
        "\"same\", \"valid\", an integer >= 0 and <= {}, [height, width] or "
        "[top, bottom, left, right]",
        kLargest);
  mode = Mode::explicit_margins;
  if (count == 1) margins = {side[0], side[0], side[0], side[0]};
  if (count == 2) margins = {side[0], side[0], side[1], side[1]};
  if (count == 4) margins = {side[0], side[1], side[2], side[3]};
  return std::nullopt;
}

Value Padding::write() const {
  if (mode == Mode::same) return "same";
  if (mode == Mode::valid) return "valid";
  const auto& [top, bottom, left, right] = margins;
  if (top == bottom && left == right && top == left) return top;
  if (top == bottom && left == right) return Array{top, left};
  return Array{top, bottom, left, right};
}

Value Padding::schema() const {
  return any_of(
      {choice_schema({"same", "valid"}), side_schema(0), sides_schema(0, 2), sides_schema(0, 4)});
}

Window make_window(int64_t h, int64_t w, const Pair& kernel, const Pair& stride,
                   const Pair& dilation, const Padding& padding) {
  Window window{kernel.h,   kernel.w,        stride.h, stride.w, dilation.h,
                dilation.w, padding.margins, 0,        0};
  Margins& margins = window.padding;
  const int64_t reach_h = (kernel.h - 1) * dilation.h + 1;
  const int64_t reach_w = (kernel.w - 1) * dilation.w + 1;
  // A window that lies in the padding alone would have nothing to look at.
  if (padding.mode == Padding::Mode::explicit_margins &&
      (std::max(margins.top, margins.bottom) >= reach_h ||
       std::max(margins.left, margins.right) >= reach_w))
    fail(ExitCode::experiment, "padding must be smaller than the window of {}x{}", reach_h,
         reach_w);
  place_window(h, kernel.h, stride.h, dilation.h, padding.mode, margins.top, margins.bottom,
               window.out_h);
  place_window(w, kernel.w, stride.w, dilation.w, padding.mode, margins.left, margins.right,
               window.out_w);
  if (window.out_h <= 0 || window.out_w <= 0)
    fail(ExitCode::experiment, "a window of {}x{} does not fit into {}x{}", reach_h, reach_w,
         h + margins.top + margins.bottom, w + margins.left + margins.right);
  return window;
}

void activation_key(Keys& keys, std::string_view key, Activation& value, bool required) {
  keys.choice(key, value,
              {{"none", Activation::none},
               {"relu", Activation::relu},
               {"gelu", Activation::gelu},
               {"silu", Activation::silu},
               {"tanh", Activation::tanh}},
              {.doc = "Function applied to every element of the result; gelu is the exact one "
                      "(by the error function), silu is x * sigmoid(x).",
               .required = required});
}

}  // namespace engine
