#include "engine/sweep/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "engine/core/error.h"
#include "engine/core/json.h"
#include "engine/run/run_folder.h"
#include "engine/sweep/this_process.h"

namespace engine {
namespace {

constexpr std::string_view kReleased = "released", kDied = "died";

/// What a claim's file says. Empty when it cannot be read: its time alone counts then.
struct ClaimFile {
  ProcessPlace place;
  int64_t process = 0, step = 0;
  std::string end;  ///< kReleased, kDied; empty: nothing is said
};

int64_t integer_of(const Value& value, std::string_view key) {
  const Value* found = value.find(key);
  return found && found->is(Value::Kind::integer) ? found->integer() : 0;
}

std::string string_of(const Value& value, std::string_view key) {
  const Value* found = value.find(key);
  return found && found->is(Value::Kind::string) ? found->string() : std::string();
}

ClaimFile read_claim(const std::string& path) {
  ClaimFile claim;
  try {
    const Value value = parse_json_or_throw(read_text(path), path, ExitCode::storage);
    claim.place = {.host = string_of(value, "host"),
                   .system = string_of(value, "system"),
                   .id = integer_of(value, "holder"),
                   .begun = integer_of(value, "begun")};
    claim.process = integer_of(value, "process");
    claim.step = integer_of(value, "step");
    claim.end = string_of(value, "end");
  } catch (const Error&) {
    return {};
  }
  return claim;
}

/// Seconds since 1970 by the file system's clock, which all machines that see the file share.
std::optional<double> time_of(const std::string& path) {
  struct stat state {};
  if (::stat(path.c_str(), &state) != 0) return std::nullopt;
  return static_cast<double>(state.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(state.st_mtim.tv_nsec);
}

/// Optimizer steps that the run's newest checkpoint or status knows of.
int64_t steps_of(const std::string& run) {
  const std::string path = run + "/" + std::string(run_files::kStatus);
  if (!exists(path)) return 0;
  try {
    return integer_of(parse_json_or_throw(read_text(path), path, ExitCode::storage), "step");
  } catch (const Error&) {
    return 0;
  }
}

}  // namespace

SweepStore::SweepStore(FileSystem& files, std::string folder)
    : files_(files), folder_(std::move(folder)) {}

std::string SweepStore::run_folder(const SweepPoint& point) const {
  return fmt::format("{}/{}/{}", folder_, sweep_files::kPoints, point.folder);
}

std::string SweepStore::log_file(const SweepPoint& point) const {
  return fmt::format("{}/{}.log", sweep_files::kLogs, point.folder);
}

void SweepStore::begin(const Sweep& sweep) const {
  for (const auto name :
       {sweep_files::kPoints, sweep_files::kRecords, sweep_files::kClaims, sweep_files::kLogs})
    make_folders(files_, *this / name);
  Value document{Object{}};
  document.set("name", sweep.file.name);
  document.set("file", sweep.file.path);
  document.set("set", Array(sweep.set.begin(), sweep.set.end()));
  document.set("points", points_value(sweep));
  save_file(files_, *this / sweep_files::kSweep, to_json(document) + "\n", {.durable = false});
  for (const SweepPoint& point : sweep.points)
    if (record(point)) remove_claims(point.identity);
}

SweepStore::Made SweepStore::made_of() const {
  const std::string path = *this / sweep_files::kSweep;
  const Value document = parse_json_or_throw(read_text(path), path, ExitCode::storage);
  Made made{string_of(document, "file"), {}};
  if (made.file.empty()) fail(ExitCode::storage, "{}: names no sweep file", path);
  if (const Value* set = document.find("set"); set && set->is(Value::Kind::array)) {
    for (const Value& each : set->array())
      if (each.is(Value::Kind::string)) made.set.push_back(each.string());
  }
  return made;
}

std::optional<Record> SweepStore::record(const SweepPoint& point) const {
  const std::string path =
      fmt::format("{}/{}/{}.json", folder_, sweep_files::kRecords, point.identity);
  if (!exists(path)) return std::nullopt;
  return read_record(parse_json_or_throw(read_text(path), path, ExitCode::storage), path);
}

void SweepStore::save(const Record& record) const {
  const std::string path =
      fmt::format("{}/{}/{}.json", folder_, sweep_files::kRecords, record.identity);
  save_file(files_, path, to_json(record_value(record)) + "\n");
  remove_claims(record.identity);
}

/// The newest last: at no moment would an older one seem to be the newest.
void SweepStore::remove_claims(std::string_view identity) const {
  const int64_t newest = newest_attempt(identity);
  for (int64_t attempt = 1; attempt <= newest; ++attempt)
    files_.unlink(claim_path(identity, attempt));
}

void SweepStore::forget(const SweepPoint& point) const {
  files_.unlink(fmt::format("{}/{}/{}.json", folder_, sweep_files::kRecords, point.identity));
}

std::string SweepStore::claim_path(std::string_view identity, int64_t attempt) const {
  return fmt::format("{}/{}/{}.{}", folder_, sweep_files::kClaims, identity, attempt);
}

/// 0: none. Attempts have no gaps but at their beginning, while save() takes them away.
int64_t SweepStore::newest_attempt(std::string_view identity) const {
  int64_t newest = 0;
  std::error_code error;
  const std::string begin = std::string(identity) + ".";
  for (int64_t attempt = 1; exists(claim_path(identity, attempt)); ++attempt) newest = attempt;
  if (newest > 0) return newest;
  for (const auto& entry :
       std::filesystem::directory_iterator(*this / sweep_files::kClaims, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(begin)) continue;
    const std::string end = name.substr(begin.size());
    if (end.find_first_not_of("0123456789") == std::string::npos && end.size() < 10)
      newest = std::max<int64_t>(newest, std::stoll("0" + end));
  }
  return newest;
}

double SweepStore::now() const {
  const std::string path = fmt::format("{}/{}/.now.{}.{}", folder_, sweep_files::kClaims,
                                       this_process().host, this_process().id);
  const int fd = files_.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || files_.touch(fd) != 0 || files_.close(fd) != 0)
    fail(ExitCode::storage, "{}: cannot write: {}", path, std::strerror(errno));
  const auto time = time_of(path);
  files_.unlink(path);
  if (!time) fail(ExitCode::storage, "{}: vanished", path);
  return *time;
}

std::optional<ClaimState> SweepStore::claim_state(const SweepPoint& point) const {
  const int64_t newest = newest_attempt(point.identity);
  if (newest == 0) return std::nullopt;
  const std::string path = claim_path(point.identity, newest);
  const ClaimFile claim = read_claim(path);
  ClaimState state{.attempt = newest,
                   .released = claim.end == kReleased,
                   .host = claim.place.host,
                   .process = claim.process};
  if (state.released) return state;
  if (claim.end == kDied) {
    state.alive = false;
  } else if (const auto alive = is_alive(claim.place)) {
    state.alive = *alive;
  } else {  // another machine's
    const auto time = time_of(path);
    state.alive = time && now() - *time < kStaleSeconds;
  }
  if (state.alive) return state;
  for (int64_t attempt = newest; attempt > 0; --attempt) {
    const ClaimFile earlier = read_claim(claim_path(point.identity, attempt));
    if (earlier.end == kReleased || earlier.step != claim.step) break;
    ++state.deaths;
  }
  if (steps_of(run_folder(point)) != claim.step) state.deaths = 0;  // it got further
  return state;
}

std::optional<Claim> SweepStore::claim(const SweepPoint& point) const {
  const auto before = claim_state(point);
  if (before && before->alive) return std::nullopt;
  Claim claim;
  claim.identity_ = point.identity;
  claim.attempt_ = before ? before->attempt + 1 : 1;
  claim.step_ = steps_of(run_folder(point));
  // Complete from its first moment: written under another name, then linked, which fails if the
  // name is taken.
  const std::string path = claim_path(claim.identity_, claim.attempt_);
  const std::string written = fmt::format("{}/{}/.new.{}.{}", folder_, sweep_files::kClaims,
                                          this_process().host, this_process().id);
  save_file(files_, written, claim_text(claim, 0, ""), {.durable = false});
  const int linked = files_.link(written, path);
  const int cause = errno;
  files_.unlink(written);
  if (linked != 0 && cause == EEXIST) return std::nullopt;
  if (linked != 0) fail(ExitCode::storage, "{}: cannot create: {}", path, std::strerror(cause));
  if (record(point)) {  // it ended since the caller looked
    files_.unlink(path);
    return std::nullopt;
  }
  return claim;
}

std::string SweepStore::claim_text(const Claim& claim, int64_t process, std::string_view end) {
  Value value{Object{}};
  const ProcessPlace& place = this_process();
  value.set("host", place.host);
  value.set("system", place.system);
  value.set("holder", place.id);
  value.set("begun", place.begun);
  value.set("process", process);
  value.set("step", claim.step_);
  if (!end.empty()) value.set("end", end);
  return to_json(value) + "\n";
}

void SweepStore::write(const Claim& claim, int64_t process, std::string_view end) const {
  save_file(files_, claim_path(claim.identity_, claim.attempt_), claim_text(claim, process, end),
            {.durable = false});
}

void SweepStore::started(const Claim& claim, int64_t process) const {
  write(claim, process, "");
}

bool SweepStore::touch(const Claim& claim) const {
  if (exists(claim_path(claim.identity_, claim.attempt_ + 1))) return false;
  const int fd = files_.open(claim_path(claim.identity_, claim.attempt_), O_WRONLY, 0644);
  if (fd < 0) return false;  // the point was ended by another
  const bool touched = files_.touch(fd) == 0;
  files_.close(fd);
  return touched;
}

void SweepStore::died(const Claim& claim) const {
  write(claim, 0, kDied);
}

void SweepStore::release(const Claim& claim) const {
  write(claim, 0, kReleased);
}

}  // namespace engine
