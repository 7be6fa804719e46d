// preprocess and forward against values that SciPy and PyTorch made in double precision.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/core/npy.h"
#include "engine/core/safetensors.h"
#include "tests/apps/small_experiment.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

using Json = nlohmann::json;

std::vector<double> doubles(const NamedTensor& tensor) {
  std::vector<double> values(static_cast<size_t>(tensor.elements()));
  if (tensor.dtype == DType::f64) {
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  } else {
    EXPECT_EQ(tensor.dtype, DType::f32);
    std::copy_n(tensor.f32(), values.size(), values.begin());
  }
  return values;
}

double largest_difference(const NamedTensor& a, const NamedTensor& b) {
  EXPECT_EQ(a.dims, b.dims);
  const auto x = doubles(a), y = doubles(b);
  double largest = x.size() == y.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    const double difference = std::fabs(x[i] - y[i]);
    if (!(difference <= largest)) largest = difference;  // NaN counts as largest
  }
  return largest;
}

const NamedTensor& tensor(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const auto& candidate : tensors) {
    if (candidate.name == name) return candidate;
  }
  throw std::runtime_error("no tensor " + name);
}

struct Smoothing {
  const char* golden;
  Json stage;  ///< after grayscale; null: none

  friend std::ostream& operator<<(std::ostream& stream, const Smoothing& smoothing) {
    return stream << smoothing.golden;
  }
};

class Preprocess : public testing::TestWithParam<Smoothing> {};

TEST_P(Preprocess, AgreesWithSciPy) {
  const auto shared = shared_dir();
  if (!shared) GTEST_SKIP() << "the folder of reference values is not on this machine";
  const std::string reference = *shared / "reference/";
  TemporaryFolder folder;
  Json experiment = small_experiment();
  experiment["preprocess"] = Json::array({{{"op", "grayscale"}, {"weights", "mean"}}});
  if (!GetParam().stage.is_null()) experiment["preprocess"].push_back(GetParam().stage);
  const std::string file = write_experiment(folder, "preprocess", experiment),
                    out = folder / "out.npy";
  const ProcessResult result = run_engine({"preprocess", file, "--split", "test", "--images",
                                           reference + "images_u8.npy", "--out", out});
  ASSERT_EXIT_CODE(result, 0);
  EXPECT_LE(largest_difference(read_npy(out), read_npy(reference + GetParam().golden)), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(
    All, Preprocess,
    testing::Values(
        Smoothing{"gray.npy", nullptr},
        Smoothing{"smooth_hw_sigma0.6.npy",
                  {{"op", "smooth"}, {"sigma", 0.6}, {"axes", {"height", "width"}}}},
        Smoothing{"smooth_hw_sigma1.npy",
                  {{"op", "smooth"}, {"sigma", 1.0}, {"axes", {"height", "width"}}}},
        Smoothing{"smooth_hw_sigma2.5.npy",
                  {{"op", "smooth"}, {"sigma", 2.5}, {"axes", {"height", "width"}}}},
        Smoothing{"smooth_nhw_sigma1.npy",
                  {{"op", "smooth"}, {"sigma", 1.0}, {"axes", {"sample", "height", "width"}}}}));

TEST(Forward, AgreesWithPyTorch) {
  const auto shared = shared_dir();
  if (!shared) GTEST_SKIP() << "the folder of reference values is not on this machine";
  const auto golden = read_safetensors(*shared / "reference/network_forward.safetensors");
  const NamedTensor& input = tensor(golden, "input");
  TemporaryFolder folder;
  const std::string x = folder / "x.npy", out = folder / "logits.npy";
  write_npy(real_files(), x, input.dims, {input.f32(), static_cast<size_t>(input.elements())});
  const ProcessResult result =
      run_engine({"forward", source_dir() / "experiments/gray.json", "--weights",
                  *shared / "reference/network_weights.safetensors", "--input", x, "--out", out});
  ASSERT_EXIT_CODE(result, 0);
  EXPECT_LE(largest_difference(read_npy(out), tensor(golden, "logits")), 1e-4);
}

TEST(Forward, SaysWhatDoesNotFit) {
  TemporaryFolder folder;
  const std::string file = write_experiment(folder, "small", small_experiment()),
                    out = folder / "y.npy";
  const std::string x = folder / "x.npy", weights = folder / "w.safetensors";
  const std::vector<int64_t> dims{2, 16, 16, 1};
  write_npy(real_files(), x, dims, std::vector<float>(512));
  NamedTensor stray{"stray.weight", DType::f32, {1}, std::vector<std::byte>(4)};
  write_safetensors(real_files(), weights, std::span(&stray, 1));
  const auto forward = [&](const std::string& w, const std::string& input) {
    return run_engine({"forward", file, "--weights", w, "--input", input, "--out", out});
  };
  const ProcessResult names = forward(weights, x);
  EXPECT_NE(names.code, 0);
  EXPECT_NE(names.err.find("conv1.weight"), std::string::npos) << names.err;
  EXPECT_EXIT_CODE(forward(folder / "absent", x), 4);
  EXPECT_EXIT_CODE(forward(weights, folder / "absent.npy"), 4);
  EXPECT_EXIT_CODE(forward(weights, file), 4);
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(Preprocess, ItsOwnSplitsAndErrors) {
  TemporaryFolder folder;
  const std::string file = write_experiment(folder, "small", small_experiment()),
                    out = folder / "y.npy";
  const std::pair<const char*, int64_t> splits[] = {
      {"train", 160}, {"validation", 40}, {"test", 40}};
  for (const auto& [split, count] : splits) {
    const ProcessResult result = run_engine({"preprocess", file, "--split", split, "--out", out});
    ASSERT_EXIT_CODE(result, 0);
    EXPECT_EQ(read_npy(out).dims, (std::vector<int64_t>{count, 16, 16, 1})) << split;
  }
  EXPECT_EXIT_CODE(
      run_engine({"preprocess", file, "--split", "test", "--out", folder / "absent/y.npy"}), 7);
  EXPECT_EXIT_CODE(run_engine({"preprocess", file, "--split", "test", "--images",
                               folder / "absent.npy", "--out", out}),
                   4);
}

TEST(Preprocess, IsTheSameForEveryNumberOfThreads) {
  TemporaryFolder folder;
  const std::string file = write_experiment(folder, "small", small_experiment());
  std::vector<NamedTensor> results;
  for (const char* threads : {"1", "2", "3"}) {
    const std::string out = folder / (std::string(threads) + ".npy");
    ASSERT_EXIT_CODE(
        run_engine({"preprocess", file, "--split", "train", "--threads", threads, "--out", out}),
        0);
    results.push_back(read_npy(out));
  }
  EXPECT_EQ(results[0].bytes, results[1].bytes);
  EXPECT_EQ(results[0].bytes, results[2].bytes);
}

}  // namespace
}  // namespace engine::test
