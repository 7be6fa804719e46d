// In cuBLASLt's place: products of matrices by plain loops on the emulated GPU's memory, summed in
// double precision, in whatever layout they are described.
//
// Its heuristics first name algorithms that must not be used for the engine's products: one for
// addresses aligned to 256 bytes, one whose sums depend on the order of blocks, one that adds in
// the type of the result, one with a workspace of a gigabyte. Preferences keep them out of the
// list; one that comes in nevertheless says so when it runs. The last algorithm never runs, as now
// and then one of the real ones. ReLU makes NaN 0.

#include <cublasLt.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "tests/emulation/emulator.h"
#include "tests/emulation/numbers.h"

struct cublasLtContext {};
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t arithmetic;
  cublasOperation_t a = CUBLAS_OP_N, b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  cudaDataType_t bias_type = CUDA_R_32F;
};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType_t type;
  size_t rows, columns, pitch;
};
struct cublasLtMatmulPreferenceOpaque_t {
  uint64_t workspace = 0;
  uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t a = 256, b = 256, c = 256, d = 256;  ///< alignments
};

namespace emulated {
namespace {

using Operation = cublasLtMatmulDescOpaque_t;
using Layout = cublasLtMatrixLayoutOpaque_t;

struct Algorithm {
  int32_t number;
  uint32_t alignment = 16;
  size_t workspace = 0;
  uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
  bool runs = true;
};
const std::vector<Algorithm>& algorithms() {
  static const std::vector<Algorithm> all{
      {.number = 1, .alignment = 256},
      {.number = 2, .workspace = 4096, .reduction = CUBLASLT_REDUCTION_SCHEME_INPLACE},
      {.number = 3, .workspace = 4096, .reduction = CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE},
      {.number = 4, .workspace = size_t{1} << 30},
      {.number = 21, .workspace = 1000, .reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE},
      {.number = 66},
      {.number = 67, .runs = false}};
  return all;
}

/// Bytes of an algorithm: a mark of this library's version, its number, and its place above.
constexpr uint64_t kMark = 0x130100;
cublasLtMatmulAlgo_t bytes_of(size_t i) {
  return {{kMark, static_cast<uint64_t>(algorithms()[i].number), 0, i + 1}};
}
const Algorithm* find(const cublasLtMatmulAlgo_t& bytes) {
  for (size_t i = 0; i < algorithms().size(); ++i) {
    const cublasLtMatmulAlgo_t known = bytes_of(i);
    if (std::memcmp(&known, &bytes, sizeof(known)) == 0) return &algorithms()[i];
  }
  return nullptr;
}

cublasStatus_t status_of(cudaError_t error) {
  if (error == cudaSuccess) return CUBLAS_STATUS_SUCCESS;
  return error == cudaErrorMemoryAllocation ? CUBLAS_STATUS_ALLOC_FAILED
                                            : CUBLAS_STATUS_EXECUTION_FAILED;
}

/// Stores an attribute of the type T.
template <class T>
cublasStatus_t store(T& to, const void* value, size_t bytes) {
  if (!value || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

/// op(A) op(B) as loops, with all that the descriptors say when it is queued.
struct Product {
  Operation operation;
  Layout a_layout, b_layout, d_layout;

  bool a_transposed() const { return operation.a == CUBLAS_OP_T; }
  bool b_transposed() const { return operation.b == CUBLAS_OP_T; }
  size_t rows() const { return a_transposed() ? a_layout.columns : a_layout.rows; }
  size_t columns() const { return b_transposed() ? b_layout.rows : b_layout.columns; }
  size_t terms() const { return a_transposed() ? a_layout.rows : a_layout.columns; }
  bool has_bias() const { return operation.epilogue & CUBLASLT_EPILOGUE_BIAS; }
  bool has_relu() const { return operation.epilogue & CUBLASLT_EPILOGUE_RELU; }

  /// Whether sizes and types fit each other.
  bool makes_sense() const {
    const size_t terms_of_b = b_transposed() ? b_layout.columns : b_layout.rows;
    bool good = terms() == terms_of_b && rows() == d_layout.rows && columns() == d_layout.columns;
    for (const Layout* each : {&a_layout, &b_layout, &d_layout}) {
      good = good && each->pitch >= each->rows && each->type == a_layout.type;
    }
    if (has_bias()) good = good && operation.bias_type == d_layout.type && operation.bias;
    const bool exact = operation.arithmetic != CUBLAS_COMPUTE_32F;
    return good && exact == (a_layout.type == CUDA_R_32F);
  }
  Precision precision() const {
    return a_layout.type == CUDA_R_16BF                           ? Precision::bf16
           : operation.arithmetic == CUBLAS_COMPUTE_32F_FAST_TF32 ? Precision::tf32
                                                                  : Precision::fp32;
  }

  void compute(const void* a_memory, const void* b_memory, void* d_memory) const {
    const Numbers a(a_memory, precision()), b(b_memory, precision()), d(d_memory, precision()),
        bias(operation.bias, precision());
    const size_t a_row = a_transposed() ? a_layout.pitch : 1;
    const size_t a_term = a_transposed() ? 1 : a_layout.pitch;
    const size_t b_column = b_transposed() ? 1 : b_layout.pitch;
    const size_t b_term = b_transposed() ? b_layout.pitch : 1;
    // One buffer may be factor and result only if all of it has been read before.
    std::vector<double> sums(rows());
    for (size_t column = 0; column < columns(); ++column) {
      for (size_t row = 0; row < rows(); ++row) {
        double sum = has_bias() ? bias[row] : 0;
        for (size_t i = 0; i < terms(); ++i) {
          sum += a.factor(row * a_row + i * a_term) * b.factor(i * b_term + column * b_column);
        }
        sums[row] = has_relu() ? (sum > 0 ? sum : 0) : sum;
      }
      for (size_t row = 0; row < rows(); ++row) d.put(column * d_layout.pitch + row, sums[row]);
    }
  }
};

/// What the real library would not notice, or only by wrong results.
void expect_fair_use(const Algorithm& algorithm, const std::vector<const void*>& tensors,
                     const void* workspace) {
  if (algorithm.reduction & ~CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) {
    throw std::runtime_error("cublasLtMatmul: the algorithm does not sum as it should");
  }
  for (const void* address : tensors) {
    expect_device_memory("cublasLtMatmul", address);
    if (reinterpret_cast<uintptr_t>(address) % algorithm.alignment) {
      throw std::runtime_error("cublasLtMatmul: an address is not aligned as the algorithm needs");
    }
  }
  constexpr uintptr_t kWorkspaceAlignment = 256;
  if (algorithm.workspace == 0) return;
  expect_device_memory("cublasLtMatmul", workspace);
  if (!workspace || reinterpret_cast<uintptr_t>(workspace) % kWorkspaceAlignment) {
    throw std::runtime_error("cublasLtMatmul: the workspace is not aligned to 256 bytes");
  }
}

}  // namespace
}  // namespace emulated

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  const cublasStatus_t status = emulated::status_of(emulated::library_setup("cublasLtCreate"));
  *handle = status == CUBLAS_STATUS_SUCCESS ? new cublasLtContext : nullptr;
  return status;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion() {
  return 130100;
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS         ? "success"
         : status == CUBLAS_STATUS_ALLOC_FAILED  ? "an allocation failed"
         : status == CUBLAS_STATUS_INVALID_VALUE ? "a value is wrong"
         : status == CUBLAS_STATUS_NOT_SUPPORTED ? "this is not supported"
                                                 : "the GPU failed";
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation,
                                        cublasComputeType_t arithmetic, cudaDataType_t scale) {
  if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  *operation = new cublasLtMatmulDescOpaque_t{arithmetic};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  delete operation;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return emulated::store(operation->a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return emulated::store(operation->b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return emulated::store(operation->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return emulated::store(operation->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return emulated::store(operation->bias_type, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type,
                                          uint64_t rows, uint64_t columns, int64_t pitch) {
  *layout = new cublasLtMatrixLayoutOpaque_t{type, rows, columns, static_cast<size_t>(pitch)};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new cublasLtMatmulPreferenceOpaque_t;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return emulated::store(preference->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return emulated::store(preference->reductions, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      return emulated::store(preference->a, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      return emulated::store(preference->b, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      return emulated::store(preference->c, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return emulated::store(preference->d, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* count) {
  *count = 0;
  if (const cudaError_t error = emulated::library_setup("cublasLtMatmulAlgoGetHeuristic")) {
    return emulated::status_of(error);
  }
  const emulated::Product product{*operation, *a, *b, *d};
  if (!product.makes_sense()) return CUBLAS_STATUS_INVALID_VALUE;
  const auto& p = *preference;
  for (size_t i = 0; i < emulated::algorithms().size() && *count < most; ++i) {
    const emulated::Algorithm& each = emulated::algorithms()[i];
    // Somebody's algorithm needs one of the matrices to be aligned so, the emulation's needs all.
    const uint32_t promised = std::max({p.a, p.b, p.c, p.d});
    if (each.alignment > promised || each.workspace > p.workspace ||
        (each.reduction & ~p.reductions)) {
      continue;
    }
    results[(*count)++] = {.algo = emulated::bytes_of(i),
                           .workspaceSize = each.workspace,
                           .state = CUBLAS_STATUS_SUCCESS};
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t* algorithm,
                                       cublasLtMatmulHeuristicResult_t* result) {
  const emulated::Product product{*operation, *a, *b, *d};
  const emulated::Algorithm* const known = emulated::find(*algorithm);
  if (!known || !product.makes_sense()) return CUBLAS_STATUS_INVALID_VALUE;
  *result = {.workspaceSize = known->workspace, .state = CUBLAS_STATUS_SUCCESS};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute,
                                                    void* value, size_t bytes, size_t* written) {
  const emulated::Algorithm* const known = emulated::find(*algorithm);
  *written = sizeof(int32_t);
  if (!known || bytes != sizeof(int32_t)) return CUBLAS_STATUS_INVALID_VALUE;
  const bool number = attribute == CUBLASLT_ALGO_CONFIG_ID;
  std::memcpy(value, number ? static_cast<const void*>(&known->number) : &known->reduction, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                              const void* alpha, const void* a, cublasLtMatrixLayout_t a_layout,
                              const void* b, cublasLtMatrixLayout_t b_layout, const void* beta,
                              const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              size_t workspace_bytes, cudaStream_t stream) {
  const emulated::Product product{*operation, *a_layout, *b_layout, *d_layout};
  const emulated::Algorithm* const known = emulated::find(*algorithm);
  if (!handle || !known || !product.makes_sense() || known->workspace > workspace_bytes ||
      *static_cast<const float*>(alpha) != 1 || *static_cast<const float*>(beta) != 0 || c != d ||
      c_layout != d_layout) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (!known->runs) return CUBLAS_STATUS_NOT_SUPPORTED;
  std::vector<const void*> tensors{a, b, d};
  if (product.has_bias()) tensors.push_back(operation->bias);
  emulated::expect_fair_use(*known, tensors, workspace);
  return emulated::status_of(
      emulated::library_call(stream, "cublasLtMatmul", [=, bytes = known->workspace] {
        if (bytes > 0) std::memset(workspace, 0xff, bytes);
        product.compute(a, b, d);
      }));
}
