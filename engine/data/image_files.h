#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/data/image_file.h"

namespace engine {

/// A name that ends in .jpg, .jpeg or .png (in any case) and is not hidden.
bool is_image_name(std::string_view name);

/// Files as given; a folder stands for the images in it and below, in order of their paths. Hidden
/// files are passed over. Throws Error (data) for a folder that cannot be read or holds no image.
std::vector<std::string> find_images(const std::vector<std::string>& paths);

/// Reads image files on several threads at a time; keeps as many decoders, which keep their
/// buffers.
class ImageReader {
 public:
  ImageReader();
  ~ImageReader();
  /// One file, brought to shape.h x shape.w x shape.c, into out. Throws Error (data).
  void read(const std::string& path, Shape shape, DataConfig::Fit fit, uint8_t* out);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<ImageDecoder>> spare_;
};

struct ReadImages {
  ImageSet images;                  ///< those that could be read
  std::vector<size_t> rows;         ///< of each image: its place in files
  std::vector<std::string> errors;  ///< of each file; empty where it was read
};

/// Image files as one set without labels, decoded on `threads` threads. The sample number of a file
/// is first + its place in files. one_done is called after each file, from any thread, one call at
/// a time.
ReadImages read_images(ImageReader& reader, std::span<const std::string> files, Shape shape,
                       DataConfig::Fit fit, int threads, size_t first,
                       const std::function<void()>& one_done);

}  // namespace engine
