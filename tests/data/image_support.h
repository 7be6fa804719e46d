#pragma once

// Small JPEG and PNG files of many kinds.

#include <cstdio>

#include <jpeglib.h>
#include <png.h>

#include <string>
#include <vector>

#include "engine/data/image_file.h"

namespace engine::test {

/// A smooth picture, so that JPEG changes little of it.
inline DecodedImage picture(int64_t h, int64_t w, int64_t c) {
  DecodedImage image{h, w, c, std::vector<uint8_t>(h * w * c)};
  for (int64_t i = 0; i < h * w * c; ++i) {
    const int64_t y = i / (w * c), x = i / c % w;
    image.pixels[i] = static_cast<uint8_t>((40 + 80 * (i % c) + 90 * y / h + 60 * x / w) % 256);
  }
  return image;
}

struct JpegKind {
  J_COLOR_SPACE space = JCS_RGB;
  int quality = 100;
  bool progressive = false;
  bool subsampled = false;
};

/// pixels: channels as the colour space has them.
inline std::string encode_jpeg(const DecodedImage& image, const JpegKind& kind = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(image.w);
  info.image_height = static_cast<JDIMENSION>(image.h);
  info.input_components = static_cast<int>(image.c);
  info.in_color_space = kind.space;
  jpeg_set_defaults(&info);
  if (kind.space == JCS_CMYK) jpeg_set_colorspace(&info, JCS_YCCK);
  jpeg_set_quality(&info, kind.quality, TRUE);
  if (!kind.subsampled) {
    for (int i = 0; i < info.num_components; ++i) {
      info.comp_info[i].h_samp_factor = info.comp_info[i].v_samp_factor = 1;
    }
  }
  if (kind.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPLE*>(&image.pixels[info.next_scanline * image.w * image.c]);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string result(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return result;
}

struct PngKind {
  int bits = 8;
  int colour = PNG_COLOR_TYPE_RGB;
  bool interlaced = false;
  std::vector<png_color> palette;
  std::vector<png_byte> palette_alpha;
};

/// rows: packed as the file has them (16 bits big-endian).
inline std::string encode_png(int64_t h, int64_t w, const std::string& rows,
                              const PngKind& kind = {}) {
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, size_t size) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(data), size);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(w), static_cast<png_uint_32>(h), kind.bits,
               kind.colour, kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!kind.palette.empty()) {
    png_set_PLTE(png, info, kind.palette.data(), static_cast<int>(kind.palette.size()));
  }
  if (!kind.palette_alpha.empty()) {
    png_set_tRNS(png, info, kind.palette_alpha.data(), static_cast<int>(kind.palette_alpha.size()),
                 nullptr);
  }
  png_write_info(png, info);
  const size_t stride = rows.size() / static_cast<size_t>(h);
  std::vector<png_bytep> pointers;
  for (int64_t y = 0; y < h; ++y) {
    pointers.push_back(reinterpret_cast<png_bytep>(const_cast<char*>(&rows[y * stride])));
  }
  png_write_image(png, pointers.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

inline std::string as_bytes(const DecodedImage& image) {
  return {reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size()};
}

inline std::string encode_png(const DecodedImage& image) {
  return encode_png(image.h, image.w, as_bytes(image),
                    {.colour = image.c == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB});
}

inline DecodedImage decode(const std::string& bytes, int64_t channels = 3) {
  ImageDecoder decoder;
  DecodedImage image;
  decoder.decode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "test.image",
                 channels, image);
  return image;
}

}  // namespace engine::test
