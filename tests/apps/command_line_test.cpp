// What a user meets first: help, the version, and what the program says to wrong command lines.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

ProcessResult help_of(std::vector<std::string> command) {
  command.push_back("--help");
  return run_engine(command);
}

/// The words that a page of help lists: everything before its options, but its arguments.
std::vector<std::string> words_in(const std::string& help) {
  static const std::regex word("\n  ([a-z]+)  ");
  const std::string text = help.substr(0, help.find("\nOptions:"));
  std::vector<std::string> found;
  for (std::sregex_iterator i(text.begin(), text.end(), word), end; i != end; ++i)
    found.push_back(i->str(1));
  return found;
}

/// Every verb, and every word that follows one.
const std::vector<std::vector<std::string>>& commands() {
  static const std::vector<std::vector<std::string>> all = [] {
    std::vector<std::vector<std::string>> found;
    for (const std::string& verb : words_in(help_of({}).out)) {
      found.push_back({verb});
      for (const std::string& word : words_in(help_of({verb}).out)) found.push_back({verb, word});
    }
    EXPECT_GT(found.size(), 20u);
    return found;
  }();
  return all;
}

std::set<std::string> flags_in(const std::string& text) {
  static const std::regex flag("--[a-z][a-z-]*");
  std::set<std::string> found;
  for (std::sregex_iterator i(text.begin(), text.end(), flag), end; i != end; ++i)
    found.insert(i->str());
  return found;
}

TEST(CommandLine, HelpIsTheGoldenOne) {
  const auto golden = source_dir() / "tests/apps/golden/help.txt";
  const ProcessResult result = run_engine({"--help"});
  EXPECT_EXIT_CODE(result, 0);
  EXPECT_EQ(result.err, "");
  if (std::getenv("ENGINE_UPDATE_GOLDEN")) std::ofstream(golden) << result.out;
  EXPECT_EQ(result.out, read(golden)) << "set ENGINE_UPDATE_GOLDEN=1 to accept this";
  EXPECT_EQ(run_engine({"help"}).out, result.out);
}

