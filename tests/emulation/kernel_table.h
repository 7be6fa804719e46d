#pragma once

// Which kernels the tests ran, and how far they were from the reference.

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace engine::test {

class KernelTable {
 public:
  /// What is launched from now on belongs to a new case.
  void begin_case();
  /// All launches of the case so far had a part in a result with this error, as a share of the
  /// result.
  void note_error(double relative);

  /// A line for each name that kernels of the engine, or of a library, were launched by.
  std::string text() const;
  /// Names of the __global__ functions that ran.
  std::set<std::string> functions() const;

 private:
  struct Row {
    uint64_t before = 0;  ///< launches when the case began
    uint64_t cases = 0, last_case = 0;
    double worst = 0;
  };
  std::map<std::string, Row> rows_;
  uint64_t case_ = 0;
};

/// The program's one.
KernelTable& kernel_table();

/// Names of the __global__ functions in the engine's sources.
std::set<std::string> kernels_in_sources();

}  // namespace engine::test
