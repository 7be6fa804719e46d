#include "engine/data/image_decoders.h"

#include <csetjmp>
#include <cstddef>
#include <cstdio>

#include <jpeglib.h>
// After jpeglib.h:
#include <jerror.h>

#include "engine/core/error.h"
#include "engine/data/limits.h"

namespace engine {

// libjpeg reports errors by calling error_exit, which may not return. It jumps back to the guarded
// function that called the library; those hold no C++ objects that the jump would skip.
struct JpegDecoder::State {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX] = {};
  bool damaged = false;
  size_t size = 0;
  std::vector<JSAMPROW> rows;
  std::vector<uint8_t> cmyk;

  static State& of(j_common_ptr info) { return *static_cast<State*>(info->client_data); }

  static void error_exit(j_common_ptr info) {
    State& state = of(info);
    info->err->format_message(info, state.message);
    std::longjmp(state.back, 1);
  }

  /// Warnings are what libjpeg can make up for by guessing pixels. That is damage here; only stray
  /// bytes between segments, and unusual but clear headers, are not.
  static void emit_message(j_common_ptr info, int level) {
    if (level >= 0) return;
    const int code = info->err->msg_code;
    if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;
    State& state = of(info);
    if (!state.damaged) info->err->format_message(info, state.message);
    state.damaged = true;
  }

  static void output_message(j_common_ptr) {}

  static void watch_scans(j_common_ptr info) {
    const auto* decompress = reinterpret_cast<j_decompress_ptr>(info);
    if (decompress->input_scan_number <= kDataLimits.jpeg_scans) return;
    State& state = of(info);
    std::snprintf(state.message, sizeof state.message, "more than %d scans",
                  kDataLimits.jpeg_scans);
    std::longjmp(state.back, 1);
  }

  bool create() {
    if (setjmp(back)) return false;
    jpeg_create_decompress(&info);
    return true;
  }

  bool read_header(const uint8_t* bytes) {
    if (setjmp(back)) return false;
    jpeg_mem_src(&info, bytes, static_cast<unsigned long>(size));
    jpeg_read_header(&info, TRUE);
    return true;
  }

  bool start() {
    if (setjmp(back)) return false;
    jpeg_start_decompress(&info);
    return true;
  }

  bool read_rows() {
    if (setjmp(back)) return false;
    while (info.output_scanline < info.output_height) {
      jpeg_read_scanlines(&info, rows.data() + info.output_scanline,
                          info.output_height - info.output_scanline);
    }
    jpeg_finish_decompress(&info);
    return true;
  }

  [[noreturn]] void fail_at(const std::string& name) {
    const size_t left = info.src ? info.src->bytes_in_buffer : size;
    // At the end of the data libjpeg goes on in an artificial end marker of two bytes.
    const size_t offset = left <= size ? size - left : size;
    jpeg_abort_decompress(&info);
    fail(ExitCode::data, "{}: at offset {}: {}", name, damaged && left <= 2 ? size : offset,
         message);
  }
};

JpegDecoder::JpegDecoder() : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.info.err = jpeg_std_error(&s.errors);
  s.errors.error_exit = State::error_exit;
  s.errors.emit_message = State::emit_message;
  s.errors.output_message = State::output_message;
  s.info.client_data = &s;
  if (!s.create()) fail(ExitCode::internal, "libjpeg: {}", s.message);
  s.progress.progress_monitor = State::watch_scans;
  s.info.progress = &s.progress;
}

JpegDecoder::~JpegDecoder() {
  jpeg_destroy_decompress(&state_->info);
}

void JpegDecoder::decode(std::span<const uint8_t> bytes, const std::string& name, int64_t channels,
                         DecodedImage& image) {
  State& s = *state_;
  s.damaged = false;
  s.size = bytes.size();
  if (!s.read_header(bytes.data())) s.fail_at(name);
  try {
    check_image_size(name, s.info.image_height, s.info.image_width);
  } catch (...) {
    jpeg_abort_decompress(&s.info);
    throw;
  }
  const bool inks = s.info.jpeg_color_space == JCS_CMYK || s.info.jpeg_color_space == JCS_YCCK;
  // Without turning the picture into RGB first, libjpeg takes brightness from Y itself.
  s.info.out_color_space = inks ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  s.info.dct_method = JDCT_ISLOW;
  if (!s.start()) s.fail_at(name);
  image.h = s.info.output_height;
  image.w = s.info.output_width;
  image.c = channels;
  image.pixels.resize(static_cast<size_t>(image.h * image.w * channels));
  if (inks) s.cmyk.resize(static_cast<size_t>(image.h * image.w * 4));
  uint8_t* pixels = inks ? s.cmyk.data() : image.pixels.data();
  s.rows.resize(static_cast<size_t>(image.h));
  for (int64_t y = 0; y < image.h; ++y) {
    s.rows[y] = pixels + y * image.w * (inks ? 4 : channels);
  }
  if (!s.read_rows() || s.damaged) s.fail_at(name);
  if (!inks) return;
  const bool inverted = s.info.saw_Adobe_marker;  // Adobe writes 255 for no ink
  for (int64_t i = 0; i < image.h * image.w; ++i) {
    int rgb[3];
    const int black = inverted ? pixels[4 * i + 3] : 255 - pixels[4 * i + 3];
    for (int c = 0; c < 3; ++c) {
      const int light = inverted ? pixels[4 * i + c] : 255 - pixels[4 * i + c];
      rgb[c] = (light * black + 127) / 255;
    }
    if (channels == 1) {
      image.pixels[i] = brightness(rgb[0], rgb[1], rgb[2]);
    } else {
      for (int c = 0; c < 3; ++c) image.pixels[3 * i + c] = static_cast<uint8_t>(rgb[c]);
    }
  }
}

}  // namespace engine
