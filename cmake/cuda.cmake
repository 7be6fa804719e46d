# libengine_cuda.so, built where a CUDA toolkit with cuBLAS, cuDNN and cudnn-frontend are here. The program does
# not link with it but loads it at run time, so the same program runs where they are not.
set(ENGINE_CUDA ON CACHE BOOL "Build the CUDA library where a toolkit is found")
set(ENGINE_CUDA_ARCHITECTURES "80;90-real;100-real" CACHE STRING "GPU architectures; the first also as PTX for later ones")

set(missing "")
if(ENGINE_CUDA)
  if(NOT CMAKE_CUDA_COMPILER)  # a toolkit may have come since it was last looked for
    unset(CMAKE_CUDA_COMPILER CACHE)
    find_program(NVCC nvcc HINTS "${ENGINE_DEPS}/cuda/bin" PATHS /usr/local/cuda/bin)
    if(NVCC AND NOT DEFINED ENV{CUDACXX})
      set(ENV{CUDACXX} "${NVCC}")
    endif()
    include(CheckLanguage)
    check_language(CUDA)
  endif()
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES "${ENGINE_CUDA_ARCHITECTURES}")
    if(ENGINE_CUDA_ARCHITECTURES MATCHES "^[0-9]+(;[0-9]+-real)+$")
      # The machine code of all is made from the PTX of the first: nvcc then compiles once and only assembles
      # several times, which takes half to two thirds of the time. No kernel asks for what only a later PTX has.
      set(CMAKE_CUDA_ARCHITECTURES OFF)
      list(GET ENGINE_CUDA_ARCHITECTURES 0 first)
      list(TRANSFORM ENGINE_CUDA_ARCHITECTURES REPLACE "-real" "" OUTPUT_VARIABLE code)
      list(TRANSFORM code PREPEND "sm_")
      list(JOIN code "," code)
      set(one_ptx "--generate-code=arch=compute_${first},code=[compute_${first},${code}]")
    endif()
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 has not heard that nvcc 12 and later know C++20
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    find_package(CUDAToolkit 12.8)
    find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
    find_library(CUDNN_LIBRARY cudnn HINTS "${CUDAToolkit_LIBRARY_DIR}")
    find_path(CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h HINTS "${ENGINE_DEPS}/cudnn_frontend/include" NO_DEFAULT_PATH)
    foreach(part CUDAToolkit_FOUND CUDA_cublasLt_LIBRARY CUDNN_INCLUDE_DIR CUDNN_LIBRARY CUDNN_FRONTEND_INCLUDE_DIR)
      if(NOT ${part})
        list(APPEND missing ${part})
      endif()
    endforeach()
  else()
    set(missing "nvcc")
  endif()
else()
  set(missing "ENGINE_CUDA is off")
endif()
if(missing)
  message(STATUS "no CUDA library: ${missing}")
  return()
endif()
if(CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER "${CCACHE}")
endif()

file(GLOB sources CONFIGURE_DEPENDS "engine/cuda/*.cpp" "engine/cuda/*.cu" "kernels/*_cuda.cpp" "kernels/*/*_cuda.cpp" "kernels/*/*_cuda.cu")
add_library(engine_cuda SHARED ${sources})
set_target_properties(engine_cuda PROPERTIES
  CUDA_STANDARD 20 CUDA_RUNTIME_LIBRARY Static
  LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
target_compile_options(engine_cuda PRIVATE
  "$<$<COMPILE_LANGUAGE:CUDA>:${one_ptx};--expt-relaxed-constexpr;-lineinfo>"
  "$<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${ENGINE_WERROR}>>:-Werror=all-warnings>")
# A kernel that spills registers or keeps anything in local memory fails to build. CUB's are as they are: one
# of them spills 8 bytes on one of the architectures.
if(ENGINE_WERROR)
  set(kernel_sources ${sources})
  list(FILTER kernel_sources INCLUDE REGEX "\\.cu$")
  list(FILTER kernel_sources EXCLUDE REGEX "_cub\\.cu$")
  set_property(SOURCE ${kernel_sources} APPEND PROPERTY COMPILE_OPTIONS -Xptxas=-warn-spills,-warn-lmem-usage,-Werror)
endif()
target_compile_definitions(engine_cuda PRIVATE ENGINE_VERSION="${PROJECT_VERSION}")
string(REPLACE ";" "," architectures "${ENGINE_CUDA_ARCHITECTURES}")
set_source_files_properties(kernels/backend_cuda.cpp PROPERTIES
  COMPILE_DEFINITIONS "ENGINE_CUDA_ARCHITECTURES=\"${architectures}\"")
# cudnn-frontend in one file: it builds plans and computes nothing, and -O3 would take twice as long.
set_source_files_properties(engine/cuda/pass_plan_cudnn.cpp PROPERTIES COMPILE_OPTIONS "-O1")
target_include_directories(engine_cuda SYSTEM PRIVATE "${CUDNN_INCLUDE_DIR}" "${CUDNN_FRONTEND_INCLUDE_DIR}")
# What the library takes from the rest of the engine: descriptions of ops, messages. Nothing of oneDNN.
target_link_libraries(engine_cuda PRIVATE engine_kernels engine_core "${CUDNN_LIBRARY}" CUDA::cublasLt CUDA::nvrtc)
# DT_RPATH, not DT_RUNPATH: it also holds for what NVIDIA's libraries load of each other.
target_link_options(engine_cuda PRIVATE -Wl,--as-needed -Wl,--no-undefined -Wl,--disable-new-dtags)
add_dependencies(engine engine_cuda)
