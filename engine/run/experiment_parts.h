#pragma once

// How load_experiment works inside: text -> merged Value tree (extends, --set) -> Experiment.

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/keys_reader.h"
#include "engine/core/limits.h"
#include "engine/run/experiment.h"

namespace engine {

/// Keys that only files have: the resolved experiment does not.
struct FileKeys {
  std::string schema, extends;
  void keys(Keys& keys);
};
/// The top level of an experiment; "preprocess" and "network" are sections.
void experiment_keys(Keys& keys, Experiment& experiment);

/// The file and all that it extends, merged, without "$schema" and "extends". Null when a file
/// cannot be read, which is reported.
Value load_merged(const std::string& file, const Registry& registry, Problems& problems);
/// "train.epochs=5": path and JSON value (a word without quotes is a string).
void apply_set(Value& root, const std::string& assignment, const Registry& registry,
               Problems& problems);
void apply_setting(Value& root, const Setting& setting, const Registry& registry,
                   Problems& problems);
/// Puts override over base: objects deeply, null takes a key away, arrays are replaced; an object
/// for "preprocess" addresses stages by name.
void merge(Value& base, const Value& override, const std::string& path, const Registry& registry,
           Problems& problems);

/// Names of stages: the file's, else the op's.
std::vector<std::string> stage_names(const Array& stages);
/// Index of a stage or node by its name or number; reported with suggestions when there is none.
/// Returns the array's size then.
size_t find_named(const std::vector<std::string>& names, std::string_view wanted,
                  std::string_view what, const Origin& origin, const std::string& path,
                  Problems& problems);
/// Another optimizer type was asked for: takes away the keys that only the one before has.
void switch_optimizer(Value& optimizer, const Value& type, const Registry& registry);
void erase_key(Value& object, std::string_view key);

std::vector<std::string_view> stage_ops(const Registry& registry);
std::vector<std::string_view> optimizer_types(const Registry& registry);
/// What reading one object of each kind looks like; for the schema and the reference.
std::vector<KeyDescription> describe(Op& op);
std::vector<KeyDescription> describe(Stage& stage);
std::vector<KeyDescription> describe(Optimizer& optimizer);
std::vector<KeyDescription> describe_experiment();

}  // namespace engine
