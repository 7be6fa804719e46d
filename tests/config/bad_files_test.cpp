// Wrong experiment files with the messages that they must give: tests/config/bad/*.txt. A case is
//
//   === what is wrong
//   the file's text; @@ stands before each place that a message must name
//   ---
//   the message
//
// Set ENGINE_UPDATE_GOLDEN=1 to write the messages anew, then read the difference: the places are
// checked against the marks even then.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/config/experiment_files.h"

namespace engine::test {
namespace {

struct Case {
  std::string title, marked, message;
};

std::vector<Case> read_cases(const std::string& text) {
  std::vector<Case> cases;
  std::istringstream lines(text);
  bool in_message = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("=== ")) {
      cases.push_back({line.substr(4), {}, {}});
      in_message = false;
    } else if (line == "---") {
      in_message = true;
    } else {
      std::string& part = in_message ? cases.back().message : cases.back().marked;
      part += (part.empty() ? "" : "\n") + line;
    }
  }
  return cases;
}

/// "3:7" of every mark, and the text without them.
std::string take_marks(const std::string& marked, std::vector<std::string>& places) {
  std::string text;
  int line = 1, column = 1;
  for (size_t i = 0; i < marked.size(); ++i) {
    if (marked.compare(i, 2, "@@") == 0) {
      places.push_back(std::to_string(line) + ":" + std::to_string(column));
      ++i;
      continue;
    }
    text += marked[i];
    if (marked[i] == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(marked[i]) & 0xC0) != 0x80) {
      ++column;
    }
  }
  return text;
}

/// Places that messages name: lines that start with "case.json:".
std::vector<std::string> named_places(const std::string& message) {
  std::vector<std::string> places;
  std::istringstream lines(message);
  const std::string prefix = "case.json:";
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(prefix)) continue;
    const size_t colon = line.find(':', line.find(':', prefix.size()) + 1);
    places.push_back(line.substr(prefix.size(), colon - prefix.size()));
  }
  return places;
}

class BadFiles : public testing::TestWithParam<std::string> {};

TEST_P(BadFiles, SayWhatIsWrongAndWhere) {
  const std::filesystem::path folder = source_dir() / "tests/config/bad";
  const std::filesystem::path file = folder / (GetParam() + ".txt");
  const bool update = std::getenv("ENGINE_UPDATE_GOLDEN") != nullptr;
  ExperimentFiles files;
  files.write("base.json", read_file(folder / "base.json"));
  std::string updated;
  std::vector<Case> cases = read_cases(read_file(file));
  ASSERT_GE(cases.size(), 20u);
  std::set<std::string> titles;
  for (const Case& one : cases) {
    SCOPED_TRACE(one.title);
    EXPECT_TRUE(titles.insert(one.title).second) << "two cases of this title";
    std::vector<std::string> expected;
    files.write("case.json", take_marks(one.marked, expected));
    const std::string message = files.complaint("case.json");
    std::vector<std::string> places = named_places(message);
    places.erase(std::unique(places.begin(), places.end()),
                 places.end());  // two findings, one place
    EXPECT_EQ(places, expected);
    EXPECT_EQ(message, update ? message : one.message);
    updated += "=== " + one.title + "\n" + one.marked + "\n---\n" + message + "\n";
  }
  if (update) write_file(file, updated);
}

INSTANTIATE_TEST_SUITE_P(Files, BadFiles,
                         testing::Values("syntax", "keys", "preprocess", "network"),
                         [](const auto& info) { return info.param; });

TEST(BadFiles, TheFileThatTheyExtendIsRight) {
  ExperimentFiles files;
  files.write("base.json", read_file(source_dir() / "tests/config/bad/base.json"));
  EXPECT_EQ(files.complaint("base.json"), "");
}

}  // namespace
}  // namespace engine::test
