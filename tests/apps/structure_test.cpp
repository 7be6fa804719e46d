// The rules of docs/architecture.md that a text search can hold up: who includes whom, and that no
// source starts a shell.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/paths.h"

namespace engine::test {
namespace {

namespace fs = std::filesystem;

struct Rule {
  std::string folder;                ///< files whose path starts so
  std::vector<std::string> allowed;  ///< may include project headers that start so
};

const std::vector<Rule>& layers() {
  static const std::vector<Rule> rules{
      {"engine/core/", {"engine/core/"}},
      {"engine/cpu/", {"engine/core/", "engine/cpu/"}},
      {"engine/graph/", {"engine/core/", "engine/graph/"}},
      {"engine/data/", {"engine/core/", "engine/data/"}},
      {"engine/run/", {"engine/core/", "engine/graph/", "engine/data/", "engine/run/"}},
      {"engine/report/",
       {"engine/core/", "engine/graph/", "engine/data/", "engine/run/", "engine/report/"}},
      {"engine/sweep/",
       {"engine/core/", "engine/graph/", "engine/data/", "engine/run/", "engine/report/",
        "engine/sweep/"}},
      {"engine/cuda/", {"engine/core/", "engine/cuda/"}},
      {"kernels/", {"engine/core/", "engine/cpu/", "engine/cuda/", "kernels/"}},
      {"apps/", {"engine/", "apps/", "kernels/register.h"}},
  };
  return rules;
}

/// Libraries that only some places may know.
const std::vector<std::pair<std::string, std::vector<std::string>>>& libraries() {
  static const std::vector<std::pair<std::string, std::vector<std::string>>> rules{
      {"nlohmann/", {"engine/core/json.cpp"}},
      {"oneapi/", {"engine/cpu/", "kernels/"}},
      {"dnnl", {"engine/cpu/", "kernels/"}},
      {"omp.h", {"engine/cpu/", "kernels/"}},
      {"CLI/", {"apps/"}},
      {"curl/", {"engine/data/"}},
      {"jpeglib.h", {"engine/data/"}},
      {"png.h", {"engine/data/", "engine/report/"}},
      {"onnx/", {"engine/report/onnx_graph.cpp"}},
      {"tensorboard_event.pb.h", {"engine/report/tensorboard_events.cpp"}},
      {"openssl/", {"engine/data/", "engine/report/"}},
      {"boost/", {"engine/sweep/statistics.cpp"}},
      {"ft2build.h", {"engine/report/text_raster.cpp"}},
      {"cuda", {"engine/cuda/"}},
      {"cudnn", {"engine/cuda/"}},
      {"cublas", {"engine/cuda/"}},
      {"nvtx3/", {"engine/cuda/"}},
      {"cub/", {"engine/cuda/sort_pairs_cub.cu"}},
  };
  return rules;
}

bool starts_with_any(const std::string& text, const std::vector<std::string>& prefixes) {
  for (const auto& prefix : prefixes) {
    if (text.starts_with(prefix)) return true;
  }
  return false;
}

/// What is wrong with the includes of a file; path is relative to the root.
std::vector<std::string> wrong_includes(const std::string& path, const std::string& text) {
  static const std::regex include(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, include)) continue;
    const std::string header = match[1];
    // A kernel's CUDA side is X_cuda.*, and nothing else knows the device.
    if (header.starts_with("engine/cuda/") && path.starts_with("kernels/") &&
        path.find("_cuda.") == std::string::npos)
      found.push_back(path + ": " + header);
    for (const Rule& rule : layers()) {
      if (!path.starts_with(rule.folder)) continue;
      const bool ours = starts_with_any(header, {"engine/", "kernels/", "apps/", "tests/"});
      const bool relative = line.find('"') != std::string::npos && !ours;
      if ((ours && !starts_with_any(header, rule.allowed)) || relative)
        found.push_back(path + ": " + header);
    }
    for (const auto& [library, places] : libraries()) {
      if (header.starts_with(library) && !starts_with_any(path, places))
        found.push_back(path + ": " + header);
    }
  }
  return found;
}

