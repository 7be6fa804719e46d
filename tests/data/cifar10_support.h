#pragma once

// Small files in CIFAR-10's binary format, and archives of them.

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/random.h"
#include "engine/data/cifar10.h"

namespace engine::test {

constexpr int64_t kRecords = 20;  ///< of each file
constexpr int64_t kRecordBytes = 3073;

inline uint8_t pixel_of(int file, int64_t record, int64_t y, int64_t x, int64_t c) {
  return static_cast<uint8_t>(file * 40 + record * 7 + y * 3 + x * 5 + c * 100);
}
/// Every class equally often in the six files together and in the last alone, but not in the
/// others.
inline uint8_t label_of(int file, int64_t record) {
  if (file == 5) return static_cast<uint8_t>(record % 10);
  return static_cast<uint8_t>((file * kRecords + record) / 10);
}

inline std::string batch_file(int file) {
  std::string bytes;
  for (int64_t record = 0; record < kRecords; ++record) {
    bytes += static_cast<char>(label_of(file, record));
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t i = 0; i < 1024; ++i) {
        bytes += static_cast<char>(pixel_of(file, record, i / 32, i % 32, c));
      }
    }
  }
  return bytes;
}

inline std::string batch_name(int file) {
  return file < 5 ? fmt::format("data_batch_{}.bin", file + 1) : "test_batch.bin";
}

inline std::string class_names() {
  std::string text;
  for (const std::string& name : Cifar10::kClasses) text += name + "\n";
  return text + "\n";
}

inline void write_bytes(const std::string& path, std::string_view bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline void write_cifar10_folder(const std::string& data_dir) {
  const std::string folder = data_dir + "/" + Cifar10::kFolder + "/";
  for (int file = 0; file < 6; ++file) write_bytes(folder + batch_name(file), batch_file(file));
  write_bytes(folder + "batches.meta.txt", class_names());
}

/// A ustar header with its checksum.
inline std::string tar_header(const std::string& name, uint64_t size, char type = '0',
                              const std::string& link = "") {
  std::string header(512, '\0');
  const auto put = [&](size_t offset, const std::string& text) {
    header.replace(offset, text.size(), text);
  };
  put(0, name.substr(0, 100));
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, fmt::format("{:011o}", size));
  put(136, "00000000000");
  header[156] = type;
  put(157, link);
  put(257, std::string("ustar\0"
                       "00",
                       8));
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return header;
}

inline std::string tar_member(const std::string& name, std::string_view content, char type = '0') {
  std::string bytes = tar_header(name, content.size(), type);
  bytes += content;
  bytes.resize((bytes.size() + 511) / 512 * 512);
  return bytes;
}

inline std::string tar_end() {
  return std::string(1024, '\0');
}

/// The members of the official archive, with small files.
inline std::string good_tar() {
  const std::string folder = std::string(Cifar10::kFolder) + "/";
  std::string tar = tar_header(folder, 0, '5');
  tar += tar_member(folder + "data_batch_1.bin", batch_file(0));
  tar += tar_member(folder + "batches.meta.txt", class_names());
  for (int file : {2, 1, 3, 5, 4}) tar += tar_member(folder + batch_name(file), batch_file(file));
  return tar + tar_member(folder + "readme.html", "<meta>") + tar_end();
}

inline std::string gzip(std::string_view bytes) {
  z_stream stream{};
  deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// The message of the Error (data) that body throws.
template <class Body>
std::string data_error(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

inline void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in: " << text;
}

}  // namespace engine::test
