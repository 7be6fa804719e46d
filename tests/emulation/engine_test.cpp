// The program with a CUDA library beside it: the emulation's, which it loads as it would the real
// one.

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/apps/small_experiment.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class EngineWithGpu : public testing::Test {
 protected:
  void SetUp() override {
    fs::copy_file(engine_binary(), program_);
    fs::copy_file(EMULATED_LIBRARY, folder_ / "libengine_cuda.so");
    file_ = write_experiment(folder_, "small", small_experiment());
  }
  ProcessResult run(std::vector<std::string> arguments,
                    std::map<std::string, std::string> environment = {}) const {
    arguments.insert(arguments.begin(), program_);
    environment.emplace("LD_LIBRARY_PATH", EMULATED_FOLDER);
    return run_process(arguments, {.folder = folder_.path(), .environment = environment});
  }
  /// What weights a run has come to.
  std::string weights(const std::string& name) const {
    std::ifstream file(folder_ / (name + "/checkpoints/last.safetensors"), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Json read(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return Json::parse(file);
  }

  static void expect_80_columns(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  }

  TemporaryFolder folder_;
  std::string program_ = folder_ / "engine", file_;
};

TEST_F(EngineWithGpu, ListsIt) {
  const ProcessResult text = run({"devices"});
  EXPECT_EXIT_CODE(text, 0);
  EXPECT_NE(text.out.find("cuda:0 (default)\n  emulated GPU\n"), std::string::npos) << text.out;
  expect_80_columns(text.out);
  const Json json = Json::parse(run({"devices", "--json"}).out);
  EXPECT_EQ(json["default"], "cuda:0");
  EXPECT_EQ(json["devices"][1]["compute_capability"], "9.0");
  EXPECT_EQ(json["devices"][1]["architectures"], "sm_80, sm_90, sm_100, PTX for later ones");
}

TEST_F(EngineWithGpu, LeavesOutOneThatThisBuildHasNoCodeFor) {
  const std::map<std::string, std::string> old{{"EMULATED_CAPABILITY", "7.5"}};
  const std::string reason =
      "emulated GPU has compute capability 7.5, this build of the engine has code for sm_80, "
      "sm_90, sm_100, PTX for later ones";
  const ProcessResult named = run({"run", file_, "--device", "cuda"}, old);
  EXPECT_EXIT_CODE(named, 8);
  EXPECT_EQ(named.err, "--device cuda: " + reason + "; use --device cpu or auto\n");
  const ProcessResult any = run({"run", file_, "--out", folder_ / "run"}, old);
  EXPECT_EXIT_CODE(any, 0);
  EXPECT_NE(any.err.find("note: running on the CPU: " + reason + "\n"), std::string::npos)
      << any.err;
  const ProcessResult text = run({"devices"}, old);
  EXPECT_NE(text.out.find("cpu (default)\n"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("  not used            emulated GPU has "), std::string::npos)
      << text.out;
  expect_80_columns(text.out);
  const Json json = Json::parse(run({"devices", "--json"}, old).out);
  EXPECT_EQ(json["default"], "cpu");
  EXPECT_EQ(json["devices"][1]["not_used_because"], reason);
}

TEST_F(EngineWithGpu, TrainsOnItLikeOnTheCpu) {
  const ProcessResult gpu = run({"run", file_, "--out", folder_ / "gpu"});
  ASSERT_EXIT_CODE(gpu, 0);
  ASSERT_EXIT_CODE(run({"run", file_, "--device", "cpu", "--out", folder_ / "cpu"}), 0);
  EXPECT_NE(read("gpu/environment.json").dump().find("emulated GPU"), std::string::npos);
  const double ours = read("gpu/results.json")["test"]["loss"];
  const double theirs = read("cpu/results.json")["test"]["loss"];
  EXPECT_NEAR(ours, theirs, 1e-4 * theirs);
  // What one device has trained, the other can load.
  const ProcessResult again = run({"evaluate", folder_ / "gpu", "--device", "cpu", "--json"});
  ASSERT_EXIT_CODE(again, 0);
}

TEST_F(EngineWithGpu, GivesTheSameBytesAgainAndAfterAResume) {
  for (const char* out : {"one", "two"}) {
    ASSERT_EXIT_CODE(run({"run", file_, "--device", "cuda", "--out", folder_ / out}), 0);
  }
  ASSERT_EXIT_CODE(
      run({"run", file_, "--device", "cuda:0", "--epochs", "1", "--out", folder_ / "three"}), 0);
  ASSERT_EXIT_CODE(run({"run", file_, "--device", "cuda", "--resume", "--epochs", "2", "--out",
                        folder_ / "three"}),
                   0);
  EXPECT_GT(weights("one").size(), 1000u);
  EXPECT_EQ(weights("one"), weights("two"));
  EXPECT_EQ(weights("one"), weights("three"));
}

// The engines that the emulation has differ in the bits of their sums.
TEST_F(EngineWithGpu, ResumesWithTheEnginesOfBefore) {
  const auto train = [&](const std::string& out, const std::string& engines,
                         const std::string& cache, std::vector<std::string> more) {
    more.insert(more.begin(), {"run", file_, "--device", "cuda", "--out", folder_ / out});
    const ProcessResult result =
        run(more, {{"EMULATED_ENGINES", engines}, {"XDG_CACHE_HOME", folder_ / cache}});
    EXPECT_EXIT_CODE(result, 0);
    return result.err;
  };
  const std::string floats_first = "float sums,double sums",
                    doubles_first = "double sums,float sums";
  train("floats", floats_first, "cache1", {});
  train("doubles", doubles_first, "cache2", {});
  ASSERT_NE(weights("floats"), weights("doubles"));

  // Elsewhere the other engine would be the faster one, but both can be had.
  train("run", floats_first, "cache1", {"--epochs", "1"});
  const std::string same =
      train("run", doubles_first, "cache2", {"--resume", "--set", "train.epochs=2"});
  EXPECT_EQ(same.find("changed: conv1"), std::string::npos) << same;
  EXPECT_EQ(weights("run"), weights("floats"));

  // Where it cannot, each is named, once.
  train("other", floats_first, "cache1", {"--epochs", "1"});
  const std::string other =
      train("other", "double sums", "cache2", {"--resume", "--set", "train.epochs=2"});
  EXPECT_NE(weights("other"), weights("floats"));
  for (const char* pass :
       {"forward fp32 x 16x", "backward filter fp32 x 16x", "forward fp32 x 40x"}) {
    EXPECT_NE(other.find(std::string("changed: conv1: ") + pass), std::string::npos) << other;
  }
  EXPECT_NE(other.find("float sums -> double sums: continues, not bit-identical (other code may "
                       "round differently)"),
            std::string::npos)
      << other;
  const std::string again =
      train("other", floats_first, "cache1", {"--resume", "--set", "train.epochs=3"});
  EXPECT_EQ(again.find("changed: conv1"), std::string::npos) << again;
}

TEST_F(EngineWithGpu, TheCpuHasNoEnginesToChoose) {
  const std::vector<std::string> command{"run", file_, "--device", "cpu", "--out", folder_ / "cpu"};
  const auto train = [&](std::vector<std::string> more) {
    more.insert(more.begin(), command.begin(), command.end());
    const ProcessResult result = run(more);
    EXPECT_EXIT_CODE(result, 0);
    return result.err;
  };
  train({"--set", "train.epochs=1"});
  const std::string resumed = train({"--resume"});
  EXPECT_NE(resumed.find("changed: train.epochs: 1 -> 2: identical"), std::string::npos) << resumed;
  EXPECT_EQ(resumed.find("not bit-identical"), std::string::npos) << resumed;
  std::ifstream state(folder_ / "cpu/checkpoints/last.state.safetensors", std::ios::binary);
  const std::string content(std::istreambuf_iterator<char>(state), {});
  EXPECT_NE(content.find("\"classes\""), std::string::npos);
  EXPECT_EQ(content.find("\"choices\""), std::string::npos);
}

TEST_F(EngineWithGpu, TrainsInEveryPrecision) {
  std::map<std::string, double> losses;
  for (const std::string precision : {"fp32", "tf32", "bf16"}) {
    const ProcessResult result = run({"run", file_, "--device", "cuda", "--set",
                                      "precision=" + precision, "--out", folder_ / precision});
    ASSERT_EXIT_CODE(result, 0);
    losses[precision] = read(precision + "/results.json")["test"]["loss"];
  }
  EXPECT_NE(losses["tf32"], losses["fp32"]);
  EXPECT_NE(losses["bf16"], losses["tf32"]);
  EXPECT_NEAR(losses["tf32"], losses["fp32"], 0.01 * losses["fp32"]);
  EXPECT_NEAR(losses["bf16"], losses["fp32"], 0.05 * losses["fp32"]);
  const ProcessResult on_cpu =
      run({"run", file_, "--device", "cpu", "--set", "precision=bf16", "--out", folder_ / "cpu"});
  EXPECT_EXIT_CODE(on_cpu, 3);
  EXPECT_NE(on_cpu.err.find("the only one without a CUDA device"), std::string::npos) << on_cpu.err;
  EXPECT_FALSE(fs::exists(folder_ / "cpu/results.json"));
}

TEST_F(EngineWithGpu, SaysWhyThereIsNoGpu) {
  const auto reason = [&](const char* variable, const char* value) {
    const ProcessResult result = run({"run", file_, "--device", "cuda"}, {{variable, value}});
    EXPECT_EXIT_CODE(result, 8);
    return result.err;
  };
  const std::string no_driver =
      "--device cuda: no NVIDIA driver is installed; use --device cpu or auto\n";
  EXPECT_EQ(reason("EMULATED_DRIVER", "0"), no_driver);
  if (!fs::exists("/dev/nvidiactl")) {
    EXPECT_EQ(reason("LD_LIBRARY_PATH", ""), no_driver);
  }
  EXPECT_EQ(reason("EMULATED_DRIVER", "12080"),
            "--device cuda: the NVIDIA driver is for CUDA 12.8, this engine needs one for CUDA "
            "13.0 or newer; use --device cpu or auto\n");
  EXPECT_EQ(reason("EMULATED_FAILURE", "1:no_device"),
            "--device cuda: cudaErrorNoDevice; use --device cpu or auto\n");
}

TEST_F(EngineWithGpu, ChecksAGpuThatIsNotThere) {
  const ProcessResult text = run({"check", file_, "--target", "h100"});
  ASSERT_EXIT_CODE(text, 0);
  EXPECT_NE(text.out.find("training on h100, fp32, batch 16\n"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("evaluation on h100, fp32, batch 250\n"), std::string::npos) << text.out;
  std::istringstream lines(text.out);
  std::string first, line;
  std::getline(lines, first);  // names the file, which may be long
  while (std::getline(lines, line)) EXPECT_LE(line.size(), 80u) << line;

  const ProcessResult json = run({"check", file_, "--target", "h200", "--json"});
  ASSERT_EXIT_CODE(json, 0);
  const Json checked = Json::parse(json.out).at(0);
  EXPECT_EQ(checked["target"], "h200");
  EXPECT_GT(checked["launches"], 10);
  EXPECT_GT(checked["memory"], 1000);
  std::set<std::string> passes;
  for (const Json& pass : checked["passes"]) {
    if (pass["node"] == "conv1" && pass["program"] == "training") passes.insert(pass["pass"]);
  }
  EXPECT_EQ(passes, (std::set<std::string>{"forward", "backward filter"}));
}

TEST_F(EngineWithGpu, ListsTheLaunchesOfAStep) {
  const ProcessResult text = run({"summary", file_, "--device", "cuda", "--target", "h100"});
  ASSERT_EXIT_CODE(text, 0);
  EXPECT_NE(text.out.find("One training step on h100, launch by launch:"), std::string::npos);
  expect_80_columns(text.out);
  const Json all = Json::parse(run({"summary", file_, "--target", "h100", "--json"}).out);
  ASSERT_GT(all["launches"].size(), 10u);
  EXPECT_EQ(all["launches"][0]["phase"], "gather");
  EXPECT_EQ(all["launches"].back()["phase"], "update");
}

TEST_F(EngineWithGpu, SaysWhatIsWrongWithATarget) {
  const ProcessResult unknown = run({"check", file_, "--target", "h1000"});
  EXPECT_EXIT_CODE(unknown, 2);
  EXPECT_NE(unknown.err.find("expected cpu, cuda or one of h100, h200"), std::string::npos)
      << unknown.err;
  EXPECT_EXIT_CODE(run({"summary", file_, "--device", "cpu", "--target", "h100"}), 2);
  fs::remove(folder_ / "libengine_cuda.so");
  const ProcessResult none = run({"check", file_, "--target", "h100"});
  EXPECT_EXIT_CODE(none, 8);
  EXPECT_NE(none.err.find("--target h100: "), std::string::npos) << none.err;
}

TEST_F(EngineWithGpu, SaysWhatIsWrong) {
  const ProcessResult second = run({"run", file_, "--device", "cuda:1"});
  EXPECT_EXIT_CODE(second, 8);
  EXPECT_NE(second.err.find("there is only 1 GPU"), std::string::npos) << second.err;
  std::ofstream(folder_ / "libengine_cuda.so") << "not a library";
  const ProcessResult damaged = run({"run", file_, "--device", "cuda"});
  EXPECT_EXIT_CODE(damaged, 8);
  EXPECT_EQ(std::count(damaged.err.begin(), damaged.err.end(), '\n'), 1) << damaged.err;
  const ProcessResult on_cpu = run({"run", file_, "--out", folder_ / "run"});
  EXPECT_EXIT_CODE(on_cpu, 0);
  EXPECT_NE(on_cpu.err.find("note: running on the CPU: "), std::string::npos) << on_cpu.err;
  const ProcessResult quiet =
      run({"run", file_, "--quiet", "--overwrite", "--out", folder_ / "run"});
  EXPECT_EQ(quiet.err, "");
}

/// A sweep of points that train in a moment.
std::string small_sweep(const TemporaryFolder& folder, int points) {
  Json experiment = small_experiment();
  experiment["data"]["count"] = 60;
  experiment["train"]["epochs"] = 1;
  experiment["log"] = {{"report", false}};
  write_experiment(folder, "tiny", experiment);
  Json seeds;
  for (int seed = 1; seed <= points; ++seed) seeds.push_back(seed);
  return write_experiment(folder, "sweep", {{"base", "tiny.json"}, {"seeds", seeds}});
}

TEST_F(EngineWithGpu, SweepsShareOutTheGpus) {
  constexpr int kGpus = 3, kPoints = 9;
  const std::string sweep = small_sweep(folder_, kPoints);
  // A second run on a GPU would end with 99.
  const std::map<std::string, std::string> several{{"EMULATED_GPUS", std::to_string(kGpus)},
                                                   {"EMULATED_GPU_LOCKS", folder_.path()}};
  const ProcessResult result =
      run({"sweep", "run", sweep, "--device", "cuda", "--json", "--quiet"}, several);
  EXPECT_EXIT_CODE(result, 0);
  std::map<std::string, int> used;
  for (const auto& point : fs::directory_iterator(folder_ / "sweeps/sweep/points")) {
    std::ifstream status(point.path() / "status.json");
    ++used[Json::parse(status)["gpu"]];
  }
  EXPECT_EQ(used.size(), size_t{kGpus}) << "each is used";
  for (const auto& [gpu, points] : used) EXPECT_GE(points, 1) << gpu;
  // Two on each, and the lock tells: so it would have told above.
  const ProcessResult two = run({"sweep", "run", sweep, "--device", "cuda", "--per-gpu", "2",
                                 "--out", folder_ / "two", "--json", "--quiet"},
                                several);
  EXPECT_EXIT_CODE(two, 1);
  const ProcessResult one = run(
      {"sweep", "run", sweep, "--device", "cuda:1", "--out", folder_ / "one", "--json", "--quiet"},
      several);
  EXPECT_EXIT_CODE(one, 0);
  EXPECT_EXIT_CODE(run({"sweep", "run", sweep, "--device", "cuda:3"}, several), 8);
}

TEST_F(EngineWithGpu, SweepsTakeAsManyAtATimeAsFit) {
  const std::string sweep = small_sweep(folder_, 4);
  const ProcessResult result = run({"sweep", "run", sweep, "--device", "cuda", "--per-gpu", "5"});
  EXPECT_EXIT_CODE(result, 0);
  EXPECT_NE(result.err.find("at a time on each, not 5"), std::string::npos)
      << "the emulated GPU is smaller than five processes need\n"
      << result.err;
}

}  // namespace
}  // namespace engine::test
