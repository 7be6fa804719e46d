#include "engine/sweep/combinations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/core/random.h"

namespace engine {
namespace {

/// Numbers are rounded to four digits: they are read, typed and compared by people.
double rounded(double value) {
  return std::stod(fmt::format("{:.4g}", value));
}

Value drawn_value(const RandomParameter& parameter, double share) {
  switch (parameter.kind) {
    case RandomParameter::Kind::uniform:
      return std::clamp(rounded(parameter.low + share * (parameter.high - parameter.low)),
                        parameter.low, parameter.high);
    case RandomParameter::Kind::log_uniform:
      return std::clamp(rounded(parameter.low * std::pow(parameter.high / parameter.low, share)),
                        parameter.low, parameter.high);
    case RandomParameter::Kind::integer: {
      const double count = parameter.high - parameter.low + 1;
      return static_cast<int64_t>(parameter.low + std::min(std::floor(share * count), count - 1));
    }
    case RandomParameter::Kind::choice:
      break;
  }
  const auto count = static_cast<double>(parameter.choices.size());
  return parameter.choices[static_cast<size_t>(std::min(std::floor(share * count), count - 1))];
}

}  // namespace

/// Each value is a function of (seed, key, number of the draw): a larger count keeps the first.
std::vector<Combination> draws(const SweepFile& file, size_t& repeated) {
  if (file.random.empty()) return {Combination()};
  std::vector<Combination> all;
  std::set<std::string> seen;
  for (int64_t i = 0; i < file.random_count; ++i) {
    Combination draw;
    std::string text;
    for (const RandomParameter& parameter : file.random) {
      const RandomKey key{static_cast<uint32_t>(file.random_seed),
                          random_stream("sweep", parameter.key)};
      const Philox4 words = key.draw(static_cast<uint32_t>(i), 0, 0);
      const uint64_t bits = (uint64_t{words.word[0]} << 21) ^ (words.word[1] >> 11);
      Value value = drawn_value(parameter, static_cast<double>(bits) * 0x1p-53);
      value.origin = parameter.origin;
      text += to_json(value, -1) + ",";
      draw.push_back({parameter.key, std::move(value)});
    }
    seen.insert(text).second ? all.push_back(std::move(draw)) : void(++repeated);
  }
  return all;
}

std::vector<Combination> combinations(const std::vector<Factor>& grid) {
  std::vector<Combination> all{Combination()};
  for (const Factor& factor : grid) {
    std::vector<Combination> longer;
    for (const Combination& begun : all) {
      for (const Value& value : factor.values) {
        longer.push_back(begun);
        longer.back().push_back({factor.key, value});
      }
    }
    all = std::move(longer);
  }
  return all;
}

}  // namespace engine
