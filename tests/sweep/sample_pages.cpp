// Pages of made sweeps, for page_test.py and for eyes: sample_pages FOLDER < TEXTS, a JSON array of
// hostile texts.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "engine/core/file.h"
#include "engine/core/json.h"
#include "engine/sweep/table/table.h"
#include "tests/sweep/made_sweeps.h"

namespace engine::test {
namespace {

/// A number from 0 to 1 that looks drawn.
double drawn(size_t a, int64_t b) {
  const double value =
      std::sin(12.9898 * static_cast<double>(a + 1) + 78.233 * static_cast<double>(b)) * 43758.5453;
  return value - std::floor(value);
}

const std::vector<int64_t> kFive{1, 2, 3, 4, 5};

class Pages {
 public:
  explicit Pages(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void write(const std::string& name, Sweep sweep, const std::vector<PointResult>& points) {
    sweep.file.name = sweep.file.name == "made" ? name : sweep.file.name;
    const auto start = std::chrono::steady_clock::now();
    const SweepResults results = gather_results(sweep, points, sweep.baseline);
    const std::string page = sweep_page(results);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout << name << ": " << page.size() << " bytes, " << seconds.count() << " s\n";
    save(name + ".html", page);
    save(name + ".md", sweep_markdown(results));
    save(name + "_points.csv", points_csv(results));
    save(name + "_configurations.csv", configurations_csv(results));
    if (results.matrix) save(name + "_matrix.csv", matrix_csv(results));
  }

 private:
  void save(const std::string& name, const std::string& text) {
    save_file(real_files(), folder_ / name, text, {.durable = false});
  }
  std::filesystem::path folder_;
};

Sweep study() {
  Sweep sweep = made_sweep(
      {{"rgb", {}}, {"gray", {}}, {"noise", {}}, {"smooth", {}}, {"smooth over all axes", {}}},
      kFive);
  sweep.file.name = "study";
  sweep.file.description = "What gray images, noise and smoothing cost on CIFAR-10.";
  sweep.file.matrix = true;
  sweep.baseline = 1;
  return sweep;
}

std::vector<PointResult> study_points(const Sweep& sweep) {
  std::vector<PointResult> points = done_points(sweep, [](size_t configuration, int64_t seed) {
    constexpr double kMeans[] = {0.7184, 0.7012, 0.6531, 0.6985, 0.3792};
    return kMeans[configuration] + 0.012 * (drawn(0, seed) - 0.5) +
           0.011 * (drawn(configuration, seed) - 0.5);
  });
  add_matrix(sweep, points);
  for (PointResult& point : points) {
    const bool rgb = sweep.points[point.point].configuration == 0;
    for (MatrixCell& cell : point.record->matrix) {
      if ((cell.with == "rgb") == rgb) continue;
      cell.accuracy = cell.loss = NAN;
      cell.reason =
          rgb ? "expects images of 3 channels, gets 1" : "expects images of 1 channel, gets 3";
    }
  }
  return points;
}

void write_study(Pages& pages) {
  const Sweep sweep = study();
  std::vector<PointResult> points = study_points(sweep);
  pages.write("study", sweep, points);
  points[7] = failed_point(sweep, 7,
                           "experiments/gray.json: the loss is NaN in epoch 3\n"
                           "the first value that is not finite is in node inception_b.conv5x5");
  points[8] = failed_point(sweep, 8, "gray, seed 3 failed");
  points[8].record->state = Record::State::skipped;
  points[12].record.reset();
  points[12].running = true;
  for (size_t i = 13; i < points.size(); ++i) points[i].record.reset();
  pages.write("halfway", sweep, points);
  pages.write("waiting", sweep, std::vector<PointResult>(points.size()));
  Sweep single = study();
  single.points.clear();
  for (const SweepPoint& point : sweep.points) {
    if (point.seed == 1) single.points.push_back(point);
  }
  std::vector<PointResult> of_one;
  for (const PointResult& point : study_points(sweep)) {
    if (point.record->seed == 1) of_one.push_back(point);
  }
  pages.write("one_seed", single, of_one);
}

void write_grids(Pages& pages) {
  const auto accuracy = [](size_t configuration, int64_t seed) {
    return 0.72 - 0.015 * static_cast<double>(configuration % 5) -
           0.022 * static_cast<double>(configuration / 3 % 4) + 0.02 * drawn(configuration, seed);
  };
  const Sweep grid = made_sweep(
      crossed({{"preprocess.noise.sigma", {Value(0.0), Value(0.05), Value(0.1), Value(0.2)}},
               {"preprocess.smooth.sigma", {Value(0.5), Value(1), Value(2)}}}),
      {1, 2, 3});
  pages.write("grid", grid, done_points(grid, accuracy));
  const Sweep factors = made_sweep(
      crossed({{"train.optimizer.learning_rate", {Value(0.0003), Value(0.001), Value(0.003)}},
               {"train.optimizer.type", {Value("adam"), Value("sgd")}},
               {"train.batch_size", {Value(32), Value(64), Value(128)}}}),
      {1, 2, 3});
  pages.write("factors", factors, done_points(factors, accuracy));
}

void write_random(Pages& pages, const std::string& name, size_t count) {
  std::vector<PlannedConfiguration> planned;
  for (size_t i = 0; i < count; ++i) {
    planned.push_back(
        {fmt::format("random-{}", i + 1),
         {{"train.optimizer.learning_rate", Value(std::pow(10, -5 + 3 * drawn(i, 1)))},
          {"train.batch_size", Value(32 << static_cast<int>(3.99 * drawn(i, 2)))},
          {"preprocess.noise.sigma", Value(0.3 * drawn(i, 3))}}});
  }
  const Sweep sweep = made_sweep(planned, kFive);
  pages.write(name, sweep, done_points(sweep, [&](size_t configuration, int64_t seed) {
                const double noise = planned[configuration].factors[2].value.number();
                return 0.7 - 0.4 * noise + 0.05 * drawn(configuration, 9) +
                       0.02 * drawn(configuration, seed);
              }));
}

/// A text in every place that a file may fill.
void write_hostile(Pages& pages, const Array& texts) {
  const auto text = [&](size_t i) { return texts[i % texts.size()].string(); };
  std::vector<PlannedConfiguration> planned;
  for (size_t i = 0; i < texts.size(); ++i) {
    planned.push_back({text(i), {{text(7), Value(text(i + 1))}, {text(8), Value(text(i % 3))}}});
  }
  Sweep sweep = made_sweep(planned, {1, 2});
  sweep.file.name = text(0);
  sweep.file.description = text(1);
  sweep.file.path = text(2);
  std::vector<PointResult> points = done_points(sweep, [](size_t configuration, int64_t seed) {
    return 0.4 + 0.1 * drawn(configuration, seed);
  });
  for (size_t i = 0; i < points.size(); ++i) {
    if (i % 2) {
      points[i] = failed_point(sweep, i, text(i) + "\n" + text(i + 1) + "\xFF\x01");
      std::string log = text(i);
      std::replace(log.begin(), log.end(), '/', '_');
      points[i].record->log = "logs/" + log + ".log";
    } else {
      points[i].record->matrix = {{text(0), 0.5, 1, ""}, {text(1), NAN, NAN, text(i)}};
    }
  }
  pages.write("hostile", sweep, points);
}

void write_pages(const std::string& folder) {
  std::filesystem::create_directories(folder);
  const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  const Value texts = parse_json_or_throw(input, "standard input", ExitCode::usage);
  Pages pages(folder);
  write_study(pages);
  write_grids(pages);
  write_random(pages, "random", 24);
  write_random(pages, "many", 500);
  write_hostile(pages, texts.array());
}

}  // namespace
}  // namespace engine::test

int main(int count, char** arguments) {
  if (count != 2) return 2;
  try {
    engine::test::write_pages(arguments[1]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
