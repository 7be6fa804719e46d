// In cuDNN's place: convolutions by plain loops on the emulated GPU's memory, summed in double
// precision. Holds its callers to cuDNN's rules: aligned addresses, only passes that were planned,
// and nothing of theirs in the workspace. Its ReLU makes NaN 0, as the worst of cuDNN's engines
// may.

#include "engine/cuda/convolution.h"
#include "engine/cuda/launch_timer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "engine/cuda/check.h"
#include "tests/emulation/emulator.h"

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

/// The channels of an image, and nothing between them.
void store(const std::vector<double>& sums, const Image& image, const Numbers& to) {
  for (int64_t pixel = 0; pixel < image.shape.pixels(); ++pixel) {
    const size_t first = index(pixel * image.pitch);
    for (size_t c = 0; c < index(image.shape.c); ++c) to.put(first + c, sums[first + c]);
  }
}

void forward(const Loops& loops, Numbers x, Numbers w, const Numbers* bias, Numbers y) {
  std::vector<double> sums(loops.y.elements());
  loops.for_products(
      [&](size_t xi, size_t yi, size_t wi) { sums[yi] += x.factor(xi) * w.factor(wi); });
  for (size_t i = 0; i < sums.size(); ++i) {
    const size_t channel = i % index(loops.y.pitch);
    if (bias && channel < index(loops.shape.output.c)) sums[i] += (*bias)[channel];
    if (loops.shape.relu) sums[i] = sums[i] > 0 ? sums[i] : 0;
  }
  store(sums, loops.y, y);
}

void backward_data(const Loops& loops, Numbers dy, Numbers w, Numbers dx) {
  std::vector<double> sums(loops.x.elements());
  loops.for_products(
      [&](size_t xi, size_t yi, size_t wi) { sums[xi] += dy.factor(yi) * w.factor(wi); });
  store(sums, loops.x, dx);
}

void backward_filter(const Loops& loops, Numbers x, Numbers dy, Numbers dw) {
  std::vector<double> sums(index(loops.shape.weights()));
  loops.for_products(
      [&](size_t xi, size_t yi, size_t wi) { sums[wi] += x.factor(xi) * dy.factor(yi); });
  for (size_t i = 0; i < sums.size(); ++i) dw.put(i, sums[i]);
}

class PlainConvolution final : public ConvolutionPlans {
 public:
  PlainConvolution(CudaDevice& device, const ConvolutionShape& shape,
                   const std::vector<ConvolutionPass>& passes)
      : device_(device), loops_(shape), passes_(passes) {
    check(emulated::library_setup("convolution plans"), "making plans of a convolution");
    if (!device.list()) return;
    for (const auto pass : passes) note_plan(device, shape, pass, description(), kWorkspace);
  }

  size_t workspace_bytes() const override { return kWorkspace; }
  std::string description() const override { return "plain loops"; }

  void forward(const void* x, const void* w, const void* bias, void* y, void* workspace) override {
    if ((bias != nullptr) != loops_.shape.bias) throw std::runtime_error("bias is not as planned");
    queue(ConvolutionPass::forward, {x, w, bias, y}, workspace,
          [loops = loops_, x = of(x), w = of(w), b = of(bias), y = of(y)] {
            engine::forward(loops, x, w, loops.shape.bias ? &b : nullptr, y);
          });
  }
  void backward_data(const void* dy, const void* w, void* dx, void* workspace) override {
    queue(ConvolutionPass::backward_data, {dy, w, dx}, workspace,
          [loops = loops_, dy = of(dy), w = of(w), dx = of(dx)] {
            engine::backward_data(loops, dy, w, dx);
          });
  }
  void backward_filter(const void* x, const void* dy, void* dw, void* workspace) override {
    queue(ConvolutionPass::backward_filter, {x, dy, dw}, workspace,
          [loops = loops_, x = of(x), dy = of(dy), dw = of(dw)] {
            engine::backward_filter(loops, x, dy, dw);
          });
  }

 private:
  Numbers of(const void* data) const { return {data, loops_.shape.precision}; }

  void queue(ConvolutionPass pass, std::initializer_list<const void*> memory, void* workspace,
             const std::function<void()>& work) {
    const std::string name = "convolution " + std::string(to_string(pass));
    if (std::find(passes_.begin(), passes_.end(), pass) == passes_.end()) {
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
                                 [=] {
                                   std::memset(workspace, 0xff, kWorkspace);
                                   work();
                                 }),
          name);
    if (timer) timer->end(noted);
  }

  CudaDevice& device_;
  Loops loops_;
  std::vector<ConvolutionPass> passes_;
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
