// Sweep file -> configurations -> points.

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/core/file.h"
#include "engine/core/limits.h"
#include "engine/sweep/combinations.h"
#include "engine/sweep/sweep.h"
#include "engine/sweep/sweep_keys.h"

namespace engine {
namespace {

/// a * b, or the largest number.
int64_t times(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}

int64_t at_least_one(size_t count) {
  return std::max<int64_t>(1, static_cast<int64_t>(count));
}

/// Whether a key ends with a part of it that begins behind a dot, or is that part.
bool ends_with_part(std::string_view key, std::string_view part) {
  return key.ends_with(part) &&
         (key.size() == part.size() || key[key.size() - part.size() - 1] == '.');
}

/// Of the keys of grid and random.
std::map<std::string, std::string> short_names(const SweepFile& file) {
  std::vector<std::string> keys;
  for (const Factor& factor : file.grid) keys.push_back(factor.key);
  for (const RandomParameter& parameter : file.random) keys.push_back(parameter.key);
  const std::vector<std::string> names = factor_names(keys);
  std::map<std::string, std::string> by_key;
  for (size_t i = 0; i < keys.size(); ++i) by_key[keys[i]] = names[i];
  return by_key;
}

std::string text_of(const Value& value) {
  return value.is(Value::Kind::string) ? value.string() : to_json(value, -1);
}

std::string assignment(const Setting& setting) {
  return setting.key + "=" + to_json(setting.value, -1);
}

/// Makes the configurations and resolves each.
class Expander {
 public:
  Expander(const SweepFile& file, const SweepOptions& options, const Registry& registry)
      : file_(file), options_(options), registry_(registry), names_(short_names(file)) {}

  std::vector<Configuration> configurations(size_t& repeated) {
    std::vector<PointSpec> specs = file_.points;
    if (specs.empty()) specs.emplace_back();
    const std::vector<Combination> drawn = draws(file_, repeated);
    const std::vector<Combination> combined = combinations(file_.grid);
    const size_t each = drawn.size() * combined.size();
    std::vector<Configuration> all;
    for (const PointSpec& spec : specs) {
      for (const Combination& grid : combined) {
        for (const Combination& draw : drawn) {
          Combination factors = grid;
          factors.insert(factors.end(), draw.begin(), draw.end());
          all.push_back(make(spec, std::move(factors)));
          if (!spec.after.empty()) {
            const auto before = std::find_if(specs.begin(), specs.end(), [&](const PointSpec& s) {
              return s.name == spec.after;
            });
            all.back().after =
                static_cast<size_t>(before - specs.begin()) * each + (all.size() - 1) % each;
          }
        }
      }
    }
    check_findings();
    return all;
  }

 private:
  Configuration make(const PointSpec& spec, Combination factors) {
    Configuration made{.point = spec.name};
    made.file = beside(file_, spec.extends.empty() ? file_.base : spec.extends);
    std::vector<Setting> settings = file_.set;
    settings.insert(settings.end(), spec.set.begin(), spec.set.end());
    settings.insert(settings.end(), factors.begin(), factors.end());
    std::vector<std::string> words;
    if (!spec.name.empty()) words.push_back(spec.name);
    for (const Setting& factor : factors)
      words.push_back(names_.at(factor.key) + "=" + text_of(factor.value));
    for (const Setting& setting : settings) made.set.push_back(assignment(setting));
    made.set.insert(made.set.end(), options_.set.begin(), options_.set.end());
    made.factors = std::move(factors);
    try {
      made.experiment = std::make_shared<Experiment>(
          load_experiment(made.file, {options_.set, std::move(settings)}, registry_));
      made.preprocessing = to_json(*made.experiment->resolved.find("preprocess"), -1);
      if (words.empty()) words.push_back(made.experiment->name);
    } catch (const Error& error) {
      note(error);
    }
    made.name = fmt::format("{}", fmt::join(words, ", "));
    return made;
  }

  /// Many configurations share their mistakes: each once. Lines that belong to the one before, a
  /// file's source, are indented.
  void note(const Error& error) {
    if (error.code() != ExitCode::experiment) throw error;
    const std::string text = error.what();
    for (size_t begin = 0; begin < text.size();) {
      size_t end = text.find('\n', begin);
      while (end != std::string::npos && text.compare(end + 1, 1, " ") == 0)
        end = text.find('\n', end + 1);
      const std::string finding = text.substr(begin, end - begin);
      if (seen_.insert(finding).second && findings_.size() < kLimits.messages)
        findings_.push_back(finding);
      begin = end == std::string::npos ? text.size() : end + 1;
    }
  }

  void check_findings() const {
    if (!findings_.empty())
      throw Error(ExitCode::experiment, fmt::format("{}", fmt::join(findings_, "\n")));
  }

  const SweepFile& file_;
  const SweepOptions& options_;
  const Registry& registry_;
  std::map<std::string, std::string> names_;
  std::vector<std::string> findings_;
  std::set<std::string> seen_;
};

/// Letters, digits, '.', '_' and '-' of a name, for a folder.
std::string folder_name(const std::string& name, int64_t seed, const std::string& identity) {
  constexpr size_t kLongest = 40;
  std::string plain;
  for (const char c : name) {
    const bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (keep) plain += c;
    if (!keep && !plain.empty() && plain.back() != '-') plain += '-';
  }
  plain.resize(std::min(plain.size(), kLongest));
  if (plain.empty() || plain[0] == '.') plain.insert(0, "point");
  return fmt::format("{}-seed{}-{}", plain, seed, identity.substr(0, 8));
}

std::string hash_with_seed(const Experiment& experiment, int64_t seed) {
  Value resolved = experiment.resolved;
  resolved.set("seed", seed);
  return hash_of_experiment(resolved);
}

/// A configuration's points, after those of the one before it in its chain.
class PointMaker {
 public:
  explicit PointMaker(Sweep& sweep) : sweep_(sweep) {}

