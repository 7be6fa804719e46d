#pragma once

#include <string>

#include "engine/data/dataset.h"

namespace engine {

struct FolderListing;

/// The decoded images of an image folder, kept beside the data in <data-dir>/.engine-cache/. The
/// file's name holds a hash of the settings and one of every image file's name, size and time of
/// change, so a changed folder misses its cache; the new file replaces the old. Content carries a
/// checksum; a damaged file is passed over and written anew. Without permission to write, there is
/// just no cache.
class ImageCache {
 public:
  ImageCache(const std::string& data_dir, const DataConfig& config, const FolderListing& listing);
  /// Fills in images, labels, sample numbers, fingerprint and skipped. False, and data as it was,
  /// when there is no whole cache, or it leaves out bad images and options do not allow that.
  bool load(Dataset& data, const DataOptions& options) const;
  void store(const Dataset& data) const;
  const std::string& path() const { return path_; }

 private:
  std::string folder_, settings_, path_;
};

}  // namespace engine
