#include "engine/run/progress.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include "engine/core/error.h"
#include "engine/core/text.h"

namespace engine {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kShortestBar = 13, kLongestBar = 40;  // columns
constexpr auto kRedraw = std::chrono::milliseconds(100);
/// In a file, an epoch gets a line only when it takes longer than this, and at most two inside.
constexpr auto kQuietTime = std::chrono::seconds(30);

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return {text, length};
}

std::string render_step(const StepReport& report) {
  const double share = report.samples ? 100.0 * static_cast<double>(report.position) /
                                            static_cast<double>(report.samples)
                                      : 0;
  return fmt::format("epoch {}/{}  {:.0f} %  loss {:.4f}  accuracy {:.4f}  {:.0f} images/s",
                     report.epoch, report.epochs, share, report.loss, report.accuracy,
                     report.images_per_second);
}

/// Head, a bar as wide as there is room for it, and percent with what comes behind.
std::string bar_line(const std::string& head, const std::string& tail, double share, size_t room) {
  std::string bar;
  if (const size_t used = head.size() + tail.size(); room >= used + kShortestBar) {
    const size_t inside = std::min(kLongestBar, room - used) - 3;
    const size_t full = std::min(inside, static_cast<size_t>(share * static_cast<double>(inside)));
    bar = "[" + std::string(full, '=') + std::string(inside - full, '.') + "] ";
  }
  return (head + bar + tail).substr(0, room);
}

/// Parts of a line, two spaces between, as far as they fit. rank: 0 is the first to get room.
struct Part {
  int rank;
  std::string text;
};
std::string line_of(const std::vector<Part>& parts, size_t room) {
  std::vector<bool> shown(parts.size());
  size_t used = 0;
  for (int rank = 0; rank < static_cast<int>(parts.size()); ++rank) {
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].rank != rank || parts[i].text.empty()) continue;
      const size_t more = parts[i].text.size() + (used > 0 ? 2 : 0);
      shown[i] = used + more <= room;
      if (shown[i]) used += more;
    }
  }
  std::string line;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (shown[i]) line += (line.empty() ? "" : "  ") + parts[i].text;
  }
  return line;
}

}  // namespace

std::string render_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 360000 * 10) return "?";
  const auto total = static_cast<int64_t>(seconds + 0.5);
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{}:{:02}", total / 60, total % 60);
  return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
}

std::string render_epoch(const EpochReport& report) {
  std::string text = fmt::format("epoch {}/{}  loss {:.4f}  accuracy {:.4f}", report.epoch,
                                 report.epochs, report.train_loss, report.train_accuracy);
  if (report.validated) {
    text += fmt::format("  validation loss {:.4f}  accuracy {:.4f}", report.validation_loss,
                        report.validation_accuracy);
  }
  text += fmt::format("  {:.0f} images/s  {}", report.images_per_second,
                      report.seconds < 9.95 ? fmt::format("{:.1f} s", report.seconds)
                                            : render_duration(report.seconds));
  if (report.best) text += "  best so far";
  return text;
}

std::string render_epoch(const EpochReport& report, int width) {
  const size_t room = static_cast<size_t>(std::max(width - 1, 0));
  if (std::string whole = render_epoch(report); whole.size() <= room) return whole;
  const bool validated = report.validated;
  const auto number = [](const char* name, double value) {
    return fmt::format("{} {:.4f}", name, value);
  };
  return line_of({{0, fmt::format("epoch {}/{}", report.epoch, report.epochs)},
                  {validated ? 4 : 1, number("loss", report.train_loss)},
                  {validated ? 5 : 2, number("acc", report.train_accuracy)},
                  {3, validated ? number("val loss", report.validation_loss) : ""},
                  {2, validated ? number("val acc", report.validation_accuracy) : ""},
                  {7, fmt::format("{:.0f} images/s", report.images_per_second)},
                  {6, render_duration(report.seconds)},
                  {1, report.best ? "best" : ""}},
                 room);
}

