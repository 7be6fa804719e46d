#include <gtest/gtest.h>

#include <set>

#include "tests/support/op_harness.h"

namespace engine::test {
namespace {

void expect_sentence(std::string_view name, std::string_view doc) {
  EXPECT_FALSE(doc.empty()) << name;
  EXPECT_TRUE(doc.ends_with(".")) << name;
}

TEST(registry, entries_are_complete_and_named_as_their_types) {
  std::set<std::string_view> names;
  for (const OpEntry& entry : registry().ops) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name << " twice";
    EXPECT_EQ(entry.make()->type(), entry.name);
    // What has no CPU kernel is put only into a GPU's graphs.
    EXPECT_TRUE(entry.cpu || entry.internal) << entry.name;
    expect_sentence(entry.name, entry.doc);
  }
  for (const StageEntry& entry : registry().stages) {
    EXPECT_EQ(entry.make()->type(), entry.name);
    expect_sentence(entry.name, entry.doc);
  }
  for (const OptimizerEntry& entry : registry().optimizers) {
    EXPECT_EQ(entry.make()->type(), entry.name);
    EXPECT_NE(entry.cpu, nullptr) << entry.name;
    expect_sentence(entry.name, entry.doc);
  }
  EXPECT_NE(registry().cpu_pipeline, nullptr);
}

TEST(registry, finds_by_name) {
  EXPECT_NE(registry().op("conv2d"), nullptr);
  EXPECT_EQ(registry().op("conv3d"), nullptr);
  EXPECT_NE(registry().stage("noise"), nullptr);
  EXPECT_EQ(registry().stage("conv2d"), nullptr);
  EXPECT_NE(registry().optimizer("adam"), nullptr);
  EXPECT_EQ(registry().optimizer(""), nullptr);
}

TEST(registry, files_cannot_name_what_the_graph_inserts) {
  EXPECT_TRUE(registry().op("split")->internal);
  EXPECT_TRUE(registry().op("softmax_cross_entropy")->internal);
  EXPECT_FALSE(registry().op("conv2d")->internal);
}

}  // namespace
}  // namespace engine::test
