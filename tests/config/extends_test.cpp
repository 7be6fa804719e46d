// "extends": chains, merging, cycles, limits, and what it may not reach.

#include <gtest/gtest.h>

#include "engine/core/json.h"
#include "engine/core/limits.h"
#include "tests/config/experiment_files.h"

namespace engine::test {
namespace {

class Extends : public testing::Test {
 protected:
  Extends() { files_.write("base.json", read_file(source_dir() / "tests/config/bad/base.json")); }

  void expect_says(std::string_view name, std::string_view words) {
    const std::string message = files_.complaint(name);
    EXPECT_NE(message.find(words), std::string::npos) << message;
  }

  ExperimentFiles files_;
};

TEST_F(Extends, MergesObjectsAndReplacesArrays) {
  files_.write("a.json", R"({ "extends": "base.json", "seed": 7,
    "train": { "batch_size": 8, "optimizer": { "learning_rate": 0.5 } } })");
  files_.write("b.json", R"({ "extends": "a.json", "train": { "epochs": 9 },
    "preprocess": [ { "op": "smooth", "sigma": 2 } ] })");
  const Experiment e = files_.load("b.json");
  EXPECT_EQ(e.name, "b");
  EXPECT_EQ(e.seed, 7);
  EXPECT_EQ(e.train.epochs, 9);
  EXPECT_EQ(e.train.batch_size, 8);
  EXPECT_EQ(e.train.optimizer->type(), "adam");
  EXPECT_EQ(e.train.optimizer->learning_rate, 0.5);
  ASSERT_EQ(e.preprocess.size(), 1u);
  EXPECT_EQ(e.preprocess[0]->type(), "smooth");
  EXPECT_EQ(e.network.nodes.size(), 5u);
}

TEST_F(Extends, AddressesStagesByName) {
  files_.write("a.json",
               R"({ "extends": "base.json", "preprocess": { "noise": { "sigma": 0.25 } } })");
  const Experiment e = files_.load("a.json");
  ASSERT_EQ(e.preprocess.size(), 2u);
  EXPECT_EQ(e.resolved.find("preprocess")->array()[1].find("sigma")->number(), 0.25);
}

TEST_F(Extends, NullTakesAKeyAway) {
  files_.write("a.json", R"({ "extends": "base.json", "train": { "early_stopping": { } } })");
  files_.write("b.json", R"({ "extends": "a.json", "train": { "early_stopping": null } })");
  EXPECT_TRUE(files_.load("a.json").train.early_stopping.enabled);
  EXPECT_FALSE(files_.load("b.json").train.early_stopping.enabled);
  EXPECT_EQ(files_.load("b.json").resolved.find("train")->find("early_stopping"), nullptr);
}

TEST_F(Extends, AnotherOptimizerDropsTheOldOnesKeys) {
  files_.write("a.json", R"({ "extends": "base.json",
    "train": { "optimizer": { "learning_rate": 0.01, "beta1": 0.8 } } })");
  files_.write("b.json", R"({ "extends": "a.json",
    "train": { "optimizer": { "type": "sgd", "momentum": 0.5 } } })");
  const Experiment e = files_.load("b.json");
  EXPECT_EQ(e.train.optimizer->type(), "sgd");
  EXPECT_EQ(e.train.optimizer->learning_rate, 0.01);
  // A key that neither knows is still a mistake, and one that the file itself gives too.
  files_.write("c.json", R"({ "extends": "a.json",
    "train": { "optimizer": { "type": "sgd", "beta1": 0.5 } } })");
  expect_says("c.json", "train.optimizer.beta1: unknown key");
}

TEST_F(Extends, PathsAreRelativeToTheFileThatNamesThem) {
  files_.write("study/one/a.json", R"({ "extends": "../b.json" })");
  files_.write("study/b.json", R"({ "extends": "one/c.json", "seed": 5 })");
  files_.write("study/one/c.json", read_file(source_dir() / "tests/config/bad/base.json"));
  EXPECT_EQ(files_.load("study/one/a.json").seed, 5);
}

TEST_F(Extends, MistakesAreSaidInTheFileThatHasThem) {
  files_.write("a.json", "{ \"extends\": \"base.json\",\n  \"seed\": -1 }");
  files_.write("b.json", "{ \"extends\": \"a.json\",\n\n  \"train\": { \"epochs\": 0 } }");
  EXPECT_EQ(files_.complaint("b.json"),
            "a.json:2:11: seed: expected an integer >= 0 and <= 4294967295, got -1\n"
            "      \"seed\": -1 }\n"
            "              ^\n"
            "b.json:3:24: train.epochs: expected an integer >= 1 and <= 1000000, got 0\n"
            "      \"train\": { \"epochs\": 0 } }\n"
            "                           ^");
}

