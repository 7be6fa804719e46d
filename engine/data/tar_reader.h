#pragma once

#include <cstdint>
#include <string>

struct gzFile_s;

namespace engine {

/// Reads a .tar.gz from beginning to end, without extracting: the caller takes the content of the
/// members that it knows. Plain files and folders only; links, devices, sparse files, long names
/// and other extensions are refused, as are absolute names and "..", archives that unpack to more
/// than kDataLimits allows, and anything that is damaged. Throws Error (data) with file and offset.
class TarReader {
 public:
  struct Member {
    std::string name;
    uint64_t size = 0;
  };

  explicit TarReader(const std::string& path);
  ~TarReader();
  TarReader(const TarReader&) = delete;

  /// The next plain file; what was not read of the one before is skipped. False at the end, after
  /// the whole archive has been checked.
  bool next(Member& member);
  /// The next bytes of this member; not more than are left.
  void read(void* data, uint64_t bytes);
  /// "x.tar.gz: at offset 512 (unpacked)": the beginning of a message about this place.
  std::string place() const;

 private:
  void fill(void* data, uint64_t bytes);
  bool fill_or_end(void* data, uint64_t bytes);
  void skip(uint64_t bytes);

  std::string path_;
  gzFile_s* file_ = nullptr;
  uint64_t offset_ = 0, left_ = 0, padding_ = 0;
  size_t members_ = 0;
};

}  // namespace engine
