#pragma once

// Keys and kinds of values that several stages share.

#include <vector>

#include "engine/core/stage.h"

namespace engine {

/// The key "when": once (for the whole data set) or every_epoch (each time a batch is gathered).
void when_key(Keys& keys, When& when);

/// A number, or an array of numbers, all finite. False for anything else.
bool read_numbers(const Value& value, std::vector<double>& numbers);

/// One number for all channels, one for each channel, or "measured" on the training split.
class ChannelNumbers : public CustomValue {
 public:
  /// positive: numbers must be over 0.
  explicit ChannelNumbers(bool positive) : positive_(positive) {}
  std::optional<std::string> read(const Value& value) override;
  Value write() const override;
  Value schema() const override;
  bool measured() const { return numbers.empty(); }
  std::string brief() const;

  std::vector<double> numbers;  ///< empty: measured

 private:
  bool positive_;
};

}  // namespace engine
