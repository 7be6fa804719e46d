#include "engine/sweep/sweep_file.h"

#include <algorithm>
#include <filesystem>

#include "engine/core/json.h"
#include "engine/core/keys_reader.h"
#include "engine/sweep/sweep_keys.h"

namespace engine {
namespace {

constexpr int64_t kMatrixConfigurations = 50;

std::string list_text(std::string_view of, size_t least) {
  return fmt::format("an array of {} or more {}", least, of);
}

/// The parts of a sweep file that are not plain keys.
class Reader {
 public:
  Reader(const Value& root, SweepFile& file, Problems& problems)
      : root_(root), file_(file), problems_(problems) {}

  void read() {
    ReadKeys reader(root_, "", problems_);
    sweep_keys(reader, file_);
    if (const Value* set = root_.find("set")) file_.set = settings(*set, "set");
    if (const Value* grid = root_.find("grid")) read_grid(*grid);
    if (const Value* random = root_.find("random")) read_random(*random);
    if (const Value* points = root_.find("points")) read_points(*points);
    if (const Value* seeds = root_.find("seeds")) read_seeds(*seeds);
    check_name(reader);
    if (file_.base.empty() && file_.points.empty() && !root_.find("points"))
      problems_.add(root_.origin, "", "expected \"base\", an experiment file, or \"points\"");
    reader.finish();
    check_keys_are_distinct();
  }

 private:
  void check_name(ReadKeys& reader) {
    const Value* name = root_.find("name");
    if (name && name->is(Value::Kind::string) && !is_name(file_.name))
      reader.expected("name", *name, name_text());
    if (file_.name.empty()) {
      const std::string stem = std::filesystem::path(file_.path).stem().string();
      file_.name = is_name(stem) ? stem : "sweep";
    }
    const Value* time = root_.find("slurm") ? root_.find("slurm")->find("time") : nullptr;
    if (time && time->is(Value::Kind::string) &&
        file_.slurm.time.find_first_not_of("0123456789:-") != std::string::npos)
      problems_.add(
          time->origin, "slurm.time",
          "expected minutes, \"hours:minutes:seconds\" or \"days-hours:minutes:seconds\", "
          "got " +
              got_text(*time));
  }

  bool is_object(const Value& value, const std::string& path) {
    if (value.is(Value::Kind::object)) return true;
    problems_.add(value.origin, path, "expected an object, got " + got_text(value));
    return false;
  }

  /// A key of an experiment; those of a sweep's own business are refused.
  bool is_key(const std::string& key, const Origin& origin, const std::string& path) {
    const bool parts = !key.empty() && key.front() != '.' && key.back() != '.' &&
                       key.find("..") == std::string::npos;
    if (!parts || key == "extends") {
      problems_.add(origin, path, "expected a key of an experiment, as \"train.epochs\"");
    } else if (key == "seed") {
      problems_.add(origin, path, "expected other keys; the sweep's \"seeds\" give the seed");
    } else if (key == "name") {
      problems_.add(origin, path, "expected other keys; a point's run is named by the sweep");
    } else {
      return true;
    }
    return false;
  }

  std::vector<Setting> settings(const Value& object, const std::string& path) {
    std::vector<Setting> found;
    if (!is_object(object, path)) return found;
    for (const Member& member : object.object()) {
      if (!is_key(member.key, member.origin, join_path(path, member.key))) continue;
      found.push_back({member.key, member.value});
    }
    return found;
  }

  void read_grid(const Value& grid) {
    if (!is_object(grid, "grid")) return;
    for (const Member& member : grid.object()) {
      const std::string path = "grid." + member.key;
      if (!is_key(member.key, member.origin, path)) continue;
      const std::vector<Value> values = distinct_values(member.value, path);
      if (!values.empty()) file_.grid.push_back({member.key, values, member.origin});
    }
  }

