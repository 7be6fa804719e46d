// engine sweep submit with programs that stand in for Slurm's: what they are asked, and what
// follows from their answers. tests/sweep/slurm_test.py does it with Slurm itself.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/sweep/slurm.h"
#include "tests/apps/small_experiment.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace engine::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

/// A folder with a sweep of three points in two levels, and Slurm's programs in bin/: sbatch
/// numbers its jobs and refuses the script that the file "refused" names, scontrol prints the file
/// "config", squeue the file "queue". Each writes down its words in calls.txt.
class SubmitSweep : public testing::Test {
 protected:
  SubmitSweep() {
    fs::create_directories(folder_ / "bin");
    program("sbatch", R"sh(
n=$(cat "$SLURM_FOLDER/number" 2>/dev/null || echo 4710); n=$((n + 1))
script=${@: -1}
if [ -e "$SLURM_FOLDER/refused" ] && [ "${script##*/}" = "$(cat "$SLURM_FOLDER/refused")" ]; then
  echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1
fi
echo $n >"$SLURM_FOLDER/number"; echo $n)sh");
    program("scontrol", R"sh(cat "$SLURM_FOLDER/config")sh");
    program("squeue", R"sh(
[ ! -e "$SLURM_FOLDER/queue_error" ] || { cat "$SLURM_FOLDER/queue_error" >&2; exit 1; }
cat "$SLURM_FOLDER/queue")sh");
    write("config", "SchedulerType           = sched/backfill\nMaxArraySize            = 1001\n");
    write("queue", "");
    write_experiment(folder_, "small", small_experiment());
    write("study.json", R"({ "name": "study", "base": "small.json", "set": { "train.epochs": 1 },
      "points": [ { "name": "a" }, { "name": "b", "set": { "train.batch_size": 32 } },
                  { "name": "c", "after": "a" } ] })");
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  void program(const std::string& name, const std::string& text) {
    write("bin/" + name, "#!/bin/bash\nprintf '%s|' " + name +
                             " \"$@\" >>\"$SLURM_FOLDER/calls.txt\"; echo "
                             ">>\"$SLURM_FOLDER/calls.txt\"\n" +
                             text + "\n");
    fs::permissions(folder_ / ("bin/" + name), fs::perms::owner_all);
  }

  ProcessResult submit(Words words, const std::string& path = "") {
    words.insert(words.begin(), {"sweep", "submit"});
    const std::string search = (folder_ / "bin") + ":" + std::getenv("PATH");
    return run_engine(words, {.folder = folder_.path(),
                              .environment = {{"PATH", path.empty() ? search : path},
                                              {"SLURM_FOLDER", folder_.path()}}});
  }
  Json submitted(Words words) {
    words.emplace_back("--json");
    const ProcessResult result = submit(words);
    EXPECT_EXIT_CODE(result, 0);
    return Json::parse(result.out, nullptr, false);
  }

