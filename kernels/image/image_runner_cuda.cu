#include "kernels/image/image_runner_cuda.h"

#include <algorithm>

#include "engine/cuda/launch.h"
#include "kernels/image/image_passes_cuda.h"

namespace engine {
namespace {

/// Works of one fused launch; they travel as the kernel's parameters.
constexpr size_t kMostWorks = 16;
/// Elements of an image in the fused kernel: twice as many floats are in a block's shared memory,
/// which is 48 KB at most. The smaller ones let more blocks share a multiprocessor.
constexpr int64_t kCapacities[] = {1024, 3072, 6016};
constexpr int64_t kMostThreads = 1024;
/// Of the memory that images too large for the fused kernel go through: so little that it stays in
/// the second-level cache of a large GPU, and still work for all of its threads.
constexpr int64_t kScratchBytes = int64_t{32} << 20;

struct ImageWorks {
  int32_t count = 0;
  ImageWork at[kMostWorks];
};

__device__ __forceinline__ size_t image_of(const ImageRows& rows, uint32_t row) {
  return rows.order ? static_cast<size_t>(rows.order[rows.at->position + row]) : row;
}

__device__ __forceinline__ ImageDraw draw_of(const ImageRows& rows, size_t image) {
  return {rows.at ? rows.at->epoch : 0, static_cast<uint32_t>(rows.samples[image])};
}

__device__ __forceinline__ void write_numbers(const ImageRows& rows, uint32_t row, size_t image) {
  if (rows.out_labels && rows.labels) rows.out_labels[row] = rows.labels[image];
  if (rows.out_samples) rows.out_samples[row] = rows.samples[image];
}

__device__ __forceinline__ void read_row(const ImageRows& rows, size_t image, float* to,
                                         ImageShare share) {
  if (rows.u8) {
    read_image(rows.u8 + image * rows.elements, to, rows.elements, share);
  } else {
    read_image(rows.f32 + image * rows.elements, to, rows.elements, share);
  }
}

/// A block takes an image through all works. Main memory sees an element once on its way in (1
/// byte, or 4 when the set is float32) and once on its way out (4 bytes); between works it moves
/// between two buffers of shared memory. The last work writes to main memory itself.
template <int Capacity>
__global__ void __launch_bounds__(kMostThreads) run_images(ImageRows rows, ImageWorks works) {
  __shared__ Floats<4> buffers[2][Capacity / 4];
  const ImageShare share{threadIdx.x, blockDim.x};
  for (uint32_t row = blockIdx.x; row < rows.count; row += gridDim.x) {
    const size_t image = image_of(rows, row);
    const ImageDraw draw = draw_of(rows, image);
    float* out = rows.out + static_cast<size_t>(row) * rows.result_elements;
    if (threadIdx.x == 0) write_numbers(rows, row, image);
    read_row(rows, image, works.count > 0 ? buffers[0]->at : out, share);
    for (int i = 0; i < works.count; ++i) {
      __syncthreads();
      float* to = i + 1 < works.count ? buffers[(i + 1) % 2]->at : out;
      run_work(works.at[i], buffers[i % 2]->at, to, draw, share);
    }
    __syncthreads();  // the next image goes where a thread may still read
  }
}

/// The blocks of a column of the grid share an image.
__device__ __forceinline__ ImageShare share_of_grid() {
  return {blockIdx.x * blockDim.x + threadIdx.x, gridDim.x * blockDim.x};
}

/// Rows as float32, packed: 1 + 4 bytes an element, 4 + 4 for sets that are float32.
__global__ void read_rows(ImageRows rows, float* to) {
  for (uint32_t row = blockIdx.y; row < rows.count; row += gridDim.y) {
    const size_t image = image_of(rows, row);
    if (blockIdx.x == 0 && threadIdx.x == 0) write_numbers(rows, row, image);
    read_row(rows, image, to + static_cast<size_t>(row) * rows.elements, share_of_grid());
  }
}

/// One work on all rows: 4 + 4 bytes an element.
__global__ void run_work_on_rows(ImageRows rows, ImageWork work, const float* from, float* to) {
  for (uint32_t row = blockIdx.y; row < rows.count; row += gridDim.y) {
    const ImageDraw draw = draw_of(rows, image_of(rows, row));
    run_work(work, from + static_cast<size_t>(row) * work.elements,
             to + static_cast<size_t>(row) * work.result_elements, draw, share_of_grid());
  }
}

/// A few elements a thread: four, as many as move at once, when there is a multiprocessor for each
/// image, so that a small batch is soon done; more when blocks have to share.
unsigned threads_for(const CudaDevice& device, int64_t rows, int64_t elements) {
  const int64_t each = rows <= device.multiprocessors() ? 4 : 16;
  const int64_t warps = (elements + 32 * each - 1) / (32 * each);
  return static_cast<unsigned>(std::clamp<int64_t>(32 * warps, 32, kMostThreads));
}

}  // namespace

ImageRows ImageRows::part(int64_t first, int64_t rows) const {
  ImageRows part = *this;
  part.count = static_cast<uint32_t>(rows);
  if (order) {
    part.order += first;
  } else {
    const int64_t skipped = first * elements;
    if (u8) part.u8 += skipped;
    if (f32) part.f32 += skipped;
    part.samples += first;
    if (labels) part.labels += first;
  }
  part.out += first * result_elements;
  if (out_labels) part.out_labels += first;
  if (out_samples) part.out_samples += first;
  return part;
}

ImageRunnerCuda::ImageRunnerCuda(CudaDevice& device, int64_t largest, size_t works)
    : device_(device), largest_((largest + 3) / 4 * 4) {
  if (largest <= std::end(kCapacities)[-1] && works <= kMostWorks) return;
  const auto bytes = static_cast<int64_t>(sizeof(float)) * 2 * largest_;
  group_ = std::max<int64_t>(1, kScratchBytes / bytes);
  scratch_ = Buffer(device, static_cast<size_t>(group_ * bytes));
}

void ImageRunnerCuda::run(const ImageRows& rows, std::span<const ImageWork> works) const {
  if (rows.count == 0 || (works.empty() && rows.f32 && rows.f32 == rows.out)) return;
  uint32_t largest = rows.elements;
  for (const ImageWork& work : works) largest = std::max(largest, work.elements);
  if (largest <= std::end(kCapacities)[-1] && works.size() <= kMostWorks) {
    run_fused(rows, works, largest);
  } else {
    run_apart(rows, works);
  }
}

void ImageRunnerCuda::run_fused(const ImageRows& rows, std::span<const ImageWork> works,
                                uint32_t largest) const {
  ImageWorks all;
  all.count = static_cast<int32_t>(works.size());
  std::copy(works.begin(), works.end(), all.at);
  const unsigned threads = threads_for(device_, rows.count, largest);
  const unsigned blocks = blocks_for(device_, rows.count, 1);
  const auto kernel = largest <= kCapacities[0]   ? run_images<kCapacities[0]>
                      : largest <= kCapacities[1] ? run_images<kCapacities[1]>
                                                  : run_images<kCapacities[2]>;
  launch(device_, "run_images", blocks, threads, kernel, rows, all);
}

void ImageRunnerCuda::run_apart(const ImageRows& rows, std::span<const ImageWork> works) const {
  float* scratch[] = {scratch_.f32(), scratch_.f32() + group_ * largest_};
  for (int64_t first = 0; first < rows.count; first += group_) {
    const ImageRows part = rows.part(first, std::min<int64_t>(group_, rows.count - first));
    const auto grid = [&](int64_t elements) {
      const unsigned rows_at_once = std::min(part.count, 65535u);  // the grid's limit
      return dim3(blocks_for(device_, (elements + 3) / 4), rows_at_once);
    };
    launch(device_, "read_rows", grid(rows.elements), kThreadsPerBlock, read_rows, part,
           works.empty() ? part.out : scratch[0]);
    for (size_t i = 0; i < works.size(); ++i) {
      launch(device_, "run_work_on_rows", grid(works[i].elements), kThreadsPerBlock,
             run_work_on_rows, part, works[i], scratch[i % 2],
             i + 1 < works.size() ? scratch[(i + 1) % 2] : part.out);
    }
  }
}

}  // namespace engine