/// Source text without comments, strings and character constants.
std::string code_only(const std::string& text) {
  static const std::regex noise(
      R"RE(//[^\n]*|/\*[^*]*\*+([^/*][^*]*\*+)*/|"([^"\\\n]|\\.)*"|'([^'\\\n]|\\.)*')RE");
  return std::regex_replace(text, noise, " ");
}

/// Calls that start a shell or another program.
std::vector<std::string> process_calls(const std::string& text) {
  static const std::regex call(
      R"(\b(system|popen|exec[lv]p?e?|execvpe|posix_spawnp?|fork|vfork)\s*\()");
  const std::string code = code_only(text);
  std::vector<std::string> found;
  for (std::sregex_iterator i(code.begin(), code.end(), call), end; i != end; ++i)
    found.push_back(i->str(1));
  return found;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Every C++ source of the engine, relative to the root.
std::vector<std::string> sources() {
  std::vector<std::string> paths;
  for (const char* folder : {"apps", "engine", "kernels"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source_dir() / folder)) {
      const std::string extension = entry.path().extension();
      if (extension == ".h" || extension == ".cpp" || extension == ".cu") {
        paths.push_back(fs::relative(entry.path(), source_dir()));
      }
    }
  }
  return paths;
}

TEST(Structure, IncludesGoOneWay) {
  const auto paths = sources();
  ASSERT_GT(paths.size(), 50u);
  for (const auto& path : paths) {
    for (const auto& wrong : wrong_includes(path, read(source_dir() / path)))
      ADD_FAILURE() << wrong;
  }
}

TEST(Structure, TheCheckOfIncludesFindsWrongOnes) {
  EXPECT_EQ(wrong_includes("engine/run/x.cpp", "#include \"kernels/nn/conv2d.h\"\n").size(), 1u);
  EXPECT_EQ(wrong_includes("engine/graph/x.cpp", "#include \"engine/cpu/parallel.h\"\n").size(),
            1u);
  EXPECT_EQ(wrong_includes("engine/core/x.h", "  # include <nlohmann/json.hpp>\n").size(), 1u);
  EXPECT_EQ(wrong_includes("engine/data/x.cpp", "#include <omp.h>\n#include \"y.h\"\n").size(), 2u);
  EXPECT_EQ(wrong_includes("apps/x.cpp", "#include \"kernels/nn/conv2d.h\"\n").size(), 1u);
  EXPECT_EQ(wrong_includes("apps/x.cpp", "#include \"kernels/register.h\"\n").size(), 0u);
  EXPECT_EQ(wrong_includes("kernels/nn/add.cpp", "#include \"engine/cuda/launch.h\"\n").size(), 1u);
  EXPECT_EQ(wrong_includes("kernels/nn/add_cuda.cu", "#include \"engine/cuda/launch.h\"\n").size(),
            0u);
}

// But for one, which sweeps start their runs with, and that never through a shell.
TEST(Structure, OneSourceStartsPrograms) {
  for (const auto& path : sources()) {
    for (const auto& call : process_calls(read(source_dir() / path))) {
      const bool one = path == "engine/sweep/child_process.cpp";
      EXPECT_TRUE(one && (call == "fork" || call == "execvpe")) << path << " calls " << call;
    }
  }
}

TEST(Structure, TheCheckOfProcessCallsFindsThem) {
  EXPECT_EQ(process_calls("std::system(command);").size(), 1u);
  EXPECT_EQ(process_calls("FILE* f = popen (\"ls\", \"r\");").size(), 1u);
  EXPECT_EQ(process_calls("// system(x)\nauto s = \"popen(\"; file_system(x); /* fork() */").size(),
            0u);
}

/// Names of classes and structs that a header defines at namespace level.
std::vector<std::string> types_defined(const std::string& text) {
  static const std::regex definition(
      R"((?:^|\n)(?:class|struct|enum class) (\w+)(?: final)?\s*(?::[^:][^;{]*)?\{)");
  const std::string code = code_only(text);
  std::vector<std::string> found;
  for (std::sregex_iterator i(code.begin(), code.end(), definition), end; i != end; ++i)
    found.push_back(i->str(1));
  return found;
}

// Two types of one name in two headers that no source includes together compile, link, and crash.
TEST(Structure, NoTypeIsDefinedTwice) {
  std::map<std::string, std::string> where;
  for (const auto& path : sources()) {
    if (!path.ends_with(".h")) continue;
    for (const auto& type : types_defined(read(source_dir() / path))) {
      const auto [entry, first] = where.emplace(type, path);
      EXPECT_TRUE(first) << type << " is defined in " << entry->second << " and in " << path;
    }
  }
  EXPECT_TRUE(where.contains("Op") && where.contains("TensorView") && where.contains("DType"));
}

TEST(Structure, HeadersHaveAGuard) {
  for (const auto& path : sources()) {
    if (!path.ends_with(".h")) continue;
    EXPECT_NE(read(source_dir() / path).find("#pragma once"), std::string::npos) << path;
  }
}

}  // namespace
}  // namespace engine::test
