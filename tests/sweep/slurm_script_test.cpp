// How a sweep is cut into job arrays, and what a shell makes of their scripts.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/sweep/slurm.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

using Words = std::vector<std::string>;
using Tasks = std::vector<int64_t>;

/// So many points of each chain level.
Sweep sweep_of(const std::vector<size_t>& levels) {
  Sweep sweep;
  sweep.file.path = "study.json";
  sweep.file.name = "study";
  for (size_t level = 0; level < levels.size(); ++level) {
    for (size_t i = 0; i < levels[level]; ++i) {
      SweepPoint point;
      point.level = level;
      sweep.points.push_back(point);
    }
  }
  return sweep;
}

SlurmCommand command() {
  return {.program = "/opt/engine",
          .folder = "/home/me",
          .file = "study.json",
          .out = "sweeps/study",
          .arguments = {}};
}

std::vector<SlurmArray> arrays_of(const Sweep& sweep, int64_t max_array_size = 1001) {
  return slurm_arrays(sweep, command(), std::vector<bool>(sweep.points.size()), max_array_size);
}

/// Names that a shell, sbatch or a terminal could take for something else.
const Words& payloads() {
  static const Words all{"plain",
                         "",
                         " ",
                         "two words",
                         "it's",
                         "\"quoted\"",
                         "'",
                         "'\"'\"'",
                         "$(touch pwned)",
                         "`touch pwned`",
                         "a;touch pwned",
                         "a&touch pwned&",
                         "a|touch pwned",
                         "a>pwned",
                         "$HOME ${HOME} $1 $$",
                         "*",
                         "~",
                         "#not a comment",
                         "!history",
                         "back\\slash \\n \\",
                         "line\nbreak; touch pwned\n#SBATCH --wrap=x",
                         "tab\tbed",
                         "-n",
                         "--set",
                         "{a,b}",
                         "[0-9]",
                         "%A_%a 100%",
                         "caf\u00e9 \u96ea",
                         "a=b c",
                         "\x1b[31m"};
  return all;
}

TEST(SlurmArrays, OneTaskForEachPointInTheOrderOfLevels) {
  const Sweep sweep = sweep_of({5, 2, 1});
  EXPECT_EQ(slurm_tasks(sweep), 8);
  const auto arrays = arrays_of(sweep);
  ASSERT_EQ(arrays.size(), 3u);
  EXPECT_EQ(arrays[0].tasks, (Tasks{0, 1, 2, 3, 4}));
  EXPECT_EQ(arrays[1].tasks, (Tasks{5, 6}));
  EXPECT_EQ(arrays[2].tasks, (Tasks{7}));
  EXPECT_EQ(arrays[1].offset, 5);
  EXPECT_TRUE(arrays[0].after.empty());
  EXPECT_EQ(arrays[1].after, std::vector<size_t>{0});
  EXPECT_EQ(arrays[2].after, std::vector<size_t>{1});
  EXPECT_EQ(arrays[2].file, "level2-0.sbatch");
  EXPECT_NE(arrays[0].script.find("\n#SBATCH --array=0-4\n"), std::string::npos);
  EXPECT_NE(arrays[1].script.find("\n#SBATCH --array=0-1\n"), std::string::npos);
  EXPECT_NE(arrays[1].script.find("$((5 + SLURM_ARRAY_TASK_ID))/8"), std::string::npos);
}

TEST(SlurmArrays, ATaskWithSeveralPointsBelongsToItsFirstPointsLevel) {
  Sweep sweep = sweep_of({5, 5});
  sweep.file.slurm.points_per_task = 4;  // 3 tasks: points 0-2, 3-5, 6-9
  EXPECT_EQ(slurm_tasks(sweep), 3);
  const auto arrays = arrays_of(sweep);
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays[0].tasks, (Tasks{0, 1}));
  EXPECT_EQ(arrays[1].tasks, (Tasks{2}));
  sweep.file.slurm.points_per_task = 100;
  EXPECT_EQ(slurm_tasks(sweep), 1);
  EXPECT_EQ(arrays_of(sweep).size(), 1u);
}

TEST(SlurmArrays, LongOnesAreCut) {
  const auto arrays = arrays_of(sweep_of({10, 4}), 4);
  ASSERT_EQ(arrays.size(), 4u);
  EXPECT_EQ(arrays[2].tasks, (Tasks{8, 9}));
  EXPECT_EQ(arrays[2].offset, 8);
  EXPECT_EQ(arrays[2].file, "level0-2.sbatch");
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(arrays[i].after.empty());
  EXPECT_EQ(arrays[3].after, (std::vector<size_t>{0, 1, 2}));
  for (const SlurmArray& array : arrays) {
    for (const int64_t task : array.tasks) EXPECT_LT(task - array.offset, 4);
  }
}

