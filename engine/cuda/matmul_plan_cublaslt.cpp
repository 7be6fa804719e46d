// The only source that sees cuBLASLt.

#include <cublasLt.h>

#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <span>

#include "engine/core/error.h"
#include "engine/cuda/matmul_plan.h"
#include "engine/cuda/plan_cache.h"

namespace engine {
namespace {

void check_cublas(cublasStatus_t status, std::string_view doing) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  if (status == CUBLAS_STATUS_ALLOC_FAILED) {
    fail(ExitCode::out_of_memory, "{}: cuBLASLt is out of memory; a smaller batch_size needs less",
         doing);
  }
  fail(ExitCode::device,
       "{}: cuBLASLt says {}; check that the installed cuBLAS fits the driver (`nvidia-smi`)",
       doing, cublasLtGetStatusString(status));
}

/// cuBLASLt's state for one device. Streams are given to its calls, not to it.
class CublasLtLibrary : public DeviceLibrary {
 public:
  explicit CublasLtLibrary(std::span<const cudaStream_t>) {
    check_cublas(cublasLtCreate(&handle_), "starting cuBLASLt");
  }
  CublasLtLibrary(const CublasLtLibrary&) = delete;
  ~CublasLtLibrary() override { cublasLtDestroy(handle_); }
  cublasLtHandle_t handle() const { return handle_; }

 private:
  cublasLtHandle_t handle_ = nullptr;
};

template <auto Destroy>
struct Destroyer {
  template <class T>
  void operator()(T* object) const {
    Destroy(object);
  }
};
template <class Handle, auto Destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroyer<Destroy>>;
using Operation = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

constexpr uint32_t kAlignment = 16;  ///< of all tensors
/// Parts of a long sum, if it is computed in parts, are float32 and added in one order by a second
/// kernel. In place they would be added in the type of the result, as they come.
constexpr uint32_t kReductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;

cudaDataType_t type_of(Precision precision) {
  return precision == Precision::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

cublasComputeType_t arithmetic_of(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return CUBLAS_COMPUTE_32F_PEDANTIC;
    case Precision::tf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Precision::bf16:
      break;
  }
  return CUBLAS_COMPUTE_32F;
}

/// A matrix in cuBLASLt's order, one column behind the other: a tensor's pixel is a column.
struct Matrix {
  int64_t rows, columns, pitch;  ///< pitch: from column to column
};

/// The tensors of PlannedPass::run, by their places there; y is the last.
enum class Tensor : uint8_t { x, w, y };

/// result = a b, where one of the two may be transposed.
struct Roles {
  Tensor a, b, result;
  bool a_transposed = false, b_transposed = false;
};

/// With pixels as columns, and the weights' rows too: y = w^T x, dx = w dy, dw = x dy^T.
Roles roles_of(ConvolutionPass pass) {
  switch (pass) {
    case ConvolutionPass::forward:
      return {.a = Tensor::w, .b = Tensor::x, .result = Tensor::y, .a_transposed = true};
    case ConvolutionPass::backward_data:
      return {.a = Tensor::w, .b = Tensor::y, .result = Tensor::x};
    case ConvolutionPass::backward_filter:
      break;
  }
  return {.a = Tensor::x, .b = Tensor::y, .result = Tensor::w, .b_transposed = true};
}

Matrix matrix_of(const ConvolutionShape& shape, Tensor tensor) {
  const int64_t ins = shape.input.c, outs = shape.output.c;
  switch (tensor) {
    case Tensor::x:
      return {ins, shape.input.pixels(), shape.x_pitch ? shape.x_pitch : ins};
    case Tensor::w:
      return {ins, outs, ins};
    case Tensor::y:
      break;
  }
  return {outs, shape.output.pixels(), shape.y_pitch ? shape.y_pitch : outs};
}

template <class T>
T setting(const cublasLtMatmulAlgo_t& algorithm, cublasLtMatmulAlgoConfigAttributes_t attribute) {
  T value{};
  size_t written = 0;
  check_cublas(
      cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof(value), &written),
      "reading a cuBLASLt algorithm");
  return value;
}

