// engine predict: classes of image files by a run's best weights.

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/console.h"
#include "apps/prediction_output.h"
#include "apps/session.h"
#include "apps/verbs.h"
#include "engine/core/file.h"
#include "engine/cpu/cpu_device.h"
#include "engine/data/image_files.h"
#include "engine/data/sources.h"
#include "engine/run/progress.h"

namespace engine {
namespace {

constexpr size_t kChunk = 250;             ///< images that are in memory at a time,
constexpr size_t kChunkBytes = 256 << 20;  ///< if they fit into this as float32
constexpr int64_t kGrid = 100;             ///< images that a grid shows at most
constexpr int64_t kGridSide = 256;         ///< pixels of their longer side

struct PredictArguments {
  SharedOptions shared;
  std::string run, grid;
  std::vector<std::string> images;
  int64_t top = 1;
  bool noise = false, csv = false, quiet = false;
};

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
        pipeline_(make_pipeline(session, source_, !arguments.noise)) {
    const auto bytes = static_cast<size_t>(source_.per_sample()) * sizeof(float);
    chunk_ = std::min({kChunk, images, std::max<size_t>(1, kChunkBytes / bytes)});
    // A stage that mixes neighbouring samples would let one file change the answer for another.
    for (const Stage* stage : stages_of(session.experiment, !arguments.noise)) {
      if (stage->mixes_samples()) chunk_ = 1;
    }
    for (size_t i = 0; i < saved.classes.size(); ++i) {
      label_of_[saved.classes[i]] = static_cast<int>(i);
    }
    pipeline_->set_statistics(saved.statistics);
    ExecutorSetup setup =
        executor_setup(session, pipeline_->output(), static_cast<int64_t>(saved.classes.size()),
                       pipeline_.get(), false);
    setup.evaluation_batch = static_cast<int64_t>(chunk_);
    executor_ = std::make_unique<Executor>(setup);
    executor_->set_parameters(saved.parameters);
  }

  /// Keeps the pictures of the files at `shown`, which are in order.
  std::vector<FilePrediction> predict(const std::vector<std::string>& files,
                                      const std::vector<int64_t>& shown) {
    Progress progress({.quiet = arguments_.quiet});
    std::vector<FilePrediction> predictions;
    uint64_t done = 0;
    for (size_t at = 0; at < files.size(); at += chunk_) {
      predict_chunk(std::span(files).subspan(at, std::min(chunk_, files.size() - at)), shown,
                    predictions, [&] { progress.count("predicting", ++done, files.size()); });
    }
    return predictions;
  }

 private:
  void predict_chunk(std::span<const std::string> files, const std::vector<int64_t>& shown,
                     std::vector<FilePrediction>& predictions,
                     const std::function<void()>& one_done) {
    const size_t first = predictions.size();
    const ReadImages read = read_images(reader_, files, source_, session_.experiment.data.fit,
                                        threads(), first, one_done);
    for (size_t i = 0; i < files.size(); ++i) {
      predictions.push_back({.file = files[i], .error = read.errors[i], .label = label(files[i])});
    }
    if (read.rows.empty()) return;
    const std::vector<float> logits = executor_->logits(*pipeline_->prepare(read.images, false));
    const size_t classes = logits.size() / read.rows.size();
    for (size_t i = 0; i < read.rows.size(); ++i) {
      const size_t place = first + read.rows[i];
      predictions[place].classes =
          most_probable(logits.data() + i * classes, classes, static_cast<size_t>(arguments_.top));
      if (std::binary_search(shown.begin(), shown.end(), static_cast<int64_t>(place))) {
        const auto* pixels = read.images.pixels.data() + i * source_.per_sample();
        predictions[place].picture = shrunk(picture(pixels, source_), kGridSide);
      }
    }
  }

  /// The class that the file's folder is named after.
  int label(const std::string& file) const {
    const size_t end = file.rfind('/');
    if (end == std::string::npos || end == 0) return -1;
    const size_t begin = file.rfind('/', end - 1) + 1;  // npos + 1 is 0
    const auto found = label_of_.find(file.substr(begin, end - begin));
    return found == label_of_.end() ? -1 : found->second;
  }

  const PredictArguments& arguments_;
  const Session& session_;
  Shape source_;
  std::unique_ptr<Pipeline> pipeline_;
  size_t chunk_ = 1;
  std::map<std::string, int> label_of_;
  ImageReader reader_;
  std::unique_ptr<Executor> executor_;
};

int predict(PredictArguments& arguments) {
  const SavedRun saved = load_run(arguments.run);
  const std::vector<std::string> files = find_images(arguments.images);
  arguments.shared.file = saved.config;
  const Session session = open_session(arguments.shared);
  std::vector<int64_t> shown;
  if (!arguments.grid.empty()) shown = spread(static_cast<int64_t>(files.size()), kGrid);
  const std::vector<FilePrediction> predictions =
      Predictor(arguments, saved, session, files.size()).predict(files, shown);
  fmt::print("{}", arguments.shared.json ? predictions_json(predictions, saved.classes)
                   : arguments.csv       ? predictions_csv(predictions, saved.classes)
                                         : predictions_table(predictions, saved.classes));
  bool all_good = true;
  for (const FilePrediction& prediction : predictions) {
    if (prediction.error.empty()) continue;
    all_good = false;
    print_error(prediction.error);
  }
  if (!arguments.grid.empty()) {
    const std::vector<uint8_t> bytes =
        png(predictions_grid(predictions, shown, saved.classes, arguments.run));
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    save_file(real_files(), arguments.grid, text, {.durable = false});
    const bool table = !arguments.shared.json && !arguments.csv;
    if (table) fmt::print("{}\n", printable(arguments.grid, false));
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
  arguments.text("--grid", options->grid,
                 {.doc = "PNG file to write: the images (at most 100) with their classes",
                  .placeholder = "FILE"});
  arguments.flag("--noise", options->noise, {.doc = "Also run the stages that add noise"});
  arguments.flag("--skip-bad", options->shared.skip_bad,
                 {.doc = "Exit with 0 although some images cannot be read"});
  add_machine(arguments, options->shared);
  add_json(arguments, options->shared);
  arguments.flag("--csv", options->csv, {.doc = "Print CSV", .excludes = "--json"});
  arguments.flag("--quiet", options->quiet, {.doc = "Show no progress"});
  arguments.footer(
      "Images are brought to the size of the run's data and preprocessed as the run did. Where "
      "they lie in folders named like the run's classes, the two are compared.");
  return [options] { return predict(*options); };
}

}  // namespace engine
