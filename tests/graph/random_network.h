#pragma once

#include <fmt/format.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace engine::test {

/// A random network over images of 8x8x4 in which every value has a user. All values keep height
/// and width, so that any may meet any other.
class RandomNetwork {
 public:
  explicit RandomNetwork(uint32_t seed) : random_(seed) {
    channels_[""] = 4;
    const int count = 3 + static_cast<int>(random_() % 14);
    for (int i = 0; i < count; ++i) add_node("n" + std::to_string(i));
    close();
  }
  std::string json() const {
    std::string text = R"({"image": [8, 8, 4], "classes": 3, "batch": 2, "label_smoothing": 0.1,
      "optimizer": {"type": "sgd"}, "network": {"nodes": [)";
    return text + nodes_ + "]}}";
  }

 private:
  std::string pick() {
    auto found = channels_.begin();
    std::advance(found, random_() % channels_.size());
    // Values that nobody uses yet come first, or the end would be one wide concat.
    if (!unused_.empty() && random_() % 3) return unused_[random_() % unused_.size()];
    return found->first;
  }
  void emit(const std::string& name, const std::string& rest,
            const std::vector<std::string>& inputs, int channels) {
    std::string list;
    for (const std::string& input : inputs) {
      std::erase(unused_, input);
      list += (list.empty() ? "\"" : ", \"") + (input.empty() ? "$input" : input) + '"';
    }
    nodes_ += fmt::format(R"({}{{"name": "{}", {}, "{}": {}}})", nodes_.empty() ? "" : ",\n", name,
                          rest, inputs.size() == 1 ? "input" : "inputs",
                          inputs.size() == 1 ? list : '[' + list + ']');
    channels_[name] = channels;
    unused_.push_back(name);
  }
  std::string activation() {
    constexpr const char* kNames[] = {"relu", "gelu", "silu", "tanh"};
    return kNames[random_() % 4];
  }
  void add_node(const std::string& name) {
    const std::string a = pick();
    const int c = channels_.at(a);
    switch (random_() % 9) {
      case 0:
      case 1: {
        const int filters = 1 + static_cast<int>(random_() % 9);
        return emit(
            name,
            fmt::format(R"("op": "conv2d", "filters": {}, "kernel": {}, "activation": "{}")",
                        filters, 1 + random_() % 3, random_() % 2 ? activation() : "none"),
            {a}, filters);
      }
      case 2:
        return emit(name, fmt::format(R"("op": "activation", "function": "{}")", activation()), {a},
                    c);
      case 3:
        return emit(name, R"("op": "batch_normalization")", {a}, c);
      case 4:
        return emit(name, R"("op": "max_pool", "kernel": 3, "stride": 1)", {a}, c);
      case 5:
        return emit(name, R"("op": "dropout", "rate": 0.3)", {a}, c);
      case 6: {
        std::vector<std::string> inputs{a};
        for (const auto& [other, channels] : channels_) {
          if (channels == c && inputs.size() < 2 + random_() % 3) inputs.push_back(other);
        }
        if (inputs.size() < 2) inputs.push_back(a);
        return emit(name, R"("op": "add")", inputs, c);
      }
      default: {
        std::vector<std::string> inputs{a};
        int sum = c;
        for (size_t more = random_() % 4; more > 0 && sum < 40; --more) {
          inputs.push_back(pick());
          sum += channels_.at(inputs.back());
        }
        return emit(name, R"("op": "concat")", inputs, sum);
      }
    }
  }
  void close() {
    const std::vector<std::string> ends = unused_;
    int sum = 0;
    for (const std::string& end : ends) sum += channels_.at(end);
    emit("end", R"("op": "concat")", ends, sum);
    emit("flat", random_() % 2 ? R"("op": "flatten")" : R"("op": "global_average_pool")", {"end"},
         0);
    emit("fc", R"("op": "dense", "units": 3)", {"flat"}, 3);
  }

  std::mt19937 random_;
  std::map<std::string, int> channels_;
  std::vector<std::string> unused_;
  std::string nodes_;
};

}  // namespace engine::test
