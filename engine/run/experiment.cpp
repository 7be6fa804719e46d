#include "engine/run/experiment.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/core/json.h"
#include "engine/run/experiment_parts.h"

namespace engine {
namespace {

/// One experiment under way from the merged tree.
class Loader {
 public:
  Loader(const Value& root, const Registry& registry, Problems& problems)
      : root_(root), registry_(registry), problems_(problems) {}

  Experiment load() {
    read_top();
    if (const Value* stages = root_.find("preprocess")) read_preprocess(*stages);
    if (const Value* network = root_.find("network"))
      experiment_.network = read_network(*network, registry_, problems_);
    const Value* train = root_.find("train");
    read_optimizer(train ? train->find("optimizer") : nullptr);
    check_data();
    return std::move(experiment_);
  }

  /// After load() found nothing wrong.
  Value resolved(Experiment& experiment) const {
    WriteKeys writer(root_);
    experiment_keys(writer, experiment);
    Value resolved = std::move(writer.result);
    if (experiment.description.empty()) erase_key(resolved, "description");
    Value stages = Array{};
    stages.origin = resolved.find("preprocess")->origin;
    for (size_t i = 0; i < experiment.preprocess.size(); ++i)
      stages.array().push_back(
          resolved_stage(*experiment.preprocess[i], root_.find("preprocess")->array()[i]));
    resolved.set("preprocess", std::move(stages));
    resolved.set("network", resolve_network(*root_.find("network"), registry_));
    Value& train = *resolved.find("train");
    train.set("optimizer",
              resolved_optimizer(*experiment.train.optimizer, *train.find("optimizer")));
    return resolved;
  }

 private:
  void read_top() {
    ReadKeys reader(root_, "", problems_);
    FileKeys ignored;  // load_merged took them; known, so that they can be suggested
    ignored.keys(reader);
    experiment_keys(reader, experiment_);
    reader.finish();
    if (const Value* name = root_.find("name");
        name && name->is(Value::Kind::string) && !is_run_name(name->string()))
      reader.expected("name", *name,
                      fmt::format("letters, digits, \"_\", \"-\" and \".\" (not first), at most {} "
                                  "characters",
                                  kLimits.name_bytes));
    if (const Value* precision = root_.find("precision");
        precision && experiment_.precision != Precision::fp32 && !registry_.cuda_pipeline)
      reader.expected("precision", *precision, "\"fp32\", the only one without a CUDA device");
  }

  static bool is_run_name(const std::string& name) {
    std::string plain = name;
    std::replace(plain.begin(), plain.end(), '.', '_');
    return is_name(plain) && name[0] != '.';
  }

  void read_preprocess(const Value& stages) {
    if (!stages.is(Value::Kind::array) || stages.array().size() > kLimits.stages) {
      problems_.add(
          stages.origin, "preprocess",
          fmt::format("expected an array of at most {} stages, got {}", kLimits.stages,
                      stages.is(Value::Kind::array) ? std::to_string(stages.array().size())
                                                    : got_text(stages)));
      return;
    }
    const std::vector<std::string> names = stage_names(stages.array());
    const Stage* fresh = nullptr;  // the first stage that runs every epoch
    for (size_t i = 0; i < names.size(); ++i) {
      const Value& value = stages.array()[i];
      const std::string path =
          is_name(names[i]) ? "preprocess." + names[i] : fmt::format("preprocess[{}]", i);
      if (std::count(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) &&
          !names[i].empty())
        problems_.add(value.origin, path,
                      "expected a stage with a name of its own; give each of them a \"name\"");
      std::unique_ptr<Stage> stage = read_stage(value, path);
      if (!stage) continue;
      stage->name = names[i];
      if (stage->when() == When::every_epoch) {
        if (!fresh) fresh = stage.get();
      } else if (fresh) {
        problems_.add(
            value.origin, path,
            fmt::format("expected a stage that runs every epoch, because \"{}\" before it "
                        "does; got one that runs once",
                        fresh->name));
      }
      experiment_.preprocess.push_back(std::move(stage));
    }
  }

  std::unique_ptr<Stage> read_stage(const Value& value, const std::string& path) {
    ReadKeys reader(value, path, problems_);
    if (!value.is(Value::Kind::object)) return nullptr;
    if (const Value* name = reader.take("name");
        name && (!name->is(Value::Kind::string) || !is_name(name->string())))
      reader.expected("name", *name, name_text());
    const StageEntry* entry =
        read_kind(reader, value, "op", stage_ops(registry_), {}, registry_.stages);
    if (!entry) return nullptr;
    std::unique_ptr<Stage> stage = entry->make();
    stage->keys(reader);
    reader.finish();
    return stage;
  }

