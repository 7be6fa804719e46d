#include "engine/data/make_folder.h"

#include <png.h>

#include <filesystem>

#include "engine/core/file.h"
#include "engine/data/threads.h"

namespace engine {
namespace {

std::string encode_png(const uint8_t* pixels, Shape shape) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(shape.w);
  image.height = static_cast<png_uint_32>(shape.h);
  image.format = shape.c == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels, 0, nullptr)) {
    fail(ExitCode::internal, "libpng: {}", image.message);
  }
  bytes.resize(size);
  return bytes;
}

void write_split(const std::string& folder, const ImageSet& set,
                 const std::vector<std::string>& classes, int threads) {
  for (const std::string& name : classes) make_folders(real_files(), folder + "/" + name);
  std::vector<int64_t> number(set.shape.n);  // within its class
  std::vector<int64_t> counts(classes.size());
  for (int64_t i = 0; i < set.shape.n; ++i) number[i] = counts[set.labels[i]]++;
  on_threads(threads, set.shape.n, 64, [&](int64_t i) {
    const std::string path =
        fmt::format("{}/{}/{:05}.png", folder, classes[set.labels[i]], number[i]);
    save_file(real_files(), path, encode_png(&set.pixels[i * set.shape.per_sample()], set.shape),
              {.durable = false});
  });
}

}  // namespace

void make_image_folder(const std::string& folder, const Dataset& data, int threads) {
  std::error_code error;
  if (exists(folder) &&
      (!is_folder(folder) || !std::filesystem::is_empty(folder, error) || error)) {
    fail(ExitCode::storage, "{}: is there already; choose a new folder", folder);
  }
  write_split(folder + "/train", data.train, data.classes, threads);
  write_split(folder + "/test", data.test, data.classes, threads);
}

}  // namespace engine
