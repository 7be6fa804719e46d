#pragma once

// What `engine predict` prints and draws.

#include <string>
#include <utility>
#include <vector>

#include "engine/report/picture.h"

namespace engine {

/// What a run's best weights say of an image file.
struct FilePrediction {
  std::string file;
  std::string error;                            ///< why there is no prediction
  std::vector<std::pair<int, double>> classes;  ///< most probable first: index, probability
  int label = -1;   ///< the class that the file's folder is named after; -1: none
  Picture picture;  ///< as the run sees it; only of those that the grid shows
  bool wrong() const { return label >= 0 && !classes.empty() && classes[0].first != label; }
};

/// How many of the files that could be read lie in folders named after classes, and how many of
/// them are predicted so.
struct FolderAccuracy {
  int64_t images = 0, right = 0;
};
FolderAccuracy folder_accuracy(const std::vector<FilePrediction>& predictions);

std::string predictions_table(const std::vector<FilePrediction>& predictions,
                              const std::vector<std::string>& classes);
std::string predictions_json(const std::vector<FilePrediction>& predictions,
                             const std::vector<std::string>& classes);
/// Columns image, class, probability, label, error; a row for each class that is asked for.
std::string predictions_csv(const std::vector<FilePrediction>& predictions,
                            const std::vector<std::string>& classes);

/// The images at `shown` with their classes, wrong ones in red.
Picture predictions_grid(const std::vector<FilePrediction>& predictions,
                         const std::vector<int64_t>& shown, const std::vector<std::string>& classes,
                         const std::string& title);

}  // namespace engine
