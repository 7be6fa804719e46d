// In cuDNN's place: convolutions by plain loops on the emulated GPU's memory, summed in double
// precision, or by another engine in single precision. Holds its callers to cuDNN's rules: aligned
// addresses, and nothing of theirs in the workspace. Its ReLU makes NaN 0, as the worst of cuDNN's
// engines may.

#include "tests/emulation/plain_engines.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "engine/core/error.h"
#include "engine/cuda/check.h"
#include "engine/cuda/matmul_plan.h"
#include "engine/cuda/plan_cache.h"
#include "tests/emulation/emulator.h"
#include "tests/emulation/numbers.h"

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

using emulated::Numbers;

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

/// The loops as a pass that is planned.
class PlainPass final : public PlannedPass {
 public:
  PlainPass(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass,
            const std::string& engine)
      : device_(device), loops_(shape), pass_(pass), engine_(engine) {
    check(emulated::library_setup("convolution plan"), "making the plan of a convolution");
  }

  std::string_view library() const override { return "plain"; }
  const std::string& engine() const override { return engine_; }
  size_t workspace_bytes() const override { return kWorkspace; }

  void run(std::span<void*> memory, void* workspace) const override {
    const std::string name = fmt::format("convolution {} {}", to_string(pass_), engine_);
    const bool bias = loops_.shape.bias && pass_ == ConvolutionPass::forward;
    if (memory.size() != (bias ? 4u : 3u)) {
      throw std::runtime_error(name + ": bias is not as planned");
    }
    for (const void* address : memory) {
      constexpr uintptr_t kAlignment = 16;
      if (reinterpret_cast<uintptr_t>(address) % kAlignment) {
        throw std::runtime_error(name + ": an address is not aligned to 16 bytes");
      }
    }
    const Numbers x = of(memory[0]), w = of(memory[1]), b = of(memory[2]), y = of(memory.back());
    check(emulated::library_call(
              device_.stream(), name,
              [=, loops = loops_, pass = pass_, floats = engine_ == emulated::kFloats] {
                std::memset(workspace, 0xff, kWorkspace);
                const Numbers* const its_bias = bias ? &b : nullptr;
                floats ? compute<float>(loops, pass, x, w, its_bias, y)
                       : compute<double>(loops, pass, x, w, its_bias, y);
              }),
          name);
  }

 private:
  template <class Sum>
  static void compute(const Loops& loops, ConvolutionPass pass, const Numbers& x, const Numbers& w,
                      const Numbers* bias, const Numbers& y) {
    switch (pass) {
      case ConvolutionPass::forward:
        return forward<Sum>(loops, x, w, bias, y);
      case ConvolutionPass::backward_data:
        return backward_data<Sum>(loops, y, w, x);
      case ConvolutionPass::backward_filter:
        return backward_filter<Sum>(loops, x, y, w);
    }
  }
  Numbers of(const void* data) const { return {data, loops_.shape.precision}; }

  CudaDevice& device_;
  Loops loops_;
  ConvolutionPass pass_;
  std::string engine_;
};

}  // namespace

std::vector<std::string> PlainEngines::names() {
  return emulated::known_engines();
}

std::unique_ptr<PlannedPass> PlainEngines::make(const std::string& engine) {
  const std::vector<std::string> known = names();
  if (std::find(known.begin(), known.end(), engine) == known.end()) return nullptr;
  return std::make_unique<PlainPass>(device_, shape_, pass_, engine);
}

namespace {

/// The engines take as long as set_engines() says. Where there is only one, it is not timed.
class PlainTimer final : public EngineTimer {
 public:
  explicit PlainTimer(PlainEngines& engines) : engines_(engines) {}
  std::vector<std::string> engines() override { return engines_.names(); }
  bool make(const std::string& engine) override {
    const std::vector<std::string> known = engines();
    return std::find(known.begin(), known.end(), engine) != known.end();
  }
  std::optional<double> time(const std::string& engine) override {
    const std::vector<std::string> known = engines();
    if (known.size() == 1) return std::nullopt;
    return 1.0 + static_cast<double>(std::find(known.begin(), known.end(), engine) - known.begin());
  }

 private:
  PlainEngines& engines_;
};

}  // namespace

/// Without a race: cuBLASLt's first algorithm for what it can compute, so that the same calls are
/// made every time. That is how most of the tests of dense layers come to it.
std::unique_ptr<PlannedPass> plan_pass(CudaDevice& device, const ConvolutionShape& shape,
                                       ConvolutionPass pass) {
  if (shape.pointwise() && !device.list() && device.products() != ProductLibrary::cudnn) {
    MatmulEngines engines(device, shape, pass);
    for (const std::string& name : engines.names()) {
      if (auto plan = engines.make(name)) return plan;
    }
    fail(ExitCode::device, "{}: cuBLASLt says that it has no algorithm", name_of(shape, pass));
  }
  PlainEngines engines(device, shape, pass);
  if (device.list()) {
    auto plan = engines.make(engines.names().front());
    note_plan(device, shape, pass, plan->engine(), plan->workspace_bytes());
    return plan;
  }
  PlainTimer timer(engines);
  const std::string key = plan_key(shape, pass, device.name(), convolution_library());
  return engines.make(device.choose(key, timer, kTimedOfALibrary));
}

std::string convolution_library() {
  return "convolutions of the emulation";
}

}  // namespace engine
