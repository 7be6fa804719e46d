#pragma once

// Which of a library's engines computes a convolution fastest: found out once by timing, then
// remembered in a file. Knows no library.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cuda/convolution.h"

namespace engine {

/// All that decides how fast an engine is: the pass, shapes, window, types, GPU and library.
std::string plan_key(const ConvolutionShape& shape, ConvolutionPass pass, std::string_view gpu,
                     std::string_view library);

/// A JSON file of engines that were the fastest. Several processes may use one file: it is replaced
/// as a whole, what another has added stays, and of two that timed the same the first to write
/// wins, for both. A file that is damaged, or of another kind, is left out of account and replaced;
/// one that cannot be written is done without. Nothing here throws because of the file.
class PlanCache {
 public:
  using Note = std::function<void(const std::string&)>;

  PlanCache() = default;  ///< without a file: remembers as long as it lives
  /// note gets a line when the file cannot be read or written; may be empty.
  PlanCache(std::string path, Note note) : path_(std::move(path)), note_(std::move(note)) {}

  /// The engine of a key; null when there is none. Valid until remember().
  const std::string* find(const std::string& key);
  /// Adds an engine and the time that it took, and returns the one that is remembered now: another
  /// process may have been first. An engine that is known to be of no use does not stay.
  const std::string& remember(const std::string& key, const std::string& engine,
                              double milliseconds, const std::string& useless = {});

 private:
  struct Plan {
    std::string engine;
    double milliseconds = 0;
  };
  void read();
  void write() const;
  void say(const std::string& line) const;

  std::string path_;
  Note note_;
  bool read_ = false, damaged_ = false;
  std::map<std::string, Plan> plans_;
};

/// How choose_engine() has engines made and timed.
class EngineTimer {
 public:
  virtual ~EngineTimer() = default;
  /// Names of engines, the most promising first; a name may come twice.
  virtual std::vector<std::string> engines() = 0;
  /// Whether the engine can compute what is wanted. If so, it is ready to run from now on.
  virtual bool make(const std::string& engine) = 0;
  /// Milliseconds of one run; nothing when it cannot be timed now (memory is short).
  virtual std::optional<double> time(const std::string& engine) = 0;
};

/// How many engines of one library are timed.
inline constexpr size_t kTimedOfALibrary = 8;

/// The engine that the cache remembers under the key, if it can be made; else the fastest of the
/// first ones that can be, as many as most says, which is remembered. Where nothing can be timed
/// the first one, which is not. Empty: none can be made.
std::string choose_engine(PlanCache& cache, const std::string& key, EngineTimer& timer,
                          size_t most = kTimedOfALibrary);

/// The lists' names in turns: the first of each, the second of each ...
std::vector<std::string> take_turns(const std::vector<std::vector<std::string>>& lists);

}  // namespace engine
