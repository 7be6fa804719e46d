#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/dataset.h"

namespace engine {

/// An image file of a folder, before anything is read of it.
struct ImageEntry {
  int32_t label = 0;
  std::string name;  ///< "<class>/<file>"
  uint64_t size = 0;
  int64_t mtime_ns = 0;
};

struct FolderListing {
  std::vector<std::string> classes;
  std::vector<ImageEntry> train, test;  ///< classes, and files in them, in alphabetical order
};

/// The folder of an image_folder data set; config.path may not lead out of the data folder. Throws
/// Error (experiment) for such a path, Error (data) when there is no such folder.
std::string image_folder_root(const DataConfig& config, const std::string& data_dir);

/// The names of the folders in <root>/train.
std::vector<std::string> list_classes(const std::string& root);

/// Every .jpg, .jpeg and .png (in any case) of <root>/{train,test}/<class>/, in alphabetical order
/// (of bytes). Hidden files and files of other kinds are passed over. Throws Error (data) when a
/// folder is missing, has no images, or test/ has a class that train/ lacks.
FolderListing list_images(const std::string& root, int threads);

/// Lists, takes the share that limit and test_limit ask for, and decodes on all threads, or reads
/// the cache (image_cache.h) of an earlier time.
Dataset load_image_folder(const DataConfig& config, const DataOptions& options);

}  // namespace engine
