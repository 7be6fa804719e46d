#include "engine/report/tensorboard_log.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "engine/report/tensorboard_events.h"
#include "engine/report/tensorboard_records.h"

namespace engine {
namespace {

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string framed(std::vector<std::string>::const_iterator begin,
                   std::vector<std::string>::const_iterator end) {
  std::string bytes;
  for (auto event = begin; event != end; ++event) bytes += framed_record(*event);
  return bytes;
}

/// What is whole in a file; a file that cannot be read is a torn one.
WholeRecords records_of(const std::string& path) {
  constexpr uint64_t kMost = uint64_t{1} << 30;  // a million epochs have a fifth of it
  try {
    return whole_records(read_text(path, kMost));
  } catch (const Error&) {
    return {.records = {}, .torn = true};
  }
}

/// The second in an events file's name.
int64_t second_of(const std::string& name) {
  const size_t digits = name.rfind(run_files::kEventsBegin) + run_files::kEventsBegin.size();
  return std::strtoll(name.c_str() + digits, nullptr, 10);
}

/// Only the newest file holds events. The one before stays as an empty file: TensorBoard's reader
/// in Python that has it open never goes on to the next when it is gone.
void empty_older(FileSystem& files, const std::string& folder) {
  const std::vector<std::string> names = events_files(folder);
  for (size_t i = 0; i + 1 < names.size(); ++i) {
    const std::string path = folder + "/" + names[i];
    const bool last = i + 2 == names.size();
    const int fd = last ? files.open(path, O_WRONLY | O_TRUNC, 0) : -1;
    if (fd >= 0 ? files.close(fd) != 0 : last || files.unlink(path) != 0) {
      fail(ExitCode::storage, "{}: cannot {}: {}", path, last ? "empty" : "remove",
           std::strerror(errno));
    }
  }
}

}  // namespace

void TensorboardLog::append(FileSystem& files, const std::vector<std::string>& events) {
  // Each record by a write of its own: what a kill tears then is one record.
  const int fd = files.open(path_, O_WRONLY | O_APPEND, 0);
  bool good = fd >= 0;
  int cause = errno;
  for (const std::string& event : events) {
    const std::string bytes = framed_record(event);
    for (size_t done = 0; good && done < bytes.size();) {
      const ssize_t wrote = files.write(fd, bytes.data() + done, bytes.size() - done);
      cause = errno;
      if (wrote > 0) done += static_cast<size_t>(wrote);
      good = wrote > 0 || cause == EINTR;
    }
  }
  if (fd >= 0 && files.close(fd) != 0 && good) good = false, cause = errno;
  if (!good) fail(ExitCode::storage, "{}: cannot write: {}", path_, std::strerror(cause));
}

void TensorboardLog::write_anew(FileSystem& files, const std::string& folder,
                                const std::vector<std::string>& all, double time) {
  const std::vector<std::string> before = events_files(folder);
  auto second = static_cast<int64_t>(time);
  if (!path_.empty()) second = std::max(second, second_of(path_) + 1);  // it may be gone
  if (!before.empty()) second = std::max(second, second_of(before.back()) + 1);
  // A reader takes every file with "tfevents" in its name, one that is not yet whole too.
  const std::string anew = folder + "/" + std::string(run_files::kEventsAnew);
  save_file(files, anew, framed(all.begin(), all.end()), {.durable = false});
  path_ = fmt::format("{}/{}/{}{:010}{}", folder, run_files::kTensorboard, run_files::kEventsBegin,
                      second, run_files::kEventsEnd);
  if (files.rename(anew, path_) != 0) {
    fail(ExitCode::storage, "{}: cannot rename to {}: {}", anew, path_, std::strerror(errno));
  }
}

void TensorboardLog::begin(const RunView& run, FileSystem& files, double time) {
  make_folders(files, run.folder + "/" + std::string(run_files::kTensorboard));
  const std::vector<std::string> names = events_files(run.folder);
  WholeRecords before;
  if (!names.empty()) before = records_of(run.folder + "/" + names.back());
  std::map<int64_t, double> times;  // of epochs, when they were
  for (const std::string& record : before.records) {
    const events::Place place = events::place_of(record);
    times.try_emplace(place.epoch, place.time);
  }
  const auto time_of = [&](int64_t epoch) {
    const auto found = times.find(epoch);
    return found == times.end() ? time : found->second;
  };
  std::vector<std::string> all = events::beginning(run, facts_, time_of(0));
  for (const MetricsRow& row : run.rows) all.push_back(events::of_epoch(row, time_of(row.epoch)));
  const bool goes_on = !names.empty() && !before.torn && before.records.size() <= all.size() &&
                       std::equal(before.records.begin(), before.records.end(), all.begin());
  if (goes_on) {
    path_ = run.folder + "/" + names.back();
    append(files, {all.begin() + static_cast<std::ptrdiff_t>(before.records.size()), all.end()});
  } else {
    write_anew(files, run.folder, all, time);
  }
  empty_older(files, run.folder);
}

void TensorboardLog::noted(const RunView& run, const Status& status, FileSystem& files) {
  const double time = seconds_since_1970();
  // After a failure the file may hold a part of a record: then it is looked at again.
  const bool followed = std::exchange(following_, false);
  std::vector<std::string> news;
  if (followed) {
    for (size_t i = epochs_; i < run.rows.size(); ++i) {
      news.push_back(events::of_epoch(run.rows[i], time));
    }
  } else {
    begin(run, files, time);
  }
  const bool finished = status.state == "finished";
  if (finished && facts_.results() && facts_.results()->test.samples > 0) {
    news.push_back(events::of_test(facts_, status.epoch, time));
  }
  if (finished || status.state == "failed") {
    news.push_back(events::of_end(finished, status.epoch, time));
  }
  if (!news.empty()) append(files, news);
  epochs_ = run.rows.size();
  following_ = true;
}

}  // namespace engine
