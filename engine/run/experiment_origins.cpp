#include <algorithm>

#include "engine/core/json.h"
#include "engine/run/experiment_parts.h"

namespace engine {
namespace {

struct Line {
  std::string text, origin;
};

bool is_leaf(const Value& value) {
  if (value.is(Value::Kind::object)) return value.object().empty();
  if (!value.is(Value::Kind::array)) return true;
  return std::all_of(value.array().begin(), value.array().end(), is_leaf);
}

void collect(const Value& value, const std::string& path, std::vector<Line>& lines) {
  if (is_leaf(value)) {
    lines.push_back({fmt::format("{} = {}", path, to_json(value, -1)), to_string(value.origin)});
    return;
  }
  if (value.is(Value::Kind::object)) {
    // The names of nodes stand where --set wants them: network.stem.filters.
    const bool named = path == "network" || path.starts_with("network.blocks.");
    for (const Member& member : value.object())
      collect(member.value, named && member.key == "nodes" ? path : join_path(path, member.key),
              lines);
    return;
  }
  const std::vector<std::string> names =
      path == "preprocess" ? stage_names(value.array()) : node_names(value.array());
  for (size_t i = 0; i < names.size(); ++i)
    collect(value.array()[i], join_path(path, names[i].empty() ? std::to_string(i) : names[i]),
            lines);
}

}  // namespace

std::string describe_origins(const Value& resolved) {
  constexpr size_t kWidest = 60;
  std::vector<Line> lines;
  collect(resolved, "", lines);
  size_t width = 0;
  for (const Line& line : lines)
    if (line.text.size() <= kWidest) width = std::max(width, line.text.size());
  std::string out;
  for (const Line& line : lines)
    out += fmt::format("{:<{}}    {}\n", line.text, width, line.origin);
  return out;
}

}  // namespace engine
