#include "engine/data/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace engine {
namespace {

std::vector<int64_t> count_classes(const ImageSet& set, size_t classes) {
  std::vector<int64_t> counts(classes);
  for (int32_t label : set.labels) ++counts[label];
  return counts;
}

int64_t sum(const std::vector<int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

Array to_array(const auto& items) {
  Array array;
  for (const auto& item : items) array.push_back(Value(item));
  return array;
}

}  // namespace

DataStats data_stats(const Dataset& data) {
  DataStats stats{data.image,
                  data.classes,
                  count_classes(data.train, data.classes.size()),
                  count_classes(data.test, data.classes.size()),
                  {},
                  {},
                  data.fingerprint,
                  data.skipped};
  // A histogram first: then the sums are exact.
  const int64_t channels = data.image.c;
  std::vector<std::array<int64_t, 256>> histogram(channels);
  const std::vector<uint8_t>& pixels = data.train.pixels;
  for (size_t i = 0; i < pixels.size(); i += channels) {
    for (int64_t c = 0; c < channels; ++c) ++histogram[c][pixels[i + c]];
  }
  const double count = static_cast<double>(data.train.shape.pixels());
  for (const auto& bins : histogram) {
    double mean = 0, square = 0;
    for (size_t value = 0; value < bins.size(); ++value) {
      mean += static_cast<double>(bins[value]) * static_cast<double>(value) / 255 / count;
    }
    for (size_t value = 0; value < bins.size(); ++value) {
      const double offset = static_cast<double>(value) / 255 - mean;
      square += static_cast<double>(bins[value]) * offset * offset / count;
    }
    stats.mean.push_back(mean);
    stats.deviation.push_back(std::sqrt(square));
  }
  return stats;
}

std::string to_table(const DataStats& stats) {
  size_t width = 5;
  for (const std::string& name : stats.classes) width = std::max(width, name.size());
  std::string text = fmt::format("{:<{}}  {:>9}  {:>9}\n", "class", width, "training", "test");
  for (size_t i = 0; i < stats.classes.size(); ++i) {
    text += fmt::format("{:<{}}  {:>9}  {:>9}\n", stats.classes[i], width, stats.train[i],
                        stats.test[i]);
  }
  text += fmt::format("{:<{}}  {:>9}  {:>9}\n\n", "all", width, sum(stats.train), sum(stats.test));
  text += fmt::format("images {}, pixels in [0, 1] over the training images:\n",
                      to_string(stats.image));
  text += fmt::format("{:<{}}  {:>9}  {:>9}\n", "channel", width, "mean", "deviation");
  constexpr const char* kColours[] = {"red", "green", "blue"};
  for (size_t c = 0; c < stats.mean.size(); ++c) {
    const char* name = stats.mean.size() == 3 ? kColours[c] : "gray";
    text +=
        fmt::format("{:<{}}  {:>9.4f}  {:>9.4f}\n", name, width, stats.mean[c], stats.deviation[c]);
  }
  return text + fmt::format("fingerprint {}\n", stats.fingerprint);
}

Value to_value(const DataStats& stats) {
  Value value = Object{};
  value.set("image", Array{stats.image.h, stats.image.w, stats.image.c});
  Array classes;
  for (size_t i = 0; i < stats.classes.size(); ++i) {
    Value one = Object{};
    one.set("name", stats.classes[i]);
    one.set("training", stats.train[i]);
    one.set("test", stats.test[i]);
    classes.push_back(std::move(one));
  }
  value.set("classes", std::move(classes));
  value.set("training", sum(stats.train));
  value.set("test", sum(stats.test));
  value.set("mean", to_array(stats.mean));
  value.set("standard_deviation", to_array(stats.deviation));
  value.set("fingerprint", stats.fingerprint);
  value.set("skipped", to_array(stats.skipped));
  return value;
}

}  // namespace engine
