#include "engine/sweep/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "engine/core/error.h"
#include "engine/core/json.h"
#include "engine/run/run_folder.h"
#include "engine/sweep/claim_file.h"

namespace engine {
namespace {

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
  save_shared(sweep_files::kSweep, to_json(document) + "\n");
  for (const SweepPoint& point : sweep.points)
    if (record(point)) remove_claims(point.identity);
  const double time = now();
  for (const auto& entry : std::filesystem::directory_iterator(*this / sweep_files::kClaims)) {
    const std::string path = entry.path();
    if (entry.path().filename().string().starts_with(".") && is_left_behind(path, time))
      files_.unlink(path);
  }
}

void SweepStore::save_shared(std::string_view name, const std::string& text) const {
  const std::string path = *this / name;
  if (exists(path) && read_text(path) == text) return;
  // save_file writes the same ".tmp" in every process: here each has its own.
  const std::string written =
      fmt::format("{}/{}/{}", folder_, sweep_files::kClaims, own_name("shared"));
  save_file(files_, written, text, {.durable = false});
  if (files_.rename(written, path) != 0)
    fail(ExitCode::storage, "{}: cannot put in place: {}", path, std::strerror(errno));
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
  for (int64_t attempt = 1; attempt <= newest; ++attempt) {
    files_.unlink(claim_path(identity, attempt) + ".tmp");  // of a write that was killed
    files_.unlink(claim_path(identity, attempt));
  }
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
  const std::string path = fmt::format("{}/{}/{}", folder_, sweep_files::kClaims, own_name("now"));
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
                   .released = claim.end == ClaimFile::kReleased,
                   .host = claim.place.host,
                   .process = claim.process};
  if (state.released) return state;
  if (claim.end == ClaimFile::kDied) {
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
    if (earlier.end == ClaimFile::kReleased || earlier.step != claim.step) break;
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
  const std::string written =
      fmt::format("{}/{}/{}", folder_, sweep_files::kClaims, own_name("new"));
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
  return to_json(ClaimFile{this_process(), process, claim.step_, std::string(end)});
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
  write(claim, 0, ClaimFile::kDied);
}

void SweepStore::release(const Claim& claim) const {
  write(claim, 0, ClaimFile::kReleased);
}

}  // namespace engine
