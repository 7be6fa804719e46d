#include "tests/emulation/kernel_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <link.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/emulation/emulator.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

namespace fs = std::filesystem;

/// "map_elements_kernel" of "void engine::(anonymous namespace)::map_elements_kernel<4>(int)".
std::string base_name(const std::string& demangled) {
  static const std::regex anonymous(R"(\(anonymous namespace\)::)");
  const std::string name = std::regex_replace(demangled, anonymous, "");
  const std::string front = name.substr(0, name.find_first_of("<("));
  return front.substr(front.find_last_of(": ") + 1);
}

/// Where this program lies in memory: what nm's addresses are relative to.
uintptr_t load_address() {
  uintptr_t address = 0;
  const auto first = [](dl_phdr_info* module, size_t, void* result) {
    *static_cast<uintptr_t*>(result) = module->dlpi_addr;
    return 1;  // the program comes before its libraries
  };
  dl_iterate_phdr(first, &address);
  return address;
}

/// Names of functions, which are local to their files: only the program's symbol table has them.
std::map<const void*, std::string> read_symbols() {
  const std::string program = fs::read_symlink("/proc/self/exe");
  const uintptr_t base = load_address();
  std::istringstream lines(run_process({"nm", "--demangle", "--defined-only", program}).out);
  std::map<const void*, std::string> names;
  for (std::string line; std::getline(lines, line);) {
    const uintptr_t address = base + std::strtoull(line.c_str(), nullptr, 16);
    const size_t name = line.find(' ', line.find(' ') + 1);
    names[reinterpret_cast<const void*>(address)] = line.substr(name + 1);
  }
  return names;
}

/// The __global__ functions of a launch's name; empty for those of the tests themselves.
std::set<std::string> functions_of(const emulated::Launches& launches) {
  static const auto symbols = read_symbols();
  std::set<std::string> names;
  for (const void* function : launches.functions) {
    const auto symbol = symbols.find(function);
    if (symbol == symbols.end()) {
      ADD_FAILURE() << "nm does not list a kernel";
    } else if (symbol->second.find("engine::test::") == std::string::npos) {
      names.insert(base_name(symbol->second));
    }
  }
  return names;
}

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// At the end of a program that $ENGINE_KERNEL_TABLE asks for it: the table goes there, and a
/// kernel that no test ran is a failure.
class WriteTable : public testing::Environment {
 public:
  void TearDown() override {
    const char* file = std::getenv("ENGINE_KERNEL_TABLE");
    if (!file) return;
    std::ofstream(file) << kernel_table().text();
    const std::set<std::string> ran = kernel_table().functions();
    for (const std::string& kernel : kernels_in_sources()) {
      EXPECT_TRUE(ran.contains(kernel)) << kernel << " was never launched";
    }
  }
};
[[maybe_unused]] const auto* const kWriteTable = testing::AddGlobalTestEnvironment(new WriteTable);

}  // namespace

KernelTable& kernel_table() {
  static KernelTable table;
  return table;
}

void KernelTable::begin_case() {
  ++case_;
  for (const auto& [name, launches] : emulated::launches()) rows_[name].before = launches.count;
}

void KernelTable::note_error(double relative) {
  for (const auto& [name, launches] : emulated::launches()) {
    Row& row = rows_[name];
    if (launches.count == row.before) continue;
    if (row.last_case != case_) ++row.cases;
    row.last_case = case_;
    row.worst = std::max(row.worst, relative);
  }
}

std::string KernelTable::text() const {
  std::string text = fmt::format("{:32} {:32} {:>9} {:>6} {:>11}\n", "launch", "kernel", "launches",
                                 "cases", "worst error");
  for (const auto& [name, launches] : emulated::launches()) {
    const auto functions = functions_of(launches);
    const auto row = rows_.find(name);
    const Row found = row == rows_.end() ? Row{} : row->second;
    if (functions.empty() && found.cases == 0) continue;  // of the emulation's own tests
    text += fmt::format(
        "{:32} {:32} {:9} {:6} {:>11}\n", name,
        functions.empty() ? "(library)" : fmt::format("{}", fmt::join(functions, ", ")),
        launches.count, found.cases, found.cases ? fmt::format("{:.1e}", found.worst) : "-");
  }
  return text;
}

std::set<std::string> KernelTable::functions() const {
  std::set<std::string> all;
  for (const auto& [name, launches] : emulated::launches()) all.merge(functions_of(launches));
  return all;
}

std::set<std::string> kernels_in_sources() {
  static const std::regex comment(R"(//[^\n]*)"), word("__global__");
  static const std::regex kernel(
      R"(__global__[^;{}]*?\bvoid\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\()");
  std::set<std::string> names;
  for (const char* folder : {"engine", "kernels"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source_dir() / folder)) {
      if (!entry.is_regular_file()) continue;
      const std::string text = std::regex_replace(read(entry.path()), comment, "");
      const auto end = std::sregex_iterator();
      const auto first = std::sregex_iterator(text.begin(), text.end(), kernel);
      EXPECT_EQ(std::distance(first, end),
                std::distance(std::sregex_iterator(text.begin(), text.end(), word), end))
          << entry.path() << ": a __global__ function without a name";
      for (auto each = first; each != end; ++each) names.insert((*each)[1]);
    }
  }
  return names;
}

}  // namespace engine::test
