#include "engine/run/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>

#include "engine/core/error.h"
#include "tests/run/damage.h"
#include "tests/run/fault_files.h"
#include "tests/run/outside.h"
#include "tests/support/paths.h"

namespace engine {
namespace {

using test::FaultFiles;
using test::TemporaryFolder;

NamedTensor random_tensor(std::string name, std::vector<int64_t> dims, uint32_t seed) {
  NamedTensor tensor{std::move(name), DType::f32, std::move(dims), {}};
  std::mt19937 random(seed);
  tensor.bytes.resize(static_cast<size_t>(tensor.elements()) * sizeof(float));
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    tensor.f32()[i] = std::uniform_real_distribution<float>(-1, 1)(random);
  }
  return tensor;
}

std::vector<NamedTensor> network(uint32_t seed, const std::string& prefix = "") {
  return {random_tensor(prefix + "stem.weight", {4, 1, 3, 3}, seed),
          random_tensor(prefix + "stem.bias", {4}, seed + 1),
          random_tensor(prefix + "classifier.weight", {10, 4}, seed + 2)};
}

/// The state after some step; every field has a value that a mix-up would show.
TrainingState state_at(uint64_t step) {
  const auto seed = static_cast<uint32_t>(step);
  TrainingState state;
  state.weights = network(seed);
  for (const char* moment : {"m0/", "m1/"}) {
    for (NamedTensor& tensor : network(seed + 100, moment))
      state.moments.push_back(std::move(tensor));
  }
  state.best = network(seed + 200);
  state.step = {.epoch = 3,
                .step = step,
                .position = 64,
                .learning_rate = 0.1f,
                .gradient_norm = 1.0 / 3,
                .loss_sum = 1e-300,
                .correct = 17,
                .seen = 64};
  state.epochs_done = 3;
  state.best_epoch = 2;
  state.best_value = 0.1 + static_cast<double>(step);
  state.waited = 1;
  for (int64_t epoch = 1; epoch <= 3; ++epoch) {
    state.rows.push_back({.epoch = epoch,
                          .seconds = 5,
                          .images_per_second = 6,
                          .learning_rate = 0.3,
                          .train_loss = 1.0 / 7,
                          .train_accuracy = 0.5,
                          .validation_loss = std::nan(""),
                          .validation_accuracy = 0.25});
  }
  state.statistics = {0.1, -1e-12, 3};
  state.classes = {"cat", "dog \"x\" \xC3\xA9"};
  state.name = "test";
  state.config = "seed = 1\ntrain.epochs = 5\n";
  state.data_fingerprint = "abc";
  state.engine_version = "0.1.0";
  state.device = "cpu";
  state.isa = "AVX2";
  state.libraries = "x 1";
  state.threads = 2;
  state.seed = 1;
  state.choices = {{"stem: forward kernel 3x3, GPU, x 1", "eng41_k2=1_k13=1"},
                   {"stem: backward filter", "eng5"}};
  return state;
}

bool same(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  if (a.size() != b.size()) return false;
  for (const NamedTensor& tensor : a) {
    const auto found =
        std::find_if(b.begin(), b.end(), [&](const auto& t) { return t.name == tensor.name; });
    if (found == b.end() || found->dims != tensor.dims || found->bytes != tensor.bytes)
      return false;
  }
  return true;
}

struct Folder {
  Folder() { std::filesystem::create_directories(temporary.path() / "checkpoints"); }
  std::string operator/(std::string_view file) const { return temporary / file; }
  CheckpointStore store(FileSystem& files = real_files()) const {
    return {files, temporary.path().string()};
  }
  TemporaryFolder temporary;
};

TEST(Checkpoint, EverythingComesBack) {
  const Folder folder;
  EXPECT_FALSE(folder.store().load());
  const TrainingState state = state_at(7);
  folder.store().save(state, true);
  const auto loaded = folder.store().load();
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->damaged.empty());
  const TrainingState& read = loaded->state;
  EXPECT_TRUE(same(read.weights, state.weights));
  EXPECT_TRUE(same(read.moments, state.moments));
  EXPECT_TRUE(same(read.best, state.best));
  EXPECT_EQ(read.step.epoch, 3u);
  EXPECT_EQ(read.step.step, 7u);
  EXPECT_EQ(read.step.position, 64u);
  EXPECT_EQ(read.step.learning_rate, 0.1f);
  EXPECT_EQ(read.step.gradient_norm, 1.0 / 3);
  EXPECT_EQ(read.step.loss_sum, 1e-300);
  EXPECT_EQ(read.step.correct, 17u);
  EXPECT_EQ(read.step.seen, 64u);
  EXPECT_EQ(read.epochs_done, 3);
  EXPECT_EQ(read.best_epoch, 2);
  EXPECT_EQ(read.best_value, 7.1);
  EXPECT_EQ(read.waited, 1);
  ASSERT_EQ(read.rows.size(), 3u);
  EXPECT_EQ(read.rows[2].epoch, 3);
  EXPECT_EQ(read.rows[2].train_loss, 1.0 / 7);
  EXPECT_TRUE(std::isnan(read.rows[2].validation_loss));
  EXPECT_EQ(read.rows[2].seconds, 0) << "times are not part of the state";
  EXPECT_EQ(read.statistics, state.statistics);
  EXPECT_EQ(read.classes, state.classes);
  EXPECT_EQ(read.config, state.config);
  EXPECT_EQ(read.data_fingerprint, "abc");
  EXPECT_EQ(read.isa, "AVX2");
  EXPECT_EQ(read.threads, 2);
  EXPECT_EQ(read.choices, state.choices);

