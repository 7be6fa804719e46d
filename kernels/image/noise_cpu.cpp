#include <algorithm>

#include "kernels/image/image_step_cpu.h"
#include "kernels/image/noise.h"

namespace engine {
namespace {

/// Blocks drawn side by side: each line of code below works on so many lanes of vector registers.
constexpr int64_t kLanes = 16;

struct Words {
  alignas(64) uint32_t word[4][kLanes];
};

/// Blocks first ... first + kLanes - 1: the rounds of philox4x32, with lanes innermost.
inline void draw_words(RandomKey key, uint32_t first, DrawPlace place, Words& words) {
  auto &c0 = words.word[0], &c1 = words.word[1], &c2 = words.word[2], &c3 = words.word[3];
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    c0[lane] = first + static_cast<uint32_t>(lane);
    c1[lane] = place.epoch;
    c2[lane] = place.sample;
    c3[lane] = 0;
  }
  uint32_t k0 = key.seed, k1 = key.stream;
  for (int round = 0; round < 10; ++round) {
#pragma omp simd
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * c0[lane];
      const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2[lane];
      c0[lane] = static_cast<uint32_t>(p1 >> 32) ^ c1[lane] ^ k0;
      c2[lane] = static_cast<uint32_t>(p0 >> 32) ^ c3[lane] ^ k1;
      c1[lane] = static_cast<uint32_t>(p1);
      c3[lane] = static_cast<uint32_t>(p0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/// 4 kLanes normals in the order of elements.
inline void draw_normals(RandomKey key, uint32_t first, DrawPlace place, float* normals) {
  Words words;
  draw_words(key, first, place, words);
  alignas(64) float lanes[4][kLanes];
  for (int pair = 0; pair < 4; pair += 2) {
#pragma omp simd
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      portable_normals(words.word[pair][lane], words.word[pair + 1][lane], lanes[pair][lane],
                       lanes[pair + 1][lane]);
    }
  }
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < 4; ++i) normals[4 * lane + i] = lanes[i][lane];
  }
}

class NoiseStep : public ImageStep {
 public:
  NoiseStep(const Noise& stage, Shape input, uint32_t seed)
      : key_{seed, random_stream("noise", stage.name)},
        sigma_(static_cast<float>(stage.sigma)),
        elements_(input.per_sample()),
        once_(stage.when() == When::once) {}

  bool in_place() const override { return true; }

  void run(const float* in, float* out, float*, DrawPlace place) const override {
    if (once_) place.epoch = 0;
    alignas(64) float normals[4 * kLanes];
    for (int64_t begin = 0; begin < elements_; begin += 4 * kLanes) {
      draw_normals(key_, static_cast<uint32_t>(begin / 4), place, normals);
      const int64_t count = std::min(4 * kLanes, elements_ - begin);
      const float* from = in + begin;
      float* to = out + begin;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) to[i] = fmaf(sigma_, normals[i], from[i]);
    }
  }

 private:
  RandomKey key_;
  float sigma_;
  int64_t elements_;
  bool once_;
};

}  // namespace

std::unique_ptr<ImageStep> make_step(const Noise& stage, Shape input, uint32_t seed) {
  if (stage.sigma == 0) return nullptr;
  return std::make_unique<NoiseStep>(stage, input, seed);
}

}  // namespace engine
