#pragma once

// What most verbs need before they can do their work: an experiment, a device, data and a network
// on it.

#include <memory>
#include <string>
#include <vector>

#include "apps/machine.h"
#include "apps/options.h"
#include "engine/graph/executor.h"
#include "engine/run/experiment.h"
#include "engine/run/trainer.h"

namespace engine {

struct Session {
  Machine machine;
  Experiment experiment;
};

/// Reads the experiment, then opens the device.
Session open_session(const SharedOptions& options);

/// The conditions that runs record.
Environment this_environment(const Machine& machine);

/// The experiment's stages on the session's device, for images as the source gives them. Stages
/// that draw noise can be left out.
std::unique_ptr<Pipeline> make_pipeline(const Session& session, Shape image,
                                        bool leave_out_noise = false);
/// The same with other stages; the seed is the session's.
std::unique_ptr<Pipeline> make_pipeline(const Session& session, std::vector<const Stage*> stages,
                                        Shape image);

/// One image as the data source gives it; known without looking at files.
Shape source_shape(const DataConfig& config);

struct SourceInfo {
  Shape image;
  int64_t classes = 0;
};
/// What a network needs to know of the data set. Where a folder of images is missing, so that
/// nobody can say how many classes it has, takes 10 and says so on standard error.
SourceInfo source_info(const Experiment& experiment, const SharedOptions& options);

/// A data set; images that --skip-bad left out are listed on standard error.
Dataset load_data(const DataConfig& config, int64_t seed, const SharedOptions& options);

/// How the session's network is built for images as it sees them. Without training: no optimizer.
ExecutorSetup executor_setup(const Session& session, Shape image, int64_t classes,
                             Pipeline* pipeline, bool training);

}  // namespace engine
