#include "engine/run/run_documents.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>

namespace engine {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    return colon == std::string::npos ? std::string() : line.substr(colon + 2);
  }
  return "unknown";
}

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

Value environment_value(const Environment& environment) {
  Value document{Object{}};
  document.set("engine_version", environment.engine_version);
  document.set("compiler", __VERSION__);
  document.set("device", environment.device);
  document.set("cpu", cpu_name());
  document.set("instruction_sets", environment.isa);
  document.set("threads", environment.threads);
  document.set("libraries", environment.libraries);
  utsname system{};
  if (uname(&system) == 0) {
    document.set("system", fmt::format("{} {} {}", system.sysname, system.release, system.machine));
  }
  return document;
}

std::string environment_json(const Environment& environment) {
  return to_json(environment_value(environment)) + "\n";
}

std::string status_json(const Status& status) {
  Value document{Object{}};
  document.set("state", status.state);
  document.set("epoch", status.epoch);
  document.set("epochs", status.epochs);
  document.set("step", static_cast<int64_t>(status.step));
  if (!status.reason.empty()) document.set("reason", status.reason);
  if (status.exit_code >= 0) document.set("exit_code", status.exit_code);
  if (!status.gpu.empty()) document.set("gpu", status.gpu);
  document.set("process", static_cast<int64_t>(getpid()));
  document.set("updated", utc_now());
  return to_json(document) + "\n";
}

void ConfusionMatrix::add(std::span<const float> logits, std::span<const int32_t> labels) {
  for (size_t row = 0; row < labels.size(); ++row) {
    const auto scores = logits.subspan(row * classes_, classes_);
    const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
    ++counts_[static_cast<size_t>(labels[row]) * classes_ + static_cast<size_t>(best)];
  }
}

int64_t ConfusionMatrix::support(size_t label) const {
  int64_t sum = 0;
  for (size_t i = 0; i < classes_; ++i) sum += at(label, i);
  return sum;
}

int64_t ConfusionMatrix::predicted(size_t prediction) const {
  int64_t sum = 0;
  for (size_t i = 0; i < classes_; ++i) sum += at(i, prediction);
  return sum;
}

double ConfusionMatrix::precision(size_t label) const {
  return share(at(label, label), predicted(label));
}
double ConfusionMatrix::recall(size_t label) const {
  return share(at(label, label), support(label));
}
double ConfusionMatrix::f1(size_t label) const {
  return share(2 * at(label, label), support(label) + predicted(label));
}

Value number_or_null(double value) {
  return std::isfinite(value) ? Value(value) : Value();
}

Array confusion_rows(const ConfusionMatrix& confusion) {
  Array rows;
  for (size_t label = 0; label < confusion.classes(); ++label) {
    Array row;
    for (size_t i = 0; i < confusion.classes(); ++i) row.emplace_back(confusion.at(label, i));
    rows.emplace_back(std::move(row));
  }
  return rows;
}

Array class_figures(const ConfusionMatrix& confusion, const std::vector<std::string>& classes) {
  Array figures;
  for (size_t label = 0; label < confusion.classes(); ++label) {
    Value figure{Object{}};
    figure.set("class", classes[label]);
    figure.set("precision", confusion.precision(label));
    figure.set("recall", confusion.recall(label));
    figure.set("f1", confusion.f1(label));
    figure.set("support", confusion.support(label));
    figures.push_back(std::move(figure));
  }
  return figures;
}

std::string results_json(const Results& results, const ConfusionMatrix& confusion) {
  Value test{Object{}};
  test.set("loss", results.test.loss);
  test.set("accuracy", results.test.accuracy);
  test.set("samples", static_cast<int64_t>(results.test.samples));
  Value validation{Object{}};
  validation.set("loss", number_or_null(results.best_validation_loss));
  validation.set("accuracy", number_or_null(results.best_validation_accuracy));

  Value document{Object{}};
  document.set("test", std::move(test));
  document.set("best_epoch", results.best_epoch);
  document.set("tested_epoch", results.tested_epoch);
  document.set("validation", std::move(validation));
  document.set("epochs", results.epochs);
  document.set("stopped_early", results.stopped_early);
  document.set("classes", Array(results.classes.begin(), results.classes.end()));
  document.set("confusion_matrix", confusion_rows(confusion));
  document.set("per_class", class_figures(confusion, results.classes));
  return to_json(document) + "\n";
}

}  // namespace engine
