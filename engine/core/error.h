#pragma once

#include <fmt/format.h>  // format, format_string

#include <stdexcept>
#include <string>
#include <utility>

namespace engine {

/// What the process returns to its caller. Fixed: scripts and schedulers rely on these numbers.
enum class ExitCode : int {
  ok = 0,
  points_failed = 1,  ///< a sweep is done, but some of its points failed
  usage = 2,          ///< the command line
  experiment = 3,     ///< an experiment or sweep file, or shapes that do not fit together
  data = 4,           ///< images, labels, archives
  out_of_memory = 5,  ///< host or device memory
  diverged = 6,       ///< NaN or Inf in training
  storage = 7,        ///< a file could not be written or read back
  device = 8,         ///< no such device, or the device failed
  busy = 9,           ///< another process writes this run folder
  internal = 70,      ///< a defect of the engine itself
  stopped = 75,       ///< stopped by a signal with a good checkpoint: run again to go on
};

/// The one exception type. The message is for the user: it names the file or node, the place, what
/// was expected and what to do. It may hold several lines, one for each finding.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

template <class... Arguments>
[[noreturn]] void fail(ExitCode code, fmt::format_string<Arguments...> format,
                       Arguments&&... arguments) {
  throw Error(code, fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace engine