  std::vector<Value> distinct_values(const Value& value, const std::string& path) {
    if (!value.is(Value::Kind::array) || value.array().empty()) {
      problems_.add(value.origin, path,
                    "expected " + list_text("values", 1) + ", got " + got_text(value));
      return {};
    }
    std::vector<std::string> seen;
    for (const Value& each : value.array()) {
      seen.push_back(to_json(each, -1));
      if (std::count(seen.begin(), seen.end(), seen.back()) > 1)
        problems_.add(each.origin, path, "expected each value once, got " + seen.back() + " again");
    }
    return value.array();
  }

  void read_random(const Value& random) {
    ReadKeys reader(random, "random", problems_);
    if (!random.is(Value::Kind::object)) return;
    reader.integer("count", file_.random_count, random_count_info());
    reader.integer("seed", file_.random_seed, random_seed_info());
    const Value* parameters = reader.take("parameters");
    if (!parameters) {
      problems_.add(random.origin, "random.parameters", "missing key, expected an object");
    } else if (is_object(*parameters, "random.parameters")) {
      for (const Member& member : parameters->object()) read_parameter(member);
    }
    reader.finish();
  }

  void read_parameter(const Member& member) {
    const std::string path = "random.parameters." + member.key;
    if (!is_key(member.key, member.origin, path)) return;
    const auto wrong = [&] {
      problems_.add(member.value.origin, path,
                    "expected { \"uniform\": [low, high] }, { \"log_uniform\": [low, high] }, "
                    "{ \"integer\": [low, high] } or { \"choice\": [values] }, got " +
                        got_text(member.value));
    };
    if (!member.value.is(Value::Kind::object) || member.value.object().size() != 1) return wrong();
    const auto& [kind, value, origin] = member.value.object()[0];
    RandomParameter parameter{.key = member.key, .origin = member.origin};
    if (kind == "choice") {
      parameter.kind = RandomParameter::Kind::choice;
      parameter.choices = distinct_values(value, path + ".choice");
      if (!parameter.choices.empty()) file_.random.push_back(std::move(parameter));
      return;
    }
    if (kind == "log_uniform") {
      parameter.kind = RandomParameter::Kind::log_uniform;
    } else if (kind == "integer") {
      parameter.kind = RandomParameter::Kind::integer;
    } else if (kind != "uniform") {
      return wrong();
    }
    const bool whole = parameter.kind == RandomParameter::Kind::integer;
    const auto fits = [&](const Value& v) {
      return whole ? v.is(Value::Kind::integer) : v.is_number();
    };
    if (!value.is(Value::Kind::array) || value.array().size() != 2 || !fits(value.array()[0]) ||
        !fits(value.array()[1]) || value.array()[0].number() >= value.array()[1].number() ||
        (parameter.kind == RandomParameter::Kind::log_uniform && value.array()[0].number() <= 0)) {
      problems_.add(
          value.origin, path + "." + kind,
          fmt::format("expected [low, high], two {} with low < high{}",
                      whole ? "integers" : "numbers", kind == "log_uniform" ? " and low > 0" : ""));
      return;
    }
    parameter.low = value.array()[0].number();
    parameter.high = value.array()[1].number();
    file_.random.push_back(std::move(parameter));
  }

  void read_points(const Value& points) {
    if (!points.is(Value::Kind::array) || points.array().empty()) {
      problems_.add(points.origin, "points",
                    "expected " + list_text("objects", 1) + ", got " + got_text(points));
      return;
    }
    for (size_t i = 0; i < points.array().size(); ++i) read_point(points.array()[i], i);
    for (const PointSpec& point : file_.points) check_chain(point);
  }

