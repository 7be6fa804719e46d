#include "engine/core/text.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

using Lines = std::vector<std::string>;

TEST(Printable, NothingSteersATerminal) {
  EXPECT_EQ(printable("caf\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x98\x80", false),
            "caf\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x98\x80");
  EXPECT_EQ(printable("\x1b[31m\x07\r\x7f", false), "?[31m???");
  EXPECT_EQ(printable("a\tb\nc", false), "a b?c");
  EXPECT_EQ(printable("a\tb\nc", true), "a b\nc");
  EXPECT_EQ(printable("\xC2\x9B"
                      "2J",
                      false),
            "?2J");  // a control character of eight bits, in UTF-8
  EXPECT_EQ(printable("\x9B"
                      "2J\xE2\x80",
                      false),
            "?2J??");  // and as it is; the end of a sequence missing
  EXPECT_EQ(printable("a\xE2\x80\xAE"
                      "b\xE2\x81\xA6",
                      false),
            "a?b?");  // writes backwards
}

TEST(CutTo, CountsCharacters) {
  EXPECT_EQ(columns_of("caf\xC3\xA9"), 4u);
  EXPECT_EQ(cut_to("caf\xC3\xA9", 4), "caf\xC3\xA9");
  EXPECT_EQ(cut_to("caf\xC3\xA9 noir", 7), "caf\xC3\xA9...");
  EXPECT_EQ(cut_to("caf\xC3\xA9 noir", 2), "..");
  EXPECT_EQ(cut_to("text", 0), "");
}

TEST(FoldedTo, BreaksAtSpaces) {
  EXPECT_EQ(folded_to("", 10), Lines{""});
  EXPECT_EQ(folded_to("one two three", 20), Lines{"one two three"});
  EXPECT_EQ(folded_to("one two three", 7), (Lines{"one two", "three"}));
  EXPECT_EQ(folded_to("one  two", 8), Lines{"one  two"});
  EXPECT_EQ(folded_to("  one two", 5), (Lines{"  one", "two"}));
  EXPECT_EQ(folded_to("see /a/path/that/is/long now", 8),
            (Lines{"see", "/a/path/that/is/long", "now"}));
  EXPECT_EQ(folded_to("\xC3\xA4\xC3\xA4 b", 4), Lines{"\xC3\xA4\xC3\xA4 b"});
}

}  // namespace
}  // namespace engine
