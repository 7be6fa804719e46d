#pragma once

#include <array>
#include <string>

#include "engine/data/dataset.h"

namespace engine {

/// CIFAR-10's binary version: six files of records, each a label (one byte) and 3072 bytes of red,
/// green and blue planes of 32 x 32 pixels. https://www.cs.toronto.edu/~kriz/cifar.html
struct Cifar10 {
  static constexpr const char* kFolder = "cifar-10-batches-bin";
  static constexpr const char* kArchive = "cifar-10-binary.tar.gz";
  static constexpr const char* kUrl = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
  static constexpr const char* kSha256 =
      "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd";
  static constexpr uint64_t kArchiveBytes = 170052171;

  static const std::array<std::string, 10> kClasses;

  int64_t records = 10000;  ///< of each file; tests make smaller files
};

/// Reads <data_dir>/cifar-10-batches-bin/, or streams <data_dir>/cifar-10-binary.tar.gz where the
/// folder is missing. Refused, as Error (data) with file and offset: files that are missing, too
/// short or too long, labels over 9, class names that are not CIFAR-10's, and images that are not
/// spread evenly over the classes (training and test files changed places). Leaves the fingerprint
/// empty.
Dataset load_cifar10(const std::string& data_dir, int threads, const Cifar10& layout = {});

/// One of the two, by its path.
Dataset load_cifar10_from(const std::string& place, int threads, const Cifar10& layout = {});

/// The folder or the archive that load_cifar10 would read. Throws Error (data) that says where both
/// were looked for and how to get the data.
std::string find_cifar10(const std::string& data_dir);

}  // namespace engine
