#pragma once

// Programs run as a user runs them: fork and exec, no shell.

#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace engine::test {

struct ProcessOptions {
  std::string folder;                              ///< working folder; empty: this process's
  std::map<std::string, std::string> environment;  ///< added to this process's
  double timeout = 120;  ///< seconds; then it is killed and the test fails
  int terminal = 0;      ///< columns: standard error is a pseudo-terminal; 0: a pipe
};

/// Whether this machine gives out pseudo-terminals: in a bare chroot /dev/pts is not mounted.
bool has_terminals();

struct ProcessResult {
  int code = -1;    ///< exit code; -1 when a signal ended it
  int signal = 0;   ///< that signal
  std::string out;  ///< standard output
  std::string err;  ///< standard error
  double seconds = 0;
};

/// Runs a program (found in PATH unless it has a slash) with standard input closed.
ProcessResult run_process(const std::vector<std::string>& arguments,
                          const ProcessOptions& options = {});
/// The program under test.
ProcessResult run_engine(std::vector<std::string> arguments, const ProcessOptions& options = {});

/// The exit code is what it should be; shows both outputs otherwise.
#define EXPECT_EXIT_CODE(result, expected) \
  EXPECT_PRED2(::engine::test::has_exit_code, result, expected)
#define ASSERT_EXIT_CODE(result, expected) \
  ASSERT_PRED2(::engine::test::has_exit_code, result, expected)

inline bool has_exit_code(const ProcessResult& result, int code) {
  return result.code == code;
}
/// For messages of failed assertions.
void PrintTo(const ProcessResult& result, std::ostream* stream);

}  // namespace engine::test
