#pragma once

#include <chrono>
#include <cstdint>

namespace engine {

/// Seconds of an epoch for metrics.csv. Of an epoch that was resumed midway this process knows only
/// its own steps; the time of the others is extrapolated from them. Counted time is for tests that
/// compare metrics.csv byte for byte: by definition a step takes one millisecond.
class EpochTimer {
 public:
  EpochTimer(bool counted, int64_t steps) : counted_(counted), steps_(steps) {}
  void add_steps(int64_t steps) { done_ += steps; }
  double elapsed() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  double seconds_per_step() const {
    if (counted_) return 0.001;
    return done_ == 0 ? 0 : elapsed() / static_cast<double>(done_);
  }
  /// Of the whole epoch's training steps; 0 when this process did none of them.
  double training_seconds() const { return seconds_per_step() * static_cast<double>(steps_); }
  bool counted() const { return counted_; }

 private:
  bool counted_;
  int64_t steps_;
  int64_t done_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace engine
