#pragma once

// The points of a sweep: sweep file -> configurations x seeds, each with an identity.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/run/experiment.h"
#include "engine/sweep/sweep_file.h"

namespace engine {

/// What points that differ only in their seed have in common.
struct Configuration {
  std::string name;              ///< "noise", "sigma=0.1", "noise, sigma=0.1": unique in its sweep
  std::string file;              ///< the experiment file, from the working folder on
  std::vector<std::string> set;  ///< "key=JSON", as --set takes them
  std::vector<Setting> factors;  ///< what grid and random gave it
  std::string point;             ///< the name of the sweep file's point; empty: there are none
  std::optional<size_t> after;   ///< index of the configuration whose best weights it starts from
  std::string preprocessing;     ///< as JSON text, equal where configurations preprocess alike
  std::shared_ptr<const Experiment> experiment;  ///< resolved, with the seed of its file
};

/// One run of a sweep.
struct SweepPoint {
  size_t configuration = 0;  ///< index
  int64_t seed = 1;
  size_t level = 0;             ///< how many points stand before it in its chain
  std::optional<size_t> after;  ///< index of the point before it in its chain
  std::string experiment_hash;  ///< of its resolved experiment: see hash_of_experiment
  std::string identity;  ///< of that and of all before it in its chain; 32 hexadecimal digits
  std::string folder;    ///< its run folder's name: "noise-seed1-3f5c8e21"
};

struct Sweep {
  SweepFile file;
  std::vector<std::string> set;  ///< SweepOptions::set
  std::vector<Configuration> configurations;
  std::vector<SweepPoint> points;  ///< by level, then configuration, then seed
  size_t repeated_draws = 0;       ///< random draws that were dropped: another had the same values
  size_t baseline = 0;             ///< index of the configuration that others are compared with
};

struct SweepOptions {
  std::vector<std::string> set;  ///< --set, for all points, after the sweep file's own
};

/// How many points a sweep has; more than 2^63 - 1 count as that.
int64_t count_points(const SweepFile& file);

/// Resolves and checks every point. Throws Error (experiment): too many points (before anything is
/// expanded), or everything that is wrong with any of them, each finding once.
Sweep expand_sweep(SweepFile file, const SweepOptions& options, const Registry& registry);

/// Configuration, seed, identity and folder of each point.
Array points_value(const Sweep& sweep);

/// The shortest dotted ends of keys that no other of them ends in: "sigma", or "noise.sigma" and
/// "smooth.sigma".
std::vector<std::string> factor_names(const std::vector<std::string>& keys);

/// XXH3-128 of a resolved experiment, but for what changes no result: name, description and log.
/// `resolved` as load_experiment made it, or parsed from a run's config.json.
std::string hash_of_experiment(const Value& resolved);

}  // namespace engine
