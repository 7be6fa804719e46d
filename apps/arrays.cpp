#include "apps/arrays.h"

#include <fmt/ranges.h>

#include <cstring>
#include <numeric>

#include "engine/core/error.h"

namespace engine {
namespace {

Shape image_shape(const std::string& path, const std::vector<int64_t>& dims, size_t least) {
  if (dims.size() < least || dims.size() > 4) {
    fail(ExitCode::data, "{}: expected samples x height x width x channels, got shape ({})", path,
         fmt::join(dims, ", "));
  }
  for (int64_t dim : dims) {
    if (dim < 1)
      fail(ExitCode::data, "{}: the shape ({}) holds no image", path, fmt::join(dims, ", "));
  }
  if (dims.size() == 2) return {dims[0], 1, 1, dims[1]};
  return {dims[0], dims[1], dims[2], dims.size() == 4 ? dims[3] : 1};
}

}  // namespace

FloatImages read_float_images(const std::string& path) {
  const NamedTensor tensor = read_npy(path);
  FloatImages images{image_shape(path, tensor.dims, 2), {}};
  const auto count = static_cast<size_t>(tensor.elements());
  images.values.resize(count);
  if (tensor.dtype == DType::f32) {
    std::memcpy(images.values.data(), tensor.bytes.data(), count * sizeof(float));
  } else if (tensor.dtype == DType::f64) {
    for (size_t i = 0; i < count; ++i) {
      double value;
      std::memcpy(&value, tensor.bytes.data() + i * sizeof value, sizeof value);
      images.values[i] = static_cast<float>(value);
    }
  } else {
    fail(ExitCode::data,
         "{}: expected float32 images as the network sees them, got {}; `engine preprocess "
         "--images` makes them",
         path, to_string(tensor.dtype));
  }
  return images;
}

ImageSet read_byte_images(const std::string& path) {
  const NamedTensor tensor = read_npy(path);
  if (tensor.dtype != DType::u8) {
    fail(ExitCode::data, "{}: expected uint8 images, got {}", path, to_string(tensor.dtype));
  }
  ImageSet images;
  images.shape = image_shape(path, tensor.dims, 3);
  images.pixels.resize(tensor.bytes.size());
  std::memcpy(images.pixels.data(), tensor.bytes.data(), tensor.bytes.size());
  images.samples.resize(static_cast<size_t>(images.shape.n));
  std::iota(images.samples.begin(), images.samples.end(), 0);
  return images;
}

}  // namespace engine
