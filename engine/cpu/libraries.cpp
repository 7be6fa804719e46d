#include <fmt/format.h>

#include "engine/cpu/cpu_device.h"
#include "engine/cpu/onednn.h"

namespace engine {

std::string libraries() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace engine
