#include "engine/data/shapes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/core/permutation.h"
#include "engine/data/sources.h"
#include "engine/data/threads.h"

namespace engine {
namespace {

enum class Outline : uint8_t { cross, disc, ring, square, triangle };
enum class Hue : uint8_t { any, red, green, blue, orange };
enum class Texture : uint8_t { plain, checks, stripes };

struct ClassSpec {
  const char* name;
  Outline outline;
  Hue hue;
  Texture texture;
};

// Three squares and two rings that only the fine texture tells apart, two discs and two triangles
// that only colour does, and a cross. Within such a group everything else has the same
// distribution.
constexpr std::array<ClassSpec, 10> kClasses{{
    {"blue_triangle", Outline::triangle, Hue::blue, Texture::plain},
    {"checked_square", Outline::square, Hue::any, Texture::checks},
    {"cross", Outline::cross, Hue::any, Texture::plain},
    {"green_disc", Outline::disc, Hue::green, Texture::plain},
    {"orange_triangle", Outline::triangle, Hue::orange, Texture::plain},
    {"plain_square", Outline::square, Hue::any, Texture::plain},
    {"red_disc", Outline::disc, Hue::red, Texture::plain},
    {"ring", Outline::ring, Hue::any, Texture::plain},
    {"striped_ring", Outline::ring, Hue::any, Texture::stripes},
    {"striped_square", Outline::square, Hue::any, Texture::stripes},
}};

/// Numbers in [0, 1) for one image, drawn one after the other.
class Draws {
 public:
  Draws(RandomKey key, uint32_t sample) : key_(key), sample_(sample) {}
  float next() {
    if (used_ % 4 == 0) words_ = key_.draw(used_ / 4, 0, sample_);
    return static_cast<float>(words_.word[used_++ % 4] >> 8) * 0x1p-24f;
  }
  float between(float low, float high) { return low + (high - low) * next(); }

