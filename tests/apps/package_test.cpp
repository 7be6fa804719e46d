// cmake --install makes a folder that runs from anywhere with its own libraries.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

namespace fs = std::filesystem;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

fs::path build_folder() {
  return fs::path(engine_binary()).parent_path().parent_path();
}

/// The files that the dynamic linker mapped, from the output of LD_DEBUG=files.
std::set<std::string> loaded_libraries(const std::string& trace) {
  static const std::regex line(R"(calling init: (\S+))");
  std::set<std::string> found;
  for (std::sregex_iterator i(trace.begin(), trace.end(), line), end; i != end; ++i)
    found.insert((*i)[1]);
  return found;
}

bool is_of_glibc(const fs::path& library) {
  static const std::regex name(R"((ld-linux.*|lib(c|m|dl|rt|pthread|resolv))\.so.*)");
  return std::regex_match(library.filename().string(), name);
}

TEST(Package, RunsFromAnotherFolderWithItsOwnLibraries) {
  if (kSanitized) GTEST_SKIP() << "a build with sanitizers is not for packaging";
  if (!fs::exists(build_folder() / "cmake_install.cmake")) GTEST_SKIP() << "not in a build folder";
  TemporaryFolder folder;
  const ProcessResult install =
      run_process({"cmake", "--install", build_folder(), "--prefix", folder / "first"});
  if (install.code == 127) GTEST_SKIP() << "no cmake on this machine";
  ASSERT_EXIT_CODE(install, 0);
  const fs::path package = folder.path() / "moved-here";
  fs::rename(folder.path() / "first", package);

  const std::string program = package / "bin/engine";
  const ProcessResult traced =
      run_process({program, "--version"}, {.environment = {{"LD_DEBUG", "files"}}});
  ASSERT_EXIT_CODE(traced, 0);
  const auto libraries = loaded_libraries(traced.err);
  EXPECT_GE(libraries.size(), 8u) << traced.err;
  for (const std::string& library : libraries) {
    EXPECT_TRUE(library.starts_with(package.string()) || is_of_glibc(library)) << library;
  }
  std::set<std::string> bundled;
  for (const auto& entry : fs::directory_iterator(package / "lib/engine"))
    bundled.insert(entry.path().filename());
  for (const char* name : {"libdnnl.so.3", "libgomp.so.1", "libstdc++.so.6"})
    EXPECT_TRUE(bundled.contains(name)) << name;
  EXPECT_FALSE(bundled.contains("libc.so.6"));
  for (const char* name : {"LICENSE", "README.md", "experiments/quickstart.json", "licences"}) {
    EXPECT_TRUE(fs::exists(package / "share/engine" / name)) << name;
  }

  const std::string experiment = package / "share/engine/experiments/quickstart.json";
  const ProcessResult check =
      run_process({program, "check", experiment, "--target", "cpu"}, {.folder = "/"});
  EXPECT_EXIT_CODE(check, 0);

  // Every module that the script wants has come along.
  const ProcessResult acceptance =
      run_process({package / "share/engine/tests/gpu/acceptance", "--help"}, {.folder = "/"});
  if (acceptance.code == 127) GTEST_SKIP() << "no python3 on this machine";
  EXPECT_EXIT_CODE(acceptance, 0);
}

TEST(Package, TheArchiveIsSmall) {
  if (!std::getenv("ENGINE_LONG_TESTS"))
    GTEST_SKIP() << "compressing takes long; set ENGINE_LONG_TESTS=1";
  if (kSanitized) GTEST_SKIP() << "a build with sanitizers is not for packaging";
  TemporaryFolder folder;
  const ProcessResult result =
      run_process({"cpack", "--config", build_folder() / "CPackConfig.cmake", "-B", folder.path()},
                  {.timeout = 600});
  ASSERT_EXIT_CODE(result, 0);
  uintmax_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    if (entry.path().string().ends_with(".tar.xz")) bytes = fs::file_size(entry.path());
  }
  EXPECT_GT(bytes, 1'000'000u);
  EXPECT_LT(bytes, 40'000'000u);
}

}  // namespace
}  // namespace engine::test
