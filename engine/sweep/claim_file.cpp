#include "engine/sweep/claim_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <sstream>

#include "engine/core/error.h"
#include "engine/core/file.h"
#include "engine/core/json.h"
#include "engine/sweep/store.h"

namespace engine {

std::string to_json(const ClaimFile& claim) {
  Value value{Object{}};
  value.set("host", claim.place.host);
  value.set("system", claim.place.system);
  value.set("holder", claim.place.id);
  value.set("begun", claim.place.begun);
  value.set("process", claim.process);
  value.set("step", claim.step);
  if (!claim.end.empty()) value.set("end", claim.end);
  return to_json(value) + "\n";
}

int64_t integer_of(const Value& value, std::string_view key) {
  const Value* found = value.find(key);
  return found && found->is(Value::Kind::integer) ? found->integer() : 0;
}

std::string string_of(const Value& value, std::string_view key) {
  const Value* found = value.find(key);
  return found && found->is(Value::Kind::string) ? found->string() : std::string();
}

ClaimFile read_claim(const std::string& path) {
  ClaimFile claim;
  try {
    const Value value = parse_json_or_throw(read_text(path), path, ExitCode::storage);
    claim.place = {.host = string_of(value, "host"),
                   .system = string_of(value, "system"),
                   .id = integer_of(value, "holder"),
                   .begun = integer_of(value, "begun")};
    claim.process = integer_of(value, "process");
    claim.step = integer_of(value, "step");
    claim.end = string_of(value, "end");
  } catch (const Error&) {
    return {};
  }
  return claim;
}

std::optional<double> time_of(const std::string& path) {
  struct stat state {};
  if (::stat(path.c_str(), &state) != 0) return std::nullopt;
  return static_cast<double>(state.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(state.st_mtim.tv_nsec);
}

std::string own_name(std::string_view what) {
  const ProcessPlace& place = this_process();
  return fmt::format(".{}.{}.{}.{}", what, hash_hex(place.system).substr(0, 8), place.id,
                     place.begun);
}

bool is_left_behind(const std::string& path, double now) {
  std::istringstream parts(std::filesystem::path(path).filename().string());
  std::string nothing, what, system, id, begun;
  for (std::string* part : {&nothing, &what, &system, &id, &begun}) std::getline(parts, *part, '.');
  const auto is_number = [](const std::string& text) {
    return !text.empty() && text.size() < 18 &&
           text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (system == hash_hex(this_process().system).substr(0, 8) && is_number(id) && is_number(begun))
    return is_alive({.system = this_process().system,
                     .id = std::stoll(id),
                     .begun = std::stoll(begun)}) == false;
  const auto time = time_of(path);
  return time && now - *time > kStaleSeconds;
}

}  // namespace engine
