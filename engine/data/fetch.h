#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace engine {

struct Download {
  std::string url;
  std::string path;    ///< where the file goes; "<path>.part" holds what has come so far
  std::string sha256;  ///< 64 hexadecimal digits
  uint64_t bytes = 0;  ///< exact size; 0: not known
};

/// CIFAR-10's official archive, into data_dir.
Download cifar10_download(const std::string& data_dir);

/// Bytes that are there, bytes in all (0: not known yet). Return false to stop.
using DownloadProgress = std::function<bool(uint64_t done, uint64_t total)>;

/// Downloads over HTTPS, going on where an earlier attempt stopped. The file gets its name only
/// after its size and SHA-256 have been found right; a .part file that turns out wrong is removed
/// (and, if it came from an earlier attempt, fetched once more from the beginning).
///
/// Follows redirects to https only. Plain http is accepted for addresses that begin with
/// http://127.0.0.1 alone (tests, local mirrors), and where those redirect to. Returns false when
/// the file was there already, with the right checksum.
///
/// Throws Error: usage for other URLs; data when the server's answer or the content is wrong, or
/// the connection broke (what came is kept: run again to go on); storage; busy when another process
/// fetches the same file; stopped when progress said so.
bool fetch(const Download& download, const DownloadProgress& progress = {});

/// SHA-256 of a file, 64 hexadecimal digits. Throws Error (data).
std::string sha256_of_file(const std::string& path);

}  // namespace engine
