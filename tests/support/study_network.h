#pragma once

#include <fmt/format.h>

#include "tests/support/paths.h"
#include "tests/support/small_network.h"

namespace engine::test {

/// A network that ships, for images of 32x32, with Adam, as SmallNetwork takes it.
inline Value shipped_network(const std::string& experiment, int64_t channels, int64_t batch) {
  const std::string file = (source_dir() / "experiments" / experiment).string();
  const Value text = parse_json_or_throw(read_json_text(file), file, ExitCode::experiment);
  Value all = parse_json_or_throw(fmt::format(R"({{"image": [32, 32, {}], "classes": 10,
          "batch": {}, "optimizer": {{"type": "adam", "learning_rate": 0.001}}}})",
                                              channels, batch),
                                  "test.json", ExitCode::experiment);
  all.set("network", *text.find("network"));
  return all;
}

/// The study's network as it ships.
inline Value study_network(int64_t batch) {
  return shipped_network("gray.json", 1, batch);
}

}  // namespace engine::test
