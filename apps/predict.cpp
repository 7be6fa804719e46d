// engine predict: classes of image files by a run's best weights.

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/console.h"
#include "apps/session.h"
#include "apps/table.h"
#include "apps/verbs.h"
#include "engine/core/file.h"
#include "engine/core/value.h"
#include "engine/data/image_file.h"

namespace engine {
namespace {

constexpr size_t kChunk = 250;  ///< images that are in memory at a time

struct PredictArguments {
  SharedOptions shared;
  std::string run;
  std::vector<std::string> images;
  int64_t top = 1;
  bool noise = false;
};

struct Prediction {
  std::string file;
  std::string error;                            ///< why there is no prediction
  std::vector<std::pair<int, double>> classes;  ///< most probable first: index, probability
};

bool is_image_name(const std::filesystem::path& path) {
  std::string extension = path.extension();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

/// Files as given; a folder stands for the images in it and below, in order of their names.
std::vector<std::string> list_images(const std::vector<std::string>& arguments) {
  std::vector<std::string> files;
  for (const std::string& argument : arguments) {
    if (!is_folder(argument)) {
      files.push_back(argument);
      continue;
    }
    std::vector<std::string> inside;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator entry(argument, error), end;
         !error && entry != end; entry.increment(error)) {
      if (entry->is_regular_file(error) && is_image_name(entry->path()))
        inside.push_back(entry->path());
    }
    if (error) fail(ExitCode::data, "{}: {}", argument, error.message());
    if (inside.empty()) fail(ExitCode::data, "{}: no .jpg or .png file in this folder", argument);
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

std::vector<std::pair<int, double>> most_probable(const float* logits, size_t classes, size_t top) {
  const double largest = *std::max_element(logits, logits + classes);
  std::vector<std::pair<int, double>> order(classes);
  double sum = 0;
  for (size_t i = 0; i < classes; ++i) {
    order[i] = {static_cast<int>(i), std::exp(logits[i] - largest)};
    sum += order[i].second;
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  order.resize(std::min(top, classes));
  for (auto& entry : order) entry.second /= sum;
  return order;
}

class Predictor {
 public:
  Predictor(const PredictArguments& arguments, const SavedRun& saved, const Session& session,
            size_t images)
      : arguments_(arguments),
        session_(session),
        source_(source_shape(session.experiment.data)),
        pipeline_(make_pipeline(session, source_, !arguments.noise)),
        chunk_(std::min(kChunk, images)) {
    // A stage that mixes neighbouring samples would let one file change the answer for another.
    for (const Stage* stage : stages_of(session.experiment, !arguments.noise)) {
      if (stage->mixes_samples()) chunk_ = 1;
    }
    pipeline_->set_statistics(saved.statistics);
    ExecutorSetup setup =
        executor_setup(session, pipeline_->output(), static_cast<int64_t>(saved.classes.size()),
                       pipeline_.get(), false);
    setup.evaluation_batch = static_cast<int64_t>(chunk_);
    executor_ = std::make_unique<Executor>(setup);
    executor_->set_parameters(saved.parameters);
  }

  std::vector<Prediction> predict(const std::vector<std::string>& files) {
    std::vector<Prediction> predictions;
    for (size_t at = 0; at < files.size(); at += chunk_) {
      predict_chunk(std::span(files).subspan(at, std::min(chunk_, files.size() - at)), predictions);
    }
    return predictions;
  }

 private:
  void predict_chunk(std::span<const std::string> files, std::vector<Prediction>& predictions) {
    ImageSet set;
    std::vector<size_t> rows;  // where the answers go
    for (const std::string& file : files) {
      Prediction& prediction = predictions.emplace_back(Prediction{file, {}, {}});
      try {
        const auto pixels = read_image(file, source_, session_.experiment.data.fit);
        set.pixels.insert(set.pixels.end(), pixels.begin(), pixels.end());
        rows.push_back(predictions.size() - 1);
      } catch (const Error& error) {
        if (error.code() != ExitCode::data) throw;
        prediction.error = error.what();
      }
    }
    if (rows.empty()) return;
    set.shape = source_.with_batch(static_cast<int64_t>(rows.size()));
    set.samples.assign(rows.begin(), rows.end());
    const std::vector<float> logits = executor_->logits(*pipeline_->prepare(set, false));
    const size_t classes = logits.size() / rows.size();
    for (size_t i = 0; i < rows.size(); ++i) {
      predictions[rows[i]].classes =
          most_probable(logits.data() + i * classes, classes, static_cast<size_t>(arguments_.top));
    }
  }

  const PredictArguments& arguments_;
  const Session& session_;
  Shape source_;
  std::unique_ptr<Pipeline> pipeline_;
  size_t chunk_;
  std::unique_ptr<Executor> executor_;
};

void print_json(const std::vector<Prediction>& predictions,
                const std::vector<std::string>& classes) {
  Array all;
  for (const Prediction& prediction : predictions) {
    Value row{Object{}};
    row.set("image", prediction.file);
    if (!prediction.error.empty()) {
      row.set("error", prediction.error);
    } else {
      Array best;
      for (const auto& [index, probability] : prediction.classes) {
        Value entry{Object{}};
        entry.set("class", classes[static_cast<size_t>(index)]);
        entry.set("probability", probability);
        best.push_back(std::move(entry));
      }
      row.set("classes", std::move(best));
    }
    all.push_back(std::move(row));
  }
  fmt::print("{}\n", to_json(Value(std::move(all))));
}

void print_table(const std::vector<Prediction>& predictions,
                 const std::vector<std::string>& classes) {
  Table table({{"image", Table::Align::left, true},
               {"class", Table::Align::left, true},
               {"probability", Table::Align::right}});
  for (const Prediction& prediction : predictions) {
    std::string file = prediction.file;
    for (const auto& [index, probability] : prediction.classes) {
      table.add(
          {file, classes[static_cast<size_t>(index)], fmt::format("{:.1f} %", 100 * probability)});
      file.clear();
    }
  }
  fmt::print("{}", table.text());
}

int predict(PredictArguments& arguments) {
  const SavedRun saved = load_run(arguments.run);
  const std::vector<std::string> files = list_images(arguments.images);
  arguments.shared.file = saved.config;
  const Session session = open_session(arguments.shared);
  const std::vector<Prediction> predictions =
      Predictor(arguments, saved, session, files.size()).predict(files);
  arguments.shared.json ? print_json(predictions, saved.classes)
                        : print_table(predictions, saved.classes);
  bool all_good = true;
  for (const Prediction& prediction : predictions) {
    if (prediction.error.empty()) continue;
    all_good = false;
    print_error(prediction.error);
  }
  return static_cast<int>(all_good || arguments.shared.skip_bad ? ExitCode::ok : ExitCode::data);
}

}  // namespace

Action declare_predict(Arguments& arguments) {
  auto options = std::make_shared<PredictArguments>();
  arguments.text("RUN", options->run, {.doc = "Run folder", .required = true});
  arguments.list("IMAGE", options->images,
                 {.doc = "JPEG or PNG files, and folders of them", .required = true});
  arguments.integer("--top", options->top,
                    {.doc = "Classes to print for each image (default: 1)",
                     .placeholder = "K",
                     .minimum = 1,
                     .maximum = 100000});
  arguments.flag("--noise", options->noise, {.doc = "Also run the stages that add noise"});
  arguments.flag("--skip-bad", options->shared.skip_bad,
                 {.doc = "Exit with 0 although some images cannot be read"});
  add_machine(arguments, options->shared);
  add_json(arguments, options->shared);
  arguments.footer(
      "Images are brought to the size of the run's data and preprocessed as the run did.");
  return [options] { return predict(*options); };
}

}  // namespace engine
