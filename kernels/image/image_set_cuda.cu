#include "kernels/image/image_set_cuda.h"

#include <algorithm>

#include "engine/cuda/launch.h"
#include "kernels/image/image_passes_cuda.h"

namespace engine {
namespace {

constexpr int64_t kChunkBytes = int64_t{16} << 20;
constexpr int64_t kStripBytes = int64_t{64} << 20;

/// The same columns of elements of all images, as they were before the filter.
struct Strip {
  float* data = nullptr;  ///< [n][width]
  int64_t n = 0;
  uint32_t width = 0;
  Divider divider;  ///< of width
};

/// 4 bytes in, 4 out, an element of the strip. images: the first image's first column of the strip.
__global__ void fill_strip(const float* images, int64_t elements, Strip strip, uint32_t count) {
  for (uint32_t item = first_item(); item < count; item += item_stride()) {
    const uint32_t i = strip.divider.divide(item);
    strip.data[item] = images[i * elements + strip.divider.remainder(item, i)];
  }
}

/// A thread makes one element of one image. Neighbouring threads read neighbouring elements of 2
/// radius + 1 images, which blocks that run at the same time share in the caches; writes 4 bytes.
__global__ void smooth_strip(Strip strip, float* images, int64_t elements, const float* weights,
                             int32_t radius, uint32_t count) {
  const auto n = static_cast<int32_t>(strip.n), width = static_cast<int32_t>(strip.width);
  for (uint32_t item = first_item(); item < count; item += item_stride()) {
    const uint32_t i = strip.divider.divide(item);
    const uint32_t column = strip.divider.remainder(item, i);
    images[i * elements + column] =
        smoothed(strip.data + column, static_cast<int32_t>(i), n, width, weights, radius);
  }
}

/// A thread adds up one channel of one image, pixel after pixel: 4 bytes an element, from lines
/// that the image's other channels' threads have fetched.
__global__ void sum_channels(const float* images, uint32_t pixels, uint32_t channels,
                             Divider divider, double* sums, uint32_t count) {
  for (uint32_t item = first_item(); item < count; item += item_stride()) {
    const uint32_t image = divider.divide(item);
    const uint32_t channel = divider.remainder(item, image);
    const float* from = images + static_cast<size_t>(image) * pixels * channels + channel;
    double sum = 0, squares = 0;
    for (uint32_t p = 0; p < pixels; ++p) {
      const double x = from[static_cast<size_t>(p) * channels];
      sum += x;
      squares += x * x;  // exact, so that fusing it with the addition changes no bit
    }
    double* to = sums + static_cast<size_t>(image) * 2 * channels + channel;
    to[0] = sum;
    to[channels] = squares;
  }
}

}  // namespace

ImageChunks::ImageChunks(CudaDevice& device, const ImageSet& images, const int32_t* samples)
    : device_(device), images_(images), samples_(samples) {
  const int64_t elements = images.shape.per_sample();
  const int64_t all = std::max<int64_t>(images.shape.n, 1);
  size_ = std::clamp<int64_t>(kChunkBytes / elements, 1, all);
  memory_ = Buffer(device, static_cast<size_t>(size_ * elements));
}

ImageRows ImageChunks::load(int64_t first) {
  const int64_t elements = images_.shape.per_sample();
  const int64_t count = std::min(size_, images_.shape.n - first);
  device_.copy_to_device(memory_.data(), images_.pixels.data() + first * elements,
                         static_cast<size_t>(count * elements));
  ImageRows rows;
  rows.u8 = static_cast<const uint8_t*>(memory_.data());
  rows.samples = samples_ + first;
  rows.elements = static_cast<uint32_t>(elements);
  rows.count = static_cast<uint32_t>(count);
  return rows;
}

void smooth_samples_cuda(CudaDevice& device, const Smooth& stage, float* images, int64_t n,
                         int64_t elements) {
  if (n == 0) return;
  const std::vector<float> weights = gaussian_weights(stage.sigma, stage.truncate);
  Buffer weights_there(device, sizeof(float) * weights.size());
  device.copy_to_device(weights_there.data(), weights.data(), weights_there.bytes());
  const int64_t room = kStripBytes / static_cast<int64_t>(sizeof(float)) / n;
  const int64_t whole = room >= 32 ? room / 32 * 32 : room;  // lines of the caches
  const int64_t most = std::clamp<int64_t>(whole, 1, elements);
  const Buffer memory(device, sizeof(float) * static_cast<size_t>(n * most));
  for (int64_t column = 0; column < elements; column += most) {
    const auto width = static_cast<uint32_t>(std::min(most, elements - column));
    const Strip strip{memory.f32(), n, width, Divider(width)};
    const auto count = static_cast<uint32_t>(n * width);
    launch_over(device, "fill_strip", count, fill_strip, images + column, elements, strip, count);
    launch_over(device, "smooth_strip", count, smooth_strip, strip, images + column, elements,
                weights_there.f32(), static_cast<int32_t>(weights.size()) - 1, count);
  }
}

void sum_channels_cuda(CudaDevice& device, const float* images, Shape shape,
                       std::vector<double>& sums) {
  const auto count = static_cast<uint32_t>(shape.n * shape.c);
  if (count == 0) return;
  const Buffer found(device, sizeof(double) * 2 * count);
  launch_over(device, "sum_channels", count, sum_channels, images,
              static_cast<uint32_t>(shape.h * shape.w), static_cast<uint32_t>(shape.c),
              Divider(static_cast<uint32_t>(shape.c)), static_cast<double*>(found.data()), count);
  const size_t before = sums.size();
  sums.resize(before + 2 * count);
  device.copy_to_host(sums.data() + before, found.data(), found.bytes());
}

}  // namespace engine
