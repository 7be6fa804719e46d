// Smoothing against SciPy: golden files made by make_golden.py, and the reference values.

#include "engine/core/npy.h"
#include "engine/core/safetensors.h"
#include "tests/image/pipeline_support.h"
#include "tests/support/paths.h"

namespace engine::test {
namespace {

const NamedTensor& find_tensor(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw std::out_of_range(name);
}

ImageSet images_of(const NamedTensor& tensor) {
  ImageSet set = random_images({tensor.dims[0], tensor.dims[1], tensor.dims[2], tensor.dims[3]});
  std::memcpy(set.pixels.data(), tensor.bytes.data(), tensor.bytes.size());
  return set;
}

std::vector<double> doubles_of(const NamedTensor& tensor) {
  std::vector<double> values(tensor.elements());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = tensor.dtype == DType::f64 ? reinterpret_cast<const double*>(tensor.bytes.data())[i]
                                           : static_cast<double>(tensor.f32()[i]);
  }
  return values;
}

/// "1x7x5x1 sigma 0.3 truncate 4.0 sample height" as a stage.
std::string stage_of(const std::string& name) {
  const auto word = [&](const char* key) {
    const size_t begin = name.find(key) + std::strlen(key);
    return name.substr(begin, name.find(' ', begin) - begin);
  };
  std::string axes;
  for (const char* axis : {"sample", "height", "width"}) {
    if (name.find(axis) != std::string::npos)
      axes += fmt::format("{}\"{}\"", axes.empty() ? "" : ", ", axis);
  }
  return fmt::format(R"([{{"op": "smooth", "sigma": {}, "truncate": {}, "axes": [{}]}}])",
                     word("sigma "), word("truncate "), axes);
}

TEST(Smooth, AgreesWithScipyOnOddSizes) {
  const auto path = source_dir() / "tests" / "image" / "golden" / "smooth.safetensors";
  const std::vector<NamedTensor> tensors = read_safetensors(path);
  int cases = 0;
  for (const NamedTensor& tensor : tensors) {
    const size_t end = tensor.name.find(".images");
    if (end == std::string::npos) continue;
    const std::string name = tensor.name.substr(0, end);
    const ImageSet images = images_of(tensor);
    const std::vector<double> expected = doubles_of(find_tensor(tensors, name + ".smooth"));
    for (const int threads : {1, 2}) {
      set_threads(threads);
      TestPipeline pipeline(stage_of(name), images.shape.with_batch(1));
      EXPECT_LT(largest_difference(pipeline.run(images), expected.data()), 1e-6) << name;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 91);
}

TEST(Smooth, AgreesWithTheReferenceValues) {
  const auto shared = shared_dir();
  if (!shared) GTEST_SKIP() << "no folder of reference values";
  const auto tensors = read_safetensors(*shared / "reference" / "preprocess.safetensors");
  const ImageSet images = images_of(find_tensor(tensors, "images_u8"));
  const std::string gray = R"({"op": "grayscale"})";
  const auto smooth = [&](const char* sigma, const char* axes) {
    return fmt::format(R"([{}, {{"op": "smooth", "sigma": {}, "axes": [{}]}}])", gray, sigma, axes);
  };
  const char* both = R"("height", "width")";
  const std::pair<std::string, std::string> cases[] = {
      {"gray", "[" + gray + "]"},
      {"smooth_hw_sigma0.6", smooth("0.6", both)},
      {"smooth_hw_sigma1", smooth("1", both)},
      {"smooth_hw_sigma2.5", smooth("2.5", both)},
      {"smooth_nhw_sigma1", smooth("1", R"("height", "width", "sample")")}};
  for (const auto& [name, stages] : cases) {
    TestPipeline pipeline(stages, images.shape.with_batch(1));
    const std::vector<double> expected = doubles_of(find_tensor(tensors, name));
    const std::vector<float> found = pipeline.run(images);
    ASSERT_EQ(found.size(), expected.size());
    EXPECT_LT(largest_difference(found, expected.data()), 1e-6) << name;
    const std::vector<double> npy = doubles_of(read_npy(*shared / "reference" / (name + ".npy")));
    EXPECT_LT(largest_difference(found, npy.data()), 1e-6) << name << ".npy";
  }
}

TEST(Smooth, SigmaZeroChangesNoBit) {
  const ImageSet images = random_images({5, 7, 9, 3});
  const std::vector<float> plain = TestPipeline("[]", {1, 7, 9, 3}).run(images);
  for (const char* axes : {R"(["height", "width"])", R"(["sample", "height", "width"])"}) {
    TestPipeline pipeline(fmt::format(R"([{{"op": "smooth", "sigma": 0, "axes": {}}}])", axes),
                          {1, 7, 9, 3});
    EXPECT_TRUE(same_floats(pipeline.run(images), plain));
  }
}

TEST(Smooth, SameBitsForAnyThreadsAndBatches) {
  const ImageSet images = random_images({37, 11, 13, 3});
  const char* json = R"([{"op": "smooth", "sigma": 1.3, "axes": ["sample", "height", "width"]},
                         {"op": "grayscale"}, {"op": "smooth", "sigma": 0.7, "name": "again"}])";
  set_threads(1);
  TestPipeline one(json, {1, 11, 13, 3});
  const std::vector<float> expected = one.run(images);
  set_threads(2);
  TestPipeline two(json, {1, 11, 13, 3});
  EXPECT_TRUE(same_floats(two.run(images), expected));
  const auto set = two->prepare(images, false);
  const int64_t elements = two->output().per_sample();
  for (int32_t i = 0; i < 37; ++i) {
    const std::vector<float> alone = two.gather(*set, {i});
    EXPECT_EQ(std::memcmp(alone.data(), &expected[i * elements], alone.size() * sizeof(float)), 0);
  }
}

TEST(Smooth, EveryEpochAfterNoise) {
  const ImageSet images = random_images({3, 8, 8, 1});
  const char* fresh = R"([{"op": "noise", "sigma": 0.1, "when": "every_epoch"},
                          {"op": "smooth", "sigma": 1, "when": "every_epoch"}])";
  const char* once = R"([{"op": "noise", "sigma": 0.1}, {"op": "smooth", "sigma": 1}])";
  TestPipeline a(fresh, {1, 8, 8, 1}), b(once, {1, 8, 8, 1});
  const std::vector<float> kept = b.run(images, true, 5);
  EXPECT_TRUE(same_floats(a.run(images, true, 0), kept));
  EXPECT_FALSE(same_floats(a.run(images, true, 5), kept));
}

TEST(Smooth, RefusesWrongAxes) {
  const auto expect_error = [](const std::string& json, const std::string& text) {
    try {
      TestPipeline pipeline(json, {1, 4, 4, 3});
      ADD_FAILURE() << json;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::experiment);
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
  };
  for (const char* axes :
       {R"("height")", R"(["depth"])", "[]", R"(["width", "width"])", "[1]", "{}"}) {
    expect_error(fmt::format(R"([{{"op": "smooth", "sigma": 1, "axes": {}}}])", axes),
                 "\"height\"");
  }
  expect_error(R"([{"op": "smooth", "sigma": 1, "axes": ["sample"], "when": "every_epoch"}])",
               "needs \"when\": \"once\"");
  expect_error(R"([{"op": "smooth", "sigma": -1}])", "sigma");
  expect_error(R"([{"op": "smooth"}])", "sigma");
}

}  // namespace
}  // namespace engine::test
