#pragma once

// The small files of claims (store.h): what they say, and whose they are.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/value.h"
#include "engine/sweep/this_process.h"

namespace engine {

/// What a claim's file says.
struct ClaimFile {
  static constexpr std::string_view kReleased = "released", kDied = "died";

  ProcessPlace place;   ///< of its holder
  int64_t process = 0;  ///< of the run
  int64_t step = 0;     ///< of the run's newest checkpoint when it was claimed
  std::string end;      ///< kReleased, kDied; empty: nothing is said
};
std::string to_json(const ClaimFile& claim);
/// Empty when it cannot be read: its time alone counts then.
ClaimFile read_claim(const std::string& path);

// Members of documents that others may have damaged: 0 or empty where there is no such value.
int64_t integer_of(const Value& value, std::string_view key);
std::string string_of(const Value& value, std::string_view key);

/// When a file was changed, in seconds since 1970 by the file system's clock, which all machines
/// that see the file share.
std::optional<double> time_of(const std::string& path);

/// The name of a file that this process writes beside those of others; they know whose it is.
std::string own_name(std::string_view what);
/// Whether a file with such a name, or one that save_file was writing for it, is of a process that
/// has ended. On another machine that shows only after kStaleSeconds (store.h).
bool is_left_behind(const std::string& path, double now);

}  // namespace engine
