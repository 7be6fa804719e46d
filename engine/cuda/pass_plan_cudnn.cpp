// The only source that sees cuDNN's frontend.

#include "engine/cuda/pass_plan_cudnn.h"

#define CUDNN_FRONTEND_SKIP_JSON_LIB
#include <cudnn_frontend.h>

#include <charconv>
#include <deque>
#include <optional>

#include "engine/core/error.h"
#include "engine/cuda/device_profiles.h"

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

/// cuDNN's state for one stream.
class CudnnHandle {
 public:
  explicit CudnnHandle(cudaStream_t stream) {
    check_cudnn(cudnnCreate(&handle_), "starting cuDNN");
    const cudnnStatus_t status = cudnnSetStream(handle_, stream);
    if (status != CUDNN_STATUS_SUCCESS) cudnnDestroy(handle_);
    check_cudnn(status, "giving cuDNN the device's stream");
  }
  CudnnHandle(const CudnnHandle&) = delete;
  ~CudnnHandle() { cudnnDestroy(handle_); }
  cudnnHandle_t get() const { return handle_; }

 private:
  cudnnHandle_t handle_ = nullptr;
};

/// One handle for each lane: calls that run side by side share none of cuDNN's state, and none has
/// its stream changed in a step.
class CudnnLibrary : public DeviceLibrary {
 public:
  explicit CudnnLibrary(std::span<const cudaStream_t> streams) {
    for (const cudaStream_t stream : streams) handles_.emplace_back(stream);
  }
  cudnnHandle_t handle(int lane) const { return handles_[static_cast<size_t>(lane)].get(); }

 private:
  std::deque<CudnnHandle> handles_;
};

/// Names of a graph's tensors that have memory. x, w and y also stand for their gradients.
enum Tensor : int64_t { kX = 1, kW, kBias, kY };

TensorPointer add_tensor(fe::graph::Graph& graph, Tensor name, const std::vector<int64_t>& dims,
                         const std::vector<int64_t>& strides) {
  return graph.tensor(Tensor_attributes().set_uid(name).set_dim(dims).set_stride(strides));
}

std::shared_ptr<const fe::DeviceProperties> properties_of(const DeviceProfile& profile,
                                                          std::string_view doing) {
  const auto properties = std::make_shared<fe::DeviceProperties>();
  check_frontend(properties->deserialize({profile.json.begin(), profile.json.end()}), doing);
  return properties;
}

/// An engine's number and knobs.
struct EngineName {
  int64_t engine = 0;
  std::unordered_map<fe::KnobType_t, int64_t> knobs;
};

/// Reads "eng44_k2=12_k18=1". Nothing when the frontend has no word for a knob: old ones.
std::optional<EngineName> parse_engine(std::string_view name) {
  const auto number = [&](std::string_view before, int64_t& value) {
    if (!name.starts_with(before)) return false;
    name.remove_prefix(before.size());
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
    name.remove_prefix(static_cast<size_t>(end - name.data()));
    return error == std::errc();
  };
  EngineName parsed;
  if (!number("eng", parsed.engine)) return std::nullopt;
  while (!name.empty()) {
    int64_t knob = 0, choice = 0;
    if (!number("_k", knob) || !number("=", choice)) return std::nullopt;
    const auto type = fe::convert_from_backend_knob_type(static_cast<cudnnBackendKnobType_t>(knob));
    if (type == fe::KnobType_t::NOT_SET) return std::nullopt;
    parsed.knobs[type] = choice;
  }
  return parsed;
}

}  // namespace

struct PassPlan::Impl {
  Impl(const ConvolutionShape& shape, ConvolutionPass pass, CudaDevice& device);

  struct Layout {
    std::vector<int64_t> dims, strides;
  };
  static Layout image(const Shape& shape, int64_t pitch);
  Layout x() const { return image(shape.input, shape.x_pitch); }
  Layout y() const { return image(shape.output, shape.y_pitch); }
  Layout w() const;
  TensorPointer input(Tensor name, const Layout& layout) {
    return add_tensor(graph, name, layout.dims, layout.strides);
  }
  static void output(const TensorPointer& tensor, Tensor name, const Layout& layout) {
    tensor->set_output(true).set_uid(name).set_dim(layout.dims).set_stride(layout.strides);
  }
  template <class Attributes>
  Attributes window() const;
  void describe_forward();
  void describe_backward_data();
  void describe_backward_filter();
  void bar_engines();
  void take(std::string engine);

  ConvolutionShape shape;
  std::string doing;  ///< for messages
  const CudaDevice& device;
  const CudnnLibrary* library = nullptr;  ///< null on a device that is only described
  fe::graph::Graph graph;
  std::string engine;
  size_t workspace_bytes = 0;
};

PassPlan::Impl::Impl(const ConvolutionShape& of, ConvolutionPass pass, CudaDevice& device)
    : shape(of), doing(name_of(of, pass)), device(device) {
  if (device.profile()) {
    graph.set_device_properties(properties_of(*device.profile(), doing));
    graph.set_sm_version(device.compute_capability());  // it would ask the driver
  } else {
    library = &device.library<CudnnLibrary>();
  }
  const bool bf16 = shape.precision == Precision::bf16;
  graph.set_io_data_type(bf16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::FLOAT)
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT);
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
  check_frontend(graph.validate(), doing);
  check_frontend(graph.build_operation_graph(library ? library->handle(0) : nullptr), doing);
}

/// cuDNN names dimensions in the order NCHW, whatever their order in memory.
PassPlan::Impl::Layout PassPlan::Impl::image(const Shape& shape, int64_t pitch) {
  if (pitch == 0) pitch = shape.c;
  return {{shape.n, shape.c, shape.h, shape.w},
          {shape.h * shape.w * pitch, 1, shape.w * pitch, pitch}};
}

