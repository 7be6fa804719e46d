#include "engine/run/fit_weights.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <unordered_map>

#include "engine/core/bf16.h"
#include "engine/core/error.h"
#include "engine/core/problems.h"

namespace engine {
namespace {

constexpr std::string_view kCounter = ".num_batches_tracked";
constexpr size_t kShown = 20;

struct Wanted {
  std::string name;
  std::vector<int64_t> dims;
};

/// IEEE half precision: 5 bits of exponent, 10 of fraction.
float from_half(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float magnitude = 0;
  if (exponent == 31) {
    magnitude = fraction ? NAN : INFINITY;
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  }
  return bits >> 15 ? -magnitude : magnitude;
}

template <class From, class Convert>
void convert_to(NamedTensor& tensor, const Convert& convert) {
  std::vector<std::byte> bytes(static_cast<size_t>(tensor.elements()) * sizeof(float));
  for (size_t i = 0; i < bytes.size() / sizeof(float); ++i) {
    From from;
    std::memcpy(&from, tensor.bytes.data() + i * sizeof from, sizeof from);
    const float to = convert(from);
    std::memcpy(bytes.data() + i * sizeof to, &to, sizeof to);
  }
  tensor.bytes = std::move(bytes);
  tensor.dtype = DType::f32;
}

/// False for types that are no real numbers.
bool make_f32(NamedTensor& tensor) {
  switch (tensor.dtype) {
    case DType::f32:
      return true;
    case DType::f64:
      convert_to<double>(tensor, [](double value) { return static_cast<float>(value); });
      return true;
    case DType::f16:
      convert_to<uint16_t>(tensor, from_half);
      return true;
    case DType::bf16:
      convert_to<Bf16>(tensor, [](Bf16 value) { return to_float(value); });
      return true;
    case DType::u8:
    case DType::i32:
    case DType::i64:
      break;
  }
  return false;
}

std::string dims_text(const std::vector<int64_t>& dims) {
  return fmt::format("[{}]", fmt::join(dims, ", "));
}

/// What other programs' orders have in common with the one expected.
std::string order_hint(const std::vector<int64_t>& dims, const std::vector<int64_t>& wanted) {
  if (dims.size() != wanted.size() ||
      !std::is_permutation(dims.begin(), dims.end(), wanted.begin()))
    return {};
  if (dims.size() == 2) return ": transpose it, the order is [out, in]";
  return ": is it in another order? Expected [out, in / groups, height, width]";
}

class Fitting {
 public:
  Fitting(const Graph& graph, std::vector<NamedTensor> tensors) : tensors_(std::move(tensors)) {
    for (const Node& node : graph.nodes) {
      for (const ParameterSpec& spec : node.signature.parameters) {
        wanted_.push_back({node.name + "." + spec.name, spec.dims});
      }
    }
    for (size_t i = 0; i < wanted_.size(); ++i) place_[wanted_[i].name] = i;
  }

  FittedWeights run(const std::string& path) {
    result_.parameters.resize(wanted_.size());
    for (NamedTensor& tensor : tensors_) take(tensor);
    for (size_t i = 0; i < wanted_.size(); ++i) {
      if (result_.parameters[i].name.empty()) missing_.push_back(wanted_[i].name);
    }
    report_names();
    if (problems_.empty()) return std::move(result_);
    const size_t more = problems_.size() > kShown ? problems_.size() - kShown : 0;
    problems_.resize(problems_.size() - more);
    fail(ExitCode::data, "{}: the weights do not fit the network:\n  {}{}", path,
         fmt::join(problems_, "\n  "), more ? fmt::format("\n  and {} more", more) : "");
  }

 private:
  void take(NamedTensor& tensor) {
    const auto found = place_.find(tensor.name);
    if (found == place_.end()) {
      (is_counter(tensor.name) ? result_.ignored : unknown_).push_back(tensor.name);
      return;
    }
    NamedTensor& place = result_.parameters[found->second];
    place.name = tensor.name;
    const std::vector<int64_t>& dims = wanted_[found->second].dims;
    if (tensor.dims != dims) {
      problems_.push_back(fmt::format("\"{}\" is {}, the network has {}{}", tensor.name,
                                      dims_text(tensor.dims), dims_text(dims),
                                      order_hint(tensor.dims, dims)));
      return;
    }
    const DType type = tensor.dtype;
    if (!make_f32(tensor)) {
      problems_.push_back(
          fmt::format("\"{}\" is {}, expected float32, float64, float16 or bfloat16", tensor.name,
                      to_string(type)));
      return;
    }
    if (type != DType::f32) result_.converted.push_back(tensor.name);
    const float* values = tensor.f32();
    const auto bad = std::find_if_not(values, values + tensor.elements(),
                                      [](float value) { return std::isfinite(value); });
    if (bad != values + tensor.elements()) {
      problems_.push_back(fmt::format("\"{}\" holds {} at element {}{}: expected finite numbers",
                                      tensor.name, *bad, bad - values,
                                      type == DType::f64 ? " (as float32)" : ""));
    }
    place = std::move(tensor);
  }

  /// "bn.num_batches_tracked" beside "bn.running_mean".
  bool is_counter(const std::string& name) const {
    if (!name.ends_with(kCounter)) return false;
    return place_.contains(name.substr(0, name.size() - kCounter.size()) + ".running_mean");
  }

  void report_names() {
    if (report_prefix()) return;
    std::vector<std::string_view> free(missing_.begin(), missing_.end());
    for (const std::string& name : unknown_) {
      problems_.push_back(
          fmt::format("\"{}\" is not in the network{}", name, did_you_mean(name, free)));
    }
    for (const std::string& name : missing_) {
      problems_.push_back(fmt::format("\"{}\" is missing", name));
    }
  }

  /// All would be right without a first part that wrappers of PyTorch add ("module.").
  bool report_prefix() {
    if (missing_.empty() || unknown_.size() < missing_.size()) return false;
    const std::string& one = unknown_.front();
    for (size_t dot = one.find('.'); dot != std::string::npos; dot = one.find('.', dot + 1)) {
      const std::string prefix = one.substr(0, dot + 1);
      const bool all = std::all_of(missing_.begin(), missing_.end(), [&](const std::string& name) {
        return std::find(unknown_.begin(), unknown_.end(), prefix + name) != unknown_.end();
      });
      if (!all) continue;
      problems_.push_back(fmt::format(
          "every name begins with \"{}\", the network's do not; in Python: {{name.removeprefix"
          "(\"{}\"): value for name, value in state.items()}}",
          prefix, prefix));
      return true;
    }
    return false;
  }

  std::vector<NamedTensor> tensors_;
  std::vector<Wanted> wanted_;
  std::unordered_map<std::string, size_t> place_;
  FittedWeights result_;
  std::vector<std::string> unknown_, missing_, problems_;
};

}  // namespace

FittedWeights fit_weights(const Graph& graph, std::vector<NamedTensor> tensors,
                          const std::string& path) {
  return Fitting(graph, std::move(tensors)).run(path);
}

}  // namespace engine
