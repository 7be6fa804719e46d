#include "engine/report/figures.h"

#include <cerrno>
#include <cstring>

#include "engine/run/run_folder.h"

namespace engine {

void save_or_remove(FileSystem& files, const std::string& path, const std::string& text) {
  if (!text.empty()) {
    make_folders(files, path.substr(0, path.rfind('/')));
    save_file(files, path, text, {.durable = false});
  } else if (exists(path) && files.unlink(path) != 0 && errno != ENOENT) {
    fail(ExitCode::storage, "{}: cannot remove: {}", path, std::strerror(errno));
  }
}

void save_figures(FileSystem& files, const std::string& folder, const Value& document) {
  const auto save = [&](std::string_view name, const std::string& figure) {
    save_or_remove(files, folder + "/" + std::string(name), figure);
  };
  save(run_files::kCurves, curves_figure(document));
  save(run_files::kMatrixPicture, confusion_figure(document));
  save(run_files::kReliability, reliability_figure(document));
  save(run_files::kStages, stages_figure(document));
  save(run_files::kPredictionsPicture, predictions_figure(document));
  save(run_files::kClassCounts, counts_figure(document));
}

}  // namespace engine
