// What figures, tables and events are made of. The files as a whole: figures_test.py and
// tensorboard_test.py.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "engine/core/json.h"
#include "engine/report/crc32c.h"
#include "engine/report/figures.h"
#include "engine/report/svg.h"
#include "engine/report/tables.h"
#include "engine/report/tensorboard_records.h"

namespace engine::test {
namespace {

/// RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
TEST(Crc32c, IsThatOfRfc3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string up, down;
  for (char c = 0; c < 32; ++c) up += c, down += static_cast<char>(31 - c);
  EXPECT_EQ(crc32c(up), 0x46DD794Eu);
  EXPECT_EQ(crc32c(down), 0x113FDB5Cu);
  std::string read_command(48, '\0');
  for (const auto& [at, byte] : std::vector<std::pair<size_t, int>>{{0, 0x01},
                                                                    {1, 0xC0},
                                                                    {16, 0x14},
                                                                    {22, 0x04},
                                                                    {27, 0x14},
                                                                    {31, 0x18},
                                                                    {32, 0x28},
                                                                    {40, 0x02}}) {
    read_command[at] = static_cast<char>(byte);
  }
  EXPECT_EQ(crc32c(read_command), 0xD9963A56u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
}

TEST(Records, CutAnywhereLeaveThoseBefore) {
  const std::vector<std::string> records{"first", "", std::string(300, 'x')};
  std::string file;
  std::vector<size_t> ends{0};
  for (const std::string& record : records) {
    file += framed_record(record);
    ends.push_back(file.size());
  }
  for (size_t size = 0; size <= file.size(); ++size) {
    const WholeRecords read = whole_records(std::string_view(file).substr(0, size));
    const auto whole =
        static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), size) - ends.begin() - 1);
    ASSERT_EQ(read.records,
              std::vector<std::string>(records.begin(),
                                       records.begin() + static_cast<std::ptrdiff_t>(whole)));
    ASSERT_EQ(read.torn, size != ends[whole]) << size;
  }
}

TEST(Records, ADamagedByteEndsThem) {
  const std::string file = framed_record("first") + framed_record("second");
  const size_t second = framed_record("first").size();
  for (size_t at = 0; at < file.size(); ++at) {
    std::string damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    const WholeRecords read = whole_records(damaged);
    EXPECT_TRUE(read.torn);
    EXPECT_EQ(read.records.size(), at < second ? 0u : 1u) << at;
  }
}

