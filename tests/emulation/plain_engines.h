#pragma once

#include "engine/cuda/planned_pass.h"

namespace engine {

/// In place of cuDNN's engines: those of emulated::set_engines(), for every convolution.
class PlainEngines final : public PassEngines {
 public:
  PlainEngines(CudaDevice& device, const ConvolutionShape& shape, ConvolutionPass pass)
      : device_(device), shape_(shape), pass_(pass) {}
  std::vector<std::string> names() override;
  std::unique_ptr<PlannedPass> make(const std::string& engine) override;

 private:
  CudaDevice& device_;
  ConvolutionShape shape_;
  ConvolutionPass pass_;
};

}  // namespace engine
