#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace engine {

/// A process among all machines that share a folder.
struct ProcessPlace {
  std::string host;    ///< name of the machine, for people
  std::string system;  ///< this boot of it and this space of process ids
  int64_t id = 0;
  int64_t begun = 0;  ///< when, in clock ticks after the boot: ids are used again
};

/// Not for several threads at once.
const ProcessPlace& this_process();

/// Whether a process still runs; nothing when it is of another machine (or container), so that
/// nobody can tell from here.
std::optional<bool> is_alive(const ProcessPlace& place);

}  // namespace engine
