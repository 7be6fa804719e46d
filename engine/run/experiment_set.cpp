#include <algorithm>
#include <charconv>

#include "engine/core/json.h"
#include "engine/run/experiment_parts.h"

namespace engine {
namespace {

void set_origin(Value& value, const Origin& origin) {
  value.origin = origin;
  if (value.is(Value::Kind::array))
    for (Value& element : value.array()) set_origin(element, origin);
  if (value.is(Value::Kind::object))
    for (Member& member : value.object()) {
      member.origin = origin;
      set_origin(member.value, origin);
    }
}

/// JSON, or a word that stands for itself.
Value parse_value(std::string_view text, const Origin& origin) {
  const std::string place = origin.file;
  Problems ignored;
  std::optional<Value> parsed;
  if (!text.empty()) parsed = parse_json(text, place, ignored);
  if (!parsed || !ignored.empty()) {
    const size_t first = text.find_first_not_of(" \t");
    if (first != text.npos && (text[first] == '[' || text[first] == '{' || text[first] == '"'))
      throw Error(ExitCode::usage, fmt::format("{}: not valid JSON after \"=\"", place));
    parsed = Value(text);
  }
  set_origin(*parsed, origin);
  return std::move(*parsed);
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  for (size_t begin = 0;;) {
    const size_t dot = path.find('.', begin);
    parts.emplace_back(path.substr(begin, dot - begin));
    if (dot == path.npos) return parts;
    begin = dot + 1;
  }
}

/// Walks from the root along a path of keys, names and numbers.
class Walker {
 public:
  Walker(const Registry& registry, const Origin& origin, Problems& problems)
      : registry_(registry), origin_(origin), problems_(problems) {}

  void assign(Value& root, const std::vector<std::string>& parts, Value value) {
    Value* at = &root;
    for (size_t i = 0; i < parts.size(); ++i) {
      const bool last = i + 1 == parts.size();
      if (Value* list = named_list(*at, parts[i])) at = list;
      if (at->is(Value::Kind::array)) {
        at = element(*at, parts[i], list_kind());
        if (!at) return;
        path_ = join_path(path_, parts[i]);
        if (last) {
          *at = std::move(value);
          return;
        }
        continue;
      }
      if (!at->is(Value::Kind::object)) {
        problems_.add(
            origin_, path_,
            fmt::format("expected an object to set \"{}\" in, got {}", parts[i], got_text(*at)));
        return;
      }
      if (last) return put(*at, parts[i], std::move(value));
      path_ = join_path(path_, parts[i]);
      at = &child(*at, parts[i]);
    }
  }

 private:
  bool in_network() const {
    return path_ == "network" || (path_.starts_with("network.blocks.") &&
                                  std::count(path_.begin(), path_.end(), '.') == 2);
  }

  std::string_view list_kind() const { return path_ == "preprocess" ? "stage" : "node"; }

  /// The nodes, when the next part is a node's name and not a key of the network or the block.
  Value* named_list(Value& at, const std::string& part) const {
    if (!in_network() || !at.is(Value::Kind::object)) return nullptr;
    for (std::string_view key : {"nodes", "blocks", "parameters"})
      if (part == key) return nullptr;
    Value* nodes = at.find("nodes");
    return nodes && nodes->is(Value::Kind::array) ? nodes : nullptr;
  }

  Value* element(Value& list, const std::string& part, std::string_view kind) {
    Array& array = list.array();
    const std::vector<std::string> names = kind == "stage" ? stage_names(array) : node_names(array);
    const size_t index = find_named(names, part, kind, origin_, join_path(path_, part), problems_);
    return index < array.size() ? &array[index] : nullptr;
  }

  Value& child(Value& object, const std::string& key) {
    if (Value* found = object.find(key)) return *found;
    Value fresh = Object{};
    fresh.origin = origin_;
    object.object().push_back({key, std::move(fresh), origin_});
    return object.object().back().value;
  }

  void put(Value& object, const std::string& key, Value value) {
    if (value.is(Value::Kind::null)) return erase_key(object, key);
    if (path_ == "train.optimizer" && key == "type") switch_optimizer(object, value, registry_);
    for (Member& member : object.object()) {
      if (member.key != key) continue;
      member.value = std::move(value);
      member.origin = origin_;
      return;
    }
    object.object().push_back({key, std::move(value), origin_});
  }

  const Registry& registry_;
  const Origin& origin_;
  Problems& problems_;
  std::string path_;
};

}  // namespace

void apply_setting(Value& root, const Setting& setting, const Registry& registry,
                   Problems& problems) {
  Value value = setting.value;
  const Origin origin = value.origin;
  set_origin(value, origin);
  Walker(registry, origin, problems).assign(root, split(setting.key), std::move(value));
}

void apply_set(Value& root, const std::string& assignment, const Registry& registry,
               Problems& problems) {
  const size_t equals = assignment.find('=');
  if (equals == assignment.npos || equals == 0)
    fail(ExitCode::usage, "--set {}: expected KEY.PATH=VALUE, as in --set train.epochs=5",
         assignment);
  const Origin origin{"--set " + assignment, 0, 0};
  const std::vector<std::string> parts = split(std::string_view(assignment).substr(0, equals));
  if (std::any_of(parts.begin(), parts.end(), [](const std::string& p) { return p.empty(); }) ||
      parts.size() > kLimits.depth)
    fail(ExitCode::usage, "--set {}: expected names between the dots", assignment);
  if (parts[0] == "extends")
    fail(ExitCode::usage, "--set {}: \"extends\" has its place in a file", assignment);
  Value value = parse_value(std::string_view(assignment).substr(equals + 1), origin);
  Walker(registry, origin, problems).assign(root, parts, std::move(value));
}

std::vector<std::string> stage_names(const Array& stages) {
  std::vector<std::string> names;
  for (const Value& stage : stages) {
    const Value* name = stage.find("name");
    if (!name) name = stage.find("op");
    names.push_back(name && name->is(Value::Kind::string) ? name->string() : std::string());
  }
  return names;
}

size_t find_named(const std::vector<std::string>& names, std::string_view wanted,
                  std::string_view what, const Origin& origin, const std::string& path,
                  Problems& problems) {
  const auto named = std::find(names.begin(), names.end(), wanted);
  if (named != names.end()) return static_cast<size_t>(named - names.begin());
  size_t index = 0;
  const auto number = std::from_chars(wanted.data(), wanted.data() + wanted.size(), index);
  if (number.ec == std::errc() && number.ptr == wanted.data() + wanted.size() &&
      index < names.size())
    return index;
  std::vector<std::string_view> candidates;
  for (const std::string& name : names)
    if (!name.empty()) candidates.push_back(name);
  const std::string hint = did_you_mean(wanted, candidates);
  std::string message = fmt::format("unknown {}{}", what, hint);
  if (hint.empty() && candidates.empty()) message += ", there are none";
  if (hint.empty() && !candidates.empty() && candidates.size() <= 30)
    message += ", expected one of " + listed(candidates);
  problems.add(origin, path, message);
  return names.size();
}

}  // namespace engine
