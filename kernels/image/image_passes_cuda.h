#pragma once

// The device's side of ImageWork: passes over one image, shared by any number of threads. What
// they write is rounded to To, which is bf16 where the network's input is. from and to may lie in
// shared or in global memory and do not overlap.

#include "engine/cuda/kernel.h"
#include "kernels/image/image_work_cuda.h"
#include "kernels/image/noise.h"
#include "kernels/image/random_crop.h"
#include "kernels/image/random_flip.h"
#include "kernels/image/smooth.h"

namespace engine {

/// What a draw of random numbers depends on besides seed and stage.
struct ImageDraw {
  uint32_t epoch, sample;
};

/// The items of an image that one thread does: first, first + stride, ...
struct ImageShare {
  uint32_t first, stride;
};

/// byte / 255, rounded as the division is, without one: the quotient by the reciprocal, and one
/// correction by its remainder.
ENGINE_HD float unit_from_byte(uint8_t byte) {
  constexpr float kReciprocal = 1.0f / 255.0f;
  const auto x = static_cast<float>(byte);
  const float quotient = x * kReciprocal;
  return fmaf(fmaf(-255.0f, quotient, x), kReciprocal, quotient);
}

/// reflect() without a division for what mirroring once brings inside.
ENGINE_HD int32_t reflect_near(int32_t i, int32_t length) {
  if (i >= 0 && i < length) return i;
  const int32_t once = i < 0 ? -1 - i : 2 * length - 1 - i;
  if (once >= 0 && once < length) return once;
  return static_cast<int32_t>(reflect(i, length));
}

/// Whether 4 elements can move at a time.
template <class From, class To>
__device__ __forceinline__ bool fours(const From* from, const To* to) {
  return (reinterpret_cast<uintptr_t>(from) % (4 * sizeof(From)) |
          reinterpret_cast<uintptr_t>(to) % (4 * sizeof(To))) == 0;
}

/// An image of the data set becomes float32: reads 1 byte an element.
template <class To>
__device__ void read_image(const uint8_t* from, To* to, uint32_t elements, ImageShare share) {
  struct alignas(4) Bytes {
    uint8_t at[4];
  };
  const bool whole = fours(from, to);
  for (uint32_t begin = 4 * share.first; begin < elements; begin += 4 * share.stride) {
    if (whole && elements - begin >= 4) {
      const Bytes bytes = *reinterpret_cast<const Bytes*>(from + begin);
      Floats<4> values;
      for (int i = 0; i < 4; ++i) values.at[i] = unit_from_byte(bytes.at[i]);
      store(to + begin, values);
    } else {
      const uint32_t end = elements - begin < 4 ? elements : begin + 4;
      for (uint32_t e = begin; e < end; ++e) assign(to[e], unit_from_byte(from[e]));
    }
  }
}

/// The same for images that are float32 already: 4 bytes an element.
template <class To>
__device__ void read_image(const float* from, To* to, uint32_t elements, ImageShare share) {
  if (fours(from, to) && elements % 4 == 0) {
    for (uint32_t e = 4 * share.first; e < elements; e += 4 * share.stride) {
      store(to + e, load<4>(from + e));
    }
  } else {
    for (uint32_t e = share.first; e < elements; e += share.stride) assign(to[e], from[e]);
  }
}

template <class To>
__device__ void grayscale_pass(const ImageWork& work, const float* from, To* to, ImageShare share) {
  const float r = work.numbers[0], g = work.numbers[1], b = work.numbers[2];
  for (uint32_t i = share.first; i < work.result_elements; i += share.stride) {
    assign(to[i], fmaf(b, from[3 * i + 2], fmaf(g, from[3 * i + 1], r * from[3 * i])));
  }
}

/// A thread does four elements at a time: those of one Philox block.
template <class To>
__device__ void noise_pass(const ImageWork& work, const float* from, To* to, ImageDraw draw,
                           ImageShare share) {
  const uint32_t epoch = work.once ? 0 : draw.epoch;
  const float sigma = work.numbers[0];
  const bool whole = fours(from, to);
  for (uint32_t begin = 4 * share.first; begin < work.elements; begin += 4 * share.stride) {
    const Philox4 words = work.key.draw(begin / 4, epoch, draw.sample);
    float normals[4];
    portable_normals(words.word[0], words.word[1], normals[0], normals[1]);
    portable_normals(words.word[2], words.word[3], normals[2], normals[3]);
    if (whole && work.elements - begin >= 4) {
      Floats<4> values = load<4>(from + begin);
      for (int i = 0; i < 4; ++i) values.at[i] = fmaf(sigma, normals[i], values.at[i]);
      store(to + begin, values);
    } else {
      // All four, each with its question: normals stay in registers, which have no index.
      for (uint32_t i = 0; i < 4; ++i) {
        if (begin + i < work.elements)
          assign(to[begin + i], fmaf(sigma, normals[i], from[begin + i]));
      }
    }
  }
}

/// Reads 2 radius + 1 elements for each that it writes; from stays near (shared memory or a cache).
/// stride: elements between neighbours on the axis.
__device__ __forceinline__ float smoothed(const float* line, int32_t i, int32_t length,
                                          int32_t stride, const float* weights, int32_t radius) {
  float sum = weights[0] * line[i * stride];
  for (int32_t k = 1; k <= radius; ++k) {
    const float before = line[reflect_near(i - k, length) * stride];
    const float after = line[reflect_near(i + k, length) * stride];
    sum = fmaf(weights[k], before + after, sum);
  }
  return sum;
}

/// An element's place in its image.
struct ImagePlace {
  int32_t y, x, channel;
};

__device__ __forceinline__ ImagePlace image_place(const ImageWork& work, uint32_t element) {
  const uint32_t y = work.row.divide(element);
  const uint32_t in_row = work.row.remainder(element, y);
  const uint32_t x = work.pixel.divide(in_row);
  return {static_cast<int32_t>(y), static_cast<int32_t>(x),
          static_cast<int32_t>(work.pixel.remainder(in_row, x))};
}

__device__ __forceinline__ uint32_t image_element(const ImageWork& work, ImagePlace place) {
  return static_cast<uint32_t>((place.y * work.w + place.x) * work.c + place.channel);
}

template <class To>
__device__ void smooth_pass(const ImageWork& work, const float* from, To* to, ImageShare share) {
  const int32_t row = work.w * work.c;
  for (uint32_t e = share.first; e < work.elements; e += share.stride) {
    const ImagePlace place = image_place(work, e);
    if (work.kind == ImageWork::Kind::smooth_height) {
      const float* column = from + place.x * work.c + place.channel;
      assign(to[e], smoothed(column, place.y, work.h, row, work.table, work.reach));
    } else {
      const float* line = from + place.y * row + place.channel;
      assign(to[e], smoothed(line, place.x, work.w, work.c, work.table, work.reach));
    }
  }
}

template <class To>
__device__ void normalize_pass(const ImageWork& work, const float* from, To* to, ImageShare share) {
  const float* means = work.table;
  const float* factors = work.table + work.c;
  for (uint32_t e = share.first; e < work.elements; e += share.stride) {
    const uint32_t channel = work.pixel.remainder(e, work.pixel.divide(e));
    assign(to[e], (from[e] - means[channel]) * factors[channel]);
  }
}

template <class To>
__device__ void flip_pass(const ImageWork& work, const float* from, To* to, ImageDraw draw,
                          ImageShare share) {
  const bool flips = draws_flip(work.key, work.numbers[0], draw.epoch, draw.sample);
  for (uint32_t e = share.first; e < work.elements; e += share.stride) {
    ImagePlace place = image_place(work, e);
    if (flips && work.vertical) place.y = work.h - 1 - place.y;
    if (flips && !work.vertical) place.x = work.w - 1 - place.x;
    assign(to[e], from[image_element(work, place)]);
  }
}

template <class To>
__device__ void crop_pass(const ImageWork& work, const float* from, To* to, ImageDraw draw,
                          ImageShare share) {
  const CropOffset offset =
      draw_crop(work.key, static_cast<uint32_t>(work.reach), draw.epoch, draw.sample);
  for (uint32_t e = share.first; e < work.elements; e += share.stride) {
    ImagePlace place = image_place(work, e);
    place.y += offset.y;
    place.x += offset.x;
    if (work.mirrored) {
      place.y = reflect_near(place.y, work.h);
      place.x = reflect_near(place.x, work.w);
    }
    const bool inside = place.y >= 0 && place.y < work.h && place.x >= 0 && place.x < work.w;
    assign(to[e], inside ? from[image_element(work, place)] : 0.0f);
  }
}

/// A thread's share of one work on one image.
template <class To>
__device__ void run_work(const ImageWork& work, const float* from, To* to, ImageDraw draw,
                         ImageShare share) {
  switch (work.kind) {
    case ImageWork::Kind::grayscale:
      return grayscale_pass(work, from, to, share);
    case ImageWork::Kind::noise:
      return noise_pass(work, from, to, draw, share);
    case ImageWork::Kind::smooth_height:
    case ImageWork::Kind::smooth_width:
      return smooth_pass(work, from, to, share);
    case ImageWork::Kind::normalize:
      return normalize_pass(work, from, to, share);
    case ImageWork::Kind::flip:
      return flip_pass(work, from, to, draw, share);
    case ImageWork::Kind::crop:
      return crop_pass(work, from, to, draw, share);
  }
}

}  // namespace engine