/// "lt66_1f00...": its number, and its bytes, which the same version of cuBLAS takes again. Zeros
/// at their end are left out.
std::string name_of(const cublasLtMatmulAlgo_t& algorithm) {
  std::array<unsigned char, sizeof(algorithm)> bytes{};
  std::memcpy(bytes.data(), &algorithm, sizeof(algorithm));
  size_t count = bytes.size();
  while (count > 0 && bytes[count - 1] == 0) --count;
  std::string name = fmt::format("lt{}_", setting<int32_t>(algorithm, CUBLASLT_ALGO_CONFIG_ID));
  for (size_t i = 0; i < count; ++i) name += fmt::format("{:02x}", bytes[i]);
  return name;
}

std::optional<cublasLtMatmulAlgo_t> parse_algorithm(std::string_view name) {
  cublasLtMatmulAlgo_t algorithm{};
  const size_t digits = name.find('_') + 1;
  if (!name.starts_with("lt") || digits == 0) return std::nullopt;
  const std::string_view hex = name.substr(digits);
  if (hex.empty() || hex.size() % 2 || hex.size() > 2 * sizeof(algorithm)) return std::nullopt;
  std::array<unsigned char, sizeof(algorithm)> bytes{};
  for (size_t i = 0; 2 * i < hex.size(); ++i) {
    const char* const first = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(first, first + 2, bytes[i], 16);
    if (error != std::errc() || end != first + 2) return std::nullopt;
  }
  std::memcpy(&algorithm, bytes.data(), sizeof(algorithm));
  return algorithm;
}

bool is_deterministic(const cublasLtMatmulAlgo_t& algorithm) {
  const auto scheme = setting<uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME);
  return (scheme & ~kReductions) == 0;
}

}  // namespace

/// The product that a pass is, as cuBLASLt is told of it.
struct MatmulEngines::Product {
  Product(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass);

  Layout layout(Tensor tensor) const;
  void describe_epilogue();
  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) const {
    check_cublas(cublasLtMatmulDescSetAttribute(operation.get(), attribute, &value, sizeof(value)),
                 doing);
  }
  Preference preference() const;

  const CudaDevice& device;
  ConvolutionShape shape;
  bool bias;
  Roles roles;
  std::string doing;  ///< for messages
  cublasLtHandle_t handle;
  Operation operation;
  Layout a, b, result;
};

MatmulEngines::Product::Product(CudaDevice& device, const ConvolutionShape& of,
                                ConvolutionPass pass)
    : device(device),
      shape(of),
      bias(of.bias && pass == ConvolutionPass::forward),
      roles(roles_of(pass)),
      doing(name_of(of, pass)),
      handle(device.library<CublasLtLibrary>().handle()) {
  cublasLtMatmulDesc_t made = nullptr;
  check_cublas(cublasLtMatmulDescCreate(&made, arithmetic_of(shape.precision), CUDA_R_32F), doing);
  operation.reset(made);
  set(CUBLASLT_MATMUL_DESC_TRANSA, roles.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_TRANSB, roles.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (pass == ConvolutionPass::forward) describe_epilogue();
  a = layout(roles.a);
  b = layout(roles.b);
  result = layout(roles.result);
}

Layout MatmulEngines::Product::layout(Tensor tensor) const {
  const Matrix matrix = matrix_of(shape, tensor);
  cublasLtMatrixLayout_t made = nullptr;
  check_cublas(cublasLtMatrixLayoutCreate(&made, type_of(shape.precision),
                                          static_cast<uint64_t>(matrix.rows),
                                          static_cast<uint64_t>(matrix.columns), matrix.pitch),
               doing);
  return Layout(made);
}

void MatmulEngines::Product::describe_epilogue() {
  const auto epilogue = shape.bias && shape.relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                        : shape.bias             ? CUBLASLT_EPILOGUE_BIAS
                        : shape.relu             ? CUBLASLT_EPILOGUE_RELU
                                                 : CUBLASLT_EPILOGUE_DEFAULT;
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
  if (!shape.bias) return;
  set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of(shape.precision));
  // Heuristics only want to know how it is aligned.
  set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, reinterpret_cast<const void*>(uintptr_t{kAlignment}));
}

