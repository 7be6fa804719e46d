#include "engine/sweep/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <utility>

#include "engine/core/error.h"

extern char** environ;

namespace engine {
namespace {

constexpr int kCannotStart = 127;  // a shell's code for it

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

int open_output(const std::string& path) {
  const int fd = path.empty()
                     ? ::open("/dev/null", O_WRONLY | O_CLOEXEC)
                     : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) fail(ExitCode::storage, "{}: cannot open: {}", path, std::strerror(errno));
  return fd;
}

/// argv and envp as exec takes them: made before fork, since the child may not allocate.
struct ExecWords {
  explicit ExecWords(const ChildOptions& options) : words(options.arguments) {
    for (char** entry = environ; *entry; ++entry) {
      const std::string_view text = *entry;
      if (!options.environment.contains(std::string(text.substr(0, text.find('=')))))
        variables.emplace_back(text);
    }
    for (const auto& [name, value] : options.environment) variables.push_back(name + "=" + value);
    for (std::string& word : words) argv.push_back(word.data());
    for (std::string& variable : variables) envp.push_back(variable.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
  }

  std::vector<std::string> words, variables;
  std::vector<char*> argv, envp;
};

/// Cores as the system takes them, however many the machine has; none: no mask.
struct CoreMask {
  explicit CoreMask(const std::vector<int>& cores) {
    if (cores.empty()) return;
    const auto count = static_cast<size_t>(*std::max_element(cores.begin(), cores.end())) + 1;
    bytes = CPU_ALLOC_SIZE(count);
    set.reset(CPU_ALLOC(count));
    CPU_ZERO_S(bytes, set.get());
    for (const int core : cores) CPU_SET_S(static_cast<size_t>(core), bytes, set.get());
  }

  struct Free {
    void operator()(cpu_set_t* mask) const { CPU_FREE(mask); }
  };
  std::unique_ptr<cpu_set_t, Free> set;
  size_t bytes = 0;
};

/// In the child: only calls that are safe after fork.
[[noreturn]] void become(const ExecWords& exec, const CoreMask& cores, int out, int err,
                         pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kCannotStart);  // it ended before it could be watched
  if (cores.set) ::sched_setaffinity(0, cores.bytes, cores.set.get());
  const int in = ::open("/dev/null", O_RDONLY);
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::signal(SIGPIPE, SIG_DFL);
  ::execvpe(exec.argv[0], exec.argv.data(), exec.envp.data());
  ::_exit(kCannotStart);
}

pid_t start(const ChildOptions& options, int out, int err) {
  const ExecWords exec(options);
  const CoreMask cores(options.cores);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) fail(ExitCode::internal, "cannot start a process: {}", std::strerror(errno));
  if (pid == 0) become(exec, cores, out, err, parent);
  return pid;
}

ChildEnd end_of(int status) {
  return WIFSIGNALED(status) ? ChildEnd{0, WTERMSIG(status)} : ChildEnd{WEXITSTATUS(status), 0};
}

/// Reads what is there; false at the end of the file.
bool read_some(int fd, std::string& text, size_t limit) {
  char buffer[1 << 14];
  const ssize_t got = ::read(fd, buffer, sizeof buffer);
  if (got < 0) return errno == EINTR;
  text.append(buffer, std::min(static_cast<size_t>(got), limit - text.size()));
  return got > 0;
}

}  // namespace

ChildProcess::ChildProcess(const ChildOptions& options) {
  const Descriptor out(open_output(options.out)), err(open_output(options.err));
  pid_ = start(options, out.get(), err.get());
  fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
}

ChildProcess::~ChildProcess() {
  close();
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), fd_(std::exchange(other.fd_, -1)), end_(other.end_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  close();
  pid_ = std::exchange(other.pid_, -1);
  fd_ = std::exchange(other.fd_, -1);
  end_ = other.end_;
  return *this;
}

void ChildProcess::close() noexcept {
  if (pid_ > 0 && !end_) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  if (fd_ >= 0) ::close(fd_);
  pid_ = fd_ = -1;
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0 && !end_) ::kill(pid_, number);
}

std::optional<ChildEnd> ChildProcess::ended() {
  int status = 0;
  if (!end_ && ::waitpid(pid_, &status, WNOHANG) == pid_) end_ = end_of(status);
  return end_;
}

void ChildProcess::wait_for_any(std::span<ChildProcess* const> children, int milliseconds) {
  std::vector<pollfd> waited;
  for (const ChildProcess* child : children) {
    if (child->end_) return;
    waited.push_back({child->fd_, POLLIN, 0});  // without a pidfd (an old kernel): by time only
  }
  ::poll(waited.data(), waited.size(), milliseconds);
}

ProgramOutput run_program(const std::vector<std::string>& arguments, size_t limit) {
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC) != 0)
    fail(ExitCode::internal, "cannot make a pipe: {}", std::strerror(errno));
  const Descriptor out_read(out[0]);
  Descriptor out_write(out[1]);
  if (::pipe2(err, O_CLOEXEC) != 0)
    fail(ExitCode::internal, "cannot make a pipe: {}", std::strerror(errno));
  const Descriptor err_read(err[0]);
  Descriptor err_write(err[1]);
  const pid_t pid = start({.arguments = arguments}, out[1], err[1]);
  out_write.reset();
  err_write.reset();
  ProgramOutput result;
  pollfd waited[] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  while (waited[0].fd >= 0 || waited[1].fd >= 0) {
    if (::poll(waited, 2, -1) < 0 && errno != EINTR) break;
    if (waited[0].revents && !read_some(out[0], result.out, limit)) waited[0].fd = -1;
    if (waited[1].revents && !read_some(err[0], result.err, limit)) waited[1].fd = -1;
    waited[0].revents = waited[1].revents = 0;
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  result.end = end_of(status);
  result.found = result.end.code != kCannotStart;
  return result;
}

}  // namespace engine