PassPlan::Impl::Layout PassPlan::Impl::w() const {
  const int64_t ins = shape.in_of_group();
  return {{shape.output.c, ins, shape.window.kernel_h, shape.window.kernel_w},
          {shape.taps() * ins, 1, shape.window.kernel_w * ins, ins}};
}

template <class Attributes>
Attributes PassPlan::Impl::window() const {
  const Window& w = shape.window;
  return Attributes()
      .set_pre_padding({w.padding.top, w.padding.left})
      .set_post_padding({w.padding.bottom, w.padding.right})
      .set_stride({w.stride_h, w.stride_w})
      .set_dilation({w.dilation_h, w.dilation_w});
}

void PassPlan::Impl::describe_forward() {
  const TensorPointer x = input(kX, this->x()), w = input(kW, this->w());
  TensorPointer y = graph.conv_fprop(x, w, window<fe::graph::Conv_fprop_attributes>());
  if (shape.bias) {
    const int64_t filters = shape.output.c;
    const TensorPointer bias = input(kBias, {{1, filters, 1, 1}, {filters, 1, filters, filters}});
    y = graph.pointwise(y, bias,
                        fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::ADD));
  }
  if (shape.relu) {
    y = graph.pointwise(y,
                        fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::RELU_FWD));
  }
  output(y, kY, this->y());
}

void PassPlan::Impl::describe_backward_data() {
  const TensorPointer dy = input(kY, y()), w = input(kW, this->w());
  output(graph.conv_dgrad(dy, w, window<fe::graph::Conv_dgrad_attributes>()), kX, x());
}

void PassPlan::Impl::describe_backward_filter() {
  const TensorPointer dy = input(kY, y()), x = input(kX, this->x());
  output(graph.conv_wgrad(dy, x, window<fe::graph::Conv_wgrad_attributes>()), kW, w());
}

/// Bars what does not compute as the precision says, or not the same bits every time.
void PassPlan::Impl::bar_engines() {
  if (shape.precision == Precision::fp32) {
    graph.deselect_numeric_notes(
        {fe::NumericalNote_t::TENSOR_CORE, fe::NumericalNote_t::DOWN_CONVERT_INPUTS});
  }
  graph.deselect_numeric_notes({fe::NumericalNote_t::NONDETERMINISTIC});
}

void PassPlan::Impl::take(std::string name) {
  engine = std::move(name);
  workspace_bytes = static_cast<size_t>(graph.get_workspace_size());
}

PassPlan::PassPlan(const ConvolutionShape& shape, ConvolutionPass pass, CudaDevice& device)
    : impl_(std::make_unique<Impl>(shape, pass, device)) {}
PassPlan::~PassPlan() = default;
PassPlan::PassPlan(PassPlan&&) noexcept = default;

size_t PassPlan::workspace_bytes() const {
  return impl_->workspace_bytes;
}
const std::string& PassPlan::engine() const {
  return impl_->engine;
}

void PassPlan::run(std::span<void*> memory, void* workspace) const {
  const auto count = static_cast<int>(memory.size());
  const cudnnHandle_t handle = impl_->library->handle(impl_->device.lane());
  check_frontend(impl_->graph.execute(handle, memory.data(), count, workspace), impl_->doing);
}

std::vector<std::string> PassPlan::engines(Heuristic heuristic) {
  const auto mode = heuristic == Heuristic::a   ? fe::HeurMode_t::A
                    : heuristic == Heuristic::b ? fe::HeurMode_t::B
                                                : fe::HeurMode_t::FALLBACK;
  std::vector<std::string> names;
  if (impl_->graph.create_execution_plans({mode}).is_bad()) return names;
  names.resize(static_cast<size_t>(impl_->graph.get_execution_plan_count()));
  for (size_t i = 0; i < names.size(); ++i) {
    check_frontend(impl_->graph.get_plan_name_at_index(static_cast<int64_t>(i), names[i]),
                   impl_->doing);
  }
  return names;
}

void PassPlan::plan() {
  check_frontend(impl_->graph.create_execution_plans(
                     {fe::HeurMode_t::A, fe::HeurMode_t::B, fe::HeurMode_t::FALLBACK}),
                 impl_->doing);
  impl_->bar_engines();
  check_frontend(impl_->graph.check_support(), impl_->doing);
  check_frontend(impl_->graph.build_plans(fe::BuildPlanPolicy_t::HEURISTICS_CHOICE), impl_->doing);
  std::string name;
  check_frontend(impl_->graph.get_plan_name(name), impl_->doing);
  impl_->take(std::move(name));
}

bool PassPlan::plan_with(const std::string& engine) {
  // By its number and knobs, which takes no time, or by looking for it in the heuristics' lists.
  const auto parsed = parse_engine(engine);
  const fe::error_t listed =
      parsed ? impl_->graph.create_execution_plan(parsed->engine, parsed->knobs)
             : impl_->graph.create_execution_plans(
                   {fe::HeurMode_t::A, fe::HeurMode_t::B, fe::HeurMode_t::FALLBACK});
  if (listed.is_bad()) return false;
  impl_->bar_engines();
  for (int64_t i = 0; i < impl_->graph.get_execution_plan_count(); ++i) {
    std::string name;
    if (impl_->graph.get_plan_name_at_index(i, name).is_bad() || (!parsed && name != engine))
      continue;
    if (impl_->graph.build_plan_at_index(i).is_bad()) continue;
    impl_->take(engine);
    return true;
  }
  return false;
}

std::string convolution_library() {
  const size_t version = cudnnGetVersion();  // 91900 is 9.19.0
  return fmt::format("cuDNN {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace engine