  void read_point(const Value& value, size_t index) {
    std::string path = fmt::format("points[{}]", index);
    if (!is_object(value, path)) return;
    PointSpec point{.origin = value.origin};
    ReadKeys reader(value, path, problems_);
    point_keys(reader, point);
    const Value* name = value.find("name");
    if (name && name->is(Value::Kind::string) && !is_name(point.name))
      reader.expected("name", *name, name_text());
    if (const Value* after = value.find("after")) point.after_origin = after->origin;
    if (const Value* set = value.find("set")) point.set = settings(*set, path + ".set");
    reader.finish();
    if (point.extends.empty() && file_.base.empty())
      problems_.add(value.origin, path + ".extends",
                    "missing key, expected an experiment file, since the sweep has no \"base\"");
    for (const PointSpec& other : file_.points) {
      if (!point.name.empty() && other.name == point.name)
        problems_.add(name->origin, path + ".name",
                      fmt::format("expected a name of its own; \"{}\" is taken", point.name));
    }
    file_.points.push_back(std::move(point));
  }

  const PointSpec* find_point(std::string_view name) const {
    for (const PointSpec& point : file_.points)
      if (point.name == name) return &point;
    return nullptr;
  }

  void check_chain(const PointSpec& point) {
    if (point.after.empty()) return;
    std::vector<std::string_view> names;
    for (const PointSpec& other : file_.points)
      if (&other != &point) names.push_back(other.name);
    const PointSpec* at = find_point(point.after);
    if (!at || at == &point) {
      problems_.add(point.after_origin, "points." + point.name + ".after",
                    fmt::format("expected the name of another point, got \"{}\"{}", point.after,
                                did_you_mean(point.after, names)));
      return;
    }
    for (size_t steps = 0; at && !at->after.empty(); ++steps) {
      if (at == &point || steps > file_.points.size()) {
        problems_.add(point.after_origin, "points." + point.name + ".after",
                      "expected a chain with a beginning, got a circle");
        return;
      }
      at = find_point(at->after);
    }
  }

  void read_seeds(const Value& seeds) {
    if (!seeds.is(Value::Kind::array) || seeds.array().empty()) {
      problems_.add(seeds.origin, "seeds",
                    "expected " + list_text("integers", 1) + ", got " + got_text(seeds));
      return;
    }
    for (const Value& seed : seeds.array()) {
      constexpr int64_t kMost = 4294967295;
      if (!seed.is(Value::Kind::integer) || seed.integer() < 0 || seed.integer() > kMost) {
        problems_.add(
            seed.origin, "seeds",
            fmt::format("expected integers between 0 and {}, got {}", kMost, got_text(seed)));
      } else if (std::count(file_.seeds.begin(), file_.seeds.end(), seed.integer())) {
        problems_.add(seed.origin, "seeds",
                      fmt::format("expected each seed once, got {} again", seed.integer()));
      } else {
        file_.seeds.push_back(seed.integer());
      }
    }
  }

  /// A key that both grid and random give would make one of them do nothing.
  void check_keys_are_distinct() {
    for (const RandomParameter& parameter : file_.random) {
      for (const Factor& factor : file_.grid) {
        if (factor.key == parameter.key)
          problems_.add(parameter.origin, "random.parameters." + parameter.key,
                        "expected other keys than \"grid\" has");
      }
    }
    const Value* matrix = root_.find("matrix");
    if (file_.matrix && count_configurations(file_) > kMatrixConfigurations)
      problems_.add(matrix->origin, "matrix",
                    fmt::format("expected at most {} configurations for a matrix, got {}",
                                kMatrixConfigurations, count_configurations(file_)));
  }

  const Value& root_;
  SweepFile& file_;
  Problems& problems_;
};

}  // namespace

SweepFile load_sweep_file(const std::string& path) {
  SweepFile file;
  file.path = std::filesystem::path(path).lexically_normal().string();
  Problems problems;
  const std::optional<Value> root = parse_json(read_json_text(file.path), file.path, problems);
  if (root && !root->is(Value::Kind::object)) {
    problems.add(root->origin, "", "expected an object, got " + got_text(*root));
  } else if (root) {
    Reader(*root, file, problems).read();
  }
  problems.throw_if_any();
  return file;
}

std::string beside(const SweepFile& file, std::string_view path) {
  return (std::filesystem::path(file.path).parent_path() / path).lexically_normal().string();
}

}  // namespace engine