std::string render_bar(const StepReport& report, int width) {
  const size_t room = static_cast<size_t>(std::max(width - 1, 0));
  const double share =
      report.samples ? static_cast<double>(report.position) / static_cast<double>(report.samples)
                     : 0;
  const std::string head = fmt::format("epoch {}/{} ", report.epoch, report.epochs);
  const std::string percent = fmt::format("{:3.0f} %", share * 100);
  // What matters most comes first; the rest is left out where it does not fit.
  const std::string parts[] = {
      fmt::format("  loss {:.4f}", report.loss),
      fmt::format("  {} left", render_duration(report.epoch_seconds_left)),
      fmt::format("  run {} left", render_duration(report.run_seconds_left)),
      fmt::format("  accuracy {:.4f}", report.accuracy),
      fmt::format("  {:.0f} images/s", report.images_per_second),
      report.best_epoch
          ? fmt::format("  best {:.4f} in epoch {}", report.best_loss, report.best_epoch)
          : "",
      report.memory_bytes ? "  memory " + short_bytes(report.memory_bytes) : "",
  };
  std::string tail = percent;
  const size_t for_bar = room >= head.size() + tail.size() + kShortestBar + 12 ? kShortestBar : 0;
  for (const std::string& part : parts) {
    if (head.size() + tail.size() + part.size() + for_bar <= room) tail += part;
  }
  return bar_line(head, tail, share, room);
}

std::string render_count(std::string_view what, uint64_t done, uint64_t total, double seconds_left,
                         int width) {
  const size_t room = static_cast<size_t>(std::max(width - 1, 0));
  const double share = total ? static_cast<double>(done) / static_cast<double>(total) : 0;
  std::string tail = fmt::format("{:3.0f} %", share * 100);
  const std::string head = fmt::format("{} {}/{} ", what, done, total);
  const std::string left = fmt::format("  {} left", render_duration(seconds_left));
  if (seconds_left >= 0 && head.size() + tail.size() + left.size() <= room) tail += left;
  return bar_line(head, tail, share, room);
}

struct Progress::Impl {
  explicit Impl(const ProgressOptions& given) : options(given) {
    terminal = !options.quiet && isatty(options.fd);
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    if (term && std::string_view(term) == "dumb") terminal = false;
    color = terminal && !(no_color && *no_color);
  }
  ~Impl() {
    if (log_fd >= 0) log_files->close(log_fd);
  }

  int width() const {
    winsize size{};
    if (ioctl(options.fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
      return std::clamp<int>(size.ws_col, 10, 1000);
    }
    return 80;
  }

  /// One write, so that lines of several processes do not mix. A closed terminal is not our
  /// concern.
  void print(const std::string& text) const {
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t written = ::write(options.fd, text.data() + done, text.size() - done);
      if (written <= 0) return;
      done += static_cast<size_t>(written);
    }
  }

  void erase() {
    if (drawn) print("\r\x1b[K");
    drawn = false;
  }

  void to_log(const std::string& text) {
    if (log_fd < 0) return;
    if (log_files->write(log_fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()))
      return;
    log_files->close(log_fd);
    log_fd = -1;
    show("warning: the log cannot be written; training goes on without it", true, false);
  }

  /// A permanent line: in files with time and step, on a terminal folded to its width, or what is
  /// given for it.
  void show(std::string_view text, bool always, bool bold, const std::string& on_terminal = {}) {
    const std::string clean = printable(text, true);
    const auto columns = static_cast<size_t>(width() - 1);
    std::string plain, folded = on_terminal;
    for (size_t start = 0; start <= clean.size();) {
      const size_t end = std::min(clean.find('\n', start), clean.size());
      const std::string line = clean.substr(start, end - start);
      plain += options.many_runs ? fmt::format("{} {}\n", now_text(), line)
                                 : fmt::format("{} step {}: {}\n", now_text(), step, line);
      if (on_terminal.empty()) {
        for (const std::string& part : folded_to(line, columns))
          folded += (folded.empty() ? "" : "\n") + part;
      }
      start = end + 1;
    }
    if (!options.quiet || always) {
      if (terminal) {
        erase();
        print(bold && color ? "\x1b[1m" + folded + "\x1b[0m\n" : folded + "\n");
      } else {
        print(plain);
      }
    }
    to_log(plain);
  }

