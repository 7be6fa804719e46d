// Convolutions by cuDNN. The only source that sees its frontend.

#define CUDNN_FRONTEND_SKIP_JSON_LIB
#include <cudnn_frontend.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>

#include "engine/core/error.h"
#include "engine/cuda/convolution.h"

namespace engine {
namespace {

namespace fe = cudnn_frontend;
using fe::graph::Tensor_attributes;
using TensorPointer = std::shared_ptr<Tensor_attributes>;

void check_cudnn(cudnnStatus_t status, std::string_view doing) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  fail(ExitCode::device,
       "{}: cuDNN says {}; check that the installed cuDNN is 9.8 or newer and fits the driver "
       "(`nvidia-smi`)",
       doing, cudnnGetErrorString(status));
}

void check_frontend(fe::error_t error, std::string_view doing) {
  if (error.is_good()) return;
  fail(ExitCode::device,
       "{}: cuDNN says {}; check that the installed cuDNN is 9.8 or newer and fits the driver "
       "(`nvidia-smi`)",
       doing, error.get_message());
}

/// cuDNN's state for one device.
class CudnnLibrary : public DeviceLibrary {
 public:
  explicit CudnnLibrary(cudaStream_t stream) {
    check_cudnn(cudnnCreate(&handle_), "starting cuDNN");
    const cudnnStatus_t status = cudnnSetStream(handle_, stream);
    if (status != CUDNN_STATUS_SUCCESS) cudnnDestroy(handle_);
    check_cudnn(status, "giving cuDNN the device's stream");
  }
  CudnnLibrary(const CudnnLibrary&) = delete;
  ~CudnnLibrary() override { cudnnDestroy(handle_); }
  cudnnHandle_t handle() const { return handle_; }

 private:
  cudnnHandle_t handle_ = nullptr;
};

/// Whom plans are made for: a device that is there, or one that is only described.
struct Target {
  cudnnHandle_t handle = nullptr;
  std::shared_ptr<const fe::DeviceProperties> properties;  ///< instead of a handle
  int sm_version = 0;
};

/// Names of a graph's tensors that have memory. x, w and y also stand for their gradients.
enum Tensor : int64_t { kX = 1, kW, kBias, kY };

TensorPointer add_tensor(fe::graph::Graph& graph, Tensor name, const std::vector<int64_t>& dims,
                         const std::vector<int64_t>& strides) {
  return graph.tensor(Tensor_attributes().set_uid(name).set_dim(dims).set_stride(strides));
}

/// One pass as a graph of cuDNN's operations, planned.
class PassPlan {
 public:
  PassPlan(const ConvolutionShape& shape, ConvolutionPass pass, const Target& target);

  size_t workspace_bytes() const { return workspace_bytes_; }
  const std::string& engine() const { return engine_; }
  /// memory: of the graph's tensors in the order of their names.
  void run(cudnnHandle_t handle, std::span<void*> memory, void* workspace) const {
    const auto count = static_cast<int>(memory.size());
    check_frontend(graph_.execute(handle, memory.data(), count, workspace), doing_);
  }

 private:
  struct Layout {
    std::vector<int64_t> dims, strides;
  };
  static Layout image(const Shape& shape, int64_t pitch);
  Layout x() const { return image(shape_.input, shape_.x_pitch); }
  Layout y() const { return image(shape_.output, shape_.y_pitch); }
  Layout w() const;
  TensorPointer input(Tensor name, const Layout& layout) {
    return add_tensor(graph_, name, layout.dims, layout.strides);
  }
  static void output(const TensorPointer& tensor, Tensor name, const Layout& layout) {
    tensor->set_output(true).set_uid(name).set_dim(layout.dims).set_stride(layout.strides);
  }
  template <class Attributes>
  Attributes window() const;
  void describe_forward();
  void describe_backward_data();
  void describe_backward_filter();
  void choose_engine(const Target& target);

