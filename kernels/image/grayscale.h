#pragma once

#include <array>

#include "engine/core/stage.h"

namespace engine {

/// "mean" (1/3 each), "luma" (Rec. 601: 0.299, 0.587, 0.114), or three numbers [r, g, b].
class GrayWeights : public CustomValue {
 public:
  enum class Mode : uint8_t { mean, luma, own };

  std::optional<std::string> read(const Value& value) override;
  Value write() const override;
  Value schema() const override;
  std::array<double, 3> numbers() const;

  Mode mode = Mode::mean;
  std::array<double, 3> own{};
};

/// Three channels become one: the weighted sum of red, green and blue. An image that has one
/// channel already is left alone.
class Grayscale : public Stage {
 public:
  std::string_view type() const override { return "grayscale"; }
  void keys(Keys& keys) override;
  When when() const override { return when_; }
  Shape infer(Shape input) const override;
  PortableValue portable(const PortableStage& stage) const override;
  std::string brief() const override;

  GrayWeights weights;

 private:
  When when_ = When::once;
};

}  // namespace engine
