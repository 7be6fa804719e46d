#pragma once

#include <string>
#include <vector>

namespace engine {

/// What `data verify` finds out about CIFAR-10 in a data folder.
struct Verification {
  struct Check {
    std::string what;  ///< "cifar-10-binary.tar.gz: SHA-256"
    bool good;
    std::string found;  ///< a value, or what is wrong
  };
  std::vector<Check> checks;

  bool good() const;
};

/// The archive: size and SHA-256 of the official release, then its content. The folder (there are
/// no published checksums of its files): class names, sizes, labels, 5,000 training and 1,000 test
/// images of each class. Checks what is there of the two; throws Error (data) when neither is.
Verification verify_cifar10(const std::string& data_dir, int threads);

}  // namespace engine
