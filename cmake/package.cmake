# cmake --install and CPack: a folder (or tar.xz) that runs from anywhere. The shared libraries that
# the program needs travel in lib/engine, glibc excepted; cmake/bundle.cmake collects them and their
# licences. The program finds them by DT_RPATH, which, unlike DT_RUNPATH, also holds for the
# libraries of libraries, so nothing has to be patched.
include(GNUInstallDirs)
target_link_options(engine PRIVATE -Wl,--disable-new-dtags)
set_target_properties(engine PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/engine")

install(TARGETS engine RUNTIME DESTINATION bin)
if(TARGET engine_cuda)  # NVIDIA's libraries stay where they are: the driver's machine has them
  cmake_path(GET CUDNN_LIBRARY PARENT_PATH cudnn_folder)
  if(NOT cudnn_folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
    set_target_properties(engine_cuda PROPERTIES INSTALL_RPATH "${cudnn_folder}")
  endif()
  install(TARGETS engine_cuda LIBRARY DESTINATION lib/engine)
endif()
install(CODE "
  set(program \"$<TARGET_FILE:engine>\")
  set(deps \"${ENGINE_DEPS}\")
  include(\"${CMAKE_SOURCE_DIR}/cmake/bundle.cmake\")")
if(TARGET gpu_acceptance)  # share/engine/tests/gpu/acceptance, and the programs that it runs, where they were built
  foreach(program gpu_acceptance gpu_kernel_times)
    target_link_options(${program} PRIVATE -Wl,--disable-new-dtags)
    set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../../lib/engine")
  endforeach()
  install(TARGETS gpu_acceptance gpu_kernel_times RUNTIME DESTINATION libexec/engine OPTIONAL)
  install(PROGRAMS tests/gpu/acceptance tests/gpu/pytorch_baseline.py DESTINATION share/engine/tests/gpu)
  install(DIRECTORY tests/gpu/ DESTINATION share/engine/tests/gpu FILES_MATCHING PATTERN "acceptance_*.py")
  install(FILES tests/image/golden/smooth.safetensors DESTINATION share/engine/tests/image/golden)
endif()
install(DIRECTORY experiments DESTINATION share/engine FILES_MATCHING PATTERN "*.json")
install(FILES LICENSE README.md CHANGELOG.md DESTINATION share/engine)

set(CPACK_GENERATOR TXZ)
set(CPACK_PACKAGE_NAME engine)
set(CPACK_PACKAGE_VENDOR "The engine's authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
string(TOLOWER "engine-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" CPACK_PACKAGE_FILE_NAME)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
include(CPack)
