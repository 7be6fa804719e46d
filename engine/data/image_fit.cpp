#include <algorithm>
#include <cstring>

#include "engine/data/image_file.h"

namespace engine {
namespace {

constexpr int64_t kOne = 65536;  // weights of one output pixel add up to this

/// Which input pixels make up an output pixel of one axis, and with which weights.
struct Taps {
  std::vector<int64_t> first;  ///< for each output
  std::vector<int64_t> begin;  ///< of its weights; one more entry at the end
  std::vector<uint32_t> weights;
};

/// Shrinking: output i covers [i in / out, (i + 1) in / out) of the input. Positions are rounded to
/// 1/65536 of a pixel's cover one by one, so that differences add up exactly.
void area_taps(int64_t in, int64_t out, int64_t offset, Taps& taps) {
  for (int64_t i = 0; i < out; ++i) {
    // In units of 1/out of an input pixel.
    const int64_t from = i * in, to = (i + 1) * in;
    const int64_t first = from / out, last = (to - 1) / out;
    taps.first.push_back(offset + first);
    taps.begin.push_back(static_cast<int64_t>(taps.weights.size()));
    int64_t covered = 0;
    for (int64_t p = first; p <= last; ++p) {
      const int64_t end = std::min((p + 1) * out, to) - from;
      const auto upto = static_cast<int64_t>((static_cast<__int128>(end) * kOne + in / 2) / in);
      taps.weights.push_back(static_cast<uint32_t>(upto - covered));
      covered = upto;
    }
  }
}

/// Growing: output pixel centres (i + 0.5) in / out - 0.5 lie between two input pixel centres.
void linear_taps(int64_t in, int64_t out, int64_t offset, Taps& taps) {
  for (int64_t i = 0; i < out; ++i) {
    const int64_t position = (2 * i + 1) * in - out;  // in units of 1 / (2 out) pixels
    const int64_t clamped = std::clamp<int64_t>(position, 0, 2 * out * (in - 1));
    const int64_t first = std::min(clamped / (2 * out), std::max<int64_t>(in - 2, 0));
    const int64_t rest = clamped - first * 2 * out;
    const auto second = static_cast<uint32_t>((rest * kOne + out) / (2 * out));
    taps.first.push_back(offset + first);
    taps.begin.push_back(static_cast<int64_t>(taps.weights.size()));
    taps.weights.push_back(static_cast<uint32_t>(kOne) - second);
    if (in > 1) taps.weights.push_back(second);
  }
}

Taps make_taps(int64_t in, int64_t out, int64_t offset) {
  Taps taps;
  if (in >= out) {
    area_taps(in, out, offset, taps);
  } else {
    linear_taps(in, out, offset, taps);
  }
  taps.begin.push_back(static_cast<int64_t>(taps.weights.size()));
  return taps;
}

/// One input row, resized along its width: values with 8 more bits.
void resize_row(const uint8_t* row, int64_t channels, const Taps& taps, uint32_t* out) {
  const size_t width = taps.first.size();
  for (size_t x = 0; x < width; ++x) {
    const uint8_t* pixel = row + taps.first[x] * channels;
    for (int64_t c = 0; c < channels; ++c) {
      uint32_t sum = 128;
      for (int64_t t = taps.begin[x]; t < taps.begin[x + 1]; ++t) {
        sum += taps.weights[t] * pixel[(t - taps.begin[x]) * channels + c];
      }
      *out++ = sum >> 8;
    }
  }
}

}  // namespace

void fit_image(const DecodedImage& image, DataConfig::Fit fit, int64_t h, int64_t w, uint8_t* out) {
  if (image.h == h && image.w == w) {
    std::memcpy(out, image.pixels.data(), image.pixels.size());
    return;
  }
  int64_t crop_h = image.h, crop_w = image.w;
  if (fit == DataConfig::Fit::crop) {
    // The largest part with crop_w / crop_h = w / h, at least one pixel.
    crop_w = std::clamp<int64_t>((image.h * w + h / 2) / h, 1, image.w);
    crop_h = std::clamp<int64_t>((image.w * h + w / 2) / w, 1, image.h);
  }
  const Taps columns = make_taps(crop_w, w, (image.w - crop_w) / 2);
  const Taps rows = make_taps(crop_h, h, (image.h - crop_h) / 2);
  const int64_t length = w * image.c;
  std::vector<uint32_t> row(length);
  std::vector<uint32_t> sums(length);
  int64_t in_row = -1;  // the input row that `row` holds
  for (int64_t y = 0; y < h; ++y) {
    std::fill(sums.begin(), sums.end(), uint32_t{1} << 23);
    for (int64_t t = rows.begin[y]; t < rows.begin[y + 1]; ++t) {
      const int64_t wanted = rows.first[y] + (t - rows.begin[y]);
      if (wanted != in_row) {
        resize_row(&image.pixels[wanted * image.w * image.c], image.c, columns, row.data());
        in_row = wanted;
      }
      for (int64_t i = 0; i < length; ++i) sums[i] += rows.weights[t] * row[i];
    }
    for (int64_t i = 0; i < length; ++i) out[y * length + i] = static_cast<uint8_t>(sums[i] >> 24);
  }
}

}  // namespace engine