TEST_F(Extends, CyclesAreRefusedWithTheChain) {
  files_.write("self.json", R"({ "extends": "self.json" })");
  expect_says("self.json",
              "self.json:1:14: extends: expected files that do not extend themselves, "
              "got self.json -> self.json\n");
  files_.write("a.json", R"({ "extends": "b.json" })");
  files_.write("b.json", R"({ "extends": "./c.json" })");
  files_.write("c.json", R"({ "extends": "b.json" })");
  expect_says("a.json",
              "c.json:1:14: extends: expected files that do not extend themselves, got "
              "b.json -> c.json -> b.json\n");
  // By another name, too.
  std::filesystem::create_symlink("link.json", files_.path("other.json"));
  files_.write("link.json", R"({ "extends": "other.json" })");
  expect_says("link.json", "expected files that do not extend themselves");
}

TEST_F(Extends, LevelsAreLimited) {
  const auto write_chain = [this](size_t levels) {
    for (size_t i = 0; i < levels; ++i)
      files_.write(fmt::format("level{}.json", i),
                   fmt::format(R"({{ "extends": "{}" }})",
                               i + 1 == levels ? "base.json" : fmt::format("level{}.json", i + 1)));
  };
  for (size_t levels : {kLimits.extends_levels - 1, kLimits.extends_levels}) {
    write_chain(levels);
    EXPECT_EQ(files_.complaint("level0.json"), "") << levels;
  }
  write_chain(kLimits.extends_levels + 1);
  expect_says("level0.json", "expected at most 16 levels of \"extends\"");
}

TEST_F(Extends, AllFilesTogetherAreLimited) {
  // Five files of 3.5 MB each are over 16 MB; four are not.
  const std::string filler(3'500'000, ' ');
  for (int i = 0; i < 5; ++i)
    files_.write(fmt::format("f{}.json", i),
                 fmt::format("{{ \"extends\": \"{}\" {} }}",
                             i == 4 ? "base.json" : fmt::format("f{}.json", i + 1), filler));
  EXPECT_EQ(files_.complaint("f1.json"), "");
  expect_says("f0.json", "expected at most 16777216 bytes in all files together");
}

TEST_F(Extends, WhatItMayNotReach) {
  const std::string folder = "inner/deep/";
  files_.write("inner/base.json", read_file(source_dir() / "tests/config/bad/base.json"));
  const auto say = [&](const std::string& target) {
    files_.write(folder + "case.json", fmt::format("{{ \"extends\": {} }}", target));
    return files_.complaint(folder + "case.json");
  };
  EXPECT_EQ(say("\"../base.json\""), "");
  const auto refused = [&](const std::string& target, std::string_view words) {
    const std::string message = say(target);
    EXPECT_NE(message.find("inner/deep/case.json:1:14: extends: "), std::string::npos)
        << target << "\n"
        << message;
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  refused("\"../../base.json\"", "a file in this folder, one below, or the one above");
  refused("\"../../../../../../../../etc/passwd\"", "a file in this folder");
  refused("\"x/../../../base.json\"", "a file in this folder");
  refused("\"/etc/passwd\"", "a path relative to this file");
  refused("\"/proc/self/environ\"", "a path relative to this file");
  refused("\"\"", "the name of a file");
  refused("3", "the name of a file");
  refused("[\"../base.json\"]", "the name of a file");
  refused("\"none.json\"", "none.json: expected a file, there is none of this name");
  refused("\".\"", "expected a file, got a folder");
  refused("\"%2e%2e/base.json\"", "there is none of this name");
  std::filesystem::create_symlink("/etc/passwd", files_.path(folder + "link.json"));
  refused("\"link.json\"", "a file in this folder");
  std::filesystem::create_directory_symlink("/etc", files_.path(folder + "etc"));
  refused("\"etc/passwd\"", "a file in this folder");
}

TEST_F(Extends, NotFromTheCommandLine) {
  EXPECT_NE(files_.complaint("base.json", {"extends=other.json"}, ExitCode::usage)
                .find("\"extends\" has its place in a file"),
            std::string::npos);
}

TEST_F(Extends, ManyKeysMergeQuickly) {
  std::string keys;
  for (int i = 0; i < 45'000; ++i) keys += fmt::format(",\"key{}\":1", i);
  files_.write("a.json", "{ \"extends\": \"base.json\"" + keys + "}");
  files_.write("b.json", "{ \"extends\": \"a.json\"" + keys + "}");
  expect_says("b.json", "... and 44800 more");
}

}  // namespace
}  // namespace engine::test
