// Sweep files: what they expand to, and what is said of wrong ones.

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "engine/core/json.h"
#include "engine/sweep/sweep.h"
#include "tests/config/experiment_files.h"
#include "tests/config/schema_check.h"
#include "tests/sweep/sweep_files.h"

namespace engine::test {
namespace {

TEST(SweepFile, GridIsEveryCombinationTheLastKeyFastest) {
  const SweepFiles files;
  const Sweep sweep = files.expand(R"({ "base": "small.json",
    "grid": { "preprocess.noise.sigma": [0, 0.5], "train.epochs": [1, 2, 3] }, "seeds": [7, 8] })");
  std::vector<std::string> names;
  for (const Configuration& c : sweep.configurations) names.push_back(c.name);
  EXPECT_EQ(names, (std::vector<std::string>{"sigma=0, epochs=1", "sigma=0, epochs=2",
                                             "sigma=0, epochs=3", "sigma=0.5, epochs=1",
                                             "sigma=0.5, epochs=2", "sigma=0.5, epochs=3"}));
  ASSERT_EQ(sweep.points.size(), 12u);
  EXPECT_EQ(sweep.points[3].configuration, 1u);
  EXPECT_EQ(sweep.points[3].seed, 8);
  EXPECT_EQ(sweep.configurations[4].experiment->train.epochs, 2);
  std::set<std::string> identities, folders;
  for (const SweepPoint& point : sweep.points) {
    identities.insert(point.identity);
    folders.insert(point.folder);
  }
  EXPECT_EQ(identities.size(), 12u);
  EXPECT_EQ(folders.size(), 12u);
  EXPECT_TRUE(sweep.points[0].folder.starts_with("sigma-0-epochs-1-seed7-"))
      << sweep.points[0].folder;
}

TEST(SweepFile, NamesAreAsLongAsTheyMustBe) {
  const SweepFiles files;
  const Sweep sweep = files.expand(R"({ "base": "smooth.json",
    "grid": { "preprocess.noise.sigma": [0.5], "preprocess.smooth.sigma": [1] } })");
  EXPECT_EQ(sweep.configurations[0].name, "noise.sigma=0.5, smooth.sigma=1");
}

TEST(SweepFile, IdentityIsOfWhatChangesResults) {
  const SweepFiles files;
  const auto identity = [&](const std::string& text) {
    return files.expand(text).points[0].identity;
  };
  const std::string plain = identity(R"({ "base": "small.json", "seeds": [5] })");
  EXPECT_EQ(plain, identity(R"({ "name": "other", "base": "small.json", "seeds": [5, 6] })"));
  EXPECT_EQ(plain, identity(R"({ "base": "small.json", "seeds": [5],
                               "set": { "log.report": true, "description": "x" } })"));
  EXPECT_EQ(plain, identity(R"({ "base": "small.json", "set": { "train.epochs": 1 },
                               "seeds": [5] })"))
      << "a key set to the value that it has";
  EXPECT_NE(plain, identity(R"({ "base": "small.json", "seeds": [6] })"));
  EXPECT_NE(plain, identity(R"({ "base": "small.json", "set": { "train.epochs": 2 },
                               "seeds": [5] })"));
  // Of a chain's later points the earlier ones are part.
  const std::string chain = R"({ "base": "small.json", "seeds": [5], "points": [
    { "name": "a", "set": { "train.epochs": %d } },
    { "name": "b", "after": "a" } ] })";
  const auto later = [&](int epochs) {
    std::string text = chain;
    text.replace(text.find("%d"), 2, std::to_string(epochs));
    return files.expand(text).points[1].identity;
  };
  EXPECT_NE(later(2), later(3));
  EXPECT_NE(later(2), plain);
}

TEST(SweepFile, TheHashOfARunsConfigIsThePoints) {
  const SweepFiles files;
  const Sweep sweep = files.expand(R"({ "base": "small.json", "seeds": [4294967295],
    "grid": { "preprocess.noise.sigma": [0.1], "train.optimizer.learning_rate": [1e-3] } })");
  Value resolved = sweep.configurations[0].experiment->resolved;
  resolved.set("name", "another");
  resolved.set("seed", sweep.points[0].seed);
  const Value read = parse_json_or_throw(to_json(resolved), "config.json", ExitCode::storage);
  EXPECT_EQ(hash_of_experiment(read), sweep.points[0].experiment_hash);
}

