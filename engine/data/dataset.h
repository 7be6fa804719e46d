#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/core/attributes.h"
#include "engine/core/stage.h"

namespace engine {

/// "data" of an experiment.
struct DataConfig {
  enum class Source { cifar10, image_folder, shapes };
  enum class Fit { resize, crop };

  Source source = Source::cifar10;
  std::string path;         ///< image_folder: folder with train/ and test/ below the data folder
  Pair size{32, 1};         ///< image_folder and shapes: images become this many pixels
  Fit fit = Fit::resize;    ///< image_folder: whole image resized, or centre crop
  int64_t channels = 3;     ///< image_folder: 1 or 3
  double validation = 0.2;  ///< share of the training images
  int64_t limit = 0;        ///< use at most this many training images; 0: all
  int64_t test_limit = 0;
  int64_t count = 6000;  ///< shapes: training images; a fifth as many test images

  void keys(Keys& keys);
};

struct DataOptions {
  std::string data_dir;   ///< --data-dir
  bool skip_bad = false;  ///< go on without unreadable images, and list them
  int threads = 0;
};

struct Dataset {
  Shape image;  ///< n = 1
  std::vector<std::string> classes;
  ImageSet train;                    ///< before the split; samples 0..N-1
  ImageSet test;                     ///< samples N..N+M-1
  std::string fingerprint;           ///< XXH3-128 of pixels and labels, hexadecimal
  std::vector<std::string> skipped;  ///< with skip_bad: "path: reason"
};

struct DatasetInfo {
  Shape image;
  std::vector<std::string> classes;
};

/// The folder that --data-dir, then data/ beside the current folder, then $ENGINE_DATA name.
std::string resolve_data_dir(const std::string& option);
/// What `check` needs: looks at no image. cifar10 and shapes need no files at all.
DatasetInfo inspect_dataset(const DataConfig& config, const DataOptions& options);
/// Training images before the split, without looking at any. Throws Error (data) when a folder is
/// missing.
int64_t count_training_images(const DataConfig& config, const DataOptions& options);
/// Throws Error (data) with file, offset and reason.
Dataset load_dataset(const DataConfig& config, const DataOptions& options, uint32_t seed);

struct Split {
  ImageSet train, validation, test;
};
/// Shuffles the training images by the seed and takes the last share for validation. The test
/// images are put into a seeded order too when the source sorts them by class (image_folder):
/// stages that mix neighbouring samples must not see sorted classes. Moves the pixels, copies
/// nothing twice.
Split split_dataset(Dataset&& dataset, double validation, uint32_t seed);

}  // namespace engine
