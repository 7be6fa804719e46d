#pragma once

// The folder of a sweep: its only state. Several processes, on several machines, may work on it.
//
//   sweep.json            which file it was made of, and the points that it had
//   points/FOLDER/        the run folder of a point
//   records/IDENTITY.json how a point ended; no point has more than one
//   claims/IDENTITY.N     the N-th attempt at a point: who does it. Its time is a heartbeat
//   logs/FOLDER.log       what the point's processes said on standard error
//   variants/, table.*    see below

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/file.h"
#include "engine/sweep/record.h"
#include "engine/sweep/sweep.h"

namespace engine {

namespace sweep_files {
inline constexpr std::string_view kSweep = "sweep.json";
inline constexpr std::string_view kPoints = "points";
inline constexpr std::string_view kRecords = "records";
inline constexpr std::string_view kClaims = "claims";
inline constexpr std::string_view kLogs = "logs";
inline constexpr std::string_view kVariants = "variants";  ///< experiments for evaluate --with
inline constexpr std::string_view kPage = "table.html";
inline constexpr std::string_view kMarkdown = "table.md";
inline constexpr std::string_view kPointsTable = "points.csv";
inline constexpr std::string_view kConfigurationsTable = "configurations.csv";
inline constexpr std::string_view kMatrixTable = "matrix.csv";
}  // namespace sweep_files

/// Who holds a claim whose time is older than this on another machine is taken for dead.
inline constexpr double kStaleSeconds = 60;
inline constexpr double kHeartbeatSeconds = 5;

/// Of the newest attempt at a point.
struct ClaimState {
  int64_t attempt = 0;    ///< from 1
  bool alive = false;     ///< somebody works on it
  bool released = false;  ///< given back: the run was stopped with a checkpoint
  int64_t deaths = 0;     ///< attempts that ended without word, one after another, at the same step
  std::string host;
  int64_t process = 0;  ///< of the run; 0: not started yet
};

/// The right to work on a point, as long as nobody takes this process for dead.
class Claim {
 public:
  int64_t attempt() const { return attempt_; }
  const std::string& identity() const { return identity_; }

 private:
  friend class SweepStore;
  std::string identity_;
  int64_t attempt_ = 0;
  int64_t step_ = 0;
};

class SweepStore {
 public:
  SweepStore(FileSystem& files, std::string folder);

  const std::string& folder() const { return folder_; }
  std::string operator/(std::string_view name) const { return folder_ + "/" + std::string(name); }
  std::string run_folder(const SweepPoint& point) const;
  std::string log_file(const SweepPoint& point) const;  ///< below the sweep's folder

  /// Makes the folder and what is in it, writes sweep.json, and takes away what processes that were
  /// killed have left: claims on points that have ended, files half written. Throws Error
  /// (storage).
  void begin(const Sweep& sweep) const;

  /// Saves a file below the folder that several processes may save at the same time, each the same
  /// text or one of its own: one of them stays, whole. Throws Error (storage).
  void save_shared(std::string_view name, const std::string& text) const;
  /// Of sweep.json: the sweep file, and --set. Throws Error (storage).
  struct Made {
    std::string file;
    std::vector<std::string> set;
  };
  Made made_of() const;

  /// Nothing while the point has not ended. Throws Error (storage) when it cannot be read.
  std::optional<Record> record(const SweepPoint& point) const;
  /// Ends a point: writes its record, then takes its claims away. Whoever finds no record and no
  /// claim must look again after claiming; claim() does.
  void save(const Record& record) const;
  /// Takes the record of a failed or skipped point away, so that it runs again.
  void forget(const SweepPoint& point) const;

  /// Nothing: no attempt yet, or ended.
  std::optional<ClaimState> claim_state(const SweepPoint& point) const;
  /// By creating the file of the next attempt, which only one process can: nothing when somebody
  /// works on the point, was faster, or it has ended.
  std::optional<Claim> claim(const SweepPoint& point) const;
  void started(const Claim& claim, int64_t process) const;
  /// The heartbeat. False: somebody took this process for dead and works on the point.
  bool touch(const Claim& claim) const;
  /// Its process ended without word: the next attempt may begin.
  void died(const Claim& claim) const;
  /// Given back with a good checkpoint.
  void release(const Claim& claim) const;

 private:
  std::string claim_path(std::string_view identity, int64_t attempt) const;
  int64_t newest_attempt(std::string_view identity) const;
  void remove_claims(std::string_view identity) const;
  double now() const;
  static std::string claim_text(const Claim& claim, int64_t process, std::string_view end);
  void write(const Claim& claim, int64_t process, std::string_view end) const;

  FileSystem& files_;
  std::string folder_;
};

}  // namespace engine