  void make_all() {
    std::vector<std::vector<SweepPoint>> levels;
    for (size_t i = 0; i < sweep_.configurations.size(); ++i) {
      const size_t level = level_of(i);
      levels.resize(std::max(levels.size(), level + 1));
      for (const int64_t seed : seeds_of(i)) levels[level].push_back({i, seed, level});
    }
    for (std::vector<SweepPoint>& level : levels) {
      for (SweepPoint& point : level) finish(point);
    }
  }

 private:
  std::vector<int64_t> seeds_of(size_t configuration) const {
    if (!sweep_.file.seeds.empty()) return sweep_.file.seeds;
    // Of a chain all points have the seed of its first.
    while (const auto after = sweep_.configurations[configuration].after) configuration = *after;
    return {sweep_.configurations[configuration].experiment->seed};
  }

  size_t level_of(size_t configuration) const {
    size_t level = 0;
    while (const auto after = sweep_.configurations[configuration].after) {
      configuration = *after;
      ++level;
    }
    return level;
  }

  void finish(SweepPoint point) {
    const Configuration& configuration = sweep_.configurations[point.configuration];
    point.experiment_hash = hash_with_seed(*configuration.experiment, point.seed);
    point.identity = point.experiment_hash;
    if (configuration.after) {
      point.after = places_.at({*configuration.after, point.seed});
      point.identity =
          hash_hex(point.experiment_hash + " after " + sweep_.points[*point.after].identity);
    }
    point.folder = folder_name(configuration.name, point.seed, point.identity);
    const auto [taken, fresh] = identities_.emplace(point.identity, point.configuration);
    if (!fresh)
      fail(ExitCode::experiment,
           "{}: \"{}\" and \"{}\" are the same experiment; expected each to differ in a value",
           sweep_.file.path, sweep_.configurations[taken->second].name, configuration.name);
    places_[{point.configuration, point.seed}] = sweep_.points.size();
    sweep_.points.push_back(std::move(point));
  }

  Sweep& sweep_;
  std::map<std::pair<size_t, int64_t>, size_t> places_;
  std::map<std::string, size_t> identities_;
};

size_t find_baseline(const Sweep& sweep) {
  if (sweep.file.baseline.empty()) return 0;
  std::vector<std::string_view> names;
  for (const Configuration& configuration : sweep.configurations)
    names.push_back(configuration.name);
  const auto found = std::find(names.begin(), names.end(), sweep.file.baseline);
  if (found == names.end())
    fail(ExitCode::experiment, "{}: baseline: expected the name of a configuration, got \"{}\"{}",
         sweep.file.path, sweep.file.baseline, did_you_mean(sweep.file.baseline, names));
  return static_cast<size_t>(found - names.begin());
}

}  // namespace

std::vector<std::string> factor_names(const std::vector<std::string>& keys) {
  std::vector<std::string> names;
  for (const std::string& key : keys) {
    size_t start = key.size();
    std::string_view name;
    do {
      const size_t dot = start == 0 ? std::string::npos : key.rfind('.', start - 1);
      start = dot == std::string::npos ? 0 : dot;
      name = std::string_view(key).substr(dot == std::string::npos ? 0 : dot + 1);
    } while (start > 0 && std::count_if(keys.begin(), keys.end(), [&](const std::string& other) {
                            return ends_with_part(other, name);
                          }) > 1);
    names.emplace_back(name);
  }
  return names;
}

Array points_value(const Sweep& sweep) {
  Array points;
  for (const SweepPoint& point : sweep.points) {
    Value entry{Object{}};
    entry.set("configuration", sweep.configurations[point.configuration].name);
    entry.set("seed", point.seed);
    entry.set("identity", point.identity);
    entry.set("folder", point.folder);
    points.push_back(std::move(entry));
  }
  return points;
}

int64_t count_configurations(const SweepFile& file) {
  int64_t count = at_least_one(file.points.size());
  for (const Factor& factor : file.grid)
    count = times(count, static_cast<int64_t>(factor.values.size()));
  return file.random.empty() ? count : times(count, file.random_count);
}

int64_t count_points(const SweepFile& file) {
  return times(count_configurations(file), at_least_one(file.seeds.size()));
}

std::string hash_of_experiment(const Value& resolved) {
  std::string text;
  for (const ResolvedLine& line : resolved_lines(resolved)) {
    const bool counts =
        line.key != "name" && line.key != "description" && !line.key.starts_with("log.");
    if (counts) text += line.key + " = " + line.value + "\n";
  }
  return hash_hex(text);
}

Sweep expand_sweep(SweepFile file, const SweepOptions& options, const Registry& registry) {
  if (const int64_t count = count_points(file); count > file.max_points)
    fail(ExitCode::experiment,
         "{}: expected at most {} points, got {}; leave out values or seeds, or raise "
         "\"max_points\"",
         file.path, file.max_points, count);
  Sweep sweep;
  sweep.file = std::move(file);
  sweep.set = options.set;
  sweep.configurations =
      Expander(sweep.file, options, registry).configurations(sweep.repeated_draws);
  PointMaker(sweep).make_all();
  sweep.baseline = find_baseline(sweep);
  return sweep;
}

}  // namespace engine
