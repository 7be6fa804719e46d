#pragma once

#include <string>

#include "engine/data/dataset.h"

namespace engine {

/// Writes a data set as PNG files that image_folder reads: <folder>/{train,test}/<class>/00000.png,
/// ... numbered through each class. Throws Error (storage) also when the folder exists and is not
/// empty.
void make_image_folder(const std::string& folder, const Dataset& data, int threads);

}  // namespace engine