  const SavedWeights best = read_weights(folder / run_files::kBest);
  EXPECT_TRUE(same(best.parameters, state.best));
  EXPECT_EQ(best.epoch, 2);
  EXPECT_EQ(best.statistics, state.statistics);
  EXPECT_EQ(best.classes, state.classes);
  EXPECT_TRUE(same(read_weights(folder / run_files::kLast).parameters, state.weights));
}

TEST(Checkpoint, TheSameStateGivesTheSameBytes) {
  const Folder a, b;
  a.store().save(state_at(1), true);
  TrainingState state = state_at(2);
  a.store().save(state, true);
  std::reverse(state.weights.begin(), state.weights.end());
  state.rows[0].seconds = 99;  // a measured time
  b.store().save(state, true);
  for (const auto file : {run_files::kState, run_files::kLast, run_files::kBest}) {
    EXPECT_EQ(read_text(a / file), read_text(b / file)) << file;
  }
  // A locale with a decimal comma must not matter; "C" is all that some machines have.
  const Folder c;
  for (const char* locale : {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"}) {
    if (!std::setlocale(LC_ALL, locale)) continue;
    c.store().save(state, true);
    EXPECT_EQ(read_text(a / run_files::kState), read_text(c / run_files::kState)) << locale;
  }
  std::setlocale(LC_ALL, "C");
}

TEST(Checkpoint, EveryFlippedBitAndTruncationIsDetected) {
  const Folder folder;
  folder.store().save(state_at(1), true);
  size_t tried = test::damage_everywhere(folder / run_files::kBest,
                                         [&] { read_weights(folder / run_files::kBest); });
  // The loader, with nothing to fall back to.
  tried += test::damage_everywhere(folder / run_files::kState, [&] { folder.store().load(); });
  EXPECT_GT(tried, 20000u);
}

TEST(Checkpoint, ADamagedNewestFallsBackAndSaysSo) {
  const Folder folder;
  folder.store().save(state_at(1), true);
  folder.store().save(state_at(2), true);
  const std::string path = folder / run_files::kState;
  const std::string good = read_text(path);
  std::mt19937 random(5);
  const SaveOptions quick{.durable = false};
  for (int i = 0; i < 100; ++i) {
    std::string bad = good;
    const size_t place = random() % bad.size();
    if (i % 3 == 0) bad.resize(place);
    if (i % 3 == 1) bad[place] = static_cast<char>(bad[place] ^ (1 << random() % 8));
    if (i % 3 == 2) {
      std::fill(bad.begin() + static_cast<std::ptrdiff_t>(place),
                bad.begin() + static_cast<std::ptrdiff_t>(std::min(place + 512, bad.size())), '\0');
    }
    if (bad == good) continue;
    save_file(real_files(), path, bad, quick);
    const auto loaded = folder.store().load();
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->state.step.step, 1u);
    ASSERT_EQ(loaded->damaged.size(), 1u);
    EXPECT_NE(loaded->damaged[0].find(path), std::string::npos);
  }
  save_file(real_files(), path + ".prev", "also bad", quick);
  save_file(real_files(), path, "bad", quick);
  try {
    folder.store().load();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::storage);
    EXPECT_NE(std::string(error.what()).find(".prev"), std::string::npos) << error.what();
  }
}

TEST(Checkpoint, AStateWithoutChoicesIsThatOfAnEngineThatKnewNone) {
  const Folder folder;
  TrainingState state = state_at(1);
  state.choices.clear();
  folder.store().save(state, true);
  EXPECT_EQ(read_text(folder / run_files::kState).find("choices"), std::string::npos);
  EXPECT_TRUE(folder.store().load()->state.choices.empty());
}