  void read_optimizer(const Value* value) {
    const Value nothing = Object{};
    ReadKeys reader(value ? *value : nothing, "train.optimizer", problems_);
    const OptimizerEntry* entry =
        read_kind(reader, value ? *value : nothing, "type", optimizer_types(registry_), "adam",
                  registry_.optimizers);
    if (!entry) return;
    experiment_.train.optimizer = entry->make();
    experiment_.train.optimizer->keys(reader);
    reader.finish();
  }

  /// The entry that a key names; null, and reported, when there is none. Without its kind the other
  /// keys of the object cannot be judged, so the caller leaves them.
  template <class Entry>
  const Entry* read_kind(ReadKeys& reader, const Value& object, std::string_view key,
                         const std::vector<std::string_view>& choices, std::string_view fallback,
                         const std::vector<Entry>& entries) {
    size_t index = choices.size();
    std::string name(fallback);
    const Value* value = reader.take(key);
    if (value && !value->is(Value::Kind::string)) {
      reader.expected(key, value ? *value : object, "one of " + listed(choices));
      return nullptr;
    }
    if (value) name = value->string();
    if (!value && reader.report_misspelt({key})) return nullptr;
    if (name.empty() && !value) {
      problems_.add(object.origin, reader.path_of(key),
                    "missing key, expected one of " + listed(choices));
      return nullptr;
    }
    for (size_t i = 0; i < entries.size(); ++i)
      if (entries[i].name == name) index = i;
    if (index < entries.size()) return &entries[index];
    reader.expected(key, *value, "one of " + listed(choices), did_you_mean(name, choices));
    return nullptr;
  }

  void check_data() {
    const Value* data = root_.find("data");
    if (!data || !data->is(Value::Kind::object)) return;
    const Value* path = data->find("path");
    if (experiment_.data.source == DataConfig::Source::image_folder &&
        experiment_.data.path.empty() && (!path || path->is(Value::Kind::string))) {
      problems_.add(path ? path->origin : data->origin, "data.path",
                    "missing key, expected the folder of images below the data folder");
      return;
    }
    const std::filesystem::path folder = experiment_.data.path;
    if (folder.is_absolute() || std::find(folder.begin(), folder.end(), "..") != folder.end())
      problems_.add(path->origin, "data.path",
                    "expected a path below the data folder (--data-dir), got " + got_text(*path));
  }

  static Value resolved_stage(Stage& stage, const Value& written) {
    Value resolved = Object{};
    resolved.origin = written.origin;
    resolved.set("op", *written.find("op"));
    const Value* name = written.find("name");
    Value given = name ? *name : Value(stage.name);
    if (!name) given.origin = {"default", 0, 0};
    resolved.set("name", std::move(given));
    WriteKeys writer(written);
    stage.keys(writer);
    for (Member& member : writer.result.object()) resolved.set(member.key, std::move(member.value));
    return resolved;
  }

  static Value resolved_optimizer(Optimizer& optimizer, const Value& written) {
    Value resolved = Object{};
    resolved.origin = written.origin;
    const Value* type = written.find("type");
    Value given = type ? *type : Value(optimizer.type());
    if (!type) given.origin = {"default", 0, 0};
    resolved.set("type", std::move(given));
    WriteKeys writer(written);
    optimizer.keys(writer);
    for (Member& member : writer.result.object()) resolved.set(member.key, std::move(member.value));
    return resolved;
  }

  const Value& root_;
  const Registry& registry_;
  Problems& problems_;
  Experiment experiment_;
};

}  // namespace

Experiment load_experiment(const std::string& file, const ExperimentOptions& options,
                           const Registry& registry) {
  Problems problems;
  Value root = load_merged(file, registry, problems);
  if (!root.is(Value::Kind::object)) problems.throw_if_any();
  for (const Setting& setting : options.settings) apply_setting(root, setting, registry, problems);
  for (const std::string& assignment : options.set) apply_set(root, assignment, registry, problems);
  Loader loader(root, registry, problems);
  Experiment experiment = loader.load();
  problems.throw_if_any();
  if (experiment.name.empty()) {
    const std::string stem = std::filesystem::path(file).stem().string();
    experiment.name = is_name(stem) ? stem : "experiment";
  }
  experiment.resolved = loader.resolved(experiment);
  return experiment;
}

std::vector<std::string_view> stage_ops(const Registry& registry) {
  std::vector<std::string_view> names;
  for (const StageEntry& entry : registry.stages) names.push_back(entry.name);
  return names;
}

std::vector<std::string_view> optimizer_types(const Registry& registry) {
  std::vector<std::string_view> names;
  for (const OptimizerEntry& entry : registry.optimizers) names.push_back(entry.name);
  return names;
}

}  // namespace engine