  ConvolutionShape shape_;
  std::string doing_;  ///< for messages
  fe::graph::Graph graph_;
  std::string engine_;
  size_t workspace_bytes_ = 0;
};

PassPlan::PassPlan(const ConvolutionShape& shape, ConvolutionPass pass, const Target& target)
    : shape_(shape), doing_(name_of(shape, pass)) {
  const bool bf16 = shape.precision == Precision::bf16;
  graph_.set_io_data_type(bf16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::FLOAT)
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT);
  if (target.properties) {
    graph_.set_device_properties(target.properties);
    graph_.set_sm_version(target.sm_version);
  }
  switch (pass) {
    case ConvolutionPass::forward:
      describe_forward();
      break;
    case ConvolutionPass::backward_data:
      describe_backward_data();
      break;
    case ConvolutionPass::backward_filter:
      describe_backward_filter();
      break;
  }
  choose_engine(target);
}

/// cuDNN names dimensions in the order NCHW, whatever their order in memory.
PassPlan::Layout PassPlan::image(const Shape& shape, int64_t pitch) {
  if (pitch == 0) pitch = shape.c;
  return {{shape.n, shape.c, shape.h, shape.w},
          {shape.h * shape.w * pitch, 1, shape.w * pitch, pitch}};
}

PassPlan::Layout PassPlan::w() const {
  const int64_t ins = shape_.in_of_group();
  return {{shape_.output.c, ins, shape_.window.kernel_h, shape_.window.kernel_w},
          {shape_.taps() * ins, 1, shape_.window.kernel_w * ins, ins}};
}

template <class Attributes>
Attributes PassPlan::window() const {
  const Window& w = shape_.window;
  return Attributes()
      .set_pre_padding({w.padding.top, w.padding.left})
      .set_post_padding({w.padding.bottom, w.padding.right})
      .set_stride({w.stride_h, w.stride_w})
      .set_dilation({w.dilation_h, w.dilation_w});
}

void PassPlan::describe_forward() {
  const TensorPointer x = input(kX, this->x()), w = input(kW, this->w());
  TensorPointer y = graph_.conv_fprop(x, w, window<fe::graph::Conv_fprop_attributes>());
  if (shape_.bias) {
    const int64_t filters = shape_.output.c;
    const TensorPointer bias = input(kBias, {{1, filters, 1, 1}, {filters, 1, filters, filters}});
    y = graph_.pointwise(y, bias,
                         fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::ADD));
  }
  if (shape_.relu) {
    y = graph_.pointwise(y,
                         fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::RELU_FWD));
  }
  output(y, kY, this->y());
}

void PassPlan::describe_backward_data() {
  const TensorPointer dy = input(kY, y()), w = input(kW, this->w());
  output(graph_.conv_dgrad(dy, w, window<fe::graph::Conv_dgrad_attributes>()), kX, x());
}

void PassPlan::describe_backward_filter() {
  const TensorPointer dy = input(kY, y()), x = input(kX, this->x());
  output(graph_.conv_wgrad(dy, x, window<fe::graph::Conv_wgrad_attributes>()), kW, w());
}

/// The first engine of the heuristics' lists that computes what was asked for and can be built.
void PassPlan::choose_engine(const Target& target) {
  check_frontend(graph_.validate(), doing_);
  check_frontend(graph_.build_operation_graph(target.handle), doing_);
  check_frontend(graph_.create_execution_plans(
                     {fe::HeurMode_t::A, fe::HeurMode_t::B, fe::HeurMode_t::FALLBACK}),
                 doing_);
  if (shape_.precision == Precision::fp32) {
    graph_.deselect_numeric_notes(
        {fe::NumericalNote_t::TENSOR_CORE, fe::NumericalNote_t::DOWN_CONVERT_INPUTS});
  }
  graph_.deselect_numeric_notes({fe::NumericalNote_t::NONDETERMINISTIC});
  check_frontend(graph_.check_support(), doing_);
  check_frontend(graph_.build_plans(fe::BuildPlanPolicy_t::HEURISTICS_CHOICE), doing_);
  check_frontend(graph_.get_plan_name(engine_), doing_);
  workspace_bytes_ = static_cast<size_t>(graph_.get_workspace_size());
}

/// "eng44" of "eng44_k2=12_k18=1".
std::string without_knobs(const std::string& engine) {
  return engine.substr(0, engine.find('_'));
}

