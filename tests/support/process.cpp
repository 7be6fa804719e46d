#include "tests/support/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>

#include "tests/support/paths.h"

namespace engine::test {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] void become(const std::vector<std::string>& arguments, const ProcessOptions& options,
                         int out, int err) {
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, 0);
  dup2(out, 1);
  dup2(err, 2);
  for (int fd = 3; fd < 256; ++fd) close(fd);
  if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(126);
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

/// Reads both pipes to their ends; false when the time is over.
bool drain(int out, int err, double deadline, ProcessResult& result) {
  std::array<pollfd, 2> pipes{pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
  std::array<std::string*, 2> texts{&result.out, &result.err};
  int open_pipes = 2;
  while (open_pipes > 0) {
    const double left = deadline - now();
    if (left <= 0 || poll(pipes.data(), pipes.size(), static_cast<int>(left * 1000) + 1) == 0)
      return false;
    for (size_t i = 0; i < pipes.size(); ++i) {
      if (pipes[i].fd < 0 || !pipes[i].revents) continue;
      std::array<char, 65536> bytes;
      const ssize_t got = read(pipes[i].fd, bytes.data(), bytes.size());
      if (got > 0) {
        texts[i]->append(bytes.data(), static_cast<size_t>(got));
      } else {
        pipes[i].fd = -1;
        --open_pipes;
      }
    }
  }
  return true;
}

/// Two ends, for reading and for the program: of a pipe, or of a terminal with so many columns.
bool make_channel(int columns, std::array<int, 2>& ends) {
  if (columns == 0) return pipe(ends.data()) == 0;
  winsize size{};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = 24;
  return openpty(ends.data(), &ends[1], nullptr, nullptr, &size) == 0;
}

}  // namespace

bool has_terminals() {
  std::array<int, 2> ends;
  if (!make_channel(80, ends)) return false;
  close(ends[0]);
  close(ends[1]);
  return true;
}

ProcessResult run_process(const std::vector<std::string>& arguments,
                          const ProcessOptions& options) {
  std::array<int, 2> out, err;
  if (!make_channel(0, out) || !make_channel(options.terminal, err)) {
    ADD_FAILURE() << "no pipe or terminal";
    return {};
  }
  const double start = now();
  const pid_t child = fork();
  if (child == 0) become(arguments, options, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  ProcessResult result;
  if (!drain(out[0], err[0], start + options.timeout, result)) {
    ADD_FAILURE() << arguments[0] << " ran longer than " << options.timeout << " s";
    kill(child, SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  close(out[0]);
  close(err[0]);
  result.seconds = now() - start;
  if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

ProcessResult run_engine(std::vector<std::string> arguments, const ProcessOptions& options) {
  arguments.insert(arguments.begin(), engine_binary());
  return run_process(arguments, options);
}

void PrintTo(const ProcessResult& result, std::ostream* stream) {
  *stream << "exit code " << result.code << ", signal " << result.signal << "\nstdout:\n"
          << result.out << "\nstderr:\n"
          << result.err;
}

}  // namespace engine::test
