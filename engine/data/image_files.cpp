#include "engine/data/image_files.h"

#include <strings.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "engine/core/file.h"
#include "engine/data/sources.h"
#include "engine/data/threads.h"

namespace engine {

bool is_image_name(std::string_view name) {
  if (name.empty() || name[0] == '.') return false;
  for (const std::string_view extension : {".jpg", ".jpeg", ".png"}) {
    if (name.size() < extension.size()) continue;
    const std::string_view end = name.substr(name.size() - extension.size());
    if (strncasecmp(end.data(), extension.data(), extension.size()) == 0) return true;
  }
  return false;
}

std::vector<std::string> find_images(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (!is_folder(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator entry(path, error), end;
         !error && entry != end; entry.increment(error)) {
      if (is_image_name(entry->path().filename().native()) && entry->is_regular_file(error))
        inside.push_back(entry->path());
    }
    if (error) fail(ExitCode::data, "{}: cannot read the folder: {}", path, error.message());
    if (inside.empty())
      fail(ExitCode::data, "{}: no .jpg, .jpeg or .png file in this folder", path);
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

ImageReader::ImageReader() = default;
ImageReader::~ImageReader() = default;

void ImageReader::read(const std::string& path, Shape shape, DataConfig::Fit fit, uint8_t* out) {
  std::unique_ptr<ImageDecoder> decoder;
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      decoder = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  if (!decoder) decoder = std::make_unique<ImageDecoder>();
  thread_local DecodedImage image;
  decoder->read(path, shape.c, image);
  fit_image(image, fit, shape.h, shape.w, out);
  const std::lock_guard lock(mutex_);
  spare_.push_back(std::move(decoder));
}

ReadImages read_images(ImageReader& reader, std::span<const std::string> files, Shape shape,
                       DataConfig::Fit fit, int threads, size_t first,
                       const std::function<void()>& one_done) {
  ReadImages result;
  const auto count = static_cast<int64_t>(files.size());
  const auto bytes = static_cast<size_t>(shape.per_sample());
  result.errors.resize(files.size());
  ImageSet& set = result.images;
  allocate_pixels(set, shape.with_batch(count));
  std::mutex mutex;
  on_threads(threads, count, 1, [&](int64_t i) {
    const auto place = static_cast<size_t>(i);
    try {
      reader.read(files[place], shape, fit, &set.pixels[place * bytes]);
    } catch (const Error& error) {
      if (error.code() != ExitCode::data) throw;
      result.errors[place] = error.what();
    }
    const std::lock_guard lock(mutex);
    one_done();
  });
  for (size_t i = 0; i < files.size(); ++i) {
    if (!result.errors[i].empty()) continue;
    const size_t row = result.rows.size();
    if (row != i) std::memcpy(&set.pixels[row * bytes], &set.pixels[i * bytes], bytes);
    set.samples.push_back(static_cast<int32_t>(first + i));
    result.rows.push_back(i);
  }
  set.shape.n = static_cast<int64_t>(result.rows.size());
  set.pixels.resize(result.rows.size() * bytes);
  return result;
}

}  // namespace engine
