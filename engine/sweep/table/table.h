#pragma once

// What `engine sweep table` writes.

#include <string>

#include "engine/sweep/results.h"

namespace engine {

/// One line a point: configuration, seed, state, the factors, accuracies, losses, epochs, seconds,
/// exit code, reason, run folder. Numbers read back bit for bit; empty cells where there is none.
std::string points_csv(const SweepResults& results);
/// One line a configuration: seeds done, mean, deviation, interval, difference, its interval, p,
/// corrected p.
std::string configurations_csv(const SweepResults& results);
/// trained_on, evaluated_on, seeds, mean, low, high; empty without a matrix.
std::string matrix_csv(const SweepResults& results);
/// A document: state, the table of configurations, sentences, effects, matrix, failures.
std::string sweep_markdown(const SweepResults& results);
/// One page that fetches nothing and runs no script. Links are relative to the sweep's folder,
/// where the page lies.
std::string sweep_page(const SweepResults& results);

// The page's figures as SVG. Empty: nothing to show.
std::string accuracy_figure(
    const SweepResults& results);  ///< a point a configuration, with interval
std::string effects_figure(const SweepResults& results);  ///< mean accuracy by level of each factor
std::string heat_figure(const SweepResults& results);     ///< of exactly two factors
std::string parallel_figure(const SweepResults& results);  ///< of three factors or more
std::string matrix_figure(const SweepResults& results);    ///< trained on x evaluated on

}  // namespace engine