TEST(SweepFile, ChainsGoThroughGridAndSeeds) {
  const SweepFiles files;
  const Sweep sweep = files.expand(R"({ "base": "small.json", "seeds": [1, 2],
    "grid": { "preprocess.noise.sigma": [0, 1] },
    "points": [ { "name": "third", "after": "second", "set": { "train.epochs": 4 } },
                { "name": "first", "set": { "train.epochs": 2 } },
                { "name": "second", "after": "first", "set": { "train.epochs": 3 } } ] })");
  ASSERT_EQ(sweep.points.size(), 12u);
  for (size_t i = 0; i < sweep.points.size(); ++i) {
    const SweepPoint& point = sweep.points[i];
    EXPECT_EQ(point.level, i / 4) << "points are in the order of their levels";
    const Configuration& configuration = sweep.configurations[point.configuration];
    EXPECT_EQ(point.after.has_value(), point.level > 0);
    if (!point.after) continue;
    const SweepPoint& before = sweep.points[*point.after];
    EXPECT_EQ(before.seed, point.seed);
    EXPECT_EQ(before.level + 1, point.level);
    EXPECT_EQ(to_json(sweep.configurations[before.configuration].factors[0].value, -1),
              to_json(configuration.factors[0].value, -1));
  }
}

TEST(SweepFile, DrawsKeepTheirValuesWhenMoreAreAskedFor) {
  const SweepFiles files;
  const auto expand = [&](int count) {
    return files.expand(fmt::format(
        R"({{ "base": "small.json", "max_points": 2000, "random": {{ "count": {}, "seed": 3, "parameters": {{
          "train.optimizer.learning_rate": {{ "log_uniform": [1e-4, 1e-2] }},
          "train.epochs": {{ "integer": [1, 3] }},
          "preprocess.noise.sigma": {{ "uniform": [0.1, 0.2] }},
          "train.shuffle": {{ "choice": [true, false] }} }} }} }})",
        count));
  };
  const Sweep few = expand(5), many = expand(1000);
  ASSERT_EQ(few.configurations.size(), 5u);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(few.configurations[i].name, many.configurations[i].name);
  double least = 1, most = 0, below = 0;
  std::set<int64_t> epochs;
  for (const Configuration& c : many.configurations) {
    const double rate = c.factors[0].value.number();
    least = std::min(least, rate);
    most = std::max(most, rate);
    below += rate < 1e-3;
    epochs.insert(c.factors[1].value.integer());
  }
  EXPECT_GE(least, 1e-4);
  EXPECT_LT(least, 1.1e-4);
  EXPECT_LE(most, 1e-2);
  EXPECT_GT(most, 0.9e-2);
  EXPECT_NEAR(below / static_cast<double>(many.configurations.size()), 0.5, 0.06);
  EXPECT_EQ(epochs, (std::set<int64_t>{1, 2, 3}));
}

TEST(SweepFile, RepeatedDrawsAreLeftOut) {
  const SweepFiles files;
  const Sweep sweep = files.expand(R"({ "base": "small.json", "random": { "count": 50,
    "parameters": { "train.epochs": { "integer": [1, 3] } } } })");
  EXPECT_EQ(sweep.configurations.size(), 3u);
  EXPECT_EQ(sweep.repeated_draws, 47u);
}

TEST(SweepFile, TooManyPointsAreRefusedAtOnce) {
  const SweepFiles files;
  std::string text = R"({ "base": "missing.json", "grid": { )";
  for (int i = 0; i < 12; ++i)
    text += fmt::format(R"({}"a.k{}": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])", i ? ", " : "", i);
  text += " } }";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(files.complaint(text),
            "sweep.json: expected at most 500 points, got 1000000000000; leave out values or "
            "seeds, or raise \"max_points\"");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  // More than a number can count.
  text.replace(
      text.find("\"grid\": { "), 10,
      R"("seeds": [1, 2], "random": { "count": 1000000000, "parameters": { "b": { "uniform": [0, 1] } } }, "grid": { )");
  EXPECT_NE(files.complaint(text).find("got 9223372036854775807"), std::string::npos);
}

