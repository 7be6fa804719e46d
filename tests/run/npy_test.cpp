#include "engine/core/npy.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/core/error.h"
#include "tests/run/outside.h"
#include "tests/support/paths.h"

namespace engine {
namespace {

using test::TemporaryFolder;

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string npy(const std::string& dictionary, const std::string& data) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(dictionary.size() & 0xFF);
  bytes += static_cast<char>(dictionary.size() >> 8);
  return bytes + dictionary + data;
}

TEST(Npy, WhatIsWrittenIsWhatNumPyWrites) {
  const TemporaryFolder folder;
  const std::vector<float> values{0, 1.5f, -2, 3, 4, 5};
  for (const std::vector<int64_t>& dims : {std::vector<int64_t>{6}, {2, 3}, {1, 2, 3, 1}, {0, 7}}) {
    const size_t count = dims[0] == 0 ? 0 : 6;
    write_npy(real_files(), folder / "a.npy", dims, std::span(values).first(count));
    const NamedTensor read = read_npy(folder / "a.npy");
    EXPECT_EQ(read.dims, dims);
    EXPECT_EQ(read.dtype, DType::f32);
    EXPECT_TRUE(std::equal(read.f32(), read.f32() + count, values.begin()));
    if (!test::have_python("numpy")) continue;
    const std::string script = fmt::format(
        "import numpy; a = numpy.load(\"{0}\"); assert a.shape == ({1},); assert a.dtype == "
        "numpy.float32; "
        "numpy.save(\"{2}\", a); assert list(a.ravel()) == [0, 1.5, -2, 3, 4, 5][:a.size]",
        folder / "a.npy", fmt::join(dims, ","), folder / "b.npy");
    ASSERT_TRUE(test::output_of("python3 -c " + test::quoted(script)))
        << fmt::format("{}", fmt::join(dims, ","));
    EXPECT_EQ(read_text(folder / "a.npy"), read_text(folder / "b.npy"));
  }
  if (!test::have_python("numpy"))
    GTEST_SKIP() << "python3 without numpy: read back only by the engine";
}

TEST(Npy, ReadsTheReferenceArrays) {
  const auto shared = test::shared_dir();
  if (!shared) GTEST_SKIP() << "the folder of reference values is missing";
  const NamedTensor images = read_npy((*shared / "reference/images_u8.npy").string());
  EXPECT_EQ(images.dtype, DType::u8);
  EXPECT_EQ(images.dims, (std::vector<int64_t>{12, 17, 23, 3}));
  const NamedTensor gray = read_npy((*shared / "reference/gray.npy").string());
  EXPECT_EQ(gray.dtype, DType::f64);
  EXPECT_EQ(gray.bytes.size(), 8u * 12 * 17 * 23);
}

TEST(Npy, EveryDTypeVersionAndOrderOfKeys) {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& bytes) {
    write_bytes(folder / "a.npy", bytes);
    return read_npy(folder / "a.npy");
  };
  const std::string eight(8, 'x');
  EXPECT_EQ(read(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }\n", eight)).dtype,
            DType::i32);
  EXPECT_EQ(read(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }\n", eight)).dtype,
            DType::i64);
  EXPECT_EQ(read(npy("{'shape': (), 'descr': '<f8', 'fortran_order': False}", eight)).dims.size(),
            0u);
  EXPECT_EQ(
      read(npy("{\"shape\":(2,1),\"fortran_order\":False,\"descr\":\"<f4\"}", eight)).dims.size(),
      2u);
  EXPECT_EQ(
      read(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", eight)).dims.size(), 1u);
  std::string version2 = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (8,)}", eight);
  version2[6] = 2;
  version2.insert(10, 2, '\0');
  EXPECT_EQ(read(version2).dtype, DType::u8);
}

TEST(Npy, BadFilesAreRefusedWithFileAndReason) {
  const TemporaryFolder folder;
  const std::string eight(8, 'x');
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  std::string version9 = npy(good, eight);
  version9[6] = 9;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "only 0 bytes"},
      {"\x93NUMPX\x01\x00xxxxxxx", "not a .npy file"},
      {version9, "version 9"},
      {npy(good, eight + "x"), "expected 8 bytes of data"},
      {npy(good, "1234567"), "expected 8 bytes of data"},
      {std::string("\x93NUMPY\x01\x00\xFF\xFF{}", 12), "a header of 65535 bytes"},
      {npy("{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}", eight), "'>f4'"},
      {npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", eight), "'|O'"},
      {npy("{'descr': '<f2', 'fortran_order': False, 'shape': (4,)}", eight), "'<f2'"},
      {npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1)}", eight), "Fortran order"},
      {npy("{'descr': '<f4', 'fortran_order': False}", eight), "shape"},
      {npy("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", eight), "True or False"},
      {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", eight), "integer from 0"},
      {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999,)}", eight),
       "smaller"},
      {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", eight),
       "overflows"},
      {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} __import__", eight), "spaces"},
      {npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", eight),
       "one each"},
      {npy("[1]", eight), "\"{\""},
  };
  for (const auto& [bytes, message] : cases) {
    write_bytes(folder / "a.npy", bytes);
    try {
      read_npy(folder / "a.npy");
      ADD_FAILURE() << "was read: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data);
      EXPECT_NE(std::string(error.what()).find(folder / "a.npy"), std::string::npos);
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace engine
