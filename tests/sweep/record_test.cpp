#include "engine/sweep/record.h"

#include <gtest/gtest.h>

#include <functional>

#include "engine/core/error.h"
#include "engine/core/json.h"

namespace engine::test {
namespace {

Record whole_record() {
  Record record;
  record.identity = "0123456789abcdef0123456789abcdef";
  record.configuration = "noise, \"sigma\"=0.1\n<b>";
  record.folder = "noise-seed1-3f5c8e21";
  record.seed = -7;
  record.log = "logs/noise.log";
  record.attempts = 3;
  record.seconds = 1234.5678901234567;
  record.host = "node-1";
  record.ended = "2026-11-26T18:00:00Z";
  record.test_accuracy = 0.1 + 0.2;
  record.test_loss = 1.0 / 3;
  record.validation_accuracy = std::numeric_limits<double>::quiet_NaN();
  record.validation_loss = 5e-324;
  record.epochs = 20;
  record.best_epoch = 17;
  record.matrix = {{"gray", 0.7, 0.9, ""},
                   {"rgb", NAN, NAN, "expects images of 1 channel, gets 3"}};
  return record;
}

/// Through the text of a file.
Record read_back(const Value& value) {
  return read_record(parse_json_or_throw(to_json(value), "point.json", ExitCode::storage),
                     "point.json");
}

std::string error_of(const Value& value) {
  try {
    read_record(value, "records/x.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::storage);
    return error.what();
  }
  return "no error";
}

TEST(Record, ReadsBackBitForBit) {
  const Record record = whole_record(), read = read_back(record_value(record));
  EXPECT_EQ(read.state, record.state);
  EXPECT_EQ(read.identity, record.identity);
  EXPECT_EQ(read.configuration, record.configuration);
  EXPECT_EQ(read.folder, record.folder);
  EXPECT_EQ(read.seed, record.seed);
  EXPECT_EQ(read.log, record.log);
  EXPECT_EQ(read.attempts, record.attempts);
  EXPECT_EQ(read.seconds, record.seconds);
  EXPECT_EQ(read.host, record.host);
  EXPECT_EQ(read.ended, record.ended);
  EXPECT_EQ(read.test_accuracy, record.test_accuracy);
  EXPECT_EQ(read.test_loss, record.test_loss);
  EXPECT_TRUE(std::isnan(read.validation_accuracy));
  EXPECT_EQ(read.validation_loss, record.validation_loss);
  EXPECT_EQ(read.epochs, record.epochs);
  EXPECT_EQ(read.best_epoch, record.best_epoch);
  ASSERT_EQ(read.matrix.size(), 2u);
  EXPECT_EQ(read.matrix[0].with, "gray");
  EXPECT_EQ(read.matrix[0].accuracy, 0.7);
  EXPECT_EQ(read.matrix[0].loss, 0.9);
  EXPECT_EQ(read.matrix[0].reason, "");
  EXPECT_TRUE(std::isnan(read.matrix[1].accuracy));
  EXPECT_EQ(read.matrix[1].reason, "expects images of 1 channel, gets 3");
}

TEST(Record, OfAFailedPointHasNoResults) {
  for (const auto state : {Record::State::failed, Record::State::skipped}) {
    Record record = whole_record();
    record.state = state;
    record.exit_code = -9;
    record.reason = "killed\nby signal 9";
    const Value value = record_value(record);
    EXPECT_EQ(value.find("test"), nullptr);
    const Record read = read_back(value);
    EXPECT_EQ(read.state, state);
    EXPECT_EQ(read.exit_code, -9);
    EXPECT_EQ(read.reason, record.reason);
    EXPECT_TRUE(read.matrix.empty());
  }
}

TEST(Record, WritesItselfAgainTheSame) {
  const std::string text = to_json(record_value(whole_record()));
  EXPECT_EQ(to_json(record_value(read_back(record_value(whole_record())))), text);
}

TEST(Record, MayHaveMembersOfLaterPrograms) {
  Value value = record_value(whole_record());
  value.set("energy", 12.5);
  EXPECT_EQ(read_back(value).seed, -7);
}

TEST(Record, SaysWhatIsMissing) {
  const Value whole = record_value(whole_record());
  for (const Member& member : whole.object()) {
    Value value{Object{}};
    for (const Member& other : whole.object()) {
      if (other.key != member.key) value.set(other.key, other.value);
    }
    EXPECT_EQ(error_of(value), "records/x.json: not the record of a point: " + member.key +
                                   " is missing; delete the file to run it again");
  }
}

TEST(Record, SaysWhatIsOfAnotherKind) {
  const Value whole = record_value(whole_record());
  for (const Member& member : whole.object()) {
    Value value = whole;
    value.set(member.key, true);
    const std::string error = error_of(value);
    EXPECT_NE(error.find("records/x.json"), std::string::npos) << error;
    EXPECT_NE(error.find("at " + member.key + ", got a boolean"), std::string::npos) << error;
  }
  EXPECT_NE(error_of(Value(3)).find("expected an object, got"), std::string::npos);
}

TEST(Record, SaysWhatIsOutOfRange) {
  const auto with = [](const std::function<void(Value&)>& change) {
    Value value = record_value(whole_record());
    change(value);
    return error_of(value);
  };
  const std::pair<std::function<void(Value&)>, std::string> cases[] = {
      {[](Value& v) { v.set("state", "perhaps"); }, "state is \"perhaps\""},
      {[](Value& v) { v.set("format", 2); }, "its format is 2, this program's 1"},
      {[](Value& v) { v.set("epochs", -1); }, "epochs is -1"},
      {[](Value& v) { v.set("exit_code", int64_t{1} << 40); }, "exit_code is 1099511627776"},
      {[](Value& v) { v.find("test")->set("accuracy", 1.5); }, "test.accuracy is 1.5"},
      {[](Value& v) { v.find("test")->set("loss", "x"); }, "at test.loss, got a string"},
      {[](Value& v) { v.find("matrix")->array()[0].set("accuracy", -1); },
       "matrix[0].accuracy is -1"},
      {[](Value& v) { v.find("matrix")->array()[1].set("with", 5); }, "at matrix[1].with"},
      {[](Value& v) { v.find("matrix")->array()[1] = Value(1); }, "an object at matrix[1]"},
  };
  for (const auto& [change, words] : cases) {
    const std::string error = with(change);
    EXPECT_NE(error.find(words), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace engine::test
