#include "engine/data/tar_reader.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "engine/core/error.h"
#include "engine/data/limits.h"

namespace engine {
namespace {

constexpr uint64_t kBlock = 512;

/// The header of a member (POSIX ustar): offsets and sizes of the fields that are used.
struct Header {
  std::array<unsigned char, kBlock> bytes;

  std::string text(size_t offset, size_t size) const {
    const char* begin = reinterpret_cast<const char*>(bytes.data()) + offset;
    return std::string(begin, strnlen(begin, size));
  }
  /// An octal number, or false.
  bool number(size_t offset, size_t size, uint64_t& value) const {
    value = 0;
    size_t i = offset;
    const size_t end = offset + size;
    while (i < end && bytes[i] == ' ') ++i;
    const size_t first = i;
    for (; i < end && bytes[i] >= '0' && bytes[i] <= '7'; ++i) value = value * 8 + (bytes[i] - '0');
    return i > first && (i == end || bytes[i] == 0 || bytes[i] == ' ');
  }
  bool empty() const {
    return std::all_of(bytes.begin(), bytes.end(), [](unsigned char b) { return b == 0; });
  }
  bool checksum_fits() const {
    uint64_t stored = 0, sum = 0;
    if (!number(148, 8, stored)) return false;
    for (size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? ' ' : bytes[i];
    return sum == stored;
  }
  std::string name() const {
    const std::string prefix = text(257, 5) == "ustar" && bytes[262] == 0 ? text(345, 155) : "";
    return prefix.empty() ? text(0, 100) : prefix + "/" + text(0, 100);
  }
  char type() const { return static_cast<char>(bytes[156]); }
};

bool leaves_folder(const std::string& name) {
  if (name.empty() || name[0] == '/') return true;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    if (name.compare(begin, end - begin, "..") == 0) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

TarReader::TarReader(const std::string& path) : path_(path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(ExitCode::data, "{}: cannot open: {}", path, std::strerror(errno));
  file_ = gzdopen(fd, "rb");
  if (!file_) {
    ::close(fd);
    fail(ExitCode::out_of_memory, "{}: no memory to unpack it", path);
  }
  gzbuffer(file_, 1 << 18);
  if (gzdirect(file_)) {
    gzclose(file_);
    fail(ExitCode::data, "{}: is not a gzip archive; fetch it again with: engine data fetch", path);
  }
}

TarReader::~TarReader() {
  gzclose(file_);
}

std::string TarReader::place() const {
  return fmt::format("{}: at offset {} (unpacked)", path_, offset_);
}

bool TarReader::fill_or_end(void* data, uint64_t bytes) {
  auto* to = static_cast<char*>(data);
  uint64_t done = 0;
  while (done < bytes) {
    const int got =
        gzread(file_, to + done, static_cast<unsigned>(std::min(bytes - done, uint64_t{1} << 20)));
    int code = Z_OK;
    const char* message = gzerror(file_, &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      offset_ += done;
      fail(ExitCode::data, "{}: damaged archive: {}; fetch it again with: engine data fetch",
           place(), code == Z_BUF_ERROR ? "it ends too early" : message);
    }
    if (got == 0) break;
    done += static_cast<uint64_t>(got);
    if (offset_ + done > kDataLimits.archive_bytes) {
      fail(ExitCode::data, "{}: unpacks to more than {} bytes: not an archive of this data set",
           path_, kDataLimits.archive_bytes);
    }
  }
  offset_ += done;
  if (done == 0) return false;
  if (done < bytes) fail(ExitCode::data, "{}: the archive ends too early", place());
  return true;
}

void TarReader::fill(void* data, uint64_t bytes) {
  if (bytes > 0 && !fill_or_end(data, bytes)) {
    fail(ExitCode::data, "{}: the archive ends too early", place());
  }
}

void TarReader::skip(uint64_t bytes) {
  std::array<char, 16384> nowhere;
  while (bytes > 0) {
    const uint64_t part = std::min<uint64_t>(bytes, nowhere.size());
    fill(nowhere.data(), part);
    bytes -= part;
  }
}

void TarReader::read(void* data, uint64_t bytes) {
  if (bytes > left_) fail(ExitCode::internal, "{}: read past a member's end", place());
  fill(data, bytes);
  left_ -= bytes;
}

bool TarReader::next(Member& member) {
  skip(left_ + padding_);
  left_ = padding_ = 0;
  Header header;
  while (fill_or_end(header.bytes.data(), kBlock)) {
    if (header.empty()) {  // the end mark: nothing but zeros may follow
      while (fill_or_end(header.bytes.data(), kBlock)) {
        if (!header.empty()) fail(ExitCode::data, "{}: data after the archive's end", place());
      }
      return false;
    }
    if (!header.checksum_fits()) fail(ExitCode::data, "{}: damaged archive header", place());
    if (++members_ > kDataLimits.archive_members) {
      fail(ExitCode::data, "{}: more than {} members: not an archive of this data set", path_,
           kDataLimits.archive_members);
    }
    const std::string name = header.name();
    uint64_t size = 0;
    if (leaves_folder(name)) {
      fail(ExitCode::data, "{}: refused: the member \"{}\" leads out of the archive", place(),
           name);
    }
    if (!header.number(124, 12, size) || size > kDataLimits.archive_bytes) {
      fail(ExitCode::data, "{}: refused: the member \"{}\" has an impossible size", place(), name);
    }
    const char type = header.type();
    if (type == '5' && size == 0) continue;
    if (type != '0' && type != 0) {
      fail(ExitCode::data,
           "{}: refused: the member \"{}\" is not a plain file (type {:#04x}); the official "
           "archive has "
           "plain files only",
           place(), name, static_cast<unsigned char>(type));
    }
    member = {name, size};
    left_ = size;
    padding_ = (kBlock - size % kBlock) % kBlock;
    return true;
  }
  return false;
}

}  // namespace engine
