#pragma once

#include <fmt/format.h>

#include "tests/support/paths.h"
#include "tests/support/small_network.h"

namespace engine::test {

/// The study's network as it ships, with Adam, as SmallNetwork takes it.
inline Value study_network(int64_t batch) {
  const std::string file = (source_dir() / "experiments/gray.json").string();
  const Value gray = parse_json_or_throw(read_json_text(file), file, ExitCode::experiment);
  Value all = parse_json_or_throw(fmt::format(R"({{"image": [32, 32, 1], "classes": 10, "batch": {},
          "optimizer": {{"type": "adam", "learning_rate": 0.001}}}})",
                                              batch),
                                  "test.json", ExitCode::experiment);
  all.set("network", *gray.find("network"));
  return all;
}

}  // namespace engine::test