TEST(Checkpoint, AnotherFormatIsNamed) {
  const Folder folder;
  write_safetensors(real_files(), folder / run_files::kState, {}, {{"engine.format", "99"}});
  try {
    folder.store().load();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("newer engine"), std::string::npos) << error.what();
  }
}

TEST(Checkpoint, ValuesThatAreNotFiniteAreNeverSaved) {
  const Folder folder;
  folder.store().save(state_at(1), true);
  const auto before = read_text(folder / run_files::kState);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (int where = 0; where < 3; ++where) {
      TrainingState state = state_at(2);
      auto& tensors = where == 0 ? state.weights : where == 1 ? state.moments : state.best;
      tensors[1].f32()[3] = bad;
      try {
        folder.store().save(state, true);
        ADD_FAILURE();
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::diverged);
        EXPECT_NE(std::string(error.what()).find(tensors[1].name), std::string::npos);
      }
      EXPECT_EQ(read_text(folder / run_files::kState), before);
    }
  }
}

TEST(Checkpoint, AFullDiskIsForeseen) {
  const Folder folder;
  folder.store().save(state_at(1), true);
  FaultFiles files;
  files.free = 2000;
  try {
    folder.store(files).save(state_at(2), true);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::storage);
    EXPECT_NE(std::string(error.what()).find("2.0 kB free"), std::string::npos) << error.what();
  }
  EXPECT_EQ(files.calls, 1) << "nothing was touched";
  EXPECT_EQ(folder.store().load()->state.step.step, 1u);
  EXPECT_GT(CheckpointStore::bytes(state_at(1)),
            std::filesystem::file_size(folder / run_files::kState) +
                2 * std::filesystem::file_size(folder / run_files::kBest));
}

/// Every call of a save fails in turn: never success without the new state, never a loss of the
/// old.
TEST(Checkpoint, EveryFailingCallLeavesAGoodCheckpoint) {
  const bool full = std::getenv("ENGINE_LONG_TESTS") != nullptr;
  const std::vector<int> errors =
      full ? std::vector{ENOSPC, EDQUOT, EIO, EACCES, EROFS, EINTR} : std::vector{ENOSPC, EIO};
  int64_t tried = 0, refused = 0;
  for (const int error : errors) {
    for (int64_t k = 0;; ++k) {
      const Folder folder;
      FaultFiles files;
      folder.store(files).save(state_at(1), true);
      files.fault = FaultFiles::Fault::error;
      files.error = error;
      files.at = files.calls + k;
      bool failed = false;
      try {
        folder.store(files).save(state_at(2), true);
      } catch (const Error& failure) {
        failed = true;
        EXPECT_EQ(failure.code(), ExitCode::storage);
      }
      if (!files.happened) break;
      ++tried;
      refused += failed;
      const std::string& name = files.names[static_cast<size_t>(files.at)];
      const auto loaded = folder.store().load();
      ASSERT_TRUE(loaded) << name;
      EXPECT_TRUE(loaded->damaged.empty()) << name;
      const uint64_t step = loaded->state.step.step;
      EXPECT_TRUE(failed ? step == 1 || step == 2 : step == 2) << name;
      EXPECT_TRUE(same(loaded->state.weights, state_at(step).weights)) << name;
      // Hard errors pass only where the call is not needed.
      if (error != EINTR && !failed) {
        EXPECT_TRUE(name.starts_with("unlink") || name == "statvfs") << name;
      }
      for (const auto file : {run_files::kBest, run_files::kLast}) {
        EXPECT_NO_THROW(read_safetensors(folder / file, nullptr, true)) << name;
      }
      folder.store().save(state_at(3), true);  // and it goes on
      EXPECT_EQ(folder.store().load()->state.step.step, 3u);
    }
  }
  EXPECT_GT(tried, static_cast<int64_t>(errors.size()) * 40);
  EXPECT_GT(refused, tried / 2);
}

