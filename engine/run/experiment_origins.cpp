#include <algorithm>

#include "engine/core/json.h"
#include "engine/run/experiment_parts.h"

namespace engine {
namespace {

bool is_leaf(const Value& value) {
  if (value.is(Value::Kind::object)) return value.object().empty();
  if (!value.is(Value::Kind::array)) return true;
  return std::all_of(value.array().begin(), value.array().end(), is_leaf);
}

void collect(const Value& value, const std::string& path, std::vector<ResolvedLine>& lines) {
  if (is_leaf(value)) {
    lines.push_back({path, to_json(value, -1), to_string(value.origin)});
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

std::vector<ResolvedLine> resolved_lines(const Value& resolved) {
  std::vector<ResolvedLine> lines;
  collect(resolved, "", lines);
  return lines;
}

std::string describe_origins(const Value& resolved) {
  constexpr size_t kWidest = 60;
  const std::vector<ResolvedLine> lines = resolved_lines(resolved);
  const auto text = [](const ResolvedLine& line) {
    return fmt::format("{} = {}", line.key, line.value);
  };
  size_t width = 0;
  for (const ResolvedLine& line : lines) {
    const size_t size = text(line).size();
    if (size <= kWidest) width = std::max(width, size);
  }
  std::string out;
  for (const ResolvedLine& line : lines)
    out += fmt::format("{:<{}}    {}\n", text(line), width, line.origin);
  return out;
}

}  // namespace engine