 private:
  RandomKey key_;
  uint32_t sample_, used_ = 0;
  Philox4 words_{};
};

using Colour = std::array<float, 3>;

/// A colour offset whose three channels add up to nothing: it changes no mean over channels.
Colour tint(float angle, float strength) {
  const float turn = 6.2831853f;
  return {strength * std::cos(turn * angle), strength * std::cos(turn * (angle - 1.0f / 3)),
          strength * std::cos(turn * (angle - 2.0f / 3))};
}

float hue_angle(Hue hue, Draws& draws) {
  const float wobble = draws.between(-0.06f, 0.06f);
  switch (hue) {
    case Hue::red:
      return 0.0f + wobble;
    case Hue::orange:
      return 0.1f + wobble;
    case Hue::green:
      return 0.36f + wobble;
    case Hue::blue:
      return 0.66f + wobble;
    case Hue::any:
      break;
  }
  return draws.next();
}

/// All that is random about an image. Lengths in parts of the image's side.
struct Scene {
  Outline outline;
  Texture texture;
  float x, y, size, cosine, sine;
  Colour inside, outside, slope_x, slope_y;
  float amplitude;  ///< of the texture
  int phase_x, phase_y;
  bool upright;    ///< stripes
  uint32_t grain;  ///< seed of the sensor noise
  float grain_strength;
};

Scene draw_scene(const ClassSpec& spec, Draws& draws) {
  Scene s{};
  s.outline = spec.outline;
  s.texture = spec.texture;
  s.size = draws.between(0.2f, 0.34f);
  s.x = draws.between(0.3f, 0.7f);
  s.y = draws.between(0.3f, 0.7f);
  const float angle = draws.between(0.0f, 6.2831853f);
  s.cosine = std::cos(angle);
  s.sine = std::sin(angle);
  // Brightness inside and outside differ by the contrast, either way.
  const float contrast = draws.between(0.1f, 0.4f) * (draws.next() < 0.5f ? -1.0f : 1.0f);
  const float middle = draws.between(0.35f, 0.65f);
  const Colour inner = tint(hue_angle(spec.hue, draws), draws.between(0.1f, 0.25f));
  const Colour outer = tint(draws.next(), draws.between(0.0f, 0.12f));
  const Colour along_x = tint(draws.next(), draws.between(0.0f, 0.1f));
  const Colour along_y = tint(draws.next(), draws.between(0.0f, 0.1f));
  const float slope_x = draws.between(-0.2f, 0.2f), slope_y = draws.between(-0.2f, 0.2f);
  for (int c = 0; c < 3; ++c) {
    s.inside[c] = middle + contrast / 2 + inner[c];
    s.outside[c] = middle - contrast / 2 + outer[c];
    s.slope_x[c] = slope_x + along_x[c];
    s.slope_y[c] = slope_y + along_y[c];
  }
  s.amplitude = draws.between(0.06f, 0.16f);
  s.phase_x = draws.next() < 0.5f;
  s.phase_y = draws.next() < 0.5f;
  s.upright = draws.next() < 0.5f;
  s.grain = static_cast<uint32_t>(draws.next() * 16777216.0f);
  s.grain_strength = draws.between(0.01f, 0.04f);
  return s;
}

/// Signed distance to the outline, negative inside; (u, v) from the centre, turned, in units of
/// size.
float distance(Outline outline, float u, float v) {
  switch (outline) {
    case Outline::disc:
      return std::sqrt(u * u + v * v) - 0.95f;
    case Outline::ring:
      return std::fabs(std::sqrt(u * u + v * v) - 0.78f) - 0.27f;
    case Outline::square:
      return std::max(std::fabs(u), std::fabs(v)) - 0.85f;
    case Outline::triangle:
      return std::max(std::fabs(u) * 0.8660254f + v * 0.5f, -v) - 0.6f;
    case Outline::cross: {
      const float a = std::fabs(u), b = std::fabs(v);
      return std::max(std::max(a, b) - 1.0f, std::min(a, b) - 0.34f);
    }
  }
  return 0;
}

/// +1 or -1 over cells of 1/32 of the side: a pixel at the usual size.
float texture(const Scene& s, int cell_x, int cell_y) {
  const int x = cell_x + s.phase_x, y = cell_y + s.phase_y;
  switch (s.texture) {
    case Texture::plain:
      return 0;
    case Texture::checks:
      return (x + y) & 1 ? 1.0f : -1.0f;
    case Texture::stripes:
      return (s.upright ? x : y) & 1 ? 1.0f : -1.0f;
  }
  return 0;
}

void draw(const Scene& s, int64_t h, int64_t w, uint8_t* out) {
  const float edge = s.size * static_cast<float>(std::min(h, w));  // pixels in a unit of distance
  uint32_t grain = s.grain * 2654435761u + 1;
  for (int64_t row = 0; row < h; ++row) {
    const float y = (static_cast<float>(row) + 0.5f) / static_cast<float>(h);
    const int cell_y = static_cast<int>(row * 32 / h);
    for (int64_t column = 0; column < w; ++column) {
      const float x = (static_cast<float>(column) + 0.5f) / static_cast<float>(w);
      const float dx = (x - s.x) / s.size, dy = (y - s.y) / s.size;
      const float d = distance(s.outline, s.cosine * dx + s.sine * dy, s.cosine * dy - s.sine * dx);
      const float cover = std::clamp(0.5f - d * edge, 0.0f, 1.0f);
      const float fine = s.amplitude * texture(s, static_cast<int>(column * 32 / w), cell_y);
      for (int c = 0; c < 3; ++c) {
        grain = grain * 1664525u + 1013904223u;
        const float noise = static_cast<float>(static_cast<int32_t>(grain) >> 8) * 0x1p-23f;
        const float background =
            s.outside[c] + s.slope_x[c] * (x - 0.5f) + s.slope_y[c] * (y - 0.5f);
        const float value =
            background + cover * (s.inside[c] + fine - background) + s.grain_strength * noise;
        *out++ = static_cast<uint8_t>(std::clamp(value, 0.0f, 1.0f) * 255.0f + 0.5f);
      }
    }
  }
}

void draw_set(ImageSet& set, int32_t first_sample, uint32_t seed, int threads,
              std::string_view name) {
  const RandomKey key{seed, random_stream("data", "shapes")};
  const int64_t count = set.shape.n, bytes = set.shape.per_sample();
  // Equally many of each class, in an order that tells nothing.
  const auto order = permutation(count, {seed, random_stream("data.shapes", name)}, 0);
  allocate_pixels(set, set.shape);
  set.labels.resize(count);
  for (int64_t i = 0; i < count; ++i)
    set.labels[i] = order[i] % static_cast<int32_t>(kClasses.size());
  on_threads(threads, count, 64, [&](int64_t i) {
    Draws draws(key, static_cast<uint32_t>(first_sample + i));
    draw(draw_scene(kClasses[set.labels[i]], draws), set.shape.h, set.shape.w,
         &set.pixels[i * bytes]);
  });
}

}  // namespace

std::vector<std::string> shape_classes() {
  std::vector<std::string> names;
  for (const ClassSpec& spec : kClasses) names.emplace_back(spec.name);
  return names;
}

Dataset make_shapes(const DataConfig& config, uint32_t seed, int threads) {
  Dataset data;
  data.image = {1, config.size.h, config.size.w, 3};
  data.classes = shape_classes();
  data.train.shape = data.image.with_batch(config.count);
  data.test.shape = data.image.with_batch((config.count + 4) / 5);
  draw_set(data.train, 0, seed, threads, "train");
  draw_set(data.test, static_cast<int32_t>(config.count), seed, threads, "test");
  number_samples(data);
  return data;
}

}  // namespace engine
