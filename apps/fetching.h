#pragma once

#include <string>

#include "engine/run/experiment.h"

namespace engine {

/// Downloads CIFAR-10's archive into data_dir, with progress on standard error; from another
/// address than the official one when url is not empty. Returns false when it was there already.
bool fetch_cifar10(const std::string& data_dir, const std::string& url, bool quiet);

/// Makes sure that the experiment's data set is there before anything else happens. Only CIFAR-10
/// can be fetched. Throws Error (data) that says what to do.
void require_dataset(const Experiment& experiment, const std::string& data_dir, bool fetch,
                     bool quiet);

}  // namespace engine
