// --set: values, addresses, and what they say when they are wrong.

#include <gtest/gtest.h>

#include "engine/core/json.h"
#include "tests/config/experiment_files.h"

namespace engine::test {
namespace {

class Set : public testing::Test {
 protected:
  Set() { files_.write("base.json", read_file(source_dir() / "tests/config/bad/base.json")); }

  /// The value at a path of keys and numbers in the resolved experiment, as JSON.
  std::string value(std::vector<std::string> set, std::initializer_list<std::string_view> path) {
    const Experiment e = files_.load("base.json", std::move(set));
    const Value* at = &e.resolved;
    for (std::string_view part : path) {
      at = at->is(Value::Kind::array) ? &at->array().at(std::stoul(std::string(part)))
                                      : at->find(part);
      if (!at) return "nothing";
    }
    return to_json(*at, -1);
  }
  void expect_says(std::vector<std::string> set, std::string_view words) {
    const std::string message = files_.complaint("base.json", std::move(set));
    EXPECT_EQ(message, words);
  }

  ExperimentFiles files_;
};

TEST_F(Set, Values) {
  EXPECT_EQ(value({"seed=5"}, {"seed"}), "5");
  EXPECT_EQ(value({"seed= 5 "}, {"seed"}), "5");
  EXPECT_EQ(value({"name=other"}, {"name"}), "\"other\"");
  EXPECT_EQ(value({"name=\"other\""}, {"name"}), "\"other\"");
  EXPECT_EQ(value({"description=a = b, and so on"}, {"description"}), "\"a = b, and so on\"");
  EXPECT_EQ(value({"description=5 apples"}, {"description"}), "\"5 apples\"");
  EXPECT_EQ(value({"train.shuffle=false"}, {"train", "shuffle"}), "false");
  EXPECT_EQ(value({"train.optimizer.learning_rate=1e-2"}, {"train", "optimizer", "learning_rate"}),
            "0.01");
  EXPECT_EQ(value({"train.epochs=1e2"}, {"train", "epochs"}), "100");
  EXPECT_EQ(value({"data.size=[16, 24]"}, {"data", "size"}), "[16,24]");
  EXPECT_EQ(value({"preprocess=[]"}, {"preprocess"}), "[]");
  EXPECT_EQ(
      value({"train.early_stopping={\"patience\": 7}"}, {"train", "early_stopping", "patience"}),
      "7");
}

TEST_F(Set, NamedAddresses) {
  EXPECT_EQ(value({"preprocess.noise.sigma=0.2"}, {"preprocess", "1", "sigma"}), "0.2");
  EXPECT_EQ(value({"preprocess.1.sigma=0.2"}, {"preprocess", "1", "sigma"}), "0.2");
  EXPECT_EQ(value({"network.stem.filters=32"}, {"network", "nodes", "0", "filters"}), "32");
  EXPECT_EQ(value({"network.nodes.0.filters=32"}, {"network", "nodes", "0", "filters"}), "32");
  EXPECT_EQ(value({"network.nodes.stem.filters=32"}, {"network", "nodes", "0", "filters"}), "32");
  EXPECT_EQ(value({"network.body.f=3"}, {"network", "nodes", "1", "f"}), "3");
  EXPECT_EQ(value({"network.blocks.pair.b.kernel=5"},
                  {"network", "blocks", "pair", "nodes", "1", "kernel"}),
            "5");
  EXPECT_EQ(value({"preprocess.noise={\"op\": \"noise\", \"sigma\": 0.4, \"name\": \"n\"}",
                   "preprocess.n.sigma=0.5"},
                  {"preprocess", "1", "sigma"}),
            "0.5");
}

TEST_F(Set, MakesObjectsOnTheWay) {
  EXPECT_EQ(value({"train.schedule.type=cosine"}, {"train", "schedule", "type"}), "\"cosine\"");
  EXPECT_EQ(value({"initialize.from=weights.safetensors"}, {"initialize", "from"}),
            "\"weights.safetensors\"");
}

TEST_F(Set, InOrder) {
  EXPECT_EQ(value({"seed=5", "seed=6"}, {"seed"}), "6");
  EXPECT_EQ(value({"train.optimizer.type=sgd", "train.optimizer.momentum=0.9"},
                  {"train", "optimizer", "momentum"}),
            "0.9");
  EXPECT_EQ(value({"train.early_stopping.patience=2", "train.early_stopping=null"},
                  {"train", "early_stopping"}),
            "nothing");
}

TEST_F(Set, OriginsNameTheOption) {
  const Experiment e = files_.load("base.json", {"train.epochs=5"});
  const std::string origins = describe_origins(e.resolved);
  EXPECT_NE(origins.find("train.epochs = 5 "), std::string::npos);
  EXPECT_NE(origins.find("    --set train.epochs=5\n"), std::string::npos);
}

TEST_F(Set, NearMisses) {
  expect_says({"train.epoch=5"},
              "--set train.epoch=5: train.epoch: unknown key; did you mean \"epochs\"?");
  expect_says({"trian.epochs=5"},
              "--set trian.epochs=5: trian: unknown key; did you mean \"train\"?");
  expect_says({"preprocess.nosie.sigma=1"},
              "--set preprocess.nosie.sigma=1: preprocess.nosie: unknown stage; did you mean "
              "\"noise\"?");
  expect_says({"preprocess.blur.sigma=1"},
              "--set preprocess.blur.sigma=1: preprocess.blur: unknown stage, expected one of "
              "\"grayscale\", \"noise\"");
  expect_says({"network.sten.filters=1"},
              "--set network.sten.filters=1: network.sten: unknown node; did you mean \"stem\"?");
  expect_says({"network.stem.filter=1"},
              "--set network.stem.filter=1: network.stem.filter: unknown key; did you mean "
              "\"filters\"?");
  expect_says({"network.stem.filters=0"},
              "--set network.stem.filters=0: network.stem.filters: expected an integer >= 1 and <= "
              "65536, got 0");
  expect_says({"network.body.f=-1"},
              "--set network.body.f=-1: network.body.f: expected an integer >= 1 and <= 65536, got "
              "-1");
  expect_says({"train.optimizer.type=adamm"},
              "--set train.optimizer.type=adamm: train.optimizer.type: expected one of \"sgd\", "
              "\"rmsprop\", \"adam\", \"adamw\", got \"adamm\"; did you mean \"adam\"?");
  expect_says({"seed.x=1"},
              "--set seed.x=1: seed: expected an integer >= 0 and <= 4294967295, got an object");
  expect_says(
      {"train.epochs=1e400"},
      "--set train.epochs=1e400: train.epochs: expected an integer >= 1 and <= 1000000, got "
      "\"1e400\"");
}

TEST_F(Set, AllMistakesAtOnce) {
  const std::string message =
      files_.complaint("base.json", {"train.epochs=0", "seed=-1", "preprocess.x.y=1"});
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 2) << message;
}

TEST_F(Set, WhatIsNoAssignmentIsAUsageError) {
  for (const char* wrong :
       {"epochs", "=5", "a..b=5", ".a=5", "a.=5", "seed=[1", "seed={", "name=\"x"})
    EXPECT_NE(files_.complaint("base.json", {wrong}, ExitCode::usage).find("--set "),
              std::string::npos)
        << wrong;
}

}  // namespace
}  // namespace engine::test
