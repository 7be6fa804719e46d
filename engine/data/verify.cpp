#include "engine/data/verify.h"

#include <algorithm>

#include "engine/core/file.h"
#include "engine/data/cifar10.h"
#include "engine/data/fetch.h"

namespace engine {
namespace {

/// Loads a folder or an archive: everything that load_cifar10 refuses is a finding.
Verification::Check check_content(const std::string& place, int threads) {
  const std::string what =
      place + ": class names, file sizes, labels, 5,000 training and 1,000 test images a class";
  try {
    const Dataset data = load_cifar10_from(place, threads);
    return {what, true,
            fmt::format("{} training and {} test images", data.train.shape.n, data.test.shape.n)};
  } catch (const Error& error) {
    return {what, false, error.what()};
  }
}

}  // namespace

bool Verification::good() const {
  return std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.good; });
}

Verification verify_cifar10(const std::string& data_dir, int threads) {
  find_cifar10(data_dir);
  Verification result;
  const std::string archive = data_dir + "/" + Cifar10::kArchive;
  const std::string folder = data_dir + "/" + Cifar10::kFolder;
  if (exists(archive)) {
    const std::string sum = sha256_of_file(archive);
    result.checks.push_back(
        {archive + ": SHA-256 of the official release", sum == Cifar10::kSha256,
         sum == Cifar10::kSha256 ? sum : fmt::format("{}, expected {}", sum, Cifar10::kSha256)});
    result.checks.push_back(check_content(archive, threads));
  }
  if (is_folder(folder)) {
    result.checks.push_back(check_content(folder, threads));
    if (!exists(folder + "/batches.meta.txt")) {
      result.checks.push_back({folder + "/batches.meta.txt", false, "is missing"});
    }
  }
  return result;
}

}  // namespace engine