/// A crash at every named point of the first and of a later save, then at every system call.
TEST(Checkpoint, ACrashAnywhereLeavesTheOldOrTheNewState) {
  FaultFiles recorder;
  {
    const Folder folder;
    folder.store().save(state_at(1), true);
    folder.store(recorder).save(state_at(2), true);
  }
  ASSERT_GE(recorder.points.size(), 30u);
  ASSERT_GE(recorder.calls, 40);
  const auto crash = [](bool first, const std::function<void(FaultFiles&)>& arm) {
    const Folder folder;
    if (!first) folder.store().save(state_at(1), true);
    const pid_t child = fork();
    if (child == 0) {
      FaultFiles files;
      arm(files);
      folder.store(files).save(state_at(2), true);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    const auto loaded = folder.store().load();
    if (!first) {
      ASSERT_TRUE(loaded);
    }
    if (loaded) {
      EXPECT_TRUE(loaded->damaged.empty());
      const uint64_t step = loaded->state.step.step;
      EXPECT_TRUE(step == 2 || (step == 1 && !first)) << step;
      EXPECT_TRUE(same(loaded->state.weights, state_at(step).weights));
      EXPECT_TRUE(same(loaded->state.moments, state_at(step).moments));
    }
    folder.store().save(state_at(3), true);
    EXPECT_EQ(folder.store().load()->state.step.step, 3u);
    for (const auto& entry : std::filesystem::directory_iterator(folder / "checkpoints")) {
      EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
    }
    EXPECT_TRUE(WIFSIGNALED(status) || first) << "the crash happened";
  };
  for (const bool first : {true, false}) {
    for (const std::string& point : recorder.points) {
      SCOPED_TRACE(point);
      crash(first, [&](FaultFiles& files) { files.kill_at = point; });
    }
  }
  if (!std::getenv("ENGINE_LONG_TESTS")) return;
  for (int64_t call = 0; call < recorder.calls; ++call) {
    SCOPED_TRACE(call);
    crash(false, [&](FaultFiles& files) {
      files.fault = FaultFiles::Fault::kill;
      files.at = call;
    });
  }
}

TEST(Checkpoint, RepairMakesBestAndLastFitTheState) {
  const Folder folder;
  folder.store().save(state_at(1), true);
  const std::string best = read_text(folder / run_files::kBest),
                    last = read_text(folder / run_files::kLast);
  // A crash between best and state leaves a best that the state does not know.
  FaultFiles files;
  const pid_t child = fork();
  if (child == 0) {
    files.kill_at = "state: begin";
    folder.store(files).save(state_at(2), true);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  EXPECT_NE(read_text(folder / run_files::kBest), best);
  folder.store().repair(folder.store().load()->state);
  EXPECT_EQ(read_text(folder / run_files::kBest), best);
  EXPECT_EQ(read_text(folder / run_files::kLast), last);
  folder.store(files).repair(state_at(1));
  EXPECT_EQ(files.calls, 0) << "what is right is left alone";
}

TEST(Checkpoint, ManySavesLeakNoDescriptors) {
  const Folder folder;
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  folder.store().save(state_at(1), true);
  const auto before = open_files();
  const int saves = std::getenv("ENGINE_LONG_TESTS") ? 10000 : 20;
  for (int i = 0; i < saves; ++i) folder.store().save(state_at(1), i % 2 == 0);
  EXPECT_EQ(open_files(), before);
}

TEST(Checkpoint, AnIndependentReaderReadsTheState) {
  if (!test::have_python()) GTEST_SKIP() << "no python3";
  const Folder folder;
  folder.store().save(state_at(1), true);
  const auto script = (test::source_dir() / "tests/run/read_safetensors.py").string();
  for (const auto file : {run_files::kState, run_files::kLast, run_files::kBest}) {
    EXPECT_TRUE(
        test::output_of("python3 " + test::quoted(script) + " " + test::quoted(folder / file)))
        << file;
  }
}

TEST(ResumeCheck, EveryChangeIsIdenticalContinuesOrRefused) {
  using Verdict = ResumeCheck::Verdict;
  TrainingState saved = state_at(1);
  saved.config =
      "name = \"a\"\nseed = 1\ntrain.epochs = 5\ntrain.batch_size = 32\ntrain.schedule.type = "
      "\"constant\"\n"
      "train.optimizer.type = \"adam\"\ntrain.optimizer.learning_rate = 0.001\ndata.validation = "
      "0.2\n";
  EXPECT_TRUE(check_resume(saved, saved).changes.empty());
  EXPECT_EQ(check_resume(saved, saved).verdict(), Verdict::identical);
  struct Case {
    const char* what;
    std::function<void(TrainingState&)> change;
    Verdict verdict;
  };
  const auto line = [](const std::string& before, const std::string& after) {
    return [before, after](TrainingState& state) {
      const size_t at = state.config.find(before);
      if (at == std::string::npos) {
        state.config += after + "\n";
      } else {
        state.config.replace(at, before.size(), after);
      }
    };
  };
  const std::vector<Case> cases{
      {"name", line("name = \"a\"", "name = \"b\""), Verdict::identical},
      {"more epochs", line("epochs = 5", "epochs = 200"), Verdict::identical},
      {"more epochs with cosine",
       [](TrainingState& state) {
         state.config.replace(state.config.find("epochs = 5"), 10, "epochs = 9");
         state.config.replace(state.config.find("constant"), 8, "cosine");
       },
       Verdict::continues},
      {"checkpoint", line("?", "train.checkpoint.every_steps = 5"), Verdict::identical},
      {"log", line("?", "log.tensorboard = true"), Verdict::identical},
      {"patience", line("?", "train.early_stopping.patience = 5"), Verdict::identical},
      {"min_delta", line("?", "train.early_stopping.min_delta = 5"), Verdict::continues},
      {"monitor", line("?", "train.early_stopping.monitor = \"validation_accuracy\""),
       Verdict::continues},
      {"initialize", line("?", "initialize.from = \"x\""), Verdict::identical},
      {"learning rate", line("learning_rate = 0.001", "learning_rate = 0.01"), Verdict::continues},
      {"weight decay", line("?", "train.optimizer.weight_decay = 0.1"), Verdict::continues},
      {"optimizer", line("\"adam\"", "\"sgd\""), Verdict::refused},
      {"schedule", line("\"constant\"", "\"step\""), Verdict::continues},
      {"label smoothing", line("?", "train.label_smoothing = 0.1"), Verdict::continues},
      {"evaluation batch", line("?", "train.evaluation_batch_size = 10"), Verdict::continues},
      {"batch size", line("batch_size = 32", "batch_size = 64"), Verdict::refused},
      {"seed", line("seed = 1", "seed = 2"), Verdict::refused},
      {"validation share", line("validation = 0.2", "validation = 0.1"), Verdict::refused},
      {"preprocessing", line("?", "preprocess.0.sigma = 0.2"), Verdict::refused},
      {"network", line("?", "network.nodes.0.filters = 3"), Verdict::refused},
      {"precision", line("?", "precision = \"tf32\""), Verdict::refused},
      {"shuffle", line("?", "train.shuffle = false"), Verdict::refused},
      {"a key of the future", line("?", "train.future = 1"), Verdict::refused},
      {"images", [](TrainingState& state) { state.data_fingerprint = "other"; }, Verdict::refused},
      {"place of the images", line("?", "data.path = \"x\""), Verdict::identical},
      {"threads", [](TrainingState& state) { state.threads = 7; }, Verdict::continues},
      {"instruction sets", [](TrainingState& state) { state.isa = "AVX512"; }, Verdict::continues},
      {"device", [](TrainingState& state) { state.device = "H100"; }, Verdict::continues},
      {"libraries", [](TrainingState& state) { state.libraries = "x 2"; }, Verdict::continues},
      {"engine", [](TrainingState& state) { state.engine_version = "9"; }, Verdict::continues},
  };
  for (const Case& c : cases) {
    TrainingState now = saved;
    c.change(now);
    const ResumeCheck check = check_resume(saved, now);
    EXPECT_EQ(check.verdict(), c.verdict) << c.what;
    ASSERT_FALSE(check.changes.empty()) << c.what;
  }
  TrainingState now = saved;
  now.threads = 7;
  EXPECT_EQ(to_string(check_resume(saved, now).changes[0]),
            "threads: 2 -> 7: continues, not bit-identical (sums are rounded in another order)");
}

TEST(ResumeCheck, OtherChoicesAreNamed) {
  Choices saved{{"a: forward", "eng1"}, {"b: forward", "eng2"}};
  EXPECT_TRUE(
      adopt_choices(saved, {{"a: forward", "eng1"}, {"a: forward of 7", "eng3"}}).changes.empty());
  const ResumeCheck check = adopt_choices(saved, {{"a: forward", "eng1"}, {"b: forward", "eng4"}});
  ASSERT_EQ(check.changes.size(), 1u);
  EXPECT_EQ(
      to_string(check.changes[0]),
      "b: forward: eng2 -> eng4: continues, not bit-identical (other code may round differently)");
  EXPECT_EQ(saved,
            (Choices{{"a: forward", "eng1"}, {"a: forward of 7", "eng3"}, {"b: forward", "eng4"}}));
}

TEST(FlatConfig, IsOneLineAValue) {
  Value value{Object{}};
  value.set("seed", 1);
  value.set("train", Value(Object{}));
  Value node{Object{}};
  node.set("op", "conv2d");
  value.set("nodes", Array{node});
  EXPECT_EQ(flat_config(value), "seed = 1\ntrain = {}\nnodes.0.op = \"conv2d\"\n");
}

}  // namespace
}  // namespace engine
