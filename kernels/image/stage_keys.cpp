#include "kernels/image/stage_keys.h"

#include <fmt/ranges.h>

#include <cmath>

namespace engine {

void when_key(Keys& keys, When& when) {
  keys.choice(
      "when", when, {{"once", When::once}, {"every_epoch", When::every_epoch}},
      {.doc = "\"once\": for the whole data set before training; \"every_epoch\": each time "
              "a batch is taken. All stages after an every_epoch stage are that too."});
}

bool read_numbers(const Value& value, std::vector<double>& numbers) {
  numbers.clear();
  if (value.is_number()) {
    numbers.push_back(value.number());
  } else if (value.is(Value::Kind::array)) {
    for (const Value& item : value.array()) {
      if (!item.is_number()) return false;
      numbers.push_back(item.number());
    }
  }
  for (double number : numbers) {
    if (!std::isfinite(number)) return false;
  }
  return !numbers.empty();
}

std::optional<std::string> ChannelNumbers::read(const Value& value) {
  const std::string expected = positive_ ? "\"measured\", a number over 0, or one for each channel"
                                         : "\"measured\", a number, or one for each channel";
  if (value.is(Value::Kind::string) && value.string() == "measured") {
    numbers.clear();
    return std::nullopt;
  }
  std::vector<double> found;
  if (!read_numbers(value, found) || found.size() > 4096) return expected;
  for (double number : found) {
    if (positive_ && number <= 0) return expected;
  }
  numbers = std::move(found);
  return std::nullopt;
}

Value ChannelNumbers::write() const {
  if (measured()) return "measured";
  if (numbers.size() == 1) return numbers[0];
  Array array;
  for (double number : numbers) array.push_back(number);
  return array;
}

Value ChannelNumbers::schema() const {
  Value number = Object{};
  number.set("type", "number");
  if (positive_) number.set("exclusiveMinimum", 0);
  Value array = Object{};
  array.set("type", "array");
  array.set("items", number);
  array.set("minItems", 1);
  Value measured = Object{};
  measured.set("enum", Array{"measured"});
  return Object{{"anyOf", Array{measured, number, array}, {}}};
}

std::string ChannelNumbers::brief() const {
  return measured() ? "measured" : fmt::format("{}", fmt::join(numbers, ", "));
}

}  // namespace engine
