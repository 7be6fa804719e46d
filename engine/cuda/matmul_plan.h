#pragma once

// Pointwise convolutions as cuBLASLt's products of matrices.

#include "engine/cuda/planned_pass.h"

namespace engine {

/// cuBLASLt's algorithms for a pass of a convolution that is pointwise(): dense layers and 1x1
/// convolutions. Pixels are the rows of matrices whose pitches are the tensors', so slices cost
/// nothing; bias and ReLU are part of the product.
///
/// All of them give the same bits every time, use no more than kMostWorkspace, take addresses that
/// are aligned to 16 bytes, and sum in float32: of fp32's factors no bit is dropped, of tf32's 13
/// may be.
class MatmulEngines final : public PassEngines {
 public:
  /// Throws Error (device, out_of_memory) when cuBLASLt does not work.
  MatmulEngines(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass);
  ~MatmulEngines() override;

  /// At most kTimedOfALibrary; none where cuBLASLt cannot compute the pass.
  std::vector<std::string> names() override;
  std::unique_ptr<PlannedPass> make(const std::string& engine) override;

 private:
  struct Product;
  class Plan;
  std::shared_ptr<const Product> product_;
};

/// "cuBLAS 13.1.0".
std::string matmul_library();

}  // namespace engine