TEST(Svg, TextIsEscapedAndHoldsNothingThatXmlForbids) {
  EXPECT_EQ(escape_xml("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
  EXPECT_EQ(escape_xml("a\tb\nc\rd"), "a b c d");
  const std::string replaced = "\xEF\xBF\xBD";
  for (const char* bad : {"\x1b", "\x01", "\x7f", "\xC2\x9B", "\xE2\x80\xAE", "\xE2\x81\xA6",
                          "\xEF\xBF\xBE", "\xFF", "\xC3"}) {
    EXPECT_EQ(escape_xml(bad), replaced) << bad;
  }
  EXPECT_EQ(escape_xml("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x92\xA9"),
            "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x92\xA9");
}

TEST(Svg, LongTextsAreCutBetweenCharacters) {
  EXPECT_EQ(shortened("short", 12, 100), "short");
  const std::string umlauts = shortened("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4", 10, 30);
  EXPECT_TRUE(umlauts.ends_with("\xC3\xA4\xE2\x80\xA6")) << umlauts;
  for (double width = 20; width < 400; width += 7) {
    EXPECT_LE(text_width(shortened(std::string(300, 'a'), 12, width), 12), width);
  }
}

TEST(Svg, OnlyPicturesThatAreInItAreShown) {
  const auto drawn = [](std::string_view address) {
    Svg svg(10, 10, "t", "d");
    svg.image({0, 0}, 5, 5, address);
    return std::move(svg).finish().find("<image") != std::string::npos;
  };
  EXPECT_TRUE(drawn("data:image/png;base64,AAAA"));
  EXPECT_FALSE(drawn("https://payload.invalid/a.png"));
  EXPECT_FALSE(drawn("data:image/svg+xml;base64,AAAA"));
  EXPECT_FALSE(drawn("data:image/png;base64,A\" onload=\"x"));
}

TEST(Svg, TicksAreRoundAndFew) {
  EXPECT_EQ(Axis(0, 1, 0, 1).ticks(6),
            (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ(Axis(1, 100, 0, 1).ticks(5), (std::vector<double>{20, 40, 60, 80, 100}));
  EXPECT_EQ(Axis(1, 3, 0, 1).ticks(8, 1), (std::vector<double>{1, 2, 3})) << "whole epochs";
  for (const double low : {-3.7, 0.0, 0.123456, 1e-9, 5e8}) {
    for (const double range : {1e-12, 0.3, 7.0, 1e6, 1e300}) {
      const double high = low + range;
      if (!(high > low)) continue;
      const std::vector<double> ticks = Axis(low, high, 0, 1).ticks(7);
      EXPECT_LE(ticks.size(), 8u);
    }
  }
}

/// RFC 4180, and OWASP's rule against formulas in spreadsheets.
TEST(Tables, TextsAreQuotedAndNoFormulas) {
  EXPECT_EQ(csv_text("cat"), "cat");
  EXPECT_EQ(csv_text("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_text("say \"x\""), "\"say \"\"x\"\"\"");
  EXPECT_EQ(csv_text("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(csv_text("=cmd|'/C calc'!A0"), "'=cmd|'/C calc'!A0");
  for (const char* formula : {"+1", "-1", "@SUM(1)", "\tx"}) {
    EXPECT_EQ(csv_text(formula), std::string("'") + formula);
  }
  EXPECT_EQ(csv_text("\r=1"), "\"'\r=1\"");
  EXPECT_EQ(csv_text("a=1"), "a=1");
  EXPECT_EQ(csv_text(""), "");
}

TEST(Tables, PredictionsGiveNamesAndReadBack) {
  const std::vector<Prediction> all{{0, 1, 0, 0.1}, {1, 0, 0, 1.0 / 3}};
  EXPECT_EQ(predictions_csv(all, {"a,b", "-c"}),
            "row,label,prediction,confidence\n0,'-c,\"a,b\",0.1\n"
            "1,\"a,b\",\"a,b\",0.3333333333333333\n");
  EXPECT_EQ(predictions_csv({}, {"a"}), "");
}

/// A document may have been changed by anyone: every kind of value in every place.
TEST(Figures, OfAnyDocumentAreMadeOrEmpty) {
  const char* whole = R"({ "name": "x", "best_epoch": 1, "classes": ["a", "b"],
    "metrics": { "epoch": [1, 2], "train_loss": [1, 2], "validation_loss": [null, 1],
                 "train_accuracy": [0.1, 0.2], "validation_accuracy": [null, null] },
    "counts": [ { "split": "train", "counts": [1, 2] } ], "confusion": [[1, 2], [3, 4]],
    "per_class": [ { "class": "a", "precision": 0.5, "recall": 1, "f1": 0.1, "support": 3 } ],
    "calibration": { "error": 0.1, "bins": [ { "low": 0.1, "high": 0.2, "count": 2,
                                               "confidence": 0.15, "accuracy": 0.5 } ] },
    "predictions": [ { "image": "", "label": 1, "prediction": 0, "confidence": 0.5 } ],
    "stages": [ { "name": "s", "brief": "", "low": 0,
                  "images": ["data:image/png;base64,AA"] } ] })";
  Value document = parse_json_or_throw(whole, "document", ExitCode::internal);
  const auto make_all = [](const Value& from) {
    size_t bytes = 0;
    for (const auto make : {curves_figure, confusion_figure, reliability_figure, stages_figure,
                            predictions_figure, counts_figure, per_class_csv, confusion_csv}) {
      const std::string made = make(from);
      EXPECT_EQ(made.find("nan\""), std::string::npos) << made;
      EXPECT_EQ(made.find("inf\""), std::string::npos) << made;
      bytes += made.size();
    }
    return bytes;
  };
  EXPECT_GT(make_all(document), 5000u);
  EXPECT_EQ(make_all(Value(Object{})), 0u);
  const char* others[] = {"null", "true",  "-1",     "1e300", "\"text\"",
                          "[]",   "[[1]]", "[null]", "{}",    "[{\"images\": [3], \"low\": []}]"};
  int made = 0;
  const std::function<void(Value&)> spoil = [&](Value& place) {
    const Value before = place;
    for (const char* other : others) {
      place = parse_json_or_throw(other, "other", ExitCode::internal);
      make_all(document);
      ++made;
    }
    place = before;
    if (place.is(Value::Kind::object)) {
      for (Member& member : place.object()) spoil(member.value);
    } else if (place.is(Value::Kind::array)) {
      for (Value& element : place.array()) spoil(element);
    }
  };
  spoil(document);
  EXPECT_GT(made, 500);
}

}  // namespace
}  // namespace engine::test