class CudnnPlans final : public ConvolutionPlans {
 public:
  CudnnPlans(CudaDevice& device, const ConvolutionShape& shape,
             const std::vector<ConvolutionPass>& passes)
      : handle_(device.library<CudnnLibrary>().handle()) {
    const Target target{.handle = handle_, .properties = nullptr};
    for (const ConvolutionPass pass : passes) {
      const PassPlan& plan = plan_of(pass).emplace(shape, pass, target);
      workspace_bytes_ = std::max(workspace_bytes_, plan.workspace_bytes());
      description_ += (description_.empty() ? "cuDNN " : ", ") + without_knobs(plan.engine());
    }
  }

  size_t workspace_bytes() const override { return workspace_bytes_; }
  std::string description() const override { return description_; }

  void forward(const void* x, const void* w, const void* bias, void* y, void* workspace) override {
    if (bias) {
      run(ConvolutionPass::forward, {x, w, bias, y}, workspace);
    } else {
      run(ConvolutionPass::forward, {x, w, y}, workspace);
    }
  }
  void backward_data(const void* dy, const void* w, void* dx, void* workspace) override {
    run(ConvolutionPass::backward_data, {dx, w, dy}, workspace);
  }
  void backward_filter(const void* x, const void* dy, void* dw, void* workspace) override {
    run(ConvolutionPass::backward_filter, {x, dw, dy}, workspace);
  }

 private:
  std::optional<PassPlan>& plan_of(ConvolutionPass pass) {
    return plans_[static_cast<size_t>(pass)];
  }
  /// cuDNN takes all addresses as void*; it writes only the graph's result.
  void run(ConvolutionPass pass, std::initializer_list<const void*> memory, void* workspace) {
    std::array<void*, 4> pointers{};
    size_t count = 0;
    for (const void* each : memory) pointers[count++] = const_cast<void*>(each);
    plan_of(pass)->run(handle_, std::span(pointers).first(count), workspace);
  }

  cudnnHandle_t handle_;
  std::array<std::optional<PassPlan>, 3> plans_;
  size_t workspace_bytes_ = 0;
  std::string description_;
};

Target described_target(std::string_view device_profile_json) {
  constexpr std::string_view kDoing = "reading a device profile";
  const auto properties = std::make_shared<fe::DeviceProperties>();
  check_frontend(properties->deserialize({device_profile_json.begin(), device_profile_json.end()}),
                 kDoing);
  // Compute capability times 100. The frontend would ask the driver if it were not told.
  constexpr std::string_view kVersion = "\"deviceVer\":";
  const size_t place = device_profile_json.find(kVersion);
  int version = 0;
  if (place != std::string_view::npos) {
    const std::string_view number = device_profile_json.substr(place + kVersion.size());
    std::from_chars(number.data(), number.data() + number.size(), version);
  }
  if (version == 0) fail(ExitCode::device, "{}: it has no number {}", kDoing, kVersion);
  return {.handle = nullptr, .properties = properties, .sm_version = version / 10};
}

size_t bytes(const Shape& shape) {
  return static_cast<size_t>(shape.elements()) * sizeof(float);
}

}  // namespace

std::unique_ptr<ConvolutionPlans> make_convolution_plans(
    CudaDevice& device, const ConvolutionShape& shape, const std::vector<ConvolutionPass>& passes) {
  return std::make_unique<CudnnPlans>(device, shape, passes);
}

std::vector<PlannedConvolution> plan_for_profile(const ConvolutionShape& shape,
                                                 std::string_view device_profile_json) {
  const Target target = described_target(device_profile_json);
  ConvolutionShape packed = shape;
  packed.x_pitch = packed.y_pitch = 0;
  std::vector<PlannedConvolution> planned;
  for (const auto pass : {ConvolutionPass::forward, ConvolutionPass::backward_data,
                          ConvolutionPass::backward_filter}) {
    const PassPlan plan(shape, pass, target);
    const size_t least = PassPlan(packed, pass, target).workspace_bytes();
    const size_t more = plan.workspace_bytes() - std::min(least, plan.workspace_bytes());
    planned.push_back({.pass = pass,
                       .engine = plan.engine(),
                       .workspace_bytes = plan.workspace_bytes(),
                       .repacks = (shape.x_pitch && more >= bytes(shape.input)) ||
                                  (shape.y_pitch && more >= bytes(shape.output))});
  }
  return planned;
}

std::string convolution_library() {
  const size_t version = cudnnGetVersion();  // 91900 is 9.19.0
  return fmt::format("cuDNN {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace engine
