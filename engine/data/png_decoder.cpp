#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "engine/core/error.h"
#include "engine/data/image_decoders.h"

namespace engine {

// libpng reports errors by calling on_error, which may not return. It jumps back to the guarded
// function that called the library; those hold no C++ objects that the jump would skip.
struct PngDecoder::State {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::jmp_buf back;
  char message[200] = {};
  std::span<const uint8_t> bytes;
  size_t offset = 0;
  bool alpha = false;
  std::vector<png_bytep> rows;

  ~State() { png_destroy_read_struct(&png, &info, nullptr); }

  static void on_error(png_structp png, png_const_charp text) {
    auto& state = *static_cast<State*>(png_get_error_ptr(png));
    std::snprintf(state.message, sizeof state.message, "%s", text);
    std::longjmp(state.back, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}

  static void take(png_structp png, png_bytep data, size_t count) {
    auto& state = *static_cast<State*>(png_get_io_ptr(png));
    if (count > state.bytes.size() - state.offset) {
      state.offset = state.bytes.size();
      png_error(png, "the file ends too early");
    }
    std::memcpy(data, state.bytes.data() + state.offset, count);
    state.offset += count;
  }

  bool read_header() {
    if (setjmp(back)) return false;
    png_set_read_fn(png, this, take);
    png_read_info(png, info);
    return true;
  }

  /// Whatever the file holds becomes 8 bits of red, green, blue and, where there is any, alpha.
  bool set_up() {
    if (setjmp(back)) return false;
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    alpha = png_get_channels(png, info) == 4;
    return true;
  }

  bool read_rows() {
    if (setjmp(back)) return false;
    png_read_image(png, rows.data());
    png_read_end(png, nullptr);
    return true;
  }
};

PngDecoder::PngDecoder() = default;
PngDecoder::~PngDecoder() = default;

void PngDecoder::decode(std::span<const uint8_t> bytes, const std::string& name, int64_t channels,
                        DecodedImage& image) {
  // libpng has no way to use these a second time.
  state_ = std::make_unique<State>();
  State& s = *state_;
  const auto fail_here = [&] {
    fail(ExitCode::data, "{}: at offset {}: {}", name, s.offset, s.message);
  };
  s.bytes = bytes;
  s.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, State::on_error, State::on_warning);
  if (s.png) s.info = png_create_info_struct(s.png);
  if (!s.info) fail(ExitCode::out_of_memory, "{}: no memory to decode it", name);
  if (!s.read_header()) fail_here();
  image.h = png_get_image_height(s.png, s.info);
  image.w = png_get_image_width(s.png, s.info);
  image.c = channels;
  check_image_size(name, static_cast<uint64_t>(image.h), static_cast<uint64_t>(image.w));
  if (!s.set_up()) fail_here();
  const int64_t from_channels = s.alpha ? 4 : 3;
  const int64_t count = image.h * image.w;
  image.pixels.resize(static_cast<size_t>(count * from_channels));
  for (int64_t y = 0; y < image.h; ++y) {
    s.rows.push_back(&image.pixels[y * image.w * from_channels]);
  }
  if (!s.read_rows()) fail_here();
  // In place: what is written never overtakes what is read.
  const uint8_t* from = image.pixels.data();
  uint8_t* to = image.pixels.data();
  for (int64_t i = 0; i < count && (s.alpha || channels == 1); ++i, from += from_channels) {
    int rgb[3] = {from[0], from[1], from[2]};
    if (s.alpha) {
      const int opacity = from[3];
      for (int& value : rgb) value = (value * opacity + 255 * (255 - opacity) + 127) / 255;
    }
    if (channels == 1) {
      *to++ = brightness(rgb[0], rgb[1], rgb[2]);
    } else {
      for (const int value : rgb) *to++ = static_cast<uint8_t>(value);
    }
  }
  image.pixels.resize(static_cast<size_t>(count * channels));
}

}  // namespace engine
