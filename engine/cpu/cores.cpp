// How many cores and how much memory this process may use, as the kernel tells it.

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "engine/cpu/cpu_device.h"

namespace engine {
namespace {

/// Whether a comma-separated list has a word. Version 2's line has the empty list.
bool holds(const std::string& list, const std::string& word) {
  if (list.empty() || word.empty()) return list == word;
  std::istringstream words(list);
  for (std::string one; std::getline(words, one, ',');) {
    if (one == word) return true;
  }
  return false;
}

/// Path of this process in a cgroup hierarchy; controller "" is version 2's single hierarchy.
std::string cgroup_path(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    if (holds(names, controller)) return line.substr(second + 1);
  }
  return "/";
}

/// The least limit that read(folder) finds in a group and those above it; 0 means none.
template <class Read>
double least_limit(const std::string& root, std::string path, const Read& read) {
  double least = 0;
  while (true) {
    const double limit = read(root + path);
    if (limit > 0) least = least > 0 ? std::min(least, limit) : limit;
    if (path.empty()) return least;
    path.resize(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
  }
}

double read_number(const std::string& file) {
  std::ifstream stream(file);
  double number = 0;
  return stream >> number ? number : 0;
}

double cores_by_quota() {
  const double v2 = least_limit("/sys/fs/cgroup", cgroup_path(""), [](const std::string& folder) {
    std::ifstream stream(folder + "/cpu.max");
    double quota = 0, period = 0;
    return stream >> quota >> period && period > 0 ? quota / period : 0;  // "max" is no number
  });
  if (v2 > 0) return v2;
  return least_limit("/sys/fs/cgroup/cpu", cgroup_path("cpu"), [](const std::string& folder) {
    const double period = read_number(folder + "/cpu.cfs_period_us");
    return period > 0 ? read_number(folder + "/cpu.cfs_quota_us") / period : 0;
  });
}

}  // namespace

std::vector<int> allowed_cores() {
  // The mask may be larger than cpu_set_t on big machines: grow until the kernel accepts it.
  for (int cpus = 1024; cpus <= 1 << 18; cpus *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<size_t>(cpus));
    if (!set) break;
    const size_t size = CPU_ALLOC_SIZE(static_cast<size_t>(cpus));
    const bool known = sched_getaffinity(0, size, set) == 0;
    std::vector<int> cores;
    for (int core = 0; known && core < cpus; ++core)
      if (CPU_ISSET_S(static_cast<size_t>(core), size, set)) cores.push_back(core);
    CPU_FREE(set);
    if (known) return cores;
  }
  return {};
}

int usable_cores() {
  const std::vector<int> allowed = allowed_cores();
  int cores = allowed.empty() ? static_cast<int>(std::thread::hardware_concurrency())
                              : static_cast<int>(allowed.size());
  cores = std::max(1, cores);
  const double quota = cores_by_quota();
  if (quota > 0) cores = std::min(cores, std::max(1, static_cast<int>(std::ceil(quota))));
  return cores;
}

size_t available_memory() {
  double available = 0;
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    double kilobytes = 0;
    words >> key >> kilobytes;
    if (key == "MemAvailable:" || key == "SwapFree:") available += kilobytes * 1024;
  }
  const double group =
      least_limit("/sys/fs/cgroup", cgroup_path(""), [](const std::string& folder) {
        const double limit = read_number(folder + "/memory.max");
        return limit > 0 ? std::max(1.0, limit - read_number(folder + "/memory.current")) : 0;
      });
  if (group > 0) available = available > 0 ? std::min(available, group) : group;
  return static_cast<size_t>(available);
}

}  // namespace engine
