// In cuDNN's place: convolutions by plain loops on the emulated GPU's memory, summed in double
// precision, or by another engine in single precision. Holds its callers to cuDNN's rules: aligned
// addresses, only passes that were planned, and nothing of theirs in the workspace. Its ReLU makes
// NaN 0, as the worst of cuDNN's engines may.

#include "engine/cuda/convolution.h"
#include "engine/cuda/launch_timer.h"
#include "engine/cuda/plan_cache.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <stdexcept>

#include "engine/cuda/check.h"
#include "tests/emulation/emulator.h"

namespace emulated {
namespace {

constexpr const char* kDoubles = "double sums";
constexpr const char* kFloats = "float sums";
std::vector<std::string>& known_engines() {
  static std::vector<std::string> engines{kDoubles};
  return engines;
}

}  // namespace

void set_engines(const std::vector<std::string>& engines) {
  for (const std::string& engine : engines) {
    if (engine != kDoubles && engine != kFloats) throw std::runtime_error("no engine " + engine);
  }
  known_engines() = engines;
}

}  // namespace emulated

namespace engine {
namespace {

constexpr size_t kWorkspace = 1000;

size_t index(int64_t i) {
  return static_cast<size_t>(i);
}

/// Where a tensor's pixels lie.
struct Image {
  Shape shape;
  int64_t pitch;

  size_t at(int64_t n, int64_t h, int64_t w) const {
    return index(((n * shape.h + h) * shape.w + w) * pitch);
  }
  size_t elements() const { return index(shape.pixels() * pitch); }
};

/// The loops of one convolution.
struct Loops {
  ConvolutionShape shape;
  Image x, y;
  int64_t ins, outs;  ///< channels and filters of a group

  explicit Loops(const ConvolutionShape& of)
      : shape(of),
        x{of.input, of.x_pitch ? of.x_pitch : of.input.c},
        y{of.output, of.y_pitch ? of.y_pitch : of.output.c},
        ins(of.in_of_group()),
        outs(of.output.c / of.groups) {}

  /// Calls body(x, y, w) with the indices of the first channel, filter and weight of each group,
  /// pixel of the output and place of the window that lies on the image.
  template <class Body>
  void for_places(const Body& body) const {
    for (int64_t n = 0; n < shape.output.n; ++n) {
      for (int64_t oy = 0; oy < shape.output.h; ++oy) {
        for (int64_t ox = 0; ox < shape.output.w; ++ox) for_places_at(n, oy, ox, body);
      }
    }
  }

  template <class Body>
  void for_places_at(int64_t n, int64_t oy, int64_t ox, const Body& body) const {
    const Window& w = shape.window;
    for (int64_t tap = 0; tap < shape.taps(); ++tap) {
      const int64_t ky = tap / w.kernel_w, kx = tap % w.kernel_w;
      const int64_t iy = oy * w.stride_h - w.padding.top + ky * w.dilation_h;
      const int64_t ix = ox * w.stride_w - w.padding.left + kx * w.dilation_w;
      if (iy < 0 || iy >= shape.input.h || ix < 0 || ix >= shape.input.w) continue;
      for (int64_t group = 0; group < shape.groups; ++group) {
        body(x.at(n, iy, ix) + index(group * ins), y.at(n, oy, ox) + index(group * outs),
             index((group * outs * shape.taps() + tap) * ins));
      }
    }
  }

  /// Calls body(x, y, w) with the indices of every product of the convolution.
  template <class Body>
  void for_products(const Body& body) const {
    for_places([&](size_t x, size_t y, size_t w) {
      for (int64_t f = 0; f < outs; ++f) {
        const size_t row = w + index(f * shape.taps() * ins);
        for (int64_t c = 0; c < ins; ++c) body(x + index(c), y + index(f), row + index(c));
      }
    });
  }
};

/// The float nearest to value that has only so many bits of mantissa, of two equally near ones the
/// even one.
float round_mantissa(float value, int bits) {
  constexpr int kMantissa = 23;
  if (!std::isfinite(value)) return value;
  const auto word = std::bit_cast<uint32_t>(value);
  const int dropped = kMantissa - bits;
  const uint32_t half = (1u << (dropped - 1)) - 1 + (word >> dropped & 1);
  return std::bit_cast<float>((word + half) >> dropped << dropped);
}

/// A tensor's memory as numbers.
class Numbers {
 public:
  Numbers(const void* data, Precision precision) : data_(data), precision_(precision) {}

