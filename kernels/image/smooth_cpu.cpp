#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/cpu/parallel.h"
#include "kernels/image/image_step_cpu.h"
#include "kernels/image/smooth.h"

namespace engine {
namespace {

/// out[i] = w[0] p[i] + sum over k of w[k] (p[i - k stride] + p[i + k stride]), i in [0, count).
/// Both axes of an image are this loop once the image has its mirrored margin. Sums stay in
/// registers: kRun elements at a time through all taps.
void filter(const float* __restrict p, float* __restrict out, int64_t count, int64_t stride,
            const std::vector<float>& weights) {
  constexpr int64_t kRun = 32;
  const auto radius = static_cast<int64_t>(weights.size()) - 1;
  const float* w = weights.data();
  int64_t i = 0;
  for (; i + kRun <= count; i += kRun) {
    float sum[kRun];
#pragma omp simd
    for (int64_t j = 0; j < kRun; ++j) sum[j] = w[0] * p[i + j];
    for (int64_t k = 1; k <= radius; ++k) {
      const float* before = p + i - k * stride;
      const float* after = p + i + k * stride;
#pragma omp simd
      for (int64_t j = 0; j < kRun; ++j) sum[j] = fmaf(w[k], before[j] + after[j], sum[j]);
    }
#pragma omp simd
    for (int64_t j = 0; j < kRun; ++j) out[i + j] = sum[j];
  }
  for (; i < count; ++i) {
    float sum = w[0] * p[i];
    for (int64_t k = 1; k <= radius; ++k) {
      sum = fmaf(w[k], p[i - k * stride] + p[i + k * stride], sum);
    }
    out[i] = sum;
  }
}

class SmoothStep : public ImageStep {
 public:
  SmoothStep(const Smooth& stage, Shape input)
      : height_(stage.axes.height),
        width_(stage.axes.width),
        h_(input.h),
        row_(input.w * input.c),
        channels_(input.c),
        weights_(gaussian_weights(stage.sigma, stage.truncate)),
        radius_(static_cast<int64_t>(weights_.size()) - 1) {
    for (int64_t i = -radius_; i < h_ + radius_; ++i) rows_.push_back(reflect(i, h_));
    for (int64_t i = 0; i < radius_; ++i) {
      before_.push_back(reflect(i - radius_, input.w));
      after_.push_back(reflect(input.w + i, input.w));
    }
  }

  size_t scratch() const override {
    const int64_t tall = (h_ + 2 * radius_) * row_;
    const int64_t wide = row_ + 2 * radius_ * channels_;
    return static_cast<size_t>(tall + wide);
  }

  /// The image is copied between its mirrored margins, so in and out may be the same.
  bool in_place() const override { return true; }

  void run(const float* in, float* out, float* scratch, DrawPlace) const override {
    if (height_) {
      for (size_t i = 0; i < rows_.size(); ++i) {
        std::memcpy(scratch + static_cast<int64_t>(i) * row_, in + rows_[i] * row_,
                    sizeof(float) * row_);
      }
      filter(scratch + radius_ * row_, out, h_ * row_, row_, weights_);
      in = out;
    }
    if (width_) {
      float* padded = scratch + (h_ + 2 * radius_) * row_;
      for (int64_t y = 0; y < h_; ++y) {
        pad_row(in + y * row_, padded);
        filter(padded + radius_ * channels_, out + y * row_, row_, channels_, weights_);
      }
    }
  }

 private:
  void pad_row(const float* row, float* padded) const {
    for (int64_t i = 0; i < radius_; ++i) {
      for (int64_t c = 0; c < channels_; ++c) {
        padded[i * channels_ + c] = row[before_[i] * channels_ + c];
        padded[radius_ * channels_ + row_ + i * channels_ + c] = row[after_[i] * channels_ + c];
      }
    }
    std::memcpy(padded + radius_ * channels_, row, sizeof(float) * row_);
  }

  bool height_, width_;
  int64_t h_, row_, channels_;
  std::vector<float> weights_;
  int64_t radius_;
  std::vector<int64_t> rows_, before_, after_;
};

}  // namespace

std::unique_ptr<ImageStep> make_step(const Smooth& stage, Shape input) {
  if (stage.sigma == 0 || (!stage.axes.height && !stage.axes.width)) return nullptr;
  return std::make_unique<SmoothStep>(stage, input);
}

void smooth_samples(const Smooth& stage, float* images, int64_t n, int64_t elements) {
  constexpr int64_t kColumns = 128;  // of elements: 512 bytes of each image at a time
  const std::vector<float> weights = gaussian_weights(stage.sigma, stage.truncate);
  const auto radius = static_cast<int64_t>(weights.size()) - 1;
  // The last rows as they were before they are overwritten: all that an output row looks at.
  const int64_t kept = std::min(n, 2 * radius + 1);
  parallel_ranges(elements, kColumns, [&](int64_t begin, int64_t end) {
    std::vector<float> ring(static_cast<size_t>(kept) * kColumns);
    for (int64_t column = begin; column < end; column += kColumns) {
      const int64_t width = std::min(kColumns, end - column);
      int64_t loaded = 0;
      for (int64_t i = 0; i < n; ++i) {
        for (; loaded < n && (loaded <= i + radius || kept == n); ++loaded) {
          std::memcpy(&ring[loaded % kept * kColumns], images + loaded * elements + column,
                      sizeof(float) * width);
        }
        float* out = images + i * elements + column;
        const float* centre = &ring[i % kept * kColumns];
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) out[j] = weights[0] * centre[j];
        for (int64_t k = 1; k <= radius; ++k) {
          const float* before = &ring[reflect(i - k, n) % kept * kColumns];
          const float* after = &ring[reflect(i + k, n) % kept * kColumns];
          const float weight = weights[k];
#pragma omp simd
          for (int64_t j = 0; j < width; ++j) {
            out[j] = fmaf(weight, before[j] + after[j], out[j]);
          }
        }
      }
    }
  });
}

}  // namespace engine
