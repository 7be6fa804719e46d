#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

/// What is asked of a GPU: of one that is only described (Backend::describe), which runs nothing
/// but notes everything here, or of a real one while its launches are timed
/// (Backend::time_launches), where only launches are noted.
class LaunchList {
 public:
  /// A kernel, a library's call, or a copy or filling within the device's memory.
  struct Launch {
    std::string phase, node;                  ///< the ranges that it is in, see DeviceRange
    std::string kernel;                       ///< "max_pool_backward", "copy"
    std::array<unsigned, 3> grid{}, block{};  ///< zero where a library decides
    double bytes = 0;                         ///< moved through main memory; 0: unknown, very few
    double microseconds = 0;                  ///< 0: it was not run
    int lane = 0;                             ///< see Device::fork
  };
  /// What a library will compute a pass with.
  struct Plan {
    std::string phase, node;
    std::string pass;    ///< "forward", "backward data", "backward filter"
    std::string engine;  ///< "eng41_k2=1_k13=1"
    size_t workspace_bytes = 0;
    std::string note;  ///< why it may be slow: "repacks x"; often empty
  };

  std::vector<Launch> launches;  ///< in order, those of a recording too; a replay adds none
  std::vector<Plan> plans;
  size_t memory = 0, peak_memory = 0;  ///< bytes in use now, and the most so far

  /// Ranges nest. The outermost is a phase ("forward"), the next one a node; more say nothing.
  void begin_range(std::string_view name) { ranges_.emplace_back(name); }
  void end_range() { ranges_.pop_back(); }
  void use_lane(int lane) { lane_ = lane; }
  void add(Launch launch);  ///< in the ranges and the lane of now
  void add(Plan plan);

 private:
  std::string range(size_t level) const { return level < ranges_.size() ? ranges_[level] : ""; }
  std::vector<std::string> ranges_;
  int lane_ = 0;
};

}  // namespace engine
