// What a process that loads the emulation's libengine_cuda.so is told by its environment:
//   EMULATED_FAILURE=N:ERROR   call number N fails; memory, illegal_address, launch or no_device
//   EMULATED_DRIVER=VERSION    the driver's, as CUDA writes it: 12080; 0: none
//   EMULATED_CAPABILITY=M.N    the GPU's compute capability
//   EMULATED_ENGINES=A,B       convolutions can be computed by engines A and B, A is the fastest
//   EMULATED_CALLS=FILE        takes the names of all calls, a line each

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <stdexcept>

#include "tests/emulation/emulator.h"

namespace emulated {
namespace {

cudaError_t error_of(const std::string& name) {
  static const std::map<std::string, cudaError_t> errors{
      {"memory", cudaErrorMemoryAllocation},
      {"illegal_address", cudaErrorIllegalAddress},
      {"launch", cudaErrorLaunchFailure},
      {"no_device", cudaErrorNoDevice}};
  return errors.at(name);
}

std::vector<std::string> names_in(const std::string& text) {
  std::vector<std::string> names;
  std::istringstream list(text);
  for (std::string name; std::getline(list, name, ',');) names.push_back(name);
  return names;
}

/// Read when the library is loaded, before its first call.
[[maybe_unused]] const bool is_read = [] {
  if (const char* file = std::getenv("EMULATED_CALLS")) log_calls(file);
  if (const char* version = std::getenv("EMULATED_DRIVER")) set_driver(std::atoi(version));
  if (const char* capability = std::getenv("EMULATED_CAPABILITY")) {
    int major = 0, minor = 0;
    if (std::sscanf(capability, "%d.%d", &major, &minor) != 2) {
      throw std::runtime_error("EMULATED_CAPABILITY: expected M.N");
    }
    set_capability(major, minor);
  }
  if (const char* engines = std::getenv("EMULATED_ENGINES")) set_engines(names_in(engines));
  if (const char* failure = std::getenv("EMULATED_FAILURE")) {
    const std::string text = failure;
    const size_t colon = text.find(':');
    if (colon == std::string::npos) throw std::runtime_error("EMULATED_FAILURE: expected N:ERROR");
    fail_call(std::stoull(text.substr(0, colon)), error_of(text.substr(colon + 1)));
  }
  return true;
}();

}  // namespace
}  // namespace emulated
