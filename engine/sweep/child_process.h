#pragma once

// Other programs, started by fork and exec: never through a shell.

#include <sys/types.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace engine {

struct ChildOptions {
  std::vector<std::string> arguments;  ///< the first is the program: a path, or found in PATH
  std::map<std::string, std::string> environment;  ///< added to this process's
  std::vector<int> cores;  ///< that it may use; empty: those of this process
  std::string out, err;    ///< files that get its output, appended; empty: nobody reads it
};

/// How a process ended.
struct ChildEnd {
  int code = 0;    ///< exit code, when no signal ended it
  int signal = 0;  ///< that signal; 0: none
  bool ok() const { return code == 0 && signal == 0; }
};

/// A running program. It is told to stop (SIGTERM) when this process ends, however that ends.
class ChildProcess {
 public:
  /// Throws Error (internal, storage) when it cannot be started or a file cannot be opened.
  explicit ChildProcess(const ChildOptions& options);
  /// Kills it if it still runs.
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  pid_t id() const { return pid_; }
  void signal(int number) const;
  /// How it ended; nothing while it runs. Does not wait.
  std::optional<ChildEnd> ended();

  /// Waits until one of these may have ended, a signal came to this process, or so long.
  static void wait_for_any(std::span<ChildProcess* const> children, int milliseconds);

 private:
  void close() noexcept;
  pid_t pid_ = -1;
  int fd_ = -1;  ///< readable once it has ended (pidfd_open)
  std::optional<ChildEnd> end_;
};

/// What a program printed, and how it ended.
struct ProgramOutput {
  ChildEnd end;
  bool found = true;  ///< there is such a program
  std::string out, err;
};

/// Runs a program to its end; at most `limit` bytes of each output are kept.
ProgramOutput run_program(const std::vector<std::string>& arguments,
                          size_t limit = size_t{64} << 20);

}  // namespace engine
