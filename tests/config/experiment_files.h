#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "engine/core/error.h"
#include "engine/run/experiment.h"
#include "kernels/register.h"
#include "tests/support/paths.h"

namespace engine::test {

inline const Registry& registry() {
  static const Registry registry = register_ops();
  return registry;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline void write_file(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(text.data(), static_cast<std::streamsize>(text.size()));
}

/// Experiment files in a folder of their own. Messages come without the folder's name.
class ExperimentFiles {
 public:
  void write(std::string_view name, std::string_view text) const {
    write_file(folder_.path() / name, text);
  }
  std::string path(std::string_view name) const { return folder_ / name; }
  Experiment load(std::string_view name, std::vector<std::string> set = {}) const {
    return load_experiment(path(name), {.set = std::move(set)}, registry());
  }
  /// What load() says is wrong; empty when nothing is. code is the error's.
  std::string complaint(std::string_view name, std::vector<std::string> set = {},
                        ExitCode code = ExitCode::experiment) const {
    try {
      load(name, std::move(set));
    } catch (const Error& error) {
      std::string message = error.what();
      if (error.code() != code) message += "\n(another exit code than expected)";
      return without_folder(message);
    }
    return {};
  }
  std::string without_folder(std::string message) const {
    const std::string prefix = folder_ / "";
    for (size_t at; (at = message.find(prefix)) != message.npos;) message.erase(at, prefix.size());
    return message;
  }

 private:
  TemporaryFolder folder_;
};

/// The resolved experiment of a text.
inline Experiment load_text(const std::string& text, std::vector<std::string> set = {}) {
  return load_experiment(text, {.set = std::move(set)}, registry());
}

}  // namespace engine::test
