#include "engine/sweep/sweep_keys.h"

#include "engine/core/keys_document.h"
#include "engine/core/keys_schema.h"

namespace engine {
namespace {

/// An array of strings that may be empty.
class StringList : public CustomValue {
 public:
  explicit StringList(std::vector<std::string>& list) : list_(list) {}

  std::optional<std::string> read(const Value& value) override {
    std::vector<std::string> list;
    const bool array = value.is(Value::Kind::array);
    for (const Value& each : array ? value.array() : Array{}) {
      if (!each.is(Value::Kind::string) || each.string().find('\n') != std::string::npos) break;
      list.push_back(each.string());
    }
    if (!array || list.size() != value.array().size()) return "an array of strings of one line";
    list_ = std::move(list);
    return std::nullopt;
  }

  Value write() const override { return Array(list_.begin(), list_.end()); }

  Value schema() const override {
    return Object{{"type", "array", {}}, {"items", string_schema(), {}}};
  }

 private:
  std::vector<std::string>& list_;
};

constexpr double kMostSeconds = 1e9;

/// {"KEY OF AN EXPERIMENT": VALUE}.
Value by_key(Value value, std::string_view doc) {
  return described(Object{{"type", "object", {}}, {"additionalProperties", std::move(value), {}}},
                   doc);
}

Value array_of(Value items) {
  return Object{{"type", "array", {}}, {"items", std::move(items), {}}, {"minItems", 1, {}}};
}

Value range_of(std::string_view type) {
  return Object{{"type", "array", {}},
                {"items", Object{{"type", type, {}}}, {}},
                {"minItems", 2, {}},
                {"maxItems", 2, {}}};
}

Value one_member(std::string_view key, Value value) {
  Value schema = object_schema("");
  schema_properties(schema).set(key, std::move(value));
  schema.set("required", Array{Value(key)});
  return schema;
}

std::vector<KeyDescription> random_keys() {
  DescribeKeys keys;
  int64_t count = 0, seed = 1;
  keys.integer("count", count, random_count_info());
  keys.integer("seed", seed, random_seed_info());
  return std::move(keys.keys);
}

std::vector<KeyDescription> described_point() {
  DescribeKeys keys;
  PointSpec point;
  point_keys(keys, point);
  return std::move(keys.keys);
}

std::vector<KeyDescription> described_sweep() {
  DescribeKeys keys;
  SweepFile file;
  sweep_keys(keys, file);
  return std::move(keys.keys);
}

}  // namespace

KeyInfo random_count_info() {
  return {.doc = "How often to draw.", .required = true, .minimum = 1, .maximum = 1e9};
}

KeyInfo random_seed_info() {
  return {.doc = "The values that are drawn follow from it; not the runs' seed.",
          .minimum = 0,
          .maximum = 4294967295.0};
}

void sweep_keys(Keys& keys, SweepFile& file) {
  std::string schema;
  keys.string("$schema", schema,
              {.doc = "The schema's path, for editors (`engine schema --sweep` prints it); not "
                      "read."});
  keys.string("name", file.name,
              {.doc = "Name of the sweep's folder below `sweeps/`; the file's name when absent."});
  keys.string("description", file.description, {.doc = "For readers."});
  keys.string("base", file.base,
              {.doc = "The experiment file that all points change, relative to this file. Needed "
                      "unless every point has \"extends\"."});
  keys.section("set", "settings", {.doc = "Keys of experiments with values, for all points."});
  keys.section("points", "points",
               {.doc = "Named experiments. Absent: one, the base. With \"grid\" or \"random\" each "
                       "of them is combined with all of it."});
  keys.section("grid", "grid",
               {.doc = "Keys of experiments, each with an array of values: every combination."});
  keys.section("random", "random", {.doc = "Keys of experiments with values that are drawn."});
  keys.section("seeds", "seeds",
               {.doc = "Every configuration runs once with each; absent: with its own seed only. "
                       "Two or more give intervals."});
  keys.integer("max_points", file.max_points,
               {.doc = "More points than this are refused, before any is made.",
                .minimum = 1,
                .maximum = 1e6});
  keys.integer("concurrency", file.concurrency,
               {.doc = "Points at a time on the CPU where --jobs does not say.",
                .minimum = 1,
                .maximum = 4096});
  keys.choice(
      "on_failure", file.on_failure,
      {{"keep_going", SweepFile::OnFailure::keep_going}, {"stop", SweepFile::OnFailure::stop}},
      {.doc = "After a point that fails: go on with the others, or start no more."});
  keys.number("time_limit", file.time_limit,
              {.doc = "Seconds that a point may run each time it is started; 0: no limit.",
               .minimum = 0,
               .maximum = kMostSeconds});
  keys.integer("attempts", file.attempts,
               {.doc = "A point whose process dies so often, without a checkpoint in between, has "
                       "failed.",
                .minimum = 1,
                .maximum = 1000});
  keys.string("baseline", file.baseline,
              {.doc = "Name of the configuration that others are compared with, as `sweep plan` "
                      "prints it; the first when absent."});
  keys.boolean("matrix", file.matrix,
               {.doc = "Also evaluate every network under every configuration's preprocessing."});
  keys.object("slurm", [&](Keys& k) { file.slurm.keys(k); },
              {.doc = "For `sweep submit`: lines of the script that Slurm gets."});
}

void point_keys(Keys& keys, PointSpec& point) {
  keys.string("name", point.name, {.doc = "Its name, unique.", .required = true});
  keys.string("extends", point.extends,
              {.doc = "Its experiment file, relative to this file; the base when absent."});
  keys.section("set", "settings", {.doc = "Keys of the experiment with values."});
  keys.string("after", point.after,
              {.doc = "Name of the point whose best weights it starts from, with the same seed and "
                      "the same values of grid and random."});
}

void SlurmConfig::keys(Keys& keys) {
  keys.string("partition", partition, {.doc = "--partition."});
  keys.string("account", account, {.doc = "--account."});
  keys.string("qos", qos, {.doc = "--qos."});
  keys.string("constraint", constraint, {.doc = "--constraint."});
  keys.string("gres", gres, {.doc = "--gres, as \"gpu:1\"."});
  keys.string("mem", mem, {.doc = "--mem, as \"16G\"."});
  keys.string("time", time, {.doc = "--time, as \"00:50:00\"."});
  keys.integer("cpus_per_task", cpus_per_task,
               {.doc = "--cpus-per-task; 0: the cluster's own.", .minimum = 0, .maximum = 4096});
  keys.integer(
      "array_limit", array_limit,
      {.doc = "Tasks of an array that run at a time; 0: no limit.", .minimum = 0, .maximum = 1e6});
  keys.integer(
      "points_per_task", points_per_task,
      {.doc = "Points that one task does, one after another.", .minimum = 1, .maximum = 1e6});
  keys.integer("signal_seconds", signal_seconds,
               {.doc = "So many seconds before the time limit a run is told to stop with a "
                       "checkpoint.",
                .minimum = 1,
                .maximum = 65535});
  keys.integer("requeues", requeues,
               {.doc = "So often a task that was stopped puts itself back into the queue.",
                .minimum = 0,
                .maximum = 1e6});
  StringList option_list(options), setup_list(setup);
  keys.custom("options", option_list,
              {.doc = "More lines for \"#SBATCH\", as \"--mail-type=FAIL\"."});
  keys.custom("setup", setup_list,
              {.doc = "Lines of shell before the engine is started, as \"module load cuda\"."});
}

Value sweep_schema() {
  Value schema = object_schema("A sweep of the engine: many experiments, run and compared.");
  schema.set("$schema", "http://json-schema.org/draft-07/schema#");
  schema.set("title", "Sweep");
  add_keys(schema, described_sweep());
  Value definitions = Object{};
  definitions.set("settings", by_key(Value(true), "Keys of an experiment with values."));
  definitions.set("grid", by_key(array_of(Value(true)), "Keys with arrays of values."));
  Value random = object_schema("Keys with values that are drawn.");
  add_keys(random, random_keys(), {.with_required = true});
  schema_properties(random).set("parameters",
                                by_key(any_of({one_member("uniform", range_of("number")),
                                               one_member("log_uniform", range_of("number")),
                                               one_member("integer", range_of("integer")),
                                               one_member("choice", array_of(Value(true)))}),
                                       "How each key is drawn; low and high are included."));
  definitions.set("random", std::move(random));
  Value point = object_schema("A named experiment.");
  add_keys(point, described_point(), {.with_required = true});
  definitions.set("points", array_of(std::move(point)));
  definitions.set("seeds",
                  array_of(number_schema("integer", {.minimum = 0, .maximum = 4294967295.0})));
  schema.set("definitions", std::move(definitions));
  return schema;
}

std::string sweep_reference() {
  std::string out = "## Keys\n\n";
  add_key_tables("", described_sweep(), out);
  out += "### `points`\n\nAn array of objects.\n\n" + key_table(described_point());
  out +=
      "### `grid`\n\nAn object: each key is a key of experiments, `\"preprocess.noise.sigma\"`, "
      "each value an array.\n\n"
      "### `random`\n\n" +
      key_table(random_keys()) +
      "`parameters` is an object of keys of experiments, each with one of:\n\n"
      "| value | draws |\n|---|---|\n"
      "| `{ \"uniform\": [low, high] }` | a number, every one as likely |\n"
      "| `{ \"log_uniform\": [low, high] }` | a number, every factor as likely |\n"
      "| `{ \"integer\": [low, high] }` | an integer |\n"
      "| `{ \"choice\": [values] }` | one of the values |\n";
  return out;
}

}  // namespace engine
