# Every library the engine uses, in one place; docs/dependencies.md says what each is for.
# cmake/setup puts what the distribution lacks into .deps/.
set(ENGINE_DEPS "${CMAKE_SOURCE_DIR}/.deps" CACHE PATH "Where cmake/setup unpacked libraries")

find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(CURL REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(Freetype REQUIRED)
find_package(Protobuf REQUIRED)
find_library(ONNX_PROTO_LIBRARY onnx_proto REQUIRED)
find_library(ONNX_LIBRARY onnx REQUIRED)
add_library(engine_onnx INTERFACE)
target_link_libraries(engine_onnx INTERFACE "${ONNX_LIBRARY}" "${ONNX_PROTO_LIBRARY}" protobuf::libprotobuf)
target_compile_definitions(engine_onnx INTERFACE ONNX_NAMESPACE=onnx ONNX_ML=1)  # as its packages build it
find_file(FONT_FILE DejaVuSans.ttf HINTS /usr/share/fonts/truetype/dejavu REQUIRED)
find_file(CHART_JS chart.min.js HINTS /usr/share/javascript/chart.js REQUIRED)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_path(JSON_INCLUDE_DIR nlohmann/json.hpp HINTS "${ENGINE_DEPS}/json/include" NO_DEFAULT_PATH REQUIRED)
add_library(engine_json INTERFACE)
target_include_directories(engine_json SYSTEM INTERFACE "${JSON_INCLUDE_DIR}")

# oneDNN >= 3: the distribution's where it is new enough, else the one in .deps.
find_package(dnnl 3.0 QUIET CONFIG)
if(dnnl_FOUND)
  add_library(engine_onednn ALIAS DNNL::dnnl)
else()
  add_library(engine_onednn SHARED IMPORTED)
  set_target_properties(engine_onednn PROPERTIES
    IMPORTED_LOCATION "${ENGINE_DEPS}/onednn/lib/libdnnl.so.3"
    INTERFACE_INCLUDE_DIRECTORIES "${ENGINE_DEPS}/onednn/include")
  if(NOT EXISTS "${ENGINE_DEPS}/onednn/lib/libdnnl.so.3")
    message(FATAL_ERROR "oneDNN 3 is missing: run cmake/setup (or ./run, which does)")
  endif()
endif()
find_package(Boost 1.74 REQUIRED)  # headers: Boost.Math
if(ENGINE_TESTS)
  find_package(GTest REQUIRED)
  find_package(Boost 1.74 REQUIRED COMPONENTS context)
endif()
