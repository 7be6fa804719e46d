#include "engine/cuda/device_profiles.h"

#include <array>

namespace engine {
namespace {

// deviceVer is the compute capability times 100; sizes are in bytes, clocks in kHz.

constexpr std::string_view kH100 =  // SXM5, 80 GB
    R"({"deviceVer":900,"multiProcessorCount":132,"warpSize":32,)"
    R"("maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,)"
    R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,)"
    R"("maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"regsPerBlock":65536,)"
    R"("totalGlobalMem":85017493504,"smClockRateKHz":1980000,"l2CacheSize":52428800,)"
    R"("maxBlockSize":[1024,1024,64],"memClockRateKHz":2619000,"maxGridSize":[2147483647,)"
    R"(65535,65535],"supportCoopLaunch":1,"pciDeviceId":0,"isTccDriver":0,"cudaDeviceId":0,)"
    R"("driverVer":13000,"deviceName":"NVIDIA H100 80GB HBM3"})";

constexpr std::string_view kH200 =  // SXM5, 141 GB
    R"({"deviceVer":900,"multiProcessorCount":132,"warpSize":32,)"
    R"("maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,)"
    R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,)"
    R"("maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"regsPerBlock":65536,)"
    R"("totalGlobalMem":150754820096,"smClockRateKHz":1980000,"l2CacheSize":62914560,)"
    R"("maxBlockSize":[1024,1024,64],"memClockRateKHz":3201000,"maxGridSize":[2147483647,)"
    R"(65535,65535],"supportCoopLaunch":1,"pciDeviceId":0,"isTccDriver":0,"cudaDeviceId":0,)"
    R"("driverVer":13000,"deviceName":"NVIDIA H200"})";

}  // namespace

std::span<const DeviceProfile> device_profiles() {
  static constexpr std::array kProfiles{DeviceProfile{"h100", kH100}, DeviceProfile{"h200", kH200}};
  return kProfiles;
}

}  // namespace engine