struct Wrong {
  const char* text;
  const char* complaint;
};

TEST(SweepFile, WrongFilesSayWhere) {
  const SweepFiles files;
  const Wrong all[] = {
      {R"({ })", R"(sweep.json:1:1: expected "base", an experiment file, or "points")"},
      {R"({ "base": "small.json", "seed": [1] })",
       R"(sweep.json:1:25: seed: unknown key; did you mean "seeds"?)"},
      {R"({ "base": "small.json", "grid": { "train.epochs": 3 } })",
       R"(sweep.json:1:51: grid.train.epochs: expected an array of 1 or more values, got 3)"},
      {R"({ "base": "small.json", "grid": { "train.epochs": [3, 4, 3] } })",
       R"(sweep.json:1:58: grid.train.epochs: expected each value once, got 3 again)"},
      {R"({ "base": "small.json", "grid": { "seed": [3, 4] } })",
       R"(sweep.json:1:35: grid.seed: expected other keys; the sweep's "seeds" give the seed)"},
      {R"({ "base": "small.json", "seeds": [1, 2, 1] })",
       R"(sweep.json:1:41: seeds: expected each seed once, got 1 again)"},
      {R"({ "base": "small.json", "seeds": [-1] })",
       R"(sweep.json:1:35: seeds: expected integers between 0 and 4294967295, got -1)"},
      {R"({ "points": [ { "name": "a" } ] })",
       R"(sweep.json:1:15: points[0].extends: missing key, expected an experiment file, since the sweep has no "base")"},
      {R"({ "base": "small.json", "points": [ { "name": "a" }, { "name": "a" } ] })",
       R"(sweep.json:1:64: points[1].name: expected a name of its own; "a" is taken)"},
      {R"({ "base": "small.json", "points": [ { "name": "grey" }, { "name": "b", "after": "gray" } ] })",
       R"(sweep.json:1:81: points.b.after: expected the name of another point, got "gray"; did you mean "grey"?)"},
      {R"({ "base": "small.json", "points": [ { "name": "a", "after": "a" } ] })",
       R"(sweep.json:1:61: points.a.after: expected the name of another point, got "a")"},
      {R"({ "base": "small.json", "random": { "count": 2, "parameters": { "train.epochs": { "integer": [3, 1] } } } })",
       R"(sweep.json:1:94: random.parameters.train.epochs.integer: expected [low, high], two integers with low < high)"},
      {R"({ "base": "small.json", "random": { "count": 2, "parameters": { "train.epochs": { "norm": [3, 1] } } } })",
       R"(sweep.json:1:81: random.parameters.train.epochs: expected { "uniform": [low, high] }, { "log_uniform": [low, high] }, { "integer": [low, high] } or { "choice": [values] }, got an object)"},
      {R"({ "base": "small.json", "on_failure": "go" })",
       R"(sweep.json:1:39: on_failure: expected "keep_going" or "stop", got "go")"},
      {R"({ "base": "small.json", "slurm": { "time": "1 hour" } })",
       R"(sweep.json:1:44: slurm.time: expected minutes, "hours:minutes:seconds" or "days-hours:minutes:seconds", got "1 hour")"},
      {R"({ "base": "small.json", "baseline": "sigma=1", "grid": { "preprocess.noise.sigma": [0, 0.1] } })",
       R"(sweep.json: baseline: expected the name of a configuration, got "sigma=1"; did you mean "sigma=0"?)"},
  };
  for (const Wrong& wrong : all) {
    const std::string got = files.complaint(wrong.text);
    EXPECT_EQ(got.substr(0, got.find('\n')), wrong.complaint);
  }
}