  double operator[](size_t i) const {
    if (precision_ != Precision::bf16) return static_cast<const float*>(data_)[i];
    return std::bit_cast<float>(uint32_t{static_cast<const uint16_t*>(data_)[i]} << 16);
  }
  /// As a product takes it.
  double factor(size_t i) const {
    constexpr int kTf32 = 10;
    const double value = (*this)[i];
    return precision_ == Precision::tf32 ? round_mantissa(static_cast<float>(value), kTf32) : value;
  }
  void put(size_t i, double value) const {
    constexpr int kBf16 = 7;
    const auto number = static_cast<float>(value);
    if (precision_ == Precision::bf16) {
      const float rounded = round_mantissa(number, kBf16);
      static_cast<uint16_t*>(const_cast<void*>(data_))[i] =
          static_cast<uint16_t>(std::bit_cast<uint32_t>(rounded) >> 16 | std::isnan(number));
    } else {
      static_cast<float*>(const_cast<void*>(data_))[i] = number;
    }
  }

 private:
  const void* data_;
  Precision precision_;
};

template <class Sum>
void add(Sum& sum, double value) {
  sum = static_cast<Sum>(sum + value);
}

/// The channels of an image, and nothing between them.
template <class Sum>
void store(const std::vector<Sum>& sums, const Image& image, const Numbers& to) {
  for (int64_t pixel = 0; pixel < image.shape.pixels(); ++pixel) {
    const size_t first = index(pixel * image.pitch);
    for (size_t c = 0; c < index(image.shape.c); ++c) to.put(first + c, sums[first + c]);
  }
}

template <class Sum>
void forward(const Loops& loops, Numbers x, Numbers w, const Numbers* bias, Numbers y) {
  std::vector<Sum> sums(loops.y.elements());
  loops.for_products(
      [&](size_t xi, size_t yi, size_t wi) { add(sums[yi], x.factor(xi) * w.factor(wi)); });
  for (size_t i = 0; i < sums.size(); ++i) {
    const size_t channel = i % index(loops.y.pitch);
    if (bias && channel < index(loops.shape.output.c)) add(sums[i], (*bias)[channel]);
    if (loops.shape.relu) sums[i] = sums[i] > 0 ? sums[i] : 0;
  }
  store(sums, loops.y, y);
}

template <class Sum>
void backward_data(const Loops& loops, Numbers dy, Numbers w, Numbers dx) {
  std::vector<Sum> sums(loops.x.elements());
  loops.for_products(
      [&](size_t xi, size_t yi, size_t wi) { add(sums[xi], dy.factor(yi) * w.factor(wi)); });
  store(sums, loops.x, dx);
}

template <class Sum>
void backward_filter(const Loops& loops, Numbers x, Numbers dy, Numbers dw) {
  std::vector<Sum> sums(index(loops.shape.weights()));
  loops.for_products(
      [&](size_t xi, size_t yi, size_t wi) { add(sums[wi], x.factor(xi) * dy.factor(yi)); });
  for (size_t i = 0; i < sums.size(); ++i) dw.put(i, sums[i]);
}

/// The engines take as long as set_engines() says. Where there is only one, it is not timed.
class PlainTimer : public EngineTimer {
 public:
  std::vector<std::string> engines() override { return emulated::known_engines(); }
  bool make(const std::string& engine) override { return place(engine) < count(); }
  std::optional<double> time(const std::string& engine) override {
    if (count() == 1) return std::nullopt;
    return 1.0 + static_cast<double>(place(engine));
  }

