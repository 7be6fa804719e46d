#pragma once

// One pass of a convolution as some library computes it, and the choice between libraries.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cuda/convolution.h"

namespace engine {

/// A pass that is ready to run.
class PlannedPass {
 public:
  virtual ~PlannedPass() = default;
  virtual std::string_view library() const = 0;
  /// The name of the library's engine, by which it can be had again: a short name, and after the
  /// first '_' all that the library needs to know besides.
  virtual const std::string& engine() const = 0;
  /// What lists call it: all of its name that says something to people.
  virtual std::string label() const { return engine(); }
  virtual size_t workspace_bytes() const = 0;
  /// Queues the pass. memory: x or dx, w or dw, bias if there is one, y or dy, all aligned to 16
  /// bytes; the workspace to 256. Throws Error.
  virtual void run(std::span<void*> memory, void* workspace) const = 0;
};

/// What a library has for one pass.
class PassEngines {
 public:
  virtual ~PassEngines() = default;
  /// Names of engines, the most promising first. Not all of them can be made.
  virtual std::vector<std::string> names() = 0;
  /// Null: the engine is not of this library, or does not compute this pass as it has to.
  virtual std::unique_ptr<PlannedPass> make(const std::string& engine) = 0;
};

/// Engines that need more are left out.
inline constexpr size_t kMostWorkspace = size_t{256} << 20;

/// The fastest engine of some libraries: that which the device remembers (CudaDevice::choose), or
/// the first in a race of a few of each. versions names the libraries for the cache. Null: no
/// engine can be made.
std::unique_ptr<PlannedPass> fastest_pass(CudaDevice& device, const ConvolutionShape& shape,
                                          ConvolutionPass pass, std::string_view versions,
                                          std::vector<std::unique_ptr<PassEngines>> libraries);

/// What make_convolution_plans() runs for a pass: for a device that is only described, it is noted.
/// Throws Error (device) when there is no way to compute it.
std::unique_ptr<PlannedPass> plan_pass(CudaDevice& device, const ConvolutionShape& shape,
                                       ConvolutionPass pass);

}  // namespace engine
