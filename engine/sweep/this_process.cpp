#include "engine/sweep/this_process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>

namespace engine {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// Field 22 of /proc/ID/stat; 0: there is no such process, or it has ended and waits to be reaped.
int64_t begun_at(int64_t id) {
  const std::string stat = first_line(fmt::format("/proc/{}/stat", id));
  const size_t name_end = stat.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string state, skipped;
  fields >> state;
  constexpr int kBetween = 18;  // fields 4 to 21
  for (int i = 0; i < kBetween; ++i) fields >> skipped;
  int64_t ticks = 0;
  fields >> ticks;
  return state == "Z" || state == "X" ? 0 : ticks;
}

std::string space_of_ids() {
  std::array<char, 64> link{};
  const ssize_t length = ::readlink("/proc/self/ns/pid", link.data(), link.size());
  return length < 0 ? std::string() : std::string(link.data(), static_cast<size_t>(length));
}

}  // namespace

const ProcessPlace& this_process() {
  static ProcessPlace place;
  const int64_t id = ::getpid();
  if (place.id == id) return place;  // a fork has another
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  place = {name.data(), first_line("/proc/sys/kernel/random/boot_id") + " " + space_of_ids(), id,
           begun_at(id)};
  return place;
}

std::optional<bool> is_alive(const ProcessPlace& place) {
  if (place.system.empty() || place.system != this_process().system) return std::nullopt;
  const int64_t begun = begun_at(place.id);
  return begun != 0 && begun == place.begun;
}

}  // namespace engine
