#pragma once

#include <csignal>
#include <string_view>

namespace engine {

/// While it lives, SIGINT, SIGTERM, SIGHUP and SIGUSR2 only set a flag, and SIGPIPE is ignored. A
/// second SIGINT ends the process at once, as without a handler. One at a time: signals belong to
/// the process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;

  bool requested() const;
  std::string_view name() const;  ///< "SIGTERM"; empty when none came
};

}  // namespace engine