TEST(SlurmArrays, WithALimitTheyWaitForOneAnother) {
  Sweep sweep = sweep_of({10, 4});
  sweep.file.slurm.array_limit = 3;
  const auto arrays = arrays_of(sweep, 4);
  ASSERT_EQ(arrays.size(), 4u);
  EXPECT_TRUE(arrays[0].after.empty());
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(arrays[i].after, std::vector<size_t>{i - 1});
  EXPECT_NE(arrays[0].script.find("--array=0-3%3\n"), std::string::npos);
}

TEST(SlurmArrays, TasksThatAreDoneAreLeftOut) {
  Sweep sweep = sweep_of({6, 3});
  std::vector<bool> done{false, false, true, false, true, true, true, true, true};
  auto arrays = slurm_arrays(sweep, command(), done, 1001);
  ASSERT_EQ(arrays.size(), 1u);
  EXPECT_EQ(arrays[0].tasks, (Tasks{0, 1, 3}));
  EXPECT_NE(arrays[0].script.find("--array=0-1,3\n"), std::string::npos);
  EXPECT_NE(arrays[0].script.find("# Tasks 0-1,3 of 9"), std::string::npos);
  done.assign(9, true);
  EXPECT_TRUE(slurm_arrays(sweep, command(), done, 1001).empty());
  // A task with one point left is not done.
  sweep.file.slurm.points_per_task = 3;
  done[4] = false;
  arrays = slurm_arrays(sweep, command(), done, 1001);
  ASSERT_EQ(arrays.size(), 1u);
  EXPECT_EQ(arrays[0].tasks, (Tasks{1}));
}