 private:
  static size_t count() { return emulated::known_engines().size(); }
  static size_t place(const std::string& engine) {
    const std::vector<std::string>& all = emulated::known_engines();
    return index(std::find(all.begin(), all.end(), engine) - all.begin());
  }
};

class PlainConvolution final : public ConvolutionPlans {
 public:
  PlainConvolution(CudaDevice& device, const ConvolutionShape& shape,
                   const std::vector<ConvolutionPass>& passes)
      : device_(device), loops_(shape) {
    check(emulated::library_setup("convolution plans"), "making plans of a convolution");
    for (const auto pass : passes) plan(pass);
  }

  size_t workspace_bytes() const override { return kWorkspace; }
  std::string description() const override { return engines_.begin()->second; }

  void forward(const void* x, const void* w, const void* bias, void* y, void* workspace) override {
    if ((bias != nullptr) != loops_.shape.bias) throw std::runtime_error("bias is not as planned");
    queue(ConvolutionPass::forward, {x, w, bias, y}, workspace,
          [loops = loops_, x = of(x), w = of(w), b = of(bias), y = of(y)](bool floats) {
            floats ? engine::forward<float>(loops, x, w, loops.shape.bias ? &b : nullptr, y)
                   : engine::forward<double>(loops, x, w, loops.shape.bias ? &b : nullptr, y);
          });
  }
  void backward_data(const void* dy, const void* w, void* dx, void* workspace) override {
    queue(ConvolutionPass::backward_data, {dy, w, dx}, workspace,
          [loops = loops_, dy = of(dy), w = of(w), dx = of(dx)](bool floats) {
            floats ? engine::backward_data<float>(loops, dy, w, dx)
                   : engine::backward_data<double>(loops, dy, w, dx);
          });
  }
  void backward_filter(const void* x, const void* dy, void* dw, void* workspace) override {
    queue(ConvolutionPass::backward_filter, {x, dy, dw}, workspace,
          [loops = loops_, x = of(x), dy = of(dy), dw = of(dw)](bool floats) {
            floats ? engine::backward_filter<float>(loops, x, dy, dw)
                   : engine::backward_filter<double>(loops, x, dy, dw);
          });
  }

 private:
  Numbers of(const void* data) const { return {data, loops_.shape.precision}; }

  void plan(ConvolutionPass pass) {
    PlainTimer timer;
    if (device_.list()) {
      engines_[pass] = timer.engines().front();
      return note_plan(device_, loops_.shape, pass, engines_[pass], kWorkspace);
    }
    const std::string key = plan_key(loops_.shape, pass, device_.name(), convolution_library());
    engines_[pass] = device_.choose(key, timer);
  }

  /// work(whether its sums are floats)
  void queue(ConvolutionPass pass, std::initializer_list<const void*> memory, void* workspace,
             const std::function<void(bool floats)>& work) {
    const std::string name = "convolution " + std::string(to_string(pass));
    if (!engines_.contains(pass)) {
      throw std::runtime_error(name + " was not planned");
    }
    const LaunchList::Launch noted{.kernel = name, .bytes = moved_bytes(loops_.shape, pass)};
    if (LaunchList* list = device_.list()) return list->add(noted);
    for (const void* address : memory) {
      constexpr uintptr_t kAlignment = 16;
      if (reinterpret_cast<uintptr_t>(address) % kAlignment) {
        throw std::runtime_error(name + ": an address is not aligned to 16 bytes");
      }
    }
    LaunchTimer* const timer = device_.timer();
    if (timer) timer->begin();
    check(emulated::library_call(device_.stream(), name,
                                 [=, floats = engines_.at(pass) == emulated::kFloats] {
                                   std::memset(workspace, 0xff, kWorkspace);
                                   work(floats);
                                 }),
          name);
    if (timer) timer->end(noted);
  }

  CudaDevice& device_;
  Loops loops_;
  std::map<ConvolutionPass, std::string> engines_;
};

}  // namespace

std::unique_ptr<ConvolutionPlans> make_convolution_plans(
    CudaDevice& device, const ConvolutionShape& shape, const std::vector<ConvolutionPass>& passes) {
  return std::make_unique<PlainConvolution>(device, shape, passes);
}

std::string convolution_library() {
  return "convolutions of the emulation";
}

}  // namespace engine
