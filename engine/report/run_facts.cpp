#include "engine/report/run_facts.h"

#include <algorithm>
#include <cmath>

#include "engine/graph/graph.h"
#include "engine/report/stage_images.h"

namespace engine {
namespace {

constexpr int64_t kLongestSide = 64;  // of a picture, in pixels
constexpr size_t kStageSamples = 6, kMistakes = 24, kPredictions = 32;

Value class_counts(const char* split, const ImageSet& images, size_t classes) {
  std::vector<int64_t> counts(classes, 0);
  for (const int32_t label : images.labels) ++counts[static_cast<size_t>(label)];
  Array numbers;
  for (const int64_t count : counts) numbers.emplace_back(count);
  Value value{Object{}};
  value.set("split", split);
  value.set("counts", std::move(numbers));
  return value;
}

Array shape_array(const Shape& shape) {
  return {shape.h, shape.w, shape.c};
}

StagePictures stage_pictures(const StageImages& stage) {
  StagePictures result{stage.name, {}};
  for (size_t i = 0; i < static_cast<size_t>(stage.shape.n); ++i)
    result.images.push_back(shrunk(stage_picture(stage, i), kLongestSide));
  return result;
}

Value stage_value(const StageImages& stage, const StagePictures& pictures) {
  Array images;
  for (const Picture& image : pictures.images) images.emplace_back(png_address(image));
  Value value{Object{}};
  value.set("name", stage.name);
  value.set("op", stage.op);
  value.set("brief", stage.brief);
  value.set("shape", shape_array(stage.shape));
  value.set("low", number_or_null(stage.low));
  value.set("high", number_or_null(stage.high));
  value.set("mean", number_or_null(stage.mean));
  value.set("deviation", number_or_null(stage.deviation));
  value.set("images", std::move(images));
  return value;
}

Value network_value(const RunView& run) {
  const InferContext context{static_cast<int64_t>(run.classes.size())};
  const Graph graph = build_graph(run.experiment.network, run.pipeline.output(), context,
                                  run.registry, {.batch = 1, .training = true});
  const auto name_of = [&](int node) {
    return node == kGraphInput ? std::string() : graph.nodes[static_cast<size_t>(node)].name;
  };
  Array nodes;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (static_cast<int>(i) == graph.loss) continue;
    const Node& node = graph.nodes[i];
    Array inputs;
    for (const int input : node.inputs) inputs.emplace_back(name_of(input));
    int64_t parameters = 0;
    for (const ParameterSpec& parameter : node.signature.parameters) {
      parameters += parameter.elements();
    }
    Value value{Object{}};
    value.set("name", node.name);
    value.set("op", node.op->type());
    value.set("brief", node.op->brief());
    value.set("block", node.block);
    value.set("inputs", std::move(inputs));
    value.set("output", shape_array(node.signature.output));
    value.set("parameters", parameters);
    value.set("flops", 2 * node.signature.multiply_adds);
    nodes.push_back(std::move(value));
  }
  Value network{Object{}};
  network.set("parameters", graph.parameter_count());
  network.set("input", shape_array(graph.input));
  network.set("nodes", std::move(nodes));
  return network;
}

Array metrics_column(const std::vector<MetricsRow>& rows, double MetricsRow::*column) {
  Array values;
  for (const MetricsRow& row : rows) values.push_back(number_or_null(row.*column));
  return values;
}

Value metrics_value(const std::vector<MetricsRow>& rows) {
  Array epochs;
  for (const MetricsRow& row : rows) epochs.emplace_back(row.epoch);
  Value value{Object{}};
  value.set("epoch", std::move(epochs));
  value.set("learning_rate", metrics_column(rows, &MetricsRow::learning_rate));
  value.set("train_loss", metrics_column(rows, &MetricsRow::train_loss));
  value.set("train_accuracy", metrics_column(rows, &MetricsRow::train_accuracy));
  value.set("validation_loss", metrics_column(rows, &MetricsRow::validation_loss));
  value.set("validation_accuracy", metrics_column(rows, &MetricsRow::validation_accuracy));
  value.set("seconds", metrics_column(rows, &MetricsRow::seconds));
  value.set("images_per_second", metrics_column(rows, &MetricsRow::images_per_second));
  return value;
}

Value test_value(const Results& results) {
  const Interval interval =
      wilson_interval(results.test.accuracy, static_cast<double>(results.test.samples));
  Value value{Object{}};
  value.set("accuracy", results.test.accuracy);
  value.set("low", interval.low);
  value.set("high", interval.high);
  value.set("loss", number_or_null(results.test.loss));
  value.set("samples", static_cast<int64_t>(results.test.samples));
  value.set("epoch", results.tested_epoch);
  return value;
}

Value calibration_value(std::span<const Prediction> all) {
  const Calibration found = calibration(all);
  Array bins;
  for (const CalibrationBin& bin : found.bins) {
    Value value{Object{}};
    value.set("low", bin.low);
    value.set("high", bin.high);
    value.set("count", bin.count);
    value.set("confidence", bin.count ? Value(bin.confidence) : Value());
    value.set("accuracy", bin.count ? Value(bin.accuracy) : Value());
    bins.push_back(std::move(value));
  }
  Value value{Object{}};
  value.set("error", found.error);
  value.set("bins", std::move(bins));
  return value;
}

std::vector<PredictedPicture> predicted_pictures(std::span<const Prediction> shown,
                                                 const ImageSet& images) {
  std::vector<PredictedPicture> result;
  for (const Prediction& each : shown) {
    const auto row = static_cast<int64_t>(each.row);
    const uint8_t* pixels = images.pixels.data() + row * images.shape.per_sample();
    result.push_back(
        {each, images.samples[each.row], shrunk(picture(pixels, images.shape), kLongestSide)});
  }
  return result;
}

Array prediction_values(const std::vector<PredictedPicture>& shown) {
  Array values;
  for (const PredictedPicture& each : shown) {
    Value value{Object{}};
    value.set("image", png_address(each.image));
    value.set("width", each.image.width);
    value.set("height", each.image.height);
    value.set("sample", each.sample);
    value.set("label", each.prediction.label);
    value.set("prediction", each.prediction.prediction);
    value.set("confidence", each.prediction.confidence);
    values.push_back(std::move(value));
  }
  return values;
}

Array config_values(const Value& resolved) {
  Array values;
  for (const ResolvedLine& line : resolved_lines(resolved)) {
    Value value{Object{}};
    value.set("key", line.key);
    value.set("value", line.value);
    value.set("origin", line.origin);
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace

void RunFacts::loaded(const RunView& run, const Split& split) {
  const size_t classes = run.classes.size();
  counts_ = Array{class_counts("train", split.train, classes),
                  class_counts("validation", split.validation, classes),
                  class_counts("test", split.test, classes)};
  const std::vector<int32_t> rows = rows_of_all_classes(split.train, classes, kStageSamples);
  Array stages;
  const std::vector<double> statistics = run.pipeline.statistics();
  const StagedImages training{run.experiment, run.registry, run.device, split.train, statistics};
  for (const StageImages& stage : stage_images(training, rows)) {
    stage_pictures_.push_back(stage_pictures(stage));
    stages.push_back(stage_value(stage, stage_pictures_.back()));
  }
  stages_ = std::move(stages);
  network_ = network_value(run);
  parameters_ = network_.find("parameters")->integer();
}

void RunFacts::tested(const RunView& run, const TestView& test) {
  results_ = test.results;
  if (test.results.test.samples == 0) return;
  test_ = test_value(test.results);
  confusion_matrix_ = test.confusion;
  confusion_ = confusion_rows(test.confusion);
  per_class_ = class_figures(test.confusion, run.classes);
  all_ = engine::predictions(test.logits, test.images.labels, run.classes.size());
  calibration_ = calibration_value(all_);
  mistake_pictures_ = predicted_pictures(engine::mistakes(all_, kMistakes), test.images);
  mistakes_ = prediction_values(mistake_pictures_);
  predictions_ = prediction_values(
      predicted_pictures(std::span(all_).first(std::min(all_.size(), kPredictions)), test.images));
}

Value RunFacts::document(const RunView& run, const Status& status) const {
  double seconds = 0, images = 0;
  for (const MetricsRow& row : run.rows) {
    seconds += row.seconds;
    images += row.images_per_second * row.seconds;
  }
  Value page{Object{}};
  page.set("format", 1);
  page.set("kind", "run");
  page.set("name", run.experiment.name);
  page.set("description", run.experiment.description);
  page.set("folder", run.folder);
  page.set("state", status.state);
  page.set("reason", status.reason);
  page.set("exit_code", status.exit_code < 0 ? Value() : Value(status.exit_code));
  page.set("updated", utc_now());
  page.set("command", command_);
  page.set("seed", run.experiment.seed);
  page.set("epochs_done", status.epoch);
  page.set("epochs", status.epochs);
  page.set("best_epoch", run.best_epoch);
  page.set("stopped_early", results_ && results_->stopped_early);
  page.set("seconds", seconds);
  page.set("images_per_second", seconds > 0 ? Value(images / seconds) : Value());
  page.set("test", test_);
  page.set("metrics", metrics_value(run.rows));
  page.set("classes", Array(run.classes.begin(), run.classes.end()));
  page.set("counts", counts_);
  page.set("confusion", confusion_);
  page.set("per_class", per_class_);
  page.set("calibration", calibration_);
  page.set("mistakes", mistakes_);
  page.set("predictions", predictions_);
  page.set("stages", stages_);
  page.set("network", network_);
  page.set("node_times", Value());
  page.set("config", config_values(run.experiment.resolved));
  page.set("environment", environment_value(run.environment));
  return page;
}

}  // namespace engine