TEST(SlurmArrays, IndexRanges) {
  EXPECT_EQ(index_ranges({}), "");
  EXPECT_EQ(index_ranges({7}), "7");
  EXPECT_EQ(index_ranges({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

TEST(SlurmScript, HasALineForEachKey) {
  Sweep sweep = sweep_of({2});
  SlurmConfig& slurm = sweep.file.slurm;
  slurm.partition = "gpu,big";
  slurm.account = "me";
  slurm.qos = "low";
  slurm.constraint = "[a|b]&c*2";
  slurm.gres = "gpu:1";
  slurm.mem = "16G";
  slurm.time = "00:50:00";
  slurm.cpus_per_task = 4;
  slurm.signal_seconds = 90;
  slurm.requeues = 7;
  slurm.options = {"--mail-type=FAIL", "--comment=\"a b\"", "-A other"};
  slurm.setup = {"module load cuda", "export A=\"$B\""};
  SlurmCommand told = command();
  told.arguments = {"--set", "train.epochs=3", "--threads", "4"};
  const std::string script = slurm_arrays(sweep, told, {false, false}, 1001)[0].script;
  EXPECT_EQ(script, R"(#!/bin/bash
# Tasks 0-1 of 2 of the sweep study.json, chain level 0.
# Made by `engine sweep submit`, which overwrites it; docs/slurm.md explains it.
#SBATCH --job-name=study
#SBATCH --array=0-1
#SBATCH --output=/home/me/sweeps/study/slurm/%A_%a.out
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR2@90
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --partition=gpu,big
#SBATCH --account=me
#SBATCH --qos=low
#SBATCH --constraint="[a|b]&c*2"
#SBATCH --gres=gpu:1
#SBATCH --mem=16G
#SBATCH --time=00:50:00
#SBATCH --mail-type=FAIL
#SBATCH --comment="a b"
#SBATCH -A other

cd /home/me || exit
module load cuda
export A="$B"

# srun passes signals on to the engine, which stops with a checkpoint.
srun --ntasks=1 ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"} \
  /opt/engine sweep run study.json --out sweeps/study \
  --shard "$((0 + SLURM_ARRAY_TASK_ID))/2" --jobs 1 \
  --set train.epochs=3 --threads 4
rc=$?

# 75: stopped by a signal with good checkpoints; 140 and 143: SIGUSR2 or SIGTERM came before it
# was ready for them, or after. This task goes back into the queue.
case "$rc" in
  75 | 140 | 143)
    if [ "${SLURM_RESTART_COUNT:-0}" -lt 7 ]; then
      scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" && exit
    fi
    ;;
esac
exit "$rc"
)");
}

std::string message_of(const Sweep& sweep, const SlurmCommand& told) {
  try {
    slurm_arrays(sweep, told, std::vector<bool>(sweep.points.size()), 1001);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(SlurmScript, WhatCannotStandInALineIsRefused) {
  Sweep sweep = sweep_of({1});
  sweep.file.slurm.partition = "a\n#SBATCH --wrap=x";
  EXPECT_NE(message_of(sweep, command()).find("slurm.partition"), std::string::npos);
  sweep = sweep_of({1});
  for (const char* option : {"--array=1-3", "--array 1", "-a3", "--nodes=1 --array=2",
                             "--clusters=all", "-M other", "--comment=a\rb"}) {
    sweep.file.slurm.options = {option};
    EXPECT_NE(message_of(sweep, command()).find("slurm.options"), std::string::npos) << option;
  }
  for (const char* option : {"-A me", "--mem-per-cpu=1G", "--account=-a"}) {
    sweep.file.slurm.options = {option};
    EXPECT_EQ(message_of(sweep, command()), "") << option;
  }
  sweep.file.slurm.options = {};
  SlurmCommand told = command();
  told.out = "back\\slash";
  EXPECT_NE(message_of(sweep, told).find("--out"), std::string::npos);
  told.out = "100%";
  EXPECT_NE(slurm_arrays(sweep, told, {false}, 1001)[0].script.find("/home/me/100%%/slurm/%A_%a"),
            std::string::npos);
}

TEST(SlurmScript, WordsAreOneWordInAShell) {
  const TemporaryFolder folder;
  std::string script;
  for (const std::string& payload : payloads())
    script += "printf '%s\\0' " + shell_word(payload) + "\n";
  for (const char* shell : {"bash", "sh"}) {
    const ProcessResult result = run_process({shell, "-c", script}, {.folder = folder.path()});
    EXPECT_EXIT_CODE(result, 0);
    EXPECT_EQ(result.err, "");
    std::string expected;
    for (const std::string& payload : payloads()) expected += payload + '\0';
    EXPECT_EQ(result.out, expected) << shell;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "pwned"));
}

/// What sbatch takes a word for: quotes group, a backslash before any character but a space stands
/// for that character, # begins a comment. tests/sweep/slurm_test.py asks sbatch itself.
std::string read_like_sbatch(const std::string& word) {
  std::string text;
  char quote = 0;
  bool escaped = false;
  for (const char c : word) {
    if (!quote && std::string_view(" \t\n").find(c) != std::string_view::npos) break;
    if (escaped) {
      text += c;
      escaped = false;
    } else if (c == '\\') {
      escaped = true;
    } else if (quote ? c == quote : c == '"' || c == '\'') {
      quote = quote ? 0 : c;
    } else if (!quote && c == '#') {
      break;
    } else {
      text += c;
    }
  }
  return quote ? "a quote without an end: " + word : text;
}

TEST(SlurmScript, ValuesAreOneWordForSbatch) {
  for (const std::string& payload : payloads())
    EXPECT_EQ(read_like_sbatch(sbatch_word(payload)), payload);
}

/// Runs a script with a srun that writes down its words, one a line, and ends with a code; and a
/// scontrol that writes down its own.
class SlurmScriptRun : public testing::Test {
 protected:
  SlurmScriptRun() {
    write("srun", "#!/bin/bash\nprintf '%s\\0' \"$PWD\" \"$@\" >\"$WORDS\"\nexit \"$SRUN_CODE\"\n");
    write("scontrol",
          "#!/bin/bash\nprintf '%s\\0' \"$@\" >\"$REQUEUED\"\nexit \"$SCONTROL_CODE\"\n");
  }

  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(folder_ / "bin");
    std::ofstream(folder_ / ("bin/" + name)) << text;
    std::filesystem::permissions(folder_ / ("bin/" + name), std::filesystem::perms::owner_all);
  }

  ProcessResult run(const std::string& script, std::map<std::string, std::string> environment) {
    std::ofstream(folder_ / "script") << script;
    std::filesystem::remove(folder_ / "words");
    std::filesystem::remove(folder_ / "requeued");
    environment.insert({{"PATH", folder_ / "bin:" + std::string(std::getenv("PATH"))},
                        {"WORDS", folder_ / "words"},
                        {"REQUEUED", folder_ / "requeued"},
                        {"SRUN_CODE", "0"},
                        {"SCONTROL_CODE", "0"},
                        {"SLURM_ARRAY_JOB_ID", "4711"},
                        {"SLURM_ARRAY_TASK_ID", "3"}});
    return run_process({"bash", folder_ / "script"},
                       {.folder = folder_.path(), .environment = environment});
  }

  Words read(const std::string& name) {
    std::ifstream file(folder_ / name);
    Words words;
    for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
    return words;
  }

  TemporaryFolder folder_;
};

TEST_F(SlurmScriptRun, EveryWordArrivesAsItIs) {
  const Sweep sweep = sweep_of({20});
  for (const std::string& payload : payloads()) {
    const std::string place = folder_ / ("in " + payload);
    SlurmCommand told = command();
    told.folder = folder_.path();
    if (payload.find('/') == std::string::npos) {
      std::filesystem::create_directories(place);
      told.folder = place;
    }
    told.program = "/opt/" + payload + "/engine";
    told.file = payload + ".json";
    told.out = "/tmp/x";
    told.arguments = {"--set", payload, "--set", "train.epochs=" + payload};
    std::string script = slurm_arrays(sweep, told, std::vector<bool>(20), 1001)[0].script;
    const ProcessResult result = run(script, {});
    EXPECT_EXIT_CODE(result, 0);
    EXPECT_EQ(result.err, "") << payload;
    EXPECT_EQ(read("words"), (Words{told.folder, "--ntasks=1", told.program, "sweep", "run",
                                    told.file, "--out", "/tmp/x", "--shard", "3/20", "--jobs", "1",
                                    "--set", payload, "--set", "train.epochs=" + payload}))
        << script;
    // Nothing of it is a line for sbatch, either.
    std::istringstream lines(script);
    size_t directives = 0;
    for (std::string line; std::getline(lines, line) && line.starts_with('#');)
      directives += line.starts_with("#SBATCH");
    EXPECT_EQ(directives, 7u) << script;
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path()))
    EXPECT_NE(entry.path().filename(), "pwned");
}

TEST_F(SlurmScriptRun, CpusOfTheAllocationAreThreads) {
  SlurmCommand told = command();
  told.folder = folder_.path();
  const Sweep sweep = sweep_of({20});
  const auto script = [&] {
    return slurm_arrays(sweep, told, std::vector<bool>(20), 1001)[0].script;
  };
  EXPECT_EXIT_CODE(run(script(), {{"SLURM_CPUS_PER_TASK", "6"}}), 0);
  const Words words = read("words");
  EXPECT_EQ(words[2], "--cpus-per-task=6");
  EXPECT_EQ(words[words.size() - 2], "--threads");
  EXPECT_EQ(words.back(), "6");
  told.arguments = {"--threads", "2"};
  EXPECT_EXIT_CODE(run(script(), {{"SLURM_CPUS_PER_TASK", "6"}}), 0);
  const Words told_words = read("words");
  EXPECT_EQ(std::count(told_words.begin(), told_words.end(), "6"), 0);
  EXPECT_EQ(told_words.back(), "2");
}

TEST_F(SlurmScriptRun, OnlyAStoppedTaskGoesBackIntoTheQueue) {
  SlurmCommand told = command();
  told.folder = folder_.path();
  Sweep sweep = sweep_of({20});
  sweep.file.slurm.requeues = 2;
  const std::string script = slurm_arrays(sweep, told, std::vector<bool>(20), 1001)[0].script;
  for (const char* code : {"0", "1", "3", "9", "137"}) {
    EXPECT_EXIT_CODE(run(script, {{"SRUN_CODE", code}}), std::stoi(code));
    EXPECT_TRUE(read("requeued").empty()) << code;
  }
  for (const char* restarts : {"0", "1"}) {
    run(script, {{"SRUN_CODE", "75"}, {"SLURM_RESTART_COUNT", restarts}});
    EXPECT_EQ(read("requeued"), (Words{"requeue", "4711_3"}));
  }
  for (const char* code : {"75", "140", "143"}) {
    EXPECT_EXIT_CODE(run(script, {{"SRUN_CODE", code}}), 0);
    EXPECT_EQ(read("requeued"), (Words{"requeue", "4711_3"}));
  }
  // Slurm refuses: the task has failed, and its code says why.
  EXPECT_EXIT_CODE(run(script, {{"SRUN_CODE", "75"}, {"SCONTROL_CODE", "1"}}), 75);
  EXPECT_EXIT_CODE(run(script, {{"SRUN_CODE", "75"}, {"SLURM_RESTART_COUNT", "2"}}), 75);
  EXPECT_TRUE(read("requeued").empty());
}

TEST_F(SlurmScriptRun, AFolderThatIsGoneIsAFailure) {
  SlurmCommand told = command();
  told.folder = folder_ / "gone";
  const ProcessResult result = run(slurm_arrays(sweep_of({1}), told, {false}, 1001)[0].script, {});
  EXPECT_NE(result.code, 0);
  EXPECT_NE(result.code, 75);
  EXPECT_TRUE(read("words").empty());
}

}  // namespace
}  // namespace engine::test
