#pragma once

// The events that TensorBoard reads, as bytes (tensorboard_event.proto). A step is an epoch; step 0
// is before the first. time: seconds since 1970.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/report/run_facts.h"

namespace engine::events {

/// What a file begins with: its version; SessionLog START at step 0, at which a reader that has
/// seen another file of the run drops what it has of it; hyper-parameters, the experiment as text,
/// which scalars share a chart, and images after each stage of preprocessing.
std::vector<std::string> beginning(const RunView& run, const RunFacts& facts, double time);

/// The scalars of an epoch, as metrics.csv has them.
std::string of_epoch(const MetricsRow& row, double time);

/// What the test found, as scalars and pictures. facts has results.
std::string of_test(const RunFacts& facts, int64_t epoch, double time);

/// The end, for the page that compares hyper-parameters.
std::string of_end(bool success, int64_t epoch, double time);

/// Of an event that was read; both 0 when it is not one.
struct Place {
  double time = 0;
  int64_t epoch = 0;
};
Place place_of(std::string_view event);

}  // namespace engine::events
