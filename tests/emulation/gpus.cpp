#include "tests/emulation/gpus.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace emulated {

std::vector<int> visible_gpus() {
  const char* number = std::getenv("EMULATED_GPUS");
  const int count = number ? std::atoi(number) : 1;
  const char* chosen = std::getenv("CUDA_VISIBLE_DEVICES");
  std::vector<int> gpus;
  for (int gpu = 0; gpu < count; ++gpu) {
    const std::string end =
        std::string(1, "0123456789abcdef"[gpu / 16]) + "0123456789abcdef"[gpu % 16];
    if (!chosen || std::string(chosen).ends_with(end)) gpus.push_back(gpu);
  }
  return gpus;
}

void use_alone(int gpu) {
  const char* folder = std::getenv("EMULATED_GPU_LOCKS");
  if (!folder) return;
  static const int lock = [&] {
    const std::string path = std::string(folder) + "/gpu" + std::to_string(gpu);
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0 || ::flock(file, LOCK_EX | LOCK_NB) != 0) ::_exit(99);
    return file;
  }();
  static_cast<void>(lock);
}

}  // namespace emulated
