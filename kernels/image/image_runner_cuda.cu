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

template <class To>
__device__ __forceinline__ void read_row(const ImageRows& rows, size_t image, To* to,
                                         ImageShare share) {
  if (rows.u8) {
    read_image(rows.u8 + image * rows.elements, to, rows.elements, share);
  } else {
    read_image(rows.f32 + image * rows.elements, to, rows.elements, share);
  }
}

/// A block takes an image through all works. Main memory sees an element once on its way in (1
/// byte, or 4 when the set is float32) and once on its way out (4 bytes, 2 as bf16); between works
/// it moves between two buffers of shared memory. The last work writes to main memory itself.
template <int Capacity, class Out>
__global__ void __launch_bounds__(kMostThreads) run_images(ImageRows rows, ImageWorks works) {
  __shared__ Packed<float, 4> buffers[2][Capacity / 4];
  const ImageShare share{threadIdx.x, blockDim.x};
  for (uint32_t row = blockIdx.x; row < rows.count; row += gridDim.x) {
    const size_t image = image_of(rows, row);
    const ImageDraw draw = draw_of(rows, image);
    Out* out = static_cast<Out*>(rows.out) + static_cast<size_t>(row) * rows.result_elements;
    if (threadIdx.x == 0) write_numbers(rows, row, image);
    if (works.count == 0) {
      read_row(rows, image, out, share);
    } else {
      read_row(rows, image, buffers[0]->at, share);
    }
    for (int i = 0; i < works.count; ++i) {
      __syncthreads();
      if (i + 1 < works.count) {
        run_work(works.at[i], buffers[i % 2]->at, buffers[(i + 1) % 2]->at, draw, share);
      } else {
        run_work(works.at[i], buffers[i % 2]->at, out, draw, share);
      }
    }
    __syncthreads();  // the next image goes where a thread may still read
  }
}

/// The blocks of a column of the grid share an image.
__device__ __forceinline__ ImageShare share_of_grid() {
  return {blockIdx.x * blockDim.x + threadIdx.x, gridDim.x * blockDim.x};
}

/// Rows, packed: 1 + 4 bytes an element, 4 + 4 for sets that are float32.
template <class To>
__global__ void read_rows(ImageRows rows, To* to) {
  for (uint32_t row = blockIdx.y; row < rows.count; row += gridDim.y) {
    const size_t image = image_of(rows, row);
    if (blockIdx.x == 0 && threadIdx.x == 0) write_numbers(rows, row, image);
    read_row(rows, image, to + static_cast<size_t>(row) * rows.elements, share_of_grid());
  }
}

/// One work on all rows: 4 + 4 bytes an element.
template <class To>
__global__ void run_work_on_rows(ImageRows rows, ImageWork work, const float* from, To* to) {
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
  part.out = static_cast<std::byte*>(out) +
             static_cast<size_t>(first * result_elements) * size_of(out_type);
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

void ImageRunnerCuda::run_fused(const ImageRows& rows, std::span<const ImageWork> works,
                                uint32_t largest) const {
  ImageWorks all;
  all.count = static_cast<int32_t>(works.size());
  std::copy(works.begin(), works.end(), all.at);
  const unsigned threads = threads_for(device_, rows.count, largest);
  const unsigned blocks = blocks_for(device_, rows.count, 1);
  const double in = rows.u8 ? sizeof(uint8_t) : sizeof(float);
  const double bytes =
      static_cast<double>(rows.count) *
      (rows.elements * in + rows.result_elements * static_cast<double>(size_of(rows.out_type)));
  with_type(rows.out_type, [&](auto type) {
    using Out = typename decltype(type)::type;
    const auto kernel = largest <= kCapacities[0]   ? run_images<kCapacities[0], Out>
                        : largest <= kCapacities[1] ? run_images<kCapacities[1], Out>
                                                    : run_images<kCapacities[2], Out>;
    launch(device_, {"run_images", bytes}, blocks, threads, kernel, rows, all);
  });
}

/// The works before the last go from one part of the scratch memory to the other and back.
template <class Out>
void ImageRunnerCuda::run_apart(const ImageRows& rows, std::span<const ImageWork> works) const {
  float* scratch[] = {scratch_.f32(), scratch_.f32() + group_ * largest_};
  for (int64_t first = 0; first < rows.count; first += group_) {
    const ImageRows part = rows.part(first, std::min<int64_t>(group_, rows.count - first));
    auto* const out = static_cast<Out*>(part.out);
    const auto grid = [&](int64_t elements) {
      const unsigned rows_at_once = std::min(part.count, 65535u);  // the grid's limit
      return dim3(blocks_for(device_, (elements + 3) / 4), rows_at_once);
    };
    const auto bytes = [&](double in, double out_bytes) { return part.count * (in + out_bytes); };
    const double in = rows.elements * (rows.u8 ? sizeof(uint8_t) : sizeof(float));
    if (works.empty()) {
      launch(device_, {"read_rows", bytes(in, rows.elements * double{sizeof(Out)})},
             grid(rows.elements), kThreadsPerBlock, read_rows<Out>, part, out);
      continue;
    }
    launch(device_, {"read_rows", bytes(in, rows.elements * double{sizeof(float)})},
           grid(rows.elements), kThreadsPerBlock, read_rows<float>, part, scratch[0]);
    for (size_t i = 0; i < works.size(); ++i) {
      const double read = works[i].elements * double{sizeof(float)};
      const double results = works[i].result_elements;
      if (i + 1 < works.size()) {
        launch(device_, {"run_work_on_rows", bytes(read, results * sizeof(float))},
               grid(works[i].elements), kThreadsPerBlock, run_work_on_rows<float>, part, works[i],
               scratch[i % 2], scratch[(i + 1) % 2]);
      } else {
        launch(device_, {"run_work_on_rows", bytes(read, results * sizeof(Out))},
               grid(works[i].elements), kThreadsPerBlock, run_work_on_rows<Out>, part, works[i],
               scratch[i % 2], out);
      }
    }
  }
}

void ImageRunnerCuda::run(const ImageRows& rows, std::span<const ImageWork> works) const {
  if (rows.count == 0 || (works.empty() && rows.f32 && rows.f32 == rows.out)) return;
  uint32_t largest = rows.elements;
  for (const ImageWork& work : works) largest = std::max(largest, work.elements);
  if (largest <= std::end(kCapacities)[-1] && works.size() <= kMostWorks) {
    run_fused(rows, works, largest);
  } else {
    with_type(rows.out_type,
              [&](auto type) { run_apart<typename decltype(type)::type>(rows, works); });
  }
}

}  // namespace engine