TEST(CommandLine, EveryCommandHasAPageOfAtMost80Columns) {
  for (const auto& command : commands()) {
    const ProcessResult page = help_of(command);
    EXPECT_EXIT_CODE(page, 0);
    EXPECT_TRUE(page.out.starts_with("usage: engine " + command.front())) << page.out;
    EXPECT_EQ(page.err, "");
    std::istringstream lines(page.out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST(CommandLine, HelpOfAVerbIsItsPage) {
  for (const auto& command : commands()) {
    if (command.size() == 1) {
      EXPECT_EQ(run_engine({"help", command[0]}).out, help_of(command).out);
    }
  }
}

TEST(CommandLine, TheDocumentNamesEveryVerbAndFlag) {
  const std::string document = read(source_dir() / "docs/command_line.md");
  for (const auto& command : commands()) {
    std::string name = "engine";
    for (const auto& word : command) name += " " + word;
    EXPECT_NE(document.find("## `" + name), std::string::npos) << name;
    // The section of this command names each of its flags.
    const size_t begin = document.find("## `" + name);
    if (begin == std::string::npos) continue;
    const std::string section = document.substr(begin, document.find("\n## ", begin + 1) - begin);
    const std::set<std::string> written = flags_in(section);
    for (const auto& flag : flags_in(help_of(command).out)) {
      EXPECT_TRUE(flag == "--help" || written.contains(flag)) << name << " " << flag;
    }
  }
}

TEST(CommandLine, Version) {
  const ProcessResult result = run_engine({"--version"});
  EXPECT_EXIT_CODE(result, 0);
  EXPECT_TRUE(std::regex_match(result.out, std::regex(R"(engine \d+\.\d+\.\d+\n)"))) << result.out;
  EXPECT_EQ(result.err, "");
}

TEST(CommandLine, VersionIsQuick) {
  double least = 1e9;
  for (int i = 0; i < 20; ++i) least = std::min(least, run_engine({"--version"}).seconds);
  EXPECT_LT(least, 0.1);
}

TEST(CommandLine, WithoutArgumentsItExplainsItself) {
  const ProcessResult result = run_engine({});
  EXPECT_EXIT_CODE(result, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, run_engine({"--help"}).out);
}

struct Wrong {
  std::vector<std::string> arguments;
  std::string message;  ///< must be in standard error

  friend std::ostream& operator<<(std::ostream& stream, const Wrong& wrong) {
    for (const std::string& argument : wrong.arguments) stream << argument.substr(0, 40) << ' ';
    return stream;
  }
};

class WrongUsage : public testing::TestWithParam<Wrong> {};

TEST_P(WrongUsage, ExitsWithTwoAndSaysWhatIsWrong) {
  const ProcessResult result = run_engine(GetParam().arguments);
  EXPECT_EXIT_CODE(result, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find(GetParam().message), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("--help"), std::string::npos) << result.err;
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongUsage,
    testing::Values(Wrong{{"rnu", "x.json"}, "engine: unknown verb 'rnu'; did you mean 'run'?"},
                    Wrong{{"sumary"}, "did you mean 'summary'?"},
                    Wrong{{"help", "evalute"}, "did you mean 'evaluate'?"},
                    Wrong{{"xyzzyx"}, "unknown verb 'xyzzyx'\n"},
                    Wrong{{"data", "fecth"}, "did you mean 'fetch'?"},
                    Wrong{{"data"}, "engine data: "},
                    Wrong{{"run"}, "engine run: FILE is required"},
                    Wrong{{"run", "x.json", "--epoch", "3"},
                          "engine run: unknown option '--epoch'; did you mean '--epochs'?"},
                    Wrong{{"run", "x.json", "--epohcs=3"}, "did you mean '--epochs'?"},
                    Wrong{{"summary", "x.json", "--jsn"}, "did you mean '--json'?"},
                    Wrong{{"data", "stats", "--jsom", "x.json"},
                          "engine data stats: unknown option '--jsom'; did you mean '--json'?"},
                    Wrong{{"run", "x.json", "--wildly-different"},
                          "unknown option '--wildly-different'\n"},
                    Wrong{{"run", "x.json", "y.json"}, "unexpected argument 'y.json'"},
                    Wrong{{"run", "x.json", "--threads", "0"}, "--threads"},
                    Wrong{{"run", "x.json", "--threads", "two"}, "--threads"},
                    Wrong{{"run", "x.json", "--epochs", "2x"}, "--epochs"},
                    Wrong{{"run", "x.json", "--out"}, "--out"},
                    Wrong{{"run", "x.json", "--resume", "--overwrite"}, "--overwrite"},
                    Wrong{{"evaluate", "run", "--split", "train"}, "--split"},
                    Wrong{{"preprocess", "x.json", "--split", "test"}, "--out is required"},
                    Wrong{{"predict", "run"}, "IMAGE is required"},
                    Wrong{{"--verison"}, "did you mean '--version'?"}));

TEST(CommandLine, DevicesThatAreNotHere) {
  for (const char* device :
       {"cuda:97", "cuda:98"}) {  // there is a machine with a GPU, but not with so many
    const ProcessResult result = run_engine({"run", "x.json", "--device", device});
    EXPECT_EXIT_CODE(result, 8);
    EXPECT_NE(result.err.find(std::string("--device ") + device + ": "), std::string::npos)
        << result.err;
    EXPECT_NE(result.err.find("use --device cpu or auto"), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1);
  }
  for (const char* device : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "CPU"}) {
    const ProcessResult result = run_engine({"run", "x.json", "--device", device});
    EXPECT_EXIT_CODE(result, 2);
  }
}

TEST(CommandLine, AFullDiskBehindStandardOutputIsAnError) {
  const ProcessResult result =
      run_process({"/bin/sh", "-c", "exec \"$0\" --help >/dev/full", engine_binary()});
  EXPECT_EXIT_CODE(result, 7);
}

TEST(CommandLine, MessagesHoldNoControlCharacters) {
  const ProcessResult result = run_engine({"check", "a\x1b[31m\a.json"});
  EXPECT_EXIT_CODE(result, 3);
  for (char c : result.err)
    EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << result.err;
}

}  // namespace
}  // namespace engine::test