  ProgressOptions options;
  bool terminal = false, color = false, drawn = false;
  uint64_t step = 0;
  Clock::time_point last_draw{}, epoch_start = Clock::now(), last_line = Clock::now();
  int64_t line_epoch = 0;
  std::string counted;  ///< what is counted
  Clock::time_point count_start{};
  uint64_t counted_before = 0, tenth = 0;
  int lines = 0;
  FileSystem* log_files = nullptr;
  int log_fd = -1;
};

Progress::Progress(const ProgressOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Progress::~Progress() {
  impl_->erase();
}

void Progress::log_to(FileSystem& files, const std::string& path) {
  impl_->log_files = &files;
  impl_->log_fd = files.open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (impl_->log_fd < 0) warning(path + ": the log cannot be written; training goes on without it");
}

void Progress::line(std::string_view text) {
  impl_->show(text, false, false);
}

void Progress::warning(std::string_view text) {
  impl_->show("warning: " + std::string(text), true, true);
}

void Progress::step(const StepReport& report) {
  Impl& impl = *impl_;
  impl.step = report.step;
  const auto now = Clock::now();
  if (impl.terminal) {
    if (now - impl.last_draw < kRedraw) return;
    impl.last_draw = now;
    impl.print("\r" + render_bar(report, impl.width()) + "\x1b[K");
    impl.drawn = true;
    return;
  }
  if (impl.line_epoch != report.epoch) {
    impl.line_epoch = report.epoch;
    impl.lines = 0;
    impl.last_line = now;
  }
  if (impl.lines == 2 || now - impl.last_line < kQuietTime) return;
  if (report.position * 3 < report.samples * static_cast<uint64_t>(impl.lines + 1)) return;
  impl.last_line = now;
  ++impl.lines;
  impl.show(render_step(report), false, false);
}

void Progress::epoch(const EpochReport& report) {
  impl_->step = report.step;
  impl_->show(render_epoch(report), false, report.best, render_epoch(report, impl_->width()));
}

void Progress::count(std::string_view what, uint64_t done, uint64_t total) {
  Impl& impl = *impl_;
  const auto now = Clock::now();
  if (impl.counted != what) {
    impl.counted = what;
    impl.count_start = impl.last_line = now;
    impl.counted_before = done;
    impl.tenth = 0;
  }
  if (impl.terminal) {
    if (now - impl.last_draw < kRedraw) return;
    impl.last_draw = now;
    const double seconds = std::chrono::duration<double>(now - impl.count_start).count();
    const auto since = static_cast<double>(done - impl.counted_before);
    const double left =
        since > 0 && seconds > 2 ? seconds / since * static_cast<double>(total - done) : -1;
    impl.print("\r" + render_count(what, done, total, left, impl.width()) + "\x1b[K");
    impl.drawn = true;
    return;
  }
  const uint64_t tenth = total ? done * 10 / total : 0;
  if (impl.options.quiet || impl.options.many_runs || tenth == impl.tenth ||
      now - impl.last_line < kQuietTime)
    return;
  impl.tenth = tenth;
  impl.last_line = now;
  impl.print(fmt::format("{} {} {}/{}\n", now_text(), what, done, total));
}

void Progress::doing(std::string_view what) {
  if (!impl_->terminal) return;
  const std::string text = cut_to(printable(what, false), static_cast<size_t>(impl_->width() - 1));
  impl_->print("\r" + text + "\x1b[K");
  impl_->drawn = true;
}

void Progress::finish() {
  impl_->erase();
}

}  // namespace engine
