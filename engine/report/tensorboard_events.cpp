#include "engine/report/tensorboard_events.h"

#include <fmt/format.h>
#include <tensorboard_event.pb.h>

#include <cmath>
#include <cstdlib>

#include "engine/core/json.h"
#include "engine/report/heat.h"

namespace engine::events {
namespace {

using tensorboard_event::Event;
using tensorboard_event::HyperParameters;
using tensorboard_event::Layout;
using tensorboard_event::Summary;
using tensorboard_event::SummaryMetadata;
using tensorboard_event::Tensor;

constexpr int64_t kTile = 96;  // pixels of an image in a row of images
constexpr size_t kTileColumns = 6;

Event event(int64_t epoch, double time) {
  Event result;
  result.set_wall_time(time);
  result.set_step(epoch);
  return result;
}

Summary::Value& add(Summary& summary, const std::string& tag) {
  Summary::Value& value = *summary.add_value();
  value.set_tag(tag);
  return value;
}

void add_scalar(Summary& summary, const char* tag, double number) {
  if (std::isnan(number)) return;  // no validation images
  add(summary, tag).set_simple_value(static_cast<float>(number));
}

void add_picture(Summary& summary, const std::string& tag, const Picture& picture) {
  if (picture.pixels.empty()) return;
  Summary::Image& image = *add(summary, tag).mutable_image();
  const std::vector<uint8_t> bytes = png(picture);
  image.set_height(static_cast<int32_t>(picture.height));
  image.set_width(static_cast<int32_t>(picture.width));
  image.set_colorspace(static_cast<int32_t>(picture.channels));
  image.set_encoded_image_string(bytes.data(), bytes.size());
}

/// A value whose meaning a plugin knows.
Summary::Value& add_for(Summary& summary, const std::string& tag, const char* plugin,
                        const std::string& content) {
  Summary::Value& value = add(summary, tag);
  SummaryMetadata& metadata = *value.mutable_metadata();
  metadata.set_data_class(SummaryMetadata::TENSOR);
  metadata.mutable_plugin_data()->set_plugin_name(plugin);
  metadata.mutable_plugin_data()->set_content(content);
  return value;
}

void add_text(Summary& summary, const std::string& tag, const char* plugin,
              const std::string& text) {
  Tensor& tensor = *add_for(summary, tag, plugin, "").mutable_tensor();
  tensor.set_dtype(Tensor::STRING);
  tensor.mutable_tensor_shape();
  tensor.add_string_val(text);
}

void add_hyper_parameters(Summary& summary, const std::string& tag, const HyperParameters& what) {
  Tensor& nothing = *add_for(summary, tag, "hparams", what.SerializeAsString()).mutable_tensor();
  nothing.set_dtype(Tensor::FLOAT);  // all is in the metadata, but a value must have one
  nothing.mutable_tensor_shape()->add_dim()->set_size(0);
}

/// The values that runs are compared by. Of the network only what was set by hand, since all of it
/// is hundreds of columns, and its size.
bool compared(const ResolvedLine& line) {
  if (line.key.starts_with("network")) return line.origin.starts_with("--set");
  if (line.key.starts_with("preprocess.") && line.key.ends_with(".name")) return false;
  for (const char* prefix : {"name", "description", "log.", "train.checkpoint."}) {
    if (line.key.starts_with(prefix)) return false;
  }
  return true;
}

void add_number(HyperParameters::Start& start, const std::string& key, double number) {
  HyperParameters::Entry& entry = *start.add_hparams();
  entry.set_key(key);
  entry.mutable_value()->set_number_value(number);
}

HyperParameters hyper_parameters(const RunView& run, const RunFacts& facts, double time) {
  HyperParameters result;
  HyperParameters::Start& start = *result.mutable_session_start_info();
  start.set_start_time_secs(time);
  for (const ResolvedLine& line : resolved_lines(run.experiment.resolved)) {
    if (!compared(line)) continue;
    const Value value = parse_json_or_throw(line.value, line.key, ExitCode::internal);
    if (value.is(Value::Kind::null)) continue;
    if (value.is_number()) {
      add_number(start, line.key, value.number());
      continue;
    }
    HyperParameters::Entry& entry = *start.add_hparams();
    entry.set_key(line.key);
    if (value.is(Value::Kind::boolean)) {
      entry.mutable_value()->set_bool_value(value.boolean());
    } else {
      entry.mutable_value()->set_string_value(value.is(Value::Kind::string) ? value.string()
                                                                            : line.value);
    }
  }
  add_number(start, "network.parameters", static_cast<double>(facts.parameters()));
  return result;
}

/// Markdown that shows a text as it is: a block of code is what four spaces lead.
std::string as_code(const std::string& text) {
  std::string result = "    ";
  for (const char c : text) {
    result += c;
    if (c == '\n') result += "    ";
  }
  return result;
}

Layout layout() {
  Layout result;
  Layout::Category& category = *result.add_category();
  category.set_title("training and validation");
  for (const char* figure : {"loss", "accuracy"}) {
    Layout::Chart& chart = *category.add_chart();
    chart.set_title(figure);
    for (const char* split : {"train", "validation"}) {
      chart.mutable_multiline()->add_tag(fmt::format("^{}/{}$", split, figure));
    }
  }
  return result;
}

Picture heat_picture(const ConfusionMatrix& matrix) {
  const auto classes = static_cast<int64_t>(matrix.classes());
  if (classes == 0) return {};
  Picture small{classes, classes, 3, {}};
  for (size_t label = 0; label < matrix.classes(); ++label) {
    const auto support = static_cast<double>(matrix.support(label));
    for (size_t said = 0; said < matrix.classes(); ++said) {
      const auto color = heat_color(static_cast<double>(matrix.at(label, said)) / support);
      small.pixels.insert(small.pixels.end(), color.begin(), color.end());
    }
  }
  return tiled({&small, 1}, 1, 400);
}

}  // namespace

std::vector<std::string> beginning(const RunView& run, const RunFacts& facts, double time) {
  Event version = event(0, time), start = event(0, time), about = event(0, time);
  version.set_file_version("brain.Event:2");  // from 2 on a START tells of a restart
  start.mutable_session_log()->set_status(tensorboard_event::SessionLog::START);
  Summary& summary = *about.mutable_summary();
  add_hyper_parameters(summary, "_hparams_/session_start_info", hyper_parameters(run, facts, time));
  add_text(summary, "custom_scalars__config__", "custom_scalars", layout().SerializeAsString());
  add_text(summary, "experiment", "text", as_code(to_json(run.experiment.resolved)));
  for (size_t i = 0; i < facts.stages().size(); ++i) {
    const StagePictures& stage = facts.stages()[i];
    add_picture(summary, fmt::format("preprocessing/{:02} {}", i, stage.name),
                tiled(stage.images, kTileColumns, kTile));
  }
  return {version.SerializeAsString(), start.SerializeAsString(), about.SerializeAsString()};
}

std::string of_epoch(const MetricsRow& row, double time) {
  Event result = event(row.epoch, time);
  Summary& summary = *result.mutable_summary();
  add_scalar(summary, "train/loss", row.train_loss);
  add_scalar(summary, "train/accuracy", row.train_accuracy);
  add_scalar(summary, "validation/loss", row.validation_loss);
  add_scalar(summary, "validation/accuracy", row.validation_accuracy);
  add_scalar(summary, "learning_rate", row.learning_rate);
  // Rounded as metrics.csv has it, from where a resume takes it.
  add_scalar(summary, "images_per_second",
             std::strtod(fmt::format("{:.1f}", row.images_per_second).c_str(), nullptr));
  return result.SerializeAsString();
}

std::string of_test(const RunFacts& facts, int64_t epoch, double time) {
  Event result = event(epoch, time);
  Summary& summary = *result.mutable_summary();
  add_scalar(summary, "test/loss", facts.results()->test.loss);
  add_scalar(summary, "test/accuracy", facts.results()->test.accuracy);
  add_picture(summary, "test/confusion_matrix", heat_picture(facts.confusion_matrix()));
  std::vector<Picture> mistakes;
  for (const PredictedPicture& mistake : facts.mistakes()) mistakes.push_back(mistake.image);
  add_picture(summary, "test/most_confident_mistakes", tiled(mistakes, kTileColumns, kTile));
  return result.SerializeAsString();
}

std::string of_end(bool success, int64_t epoch, double time) {
  HyperParameters what;
  HyperParameters::End& end = *what.mutable_session_end_info();
  end.set_status(success ? HyperParameters::SUCCESS : HyperParameters::FAILURE);
  end.set_end_time_secs(time);
  Event result = event(epoch, time);
  add_hyper_parameters(*result.mutable_summary(), "_hparams_/session_end_info", what);
  return result.SerializeAsString();
}

Place place_of(std::string_view bytes) {
  Event read;
  if (!read.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {};
  return {read.wall_time(), read.step()};
}

}  // namespace engine::events
