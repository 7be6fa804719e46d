// engine preview: images after each stage of preprocessing, as a picture.

#include <algorithm>

#include "apps/arrays.h"
#include "apps/console.h"
#include "apps/preview_output.h"
#include "apps/session.h"
#include "apps/verbs.h"
#include "engine/core/file.h"
#include "engine/cpu/cpu_device.h"
#include "engine/data/image_files.h"
#include "engine/data/sources.h"
#include "engine/run/progress.h"

namespace engine {
namespace {

struct PreviewArguments {
  SharedOptions shared;
  std::vector<std::string> images;
  std::string out = "preview.png", split = "train";
  int64_t count = 8;
  bool stats = false, quiet = false;
};

template <bool (Stage::*property)() const>
bool any_stage(const Experiment& experiment) {
  return std::any_of(experiment.preprocess.begin(), experiment.preprocess.end(),
                     [](const auto& stage) { return (stage.get()->*property)(); });
}

/// Images, which of them to show, and what to call them.
struct Previewed {
  ImageSet images;
  std::vector<int32_t> rows;
  std::vector<ShownImage> shown;  ///< at rows
  std::string what;               ///< "training images"
  int64_t all = 0;                ///< how many there are
  bool complete = true;           ///< every image could be read
};

std::vector<int32_t> spread_rows(int64_t all, int64_t count) {
  const std::vector<int64_t> places = spread(all, count);
  return {places.begin(), places.end()};
}

Previewed from_split(const PreviewArguments& arguments, Split& split,
                     const std::vector<std::string>& classes) {
  Previewed result;
  result.images = std::move(arguments.split == "train"        ? split.train
                            : arguments.split == "validation" ? split.validation
                                                              : split.test);
  const ImageSet& images = result.images;
  result.all = images.shape.n;
  if (result.all == 0) {
    fail(ExitCode::data, "{}: the {} split has no images", arguments.shared.file, arguments.split);
  }
  result.rows = rows_of_all_classes(images, classes.size(), static_cast<size_t>(arguments.count));
  for (const int32_t row : result.rows) {
    const auto place = static_cast<size_t>(row);
    const std::string& label = classes[static_cast<size_t>(images.labels[place])];
    const int32_t sample = images.samples[place];
    result.shown.push_back({label, fmt::format("image {}", sample), sample, label});
  }
  result.what = arguments.split == "train" ? "training images" : arguments.split + " images";
  return result;
}

Previewed from_array(const PreviewArguments& arguments) {
  const std::string& path = arguments.images.front();
  if (arguments.images.size() > 1) {
    fail(ExitCode::usage, "--images: {} holds images itself; name nothing beside it", path);
  }
  Previewed result;
  result.images = read_byte_images(path);
  result.all = result.images.shape.n;
  result.rows = spread_rows(result.all, arguments.count);
  for (const int32_t row : result.rows) {
    result.shown.push_back({fmt::format("image {}", row), "", row, ""});
  }
  result.what = "images of " + path;
  return result;
}

/// Reads all files where all count (--stats, stages that mix samples), else only those to show.
Previewed from_files(const PreviewArguments& arguments, const Experiment& experiment) {
  const std::vector<std::string> all = find_images(arguments.images);
  Previewed result;
  result.all = static_cast<int64_t>(all.size());
  const bool need_all = arguments.stats || any_stage<&Stage::mixes_samples>(experiment);
  const std::vector<int64_t> places = spread(result.all, need_all ? 0 : arguments.count);
  std::vector<std::string> files;
  for (const int64_t place : places) files.push_back(all[static_cast<size_t>(place)]);
  Progress progress({.quiet = arguments.quiet});
  ImageReader reader;
  uint64_t done = 0;
  ReadImages read =
      read_images(reader, files, source_shape(experiment.data), experiment.data.fit, threads(), 0,
                  [&] { progress.count("reading images", ++done, files.size()); });
  progress.finish();
  result.images = std::move(read.images);
  for (int32_t& sample : result.images.samples) {
    sample = static_cast<int32_t>(places[static_cast<size_t>(sample)]);
  }
  for (const std::string& error : read.errors) {
    if (error.empty()) continue;
    result.complete = false;
    print_error(error);
  }
  if (read.rows.empty()) fail(ExitCode::data, "--images: not one image could be read");
  result.rows = spread_rows(result.images.shape.n, arguments.count);
  for (const int32_t row : result.rows) {
    const std::string& file = files[read.rows[static_cast<size_t>(row)]];
    const size_t end = file.rfind('/');  // npos + 1 is 0
    const std::string folder = end == std::string::npos ? "" : file.substr(0, end);
    result.shown.push_back({file.substr(end + 1), folder.substr(folder.rfind('/') + 1), file, ""});
  }
  result.what = "image files";
  return result;
}

bool is_array(const std::string& path) {
  return path.ends_with(".npy") && !is_folder(path);
}

int preview(PreviewArguments& arguments) {
  const Session session = open_session(arguments.shared);
  const Experiment& experiment = session.experiment;
  const bool needs_statistics = any_stage<&Stage::needs_statistics>(experiment);
  Split split;
  std::vector<std::string> classes;
  if (arguments.images.empty() || needs_statistics) {
    const auto seed = static_cast<uint32_t>(experiment.seed);
    Dataset dataset = load_data(experiment.data, seed, arguments.shared);
    classes = dataset.classes;
    split = split_dataset(std::move(dataset), experiment.data.validation, seed);
  }
  std::vector<double> statistics;
  if (needs_statistics) {
    const auto pipeline = make_pipeline(session, split.train.shape.with_batch(1));
    pipeline->measure(split.train);
    statistics = pipeline->statistics();
  }
  const auto given = std::find_if(arguments.images.begin(), arguments.images.end(), is_array);
  if (given != arguments.images.end()) std::iter_swap(arguments.images.begin(), given);
  const Previewed previewed = arguments.images.empty() ? from_split(arguments, split, classes)
                              : is_array(arguments.images.front())
                                  ? from_array(arguments)
                                  : from_files(arguments, experiment);
  const StagedImages staged{
      experiment, session.machine.registry,  *session.machine.device, previewed.images,
      statistics, arguments.split == "train"};
  PreviewOutput output{.file = arguments.shared.file,
                       .experiment = experiment,
                       .what = previewed.what,
                       .all = previewed.all,
                       .shown = previewed.shown,
                       .stages = stage_images(staged, previewed.rows)};
  if (arguments.stats) output.figures = stage_figures(staged);
  const std::vector<uint8_t> bytes = png(preview_picture(output));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  save_file(real_files(), arguments.out, text, {.durable = false});
  fmt::print("{}", arguments.shared.json ? preview_json(output, arguments.out)
                                         : preview_text(output, arguments.out));
  return static_cast<int>(previewed.complete || arguments.shared.skip_bad ? ExitCode::ok
                                                                          : ExitCode::data);
}

}  // namespace

Action declare_preview(Arguments& arguments) {
  auto options = std::make_shared<PreviewArguments>();
  add_file(arguments, options->shared);
  arguments.text("--out", options->out,
                 {.doc = "PNG file to write (default: preview.png)", .placeholder = "FILE"});
  arguments.list("--images", options->images,
                 {.doc = "Images to take instead of the data set's: JPEG and PNG files, folders of "
                         "them, or a NumPy file of uint8",
                  .placeholder = "PATH...",
                  .many = true});
  arguments.integer("--count", options->count,
                    {.doc = "Images to show, of all classes in turn (default: 8)",
                     .placeholder = "N",
                     .minimum = 1,
                     .maximum = 200});
  arguments.text("--split", options->split,
                 {.doc = "train, validation or test (default: train); stages for training only "
                         "(flips, crops) apply to train",
                  .placeholder = "SPLIT",
                  .choices = {"train", "validation", "test"}});
  arguments.flag("--stats", options->stats,
                 {.doc = "Also print mean, deviation and range after each stage, over all images"});
  arguments.flag("--quiet", options->quiet, {.doc = "Show no progress"});
  add_json(arguments, options->shared);
  add_set(arguments, options->shared);
  add_machine(arguments, options->shared);
  add_data(arguments, options->shared);
  return [options] { return preview(*options); };
}

}  // namespace engine