/// What keeps algorithms out of the heuristics' list that must not be in it.
Preference MatmulEngines::Product::preference() const {
  cublasLtMatmulPreference_t made = nullptr;
  check_cublas(cublasLtMatmulPreferenceCreate(&made), doing);
  Preference preference(made);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    check_cublas(cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof(value)),
                 doing);
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kMostWorkspace});
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, kReductions);
  for (const auto alignment :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    set(alignment, kAlignment);
  }
  return preference;
}

/// A product with its algorithm.
class MatmulEngines::Plan final : public PlannedPass {
 public:
  Plan(std::shared_ptr<const Product> product, std::string engine,
       const cublasLtMatmulAlgo_t& algorithm, size_t workspace_bytes)
      : product_(std::move(product)),
        engine_(std::move(engine)),
        algorithm_(algorithm),
        workspace_bytes_(workspace_bytes) {}

  std::string_view library() const override { return "cuBLASLt"; }
  const std::string& engine() const override { return engine_; }
  std::string label() const override { return engine_.substr(0, engine_.find('_')); }
  size_t workspace_bytes() const override { return workspace_bytes_; }

  void run(std::span<void*> memory, void* workspace) const override {
    const Product& p = *product_;
    if (p.bias) p.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(memory[2]));
    const auto address = [&](Tensor tensor) {
      return tensor == Tensor::y ? memory.back() : memory[static_cast<size_t>(tensor)];
    };
    void* const result = address(p.roles.result);
    const float one = 1, zero = 0;
    check_cublas(
        cublasLtMatmul(p.handle, p.operation.get(), &one, address(p.roles.a), p.a.get(),
                       address(p.roles.b), p.b.get(), &zero, result, p.result.get(), result,
                       p.result.get(), &algorithm_, workspace, workspace_bytes_, p.device.stream()),
        p.doing);
  }

 private:
  std::shared_ptr<const Product> product_;
  std::string engine_;
  cublasLtMatmulAlgo_t algorithm_;
  size_t workspace_bytes_;
};

MatmulEngines::MatmulEngines(CudaDevice& device, const ConvolutionShape& shape,
                             ConvolutionPass pass)
    : product_(std::make_shared<const Product>(device, shape, pass)) {}
MatmulEngines::~MatmulEngines() = default;

std::vector<std::string> MatmulEngines::names() {
  const Product& p = *product_;
  const Preference preference = p.preference();
  std::array<cublasLtMatmulHeuristicResult_t, kTimedOfALibrary> found{};
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      p.handle, p.operation.get(), p.a.get(), p.b.get(), p.result.get(), p.result.get(),
      preference.get(), static_cast<int>(found.size()), found.data(), &count);
  std::vector<std::string> names;
  if (status != CUBLAS_STATUS_SUCCESS) return names;
  for (const auto& each : std::span(found).first(static_cast<size_t>(count))) {
    if (each.state == CUBLAS_STATUS_SUCCESS) names.push_back(name_of(each.algo));
  }
  return names;
}

std::unique_ptr<PlannedPass> MatmulEngines::make(const std::string& engine) {
  const auto algorithm = parse_algorithm(engine);
  if (!algorithm) return nullptr;
  const Product& p = *product_;
  cublasLtMatmulHeuristicResult_t checked{};
  const cublasStatus_t status =
      cublasLtMatmulAlgoCheck(p.handle, p.operation.get(), p.a.get(), p.b.get(), p.result.get(),
                              p.result.get(), &*algorithm, &checked);
  if (status != CUBLAS_STATUS_SUCCESS || !is_deterministic(*algorithm)) return nullptr;
  return std::make_unique<Plan>(product_, engine, *algorithm, checked.workspaceSize);
}

std::string matmul_library() {
  const size_t version = cublasLtGetVersion();  // 130100 is 13.1.0
  return fmt::format("cuBLAS {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace engine
