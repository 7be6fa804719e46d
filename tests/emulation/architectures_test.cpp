#include "engine/cuda/architectures.h"

#include <gtest/gtest.h>

namespace engine::test {
namespace {

TEST(Architectures, CodeRunsOnLaterGpusOfItsMajorNumberAndPtxOnAllLaterOnes) {
  const Architectures built("80,90-real,100-real");
  EXPECT_EQ(built.text(), "sm_80, sm_90, sm_100, PTX for later ones");
  for (const auto& [major, minor] :
       {std::pair{8, 0}, {8, 6}, {8, 9}, {9, 0}, {10, 0}, {10, 3}, {12, 0}}) {
    EXPECT_TRUE(built.cover(major, minor)) << major << "." << minor;
  }
  EXPECT_FALSE(built.cover(7, 5));
}

TEST(Architectures, WithoutPtxLaterOnesAreNotCovered) {
  const Architectures built("86-real,90a-real");
  EXPECT_EQ(built.text(), "sm_86, sm_90a");
  EXPECT_FALSE(built.cover(8, 0));
  EXPECT_TRUE(built.cover(8, 9));
  EXPECT_TRUE(built.cover(9, 0));
  EXPECT_FALSE(built.cover(10, 0));
}

TEST(Architectures, WordsAreForAllGpus) {
  EXPECT_TRUE(Architectures("native").cover(7, 5));
  EXPECT_EQ(Architectures("native").text(), "native");
}

TEST(Architectures, PtxAloneIsForLaterOnes) {
  const Architectures built("90-virtual");
  EXPECT_EQ(built.text(), "PTX for later ones");
  EXPECT_FALSE(built.cover(8, 9));
  EXPECT_TRUE(built.cover(10, 0));
}

}  // namespace
}  // namespace engine::test
