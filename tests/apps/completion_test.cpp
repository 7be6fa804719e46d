// What shells offer when they have read `engine completion SHELL`.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

using Words = std::set<std::string>;

Words words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

/// A folder with a run and an experiment file, where completions are asked for.
class Completion : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "runs");
    std::ofstream(folder_ / "noise.json") << "{}";
  }

  /// Skips the test where the shell is not installed.
  bool load(const std::string& shell) {
    if (run_process({shell, "-c", "true"}).code != 0) return false;
    const ProcessResult script = run_engine({"completion", shell});
    EXPECT_EXIT_CODE(script, 0);
    std::ofstream(folder_ / "completion") << script.out;
    return true;
  }

  Words shell(const std::string& name, const std::string& code) {
    const ProcessResult result = run_process({name, "-c", code}, {.folder = folder_.path()});
    EXPECT_EXIT_CODE(result, 0);
    EXPECT_EQ(result.err, "");
    return words(result.out);
  }

  /// bash fills COMP_WORDS, and takes what the function leaves.
  Words bash(const std::string& line, int at) {
    return shell("bash", "source ./completion; COMP_WORDS=(" + line + "); COMP_CWORD=" +
                             std::to_string(at) + "; _engine; echo \"${COMPREPLY[@]}\"");
  }
  Words fish(const std::string& line) {
    // Descriptions stand behind a tab.
    return shell("fish", "source ./completion; complete -C '" + line + "' | cut -f 1");
  }
  /// A zsh at a terminal of its own makes `expected` of the line when tab is pressed: waits for it.
  void zsh(const std::string& line, const std::string& expected) {
    const ProcessResult result =
        run_process({"zsh", "-f", "-c",
                     "zmodload zsh/zpty; export TERM=dumb; zpty z zsh -f -i\n"
                     "zpty -w z 'PS1=; autoload -U compinit; compinit -u -D; source ./completion; "
                     "echo re''ady'; zpty -r z out '*ready*'\n"
                     "zpty -n -w z $'" +
                         line + "\\t'; zpty -r z out '*" + expected + "*'; zpty -d z"},
                    {.folder = folder_.path(), .timeout = 30});
    EXPECT_EXIT_CODE(result, 0) << line;
  }

  TemporaryFolder folder_;
};

TEST_F(Completion, Bash) {
  ASSERT_TRUE(load("bash"));
  EXPECT_EQ(bash("engine prep", 1), Words{"preprocess"});
  EXPECT_TRUE(bash("engine ''", 1).contains("completion"));
  EXPECT_EQ(bash("engine data v", 2), Words{"verify"});
  EXPECT_EQ(bash("engine run --res", 2), Words{"--resume"});
  EXPECT_EQ(bash("engine run --device c", 3), (Words{"cpu", "cuda"}));
  EXPECT_EQ(bash("engine data make --co", 3), Words{"--count"});
  EXPECT_EQ(bash("engine run no", 2), Words{"noise.json"});
  EXPECT_EQ(bash("engine evaluate ''", 2), Words{"runs"});
  EXPECT_EQ(bash("engine run --set no", 3), Words{});
  EXPECT_EQ(bash("engine help sche", 2), Words{"schema"});
  EXPECT_EQ(bash("engine nothing ''", 2), Words{});
}

TEST_F(Completion, Fish) {
  if (!load("fish")) GTEST_SKIP() << "no fish here";
  EXPECT_EQ(fish("engine prep"), Words{"preprocess"});
  EXPECT_EQ(fish("engine data v"), Words{"verify"});
  EXPECT_EQ(fish("engine run --res"), Words{"--resume"});
  EXPECT_EQ(fish("engine run --device c"), (Words{"cpu", "cuda"}));
  EXPECT_EQ(fish("engine data make --co"), Words{"--count"});
  EXPECT_EQ(fish("engine run no"), Words{"noise.json"});
  EXPECT_EQ(fish("engine evaluate ru"), Words{"runs/"});
}

TEST_F(Completion, Zsh) {
  if (!has_terminals()) GTEST_SKIP() << "no pseudo-terminals: /dev/pts is not mounted here";
  if (!load("zsh")) GTEST_SKIP() << "no zsh here";
  zsh("engine prep", "engine preprocess ");
  zsh("engine data v", "engine data verify ");
  zsh("engine run --res", "engine run --resume ");
  zsh("engine run --device au", "engine run --device auto ");
  zsh("engine data make --co", "engine data make --count ");
  zsh("engine run no", "engine run noise.json ");
  zsh("engine evaluate ru", "engine evaluate runs/");
}

}  // namespace
}  // namespace engine::test
