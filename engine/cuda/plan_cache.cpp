#include "engine/cuda/plan_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/core/json.h"

namespace engine {
namespace {

constexpr int64_t kVersion = 1;

/// Held while the file is read and replaced. Where the file system has no locks, nobody waits, and
/// what two processes add at the same moment may be lost.
class FileLock {
 public:
  explicit FileLock(const std::string& path)
      : fd_(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    while (fd_ >= 0 && ::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FileLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileLock(const FileLock&) = delete;

 private:
  int fd_;
};

std::string first_line(const char* text) {
  const std::string_view all = text;
  return std::string(all.substr(0, all.find('\n')));
}

}  // namespace

std::string plan_key(const ConvolutionShape& shape, ConvolutionPass pass, std::string_view gpu,
                     std::string_view library) {
  const Window& w = shape.window;
  const auto image = [](const Shape& s, int64_t pitch) {
    return fmt::format("{}x{}x{}x{}/{}", s.n, s.h, s.w, s.c, pitch ? pitch : s.c);
  };
  return fmt::format(
      "{} {} x {} y {} kernel {}x{} stride {}x{} dilation {}x{} padding {},{},{},{} groups {}{}{}, "
      "{}, {}",
      to_string(pass), to_string(shape.precision), image(shape.input, shape.x_pitch),
      image(shape.output, shape.y_pitch), w.kernel_h, w.kernel_w, w.stride_h, w.stride_w,
      w.dilation_h, w.dilation_w, w.padding.top, w.padding.bottom, w.padding.left, w.padding.right,
      shape.groups, shape.bias ? " bias" : "", shape.relu ? " relu" : "", gpu, library);
}

void PlanCache::say(const std::string& line) const {
  if (note_) note_(line);
}

/// Adds what is in the file and was not known. The file's own word counts.
void PlanCache::read() {
  read_ = true;
  if (path_.empty() || !exists(path_)) return;
  try {
    const Value file = parse_json_or_throw(read_json_text(path_), path_, ExitCode::data);
    const Value* version = file.find("version");
    const Value* plans = file.find("plans");
    if (!version || !version->is(Value::Kind::integer) || version->integer() != kVersion ||
        !plans || !plans->is(Value::Kind::object)) {
      fail(ExitCode::data, "{}: this is not a file of convolution plans", path_);
    }
    for (const Member& member : plans->object()) {
      const Value* engine = member.value.find("engine");
      const Value* time = member.value.find("milliseconds");
      if (!engine || !engine->is(Value::Kind::string) || !time || !time->is_number()) {
        fail(ExitCode::data, "{}: plan \"{}\" has no engine and time", path_, member.key);
      }
      plans_[member.key] = {engine->string(), time->number()};
    }
  } catch (const Error& error) {
    if (damaged_) return;
    damaged_ = true;
    say(fmt::format("note: {}; the plans are timed again and the file is replaced",
                    first_line(error.what())));
  }
}

void PlanCache::write() const {
  Value plans{Object{}};
  for (const auto& [key, plan] : plans_) {
    Value& value = plans.set(key, Object{});
    value.set("engine", plan.engine);
    value.set("milliseconds", plan.milliseconds);
  }
  Value file{Object{}};
  file.set("version", kVersion);
  file.set("plans", std::move(plans));
  save_file(real_files(), path_, to_json(file) + "\n", {.durable = false});
}

const std::string* PlanCache::find(const std::string& key) {
  if (!read_) read();
  const auto found = plans_.find(key);
  return found == plans_.end() ? nullptr : &found->second.engine;
}

const std::string& PlanCache::remember(const std::string& key, const std::string& engine,
                                       double milliseconds, const std::string& useless) {
  const auto add = [&] {
    const auto [place, added] = plans_.emplace(key, Plan{engine, milliseconds});
    if (!added && place->second.engine == useless) place->second = {engine, milliseconds};
  };
  if (path_.empty()) {
    add();
    return plans_[key].engine;
  }
  try {
    make_folders(real_files(), path_.substr(0, path_.rfind('/')));
    const FileLock lock(path_);
    read();
    add();
    write();
  } catch (const Error& error) {
    add();
    say(fmt::format("note: {}; the next start times the convolution plans again",
                    first_line(error.what())));
    path_.clear();  // said once is enough
  }
  return plans_[key].engine;
}

std::string choose_engine(PlanCache& cache, const std::string& key, EngineTimer& timer,
                          size_t most) {
  const std::string* found = cache.find(key);
  if (found && timer.make(*found)) return *found;
  const std::string useless = found ? *found : "";
  std::set<std::string> seen;
  std::string first, fastest;
  double least = 0;
  size_t timed = 0;
  for (const std::string& engine : timer.engines()) {
    if (!seen.insert(engine).second || !timer.make(engine)) continue;
    if (first.empty()) first = engine;
    const std::optional<double> milliseconds = timer.time(engine);
    if (!milliseconds) continue;
    if (fastest.empty() || *milliseconds < least) {
      fastest = engine;
      least = *milliseconds;
    }
    if (++timed == most) break;
  }
  if (fastest.empty()) return first;
  const std::string& remembered = cache.remember(key, fastest, least, useless);
  return timer.make(remembered) ? remembered : fastest;
}

std::vector<std::string> take_turns(const std::vector<std::vector<std::string>>& lists) {
  std::vector<std::string> all;
  size_t longest = 0;
  for (const auto& list : lists) longest = std::max(longest, list.size());
  for (size_t i = 0; i < longest; ++i) {
    for (const auto& list : lists) {
      if (i < list.size()) all.push_back(list[i]);
    }
  }
  return all;
}

}  // namespace engine