TEST(SweepFile, CirclesAreFound) {
  const SweepFiles files;
  const std::string got = files.complaint(R"({ "base": "small.json", "points": [
    { "name": "a", "after": "c" }, { "name": "b", "after": "a" }, { "name": "c", "after": "b" } ] })");
  EXPECT_NE(got.find("points.a.after: expected a chain with a beginning, got a circle"),
            std::string::npos)
      << got;
}

TEST(SweepFile, AllPointsAreCheckedAndEachFindingIsSaidOnce) {
  const SweepFiles files;
  const std::string got = files.complaint(R"({ "base": "small.json", "seeds": [1, 2],
    "grid": { "preprocess.nois.sigma": [0, 1], "train.epochs": [1, 0, -5] } })");
  // One line of the grid each, however many points have it.
  for (const char* part :
       {"sweep.json:2:41: preprocess.nois: unknown stage; did you mean \"noise\"?",
        "sweep.json:2:68: train.epochs: expected an integer >= 1",
        "sweep.json:2:71: train.epochs: expected an integer >= 1"})
    EXPECT_NE(got.find(part), std::string::npos) << part << "\nin\n" << got;
  EXPECT_EQ(std::count(got.begin(), got.end(), '\n'), 3) << got;
}

TEST(SweepFile, TheSameExperimentTwiceIsAMistake) {
  const SweepFiles files;
  EXPECT_EQ(files.complaint(R"({ "base": "small.json", "points": [
    { "name": "a" }, { "name": "b", "set": { "train.epochs": 1 } } ] })"),
            "sweep.json: \"a\" and \"b\" are the same experiment; expected each to differ in a "
            "value");
}

std::vector<std::filesystem::path> shipped_sweeps() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "experiments/sweeps"))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(ShippedSweeps, ExpandAndFollowTheSchema) {
  const Value schema = sweep_schema();
  std::vector<std::string> names;
  for (const auto& file : shipped_sweeps()) {
    names.push_back(file.stem());
    EXPECT_EQ(
        check_schema(schema, parse_json_or_throw(read_file(file), file, ExitCode::experiment)), "")
        << file;
    const Sweep sweep = expand_sweep(load_sweep_file(file), {}, registry());
    EXPECT_EQ(sweep.file.name, file.stem());
    EXPECT_GE(sweep.file.seeds.size(), 3u);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"noise_by_smooth", "noise_sigma", "optimizers",
                                             "quickstart", "smooth_sigma", "study"}));
}

TEST(ShippedSweeps, SchemaRefusesWrongFiles) {
  const Value schema = sweep_schema();
  for (const char* text :
       {R"({ "seed": [1] })", R"({ "seeds": [] })", R"({ "grid": { "a": 3 } })",
        R"({ "points": [ { } ] })", R"({ "random": { "parameters": { } } })",
        R"({ "random": { "count": 1, "parameters": { "a": { "uniform": [1] } } } })",
        R"({ "slurm": { "gpus": 1 } })", R"({ "max_points": 0 })"})
    EXPECT_NE(check_schema(schema, parse_json_or_throw(text, "t", ExitCode::experiment)), "")
        << text;
}

TEST(ShippedSweeps, TheReferencePageIsWhatTheEngineSays) {
  const std::filesystem::path page = source_dir() / "docs/sweeps.md";
  const std::string begin = "<!-- engine schema --sweep --markdown: begin -->\n";
  const std::string end = "<!-- engine schema --sweep --markdown: end -->\n";
  const std::string text = read_file(page);
  const size_t from = text.find(begin), to = text.find(end);
  ASSERT_NE(from, text.npos);
  ASSERT_NE(to, text.npos);
  const std::string written = text.substr(from + begin.size(), to - from - begin.size());
  if (written != sweep_reference() && std::getenv("ENGINE_UPDATE_GOLDEN")) {
    write_file(page, text.substr(0, from) + begin + sweep_reference() + text.substr(to));
    return;
  }
  EXPECT_EQ(written, sweep_reference())
      << "Put the output of `engine schema --sweep --markdown` between the two comments of "
         "docs/sweeps.md (ENGINE_UPDATE_GOLDEN=1 does it).";
}

}  // namespace
}  // namespace engine::test
