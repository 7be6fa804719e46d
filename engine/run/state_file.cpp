#include "engine/run/state_file.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/core/error.h"

namespace engine {
namespace {

constexpr std::string_view kFormat = "1";
constexpr size_t kColumns = 6;  // of "metrics": the row without its times

/// Lists every counter and text once, for writing and for reading.
template <class State, class Field>
void each_field(State& state, const Field& field) {
  field("step.epoch", state.step.epoch);
  field("step.step", state.step.step);
  field("step.position", state.step.position);
  field("step.learning_rate", state.step.learning_rate);
  field("step.gradient_norm", state.step.gradient_norm);
  field("step.loss_sum", state.step.loss_sum);
  field("step.correct", state.step.correct);
  field("step.seen", state.step.seen);
  field("epochs_done", state.epochs_done);
  field("best_epoch", state.best_epoch);
  field("best_value", state.best_value);
  field("waited", state.waited);
  field("name", state.name);
  field("config", state.config);
  field("data_fingerprint", state.data_fingerprint);
  field("engine.version", state.engine_version);
  field("device", state.device);
  field("isa", state.isa);
  field("libraries", state.libraries);
  field("threads", state.threads);
  field("seed", state.seed);
}

std::string lines_of(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, "\n"));
}

std::vector<std::string> lines_from(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

constexpr std::string_view kIs = " = ";

std::string lines_of(const Choices& choices) {
  std::vector<std::string> lines;
  for (const auto& [what, engine] : choices)
    lines.push_back(fmt::format("{}{}{}", what, kIs, engine));
  return lines_of(lines);
}

Choices choices_from(std::string_view text) {
  Choices choices;
  for (const std::string& line : lines_from(text)) {
    const size_t middle = line.find(kIs);
    if (middle != std::string::npos) {
      choices.emplace(line.substr(0, middle), line.substr(middle + kIs.size()));
    }
  }
  return choices;
}

Metadata metadata_of(const TrainingState& state) {
  Metadata metadata{{"engine.format", std::string(kFormat)}};
  // Numbers in the shortest form that reads back bit for bit.
  each_field(state, [&](const char* key, const auto& value) {
    metadata.emplace_back(key, fmt::format("{}", value));
  });
  metadata.emplace_back("classes", lines_of(state.classes));
  if (!state.choices.empty()) metadata.emplace_back("choices", lines_of(state.choices));
  return metadata;
}

std::vector<double> columns_of(const std::vector<MetricsRow>& rows) {
  std::vector<double> values;
  for (const MetricsRow& row : rows) {
    values.insert(values.end(), {static_cast<double>(row.epoch), row.learning_rate, row.train_loss,
                                 row.train_accuracy, row.validation_loss, row.validation_accuracy});
  }
  return values;
}

std::vector<TensorRef> tensors_of(const TrainingState& state, const std::vector<double>& metrics,
                                  const std::vector<double>& statistics) {
  std::vector<TensorRef> refs;
  for (const NamedTensor& tensor : state.weights) refs.push_back(refer(tensor, "weight/"));
  for (const NamedTensor& tensor : state.moments) refs.push_back(refer(tensor, "moment/"));
  for (const NamedTensor& tensor : state.best) refs.push_back(refer(tensor, "best/"));
  refs.push_back({"metrics",
                  DType::f64,
                  {static_cast<int64_t>(state.rows.size()), int64_t{kColumns}},
                  std::as_bytes(std::span(metrics))});
  refs.push_back({"statistics",
                  DType::f64,
                  {static_cast<int64_t>(statistics.size())},
                  std::as_bytes(std::span(statistics))});
  return refs;
}

template <class Number>
bool parse(const std::string& text, Number& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}
bool parse(const std::string& text, std::string& value) {
  value = text;
  return true;
}

std::vector<double> doubles(const NamedTensor& tensor) {
  std::vector<double> values(tensor.bytes.size() / sizeof(double));
  // Of nothing memcpy may not be asked with null, which an empty vector gives.
  if (!values.empty())
    std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(double));
  return values;
}

std::vector<MetricsRow> rows_from(const std::vector<double>& values) {
  std::vector<MetricsRow> rows;
  for (size_t i = 0; i + kColumns <= values.size(); i += kColumns) {
    MetricsRow row;
    row.epoch = static_cast<int64_t>(values[i]);
    row.learning_rate = values[i + 1];
    row.train_loss = values[i + 2];
    row.train_accuracy = values[i + 3];
    row.validation_loss = values[i + 4];
    row.validation_accuracy = values[i + 5];
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

StateFile::StateFile(const TrainingState& state)
    : metrics_(columns_of(state.rows)),
      statistics_(state.statistics),
      file(tensors_of(state, metrics_, statistics_), metadata_of(state)) {}

TrainingState read_state(const std::string& path) {
  Metadata metadata;
  std::vector<NamedTensor> tensors = read_safetensors(path, &metadata, true);
  const std::string* format = find(metadata, "engine.format");
  if (!format || *format != kFormat) {
    fail(ExitCode::data, "{}: expected a training state of format {}, got {}; {}", path, kFormat,
         format ? *format : "another kind of file", "was it written by a newer engine?");
  }
  TrainingState state;
  each_field(state, [&](const char* key, auto& value) {
    const std::string* text = find(metadata, key);
    if (!text || !parse(*text, value)) {
      fail(ExitCode::data, "{}: \"{}\" is missing or not a number", path, key);
    }
  });
  if (const std::string* classes = find(metadata, "classes")) state.classes = lines_from(*classes);
  if (const std::string* choices = find(metadata, "choices"))
    state.choices = choices_from(*choices);
  for (NamedTensor& tensor : tensors) {
    const std::string name = tensor.name;
    const auto part = [&](std::string_view prefix, std::vector<NamedTensor>& list) {
      if (!name.starts_with(prefix)) return;
      tensor.name = name.substr(prefix.size());
      list.push_back(std::move(tensor));
    };
    if (name == "metrics") {
      state.rows = rows_from(doubles(tensor));
    } else if (name == "statistics") {
      state.statistics = doubles(tensor);
    } else {
      part("weight/", state.weights);
      part("moment/", state.moments);
      part("best/", state.best);
    }
  }
  return state;
}

Metadata weights_metadata(const TrainingState& state, int64_t epoch) {
  return {{"format", "pt"},
          {"engine.version", state.engine_version},
          {"engine.experiment", state.name},
          {"engine.epoch", fmt::format("{}", epoch)},
          {"engine.classes", lines_of(state.classes)},
          {"engine.statistics", fmt::format("{}", fmt::join(state.statistics, " "))}};
}

SavedWeights read_weights(const std::string& path) {
  SavedWeights result;
  Metadata metadata;
  result.parameters = read_safetensors(path, &metadata);
  if (const std::string* epoch = find(metadata, "engine.epoch")) parse(*epoch, result.epoch);
  if (const std::string* classes = find(metadata, "engine.classes")) {
    result.classes = lines_from(*classes);
  }
  if (const std::string* statistics = find(metadata, "engine.statistics")) {
    const char* at = statistics->data();
    const char* end = at + statistics->size();
    double value = 0;
    while (at < end) {
      const auto [stop, error] = std::from_chars(at, end, value);
      if (error != std::errc()) break;
      result.statistics.push_back(value);
      at = stop + (stop < end);
    }
  }
  result.metadata = std::move(metadata);
  return result;
}

}  // namespace engine
