#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/value.h"
#include "engine/report/picture.h"
#include "engine/report/predictions.h"
#include "engine/run/observer.h"

namespace engine {

/// Some training images after one stage of preprocessing.
struct StagePictures {
  std::string name;  ///< of the stage; "original" before the first
  std::vector<Picture> images;
};

/// A test image and what the network says of it.
struct PredictedPicture {
  Prediction prediction;
  int64_t sample = 0;  ///< in the data set
  Picture image;
};

/// What report, figures and events say of a run, gathered once for all of them: an observer that
/// writes nothing, and that stands before those that do.
class RunFacts : public RunObserver {
 public:
  /// command: how a person runs it again.
  explicit RunFacts(std::string command) : command_(std::move(command)) {}

  void loaded(const RunView& run, const Split& split) override;
  void tested(const RunView& run, const TestView& test) override;
  void noted(const RunView&, const Status&, FileSystem&) override {}

  /// The run at this moment, as page/data.md describes it; without node times.
  Value document(const RunView& run, const Status& status) const;

  const std::vector<StagePictures>& stages() const { return stage_pictures_; }
  /// Numbers that a training adapts.
  int64_t parameters() const { return parameters_; }
  /// Null until there is a test. Without test images it has no samples.
  const Results* results() const { return results_ ? &*results_ : nullptr; }
  const ConfusionMatrix& confusion_matrix() const { return confusion_matrix_; }
  /// Of every test image, in the set's order.
  const std::vector<Prediction>& predictions() const { return all_; }
  /// The most confident mistakes first.
  const std::vector<PredictedPicture>& mistakes() const { return mistake_pictures_; }

 private:
  std::string command_;
  int64_t parameters_ = 0;
  std::vector<StagePictures> stage_pictures_;
  std::optional<Results> results_;
  ConfusionMatrix confusion_matrix_{0};
  std::vector<Prediction> all_;
  std::vector<PredictedPicture> mistake_pictures_;
  // Parts of the document that do not change any more: null until they are known.
  Value counts_, stages_, network_, test_, confusion_, per_class_, calibration_, mistakes_,
      predictions_;
};

}  // namespace engine
