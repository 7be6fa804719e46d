#pragma once

// What `engine preview` makes: the picture, and what it prints.

#include <string>
#include <vector>

#include "engine/core/value.h"
#include "engine/report/picture.h"
#include "engine/report/stage_images.h"

namespace engine {

struct ShownImage {
  std::string title, detail;  ///< above its pictures
  Value image;                ///< its number in the data set or array, or its path
  std::string label;          ///< empty: not known
};

struct PreviewOutput {
  std::string file;  ///< the experiment's
  const Experiment& experiment;
  std::string what;  ///< "training images"
  int64_t all = 0;   ///< how many of them there are
  std::vector<ShownImage> shown;
  std::vector<StageImages> stages;
  std::vector<StageFigures> figures;  ///< --stats; else empty
};

/// A row for each stage, a column for each image; many images in several such bands.
Picture preview_picture(const PreviewOutput& output);
/// What is printed when the picture is in the file `picture`.
std::string preview_text(const PreviewOutput& output, const std::string& picture);
std::string preview_json(const PreviewOutput& output, const std::string& picture);

}  // namespace engine