  std::string read(const std::string& name) {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Words calls() {
    Words lines;
    std::ifstream file(folder_ / "calls.txt");
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  TemporaryFolder folder_;
};

TEST_F(SubmitSweep, OneArrayForEachLevelAfterTheOneBefore) {
  const Json result = submitted({"study.json"});
  EXPECT_EQ(result["folder"], "sweeps/study");
  EXPECT_EQ(result["points"], 3);
  EXPECT_EQ(result["tasks"], 3);
  ASSERT_EQ(result["jobs"].size(), 2u);
  EXPECT_EQ(result["jobs"][0]["job"], "4711");
  EXPECT_EQ(result["jobs"][0]["tasks"], "0-1");
  EXPECT_EQ(result["jobs"][1]["tasks"], "2");
  EXPECT_EQ(result["jobs"][1]["after"], Json({"4711"}));
  EXPECT_EQ(calls(),
            (Words{"scontrol|show|config|", "sbatch|--parsable|sweeps/study/slurm/level0-0.sbatch|",
                   "sbatch|--parsable|--dependency=afterany:4711|sweeps/study/slurm/"
                   "level1-0.sbatch|"}));
  const Json known = Json::parse(read("sweeps/study/slurm/jobs.json"));
  EXPECT_EQ(known["jobs"][1]["job"], "4712");
  EXPECT_EQ(known["jobs"][1]["offset"], 2);
  EXPECT_EQ(known["tasks"], 3);
  EXPECT_TRUE(read("sweeps/study/slurm/level0-0.sbatch").starts_with("#!/bin/bash\n"));
}

TEST_F(SubmitSweep, TheTableFitsATerminal) {
  const ProcessResult result = submit({"study.json"});
  EXPECT_EXIT_CODE(result, 0);
  EXPECT_NE(result.out.find("4712"), std::string::npos) << result.out;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST_F(SubmitSweep, ADryRunWritesNothingAndNeedsNoSlurm) {
  const ProcessResult there = submit({"study.json", "--dry-run"});
  EXPECT_EXIT_CODE(there, 0);
  EXPECT_NE(there.out.find("sbatch --parsable sweeps/study/slurm/level0-0.sbatch\n\n#!/bin/bash\n"),
            std::string::npos)
      << there.out;
  EXPECT_NE(there.out.find("sbatch --parsable --dependency=afterany:JOB_OF_level0-0.sbatch "),
            std::string::npos);
  EXPECT_EQ(calls(), (Words{"scontrol|show|config|"}));
  const ProcessResult nowhere = submit({"study.json", "--dry-run"}, "/nowhere");
  EXPECT_EXIT_CODE(nowhere, 0);
  EXPECT_EQ(nowhere.out, there.out);
  EXPECT_NE(nowhere.err.find("assuming MaxArraySize 1001"), std::string::npos) << nowhere.err;
  EXPECT_FALSE(fs::exists(folder_ / "sweeps"));
}

TEST_F(SubmitSweep, WithoutSlurmItSaysWhatToDo) {
  const ProcessResult result = submit({"study.json"}, "/nowhere");
  EXPECT_EXIT_CODE(result, 8);
  EXPECT_NE(result.err.find("scontrol: no such program"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("login node"), std::string::npos) << result.err;
  fs::remove(folder_ / "bin/sbatch");
  const std::string only = folder_ / "bin:/usr/bin:/bin";
  if (run_process({"sh", "-c", "command -v sbatch"}, {.environment = {{"PATH", only}}}).code != 0) {
    const ProcessResult half = submit({"study.json"}, only);
    EXPECT_EXIT_CODE(half, 8);
    EXPECT_NE(half.err.find("sbatch: no such program"), std::string::npos) << half.err;
  }
}

TEST_F(SubmitSweep, WhatSbatchRefusesIsSaidWithWhatItTookBefore) {
  write("refused", "level1-0.sbatch");
  ProcessResult result = submit({"study.json"});
  EXPECT_EXIT_CODE(result, 8);
  for (const char* part : {"QOSMaxSubmitJobPerUserLimit", "level1-0.sbatch", "scancel 4711"})
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_EQ(Json::parse(read("sweeps/study/slurm/jobs.json"))["jobs"].size(), 1u);
  write("refused", "level0-0.sbatch");
  result = submit({"study.json", "--out", "other"});
  EXPECT_EXIT_CODE(result, 8);
  EXPECT_EQ(result.err.find("scancel"), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(folder_ / "other/slurm/jobs.json"));
}

TEST_F(SubmitSweep, NotTwiceWhileTasksAreQueued) {
  submitted({"study.json"});
  write("queue", "4711|0|RUNNING|n1|None\n4711|1|COMPLETED|n1|None\n4712|0|PENDING||Dependency\n");
  ProcessResult result = submit({"study.json"});
  EXPECT_EXIT_CODE(result, 9);
  EXPECT_NE(result.err.find("2 tasks"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("scancel 4711 4712"), std::string::npos) << result.err;
  EXPECT_EXIT_CODE(submit({"study.json", "--dry-run"}), 0);
  write("queue", "4711|0|CANCELLED|n1|None\n4711|1|COMPLETED|n1|None\n4712|0|TIMEOUT||None\n");
  EXPECT_EQ(submitted({"study.json"})["jobs"][0]["job"], "4713");
  // Slurm has forgotten them.
  write("queue_error", "slurm_load_jobs error: Invalid job id specified\n");
  EXPECT_EQ(submitted({"study.json"})["jobs"][0]["job"], "4715");
  // Slurm does not answer: nobody knows.
  write("queue_error", "slurm_load_jobs error: Unable to contact slurm controller\n");
  result = submit({"study.json"});
  EXPECT_EXIT_CODE(result, 8);
  EXPECT_NE(result.err.find("Unable to contact"), std::string::npos) << result.err;
}

TEST_F(SubmitSweep, OnlyWhatIsLeft) {
  EXPECT_EXIT_CODE(run_engine({"sweep", "run", "study.json", "--shard", "0/3", "--threads", "1"},
                              {.folder = folder_.path()}),
                   0);
  const Json result = submitted({"study.json"});
  EXPECT_EQ(result["jobs"][0]["tasks"], "1");
  EXPECT_EXIT_CODE(
      run_engine({"sweep", "run", "study.json", "--threads", "1"}, {.folder = folder_.path()}), 0);
  EXPECT_EQ(submitted({"study.json"})["jobs"], Json::array());
  const ProcessResult text = submit({"study.json"});
  EXPECT_EXIT_CODE(text, 0);
  EXPECT_EQ(text.out, "sweeps/study: every point has ended; nothing to submit\n");
}

TEST_F(SubmitSweep, FailedPointsAgainOnRequest) {
  const Words broken{"--set", R"(data={"source":"image_folder","path":"absent","size":16})"};
  Words words{"sweep", "run", "study.json", "--threads", "1"};
  words.insert(words.end(), broken.begin(), broken.end());
  EXPECT_EXIT_CODE(run_engine(words, {.folder = folder_.path()}), 1);
  words = {"study.json"};
  words.insert(words.end(), broken.begin(), broken.end());
  EXPECT_EQ(submitted(words)["jobs"], Json::array());
  words.emplace_back("--retry-failed");
  EXPECT_EQ(submitted(words)["jobs"].size(), 2u);
  EXPECT_TRUE(fs::is_empty(folder_ / "sweeps/study/records"));
}

TEST_F(SubmitSweep, LongArraysAreCut) {
  write("config", "MaxArraySize            = 2\n");
  write("study.json", R"({ "name": "study", "base": "small.json", "seeds": [1, 2, 3, 4, 5] })");
  const Json jobs = submitted({"study.json"})["jobs"];
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[1]["tasks"], "2-3");
  EXPECT_EQ(jobs[1]["script"], "level0-1.sbatch");
  for (const char* config : {"MaxArraySize            = 0\n", "nothing\n"}) {
    write("config", config);
    EXPECT_EXIT_CODE(submit({"study.json", "--out", "new"}), 8);
  }
}

TEST_F(SubmitSweep, WordsArePassedOn) {
  const Json result =
      submitted({"study.json", "--set", "train.epochs=2", "--threads", "3", "--data-dir", "a b",
                 "--device", "cpu", "--skip-bad", "--dry-run"});
  const std::string text = result["jobs"][0]["text"];
  EXPECT_NE(text.find(" --jobs 1 \\\n  --set train.epochs=2 --device cpu --threads 3 --data-dir "
                      "'a b' --skip-bad\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\ncd " + folder_.path().string() + " || exit\n"), std::string::npos);
}

TEST_F(SubmitSweep, ADamagedListOfJobsIsNamed) {
  submitted({"study.json"});
  for (const char* text : {"", "{", "{}", "[]", R"({"tasks": 3, "jobs": [{"job": "x"}]})",
                           R"({"tasks": 3, "jobs": [{"job": "1", "offset": -1}]})"}) {
    write("sweeps/study/slurm/jobs.json", text);
    const ProcessResult result = submit({"study.json"});
    EXPECT_EXIT_CODE(result, 7);
    EXPECT_NE(result.err.find("jobs.json"), std::string::npos) << result.err;
  }
}

TEST_F(SubmitSweep, StatesAreOfTheTasksOfTheSweep) {
  EXPECT_TRUE(slurm_states(folder_.path()).empty());
  submitted({"study.json"});
  write("queue",
        "4711|0|RUNNING|n[1-2]|None\n4712|0|PENDING||(Nodes | required, for job)\n"
        "999|0|RUNNING|n1|None\n4711|N/A|PENDING||None\nCLUSTER: other\n");
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", (folder_ / "bin:" + before).c_str(), 1);
  ::setenv("SLURM_FOLDER", folder_.path().c_str(), 1);
  const auto states = slurm_states(folder_ / "sweeps/study");
  ::setenv("PATH", before.c_str(), 1);
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].job, "4711_0");
  EXPECT_EQ(states[0].shard, 0);
  EXPECT_EQ(states[0].nodes, "n[1-2]");
  EXPECT_EQ(states[1].shard, 2);
  EXPECT_EQ(states[1].shards, 3);
  EXPECT_EQ(states[1].state, "PENDING");
  EXPECT_EQ(states[1].reason, "(Nodes | required, for job)");
  EXPECT_FALSE(states[1].ended);
  EXPECT_EQ(calls().back(),
            "squeue|--noheader|--array|--states=all|--jobs=4711,4712|--format=%F|%K|%T|%N|%r|");
}

}  // namespace
}  // namespace engine::test
