// The pipeline: order of stages, what is kept and what is done for each batch, statistics.

#include <algorithm>
#include <cmath>

#include "tests/image/pipeline_support.h"

namespace engine::test {
namespace {

void expect_refused(const std::string& json, Shape image, const std::string& text) {
  try {
    TestPipeline pipeline(json, image);
    ADD_FAILURE() << json;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::experiment);
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  }
}

TEST(Pipeline, FeedsPixelsIn0To1) {
  ImageSet images = random_images({1, 16, 16, 1});
  for (int i = 0; i < 256; ++i) images.pixels[i] = static_cast<uint8_t>(i);
  const std::vector<float> found = TestPipeline("[]", {1, 16, 16, 1}).run(images);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(found[i], static_cast<float>(i) / 255.0f);
}

TEST(Pipeline, GathersRowsLabelsAndSamples) {
  const ImageSet images = random_images({9, 4, 4, 3}, 100);
  TestPipeline pipeline("[]", {1, 4, 4, 3});
  const auto set = pipeline->prepare(images, true);
  EXPECT_EQ(set->count(), 9);
  const std::vector<int32_t> order{7, 7, 8, 0, 0, 5};
  Device& device = pipeline.device();
  const OnDevice<int32_t> rows(device, order);
  const OnDevice<StepState> at(device, {StepState{.position = 2}});
  const OnDevice<float> batch(device, std::vector<float>(4 * 48));
  const OnDevice<int32_t> labels(device, {0, 0, 0, 0}), samples(device, {0, 0, 0, 0});
  pipeline->gather(*set, rows.data(), at.data(),
                   packed_view(batch.data(), pipeline->output().with_batch(4)), labels.data(),
                   samples.data());
  EXPECT_EQ(labels.read(), (std::vector<int32_t>{8, 0, 0, 5}));
  EXPECT_EQ(samples.read(), (std::vector<int32_t>{108, 100, 100, 105}));
  const std::vector<float> found = batch.read();
  for (size_t row = 0; row < 4; ++row) {
    for (size_t i = 0; i < 48; ++i) {
      EXPECT_EQ(found[row * 48 + i], images.pixels[order[2 + row] * 48 + i] / 255.0f);
    }
  }
}

TEST(Pipeline, KeepsBytesWhereStagesAreCheap) {
  const ImageSet images = random_images({100, 8, 8, 3});
  const auto bytes = [&](const char* json) {
    TestPipeline pipeline(json, {1, 8, 8, 3});
    pipeline->measure(images);
    return pipeline->prepare(images, true)->bytes();
  };
  const size_t numbers = 100 * 2 * sizeof(int32_t);
  EXPECT_EQ(bytes("[]"), 100 * 192 + numbers);
  EXPECT_EQ(bytes(R"([{"op": "grayscale"}, {"op": "normalize"}])"), 100 * 192 + numbers);
  EXPECT_EQ(bytes(R"([{"op": "grayscale"}, {"op": "noise", "sigma": 1}])"), 100 * 64 * 4 + numbers);
  EXPECT_EQ(bytes(R"([{"op": "noise", "sigma": 1, "when": "every_epoch"}, {"op": "random_flip"}])"),
            100 * 192 + numbers);
}

TEST(Pipeline, GrayscaleWeighsChannels) {
  const ImageSet images = random_images({3, 5, 7, 3});
  const auto check = [&](const char* weights, double r, double g, double b) {
    TestPipeline pipeline(fmt::format(R"([{{"op": "grayscale", "weights": {}}}])", weights),
                          {1, 5, 7, 3});
    EXPECT_EQ(pipeline->output(), (Shape{1, 5, 7, 1}));
    const std::vector<float> found = pipeline.run(images);
    for (size_t i = 0; i < found.size(); ++i) {
      const uint8_t* pixel = &images.pixels[3 * i];
      EXPECT_NEAR(found[i], (r * pixel[0] + g * pixel[1] + b * pixel[2]) / 255, 1e-6);
    }
  };
  check("\"mean\"", 1.0 / 3, 1.0 / 3, 1.0 / 3);
  check("\"luma\"", 0.299, 0.587, 0.114);
  check("[0.5, -1, 2]", 0.5, -1, 2);
  EXPECT_TRUE(same_floats(
      TestPipeline(R"([{"op": "grayscale"}])", {1, 5, 7, 1}).run(random_images({2, 5, 7, 1})),
      TestPipeline("[]", {1, 5, 7, 1}).run(random_images({2, 5, 7, 1}))));
  expect_refused(R"([{"op": "grayscale"}])", {1, 5, 7, 2}, "3 channels");
  for (const char* wrong : {"\"mena\"", "[1, 2]", "[1, 2, 3, 4]", "true", "[1, 2, \"3\"]"}) {
    expect_refused(fmt::format(R"([{{"op": "grayscale", "weights": {}}}])", wrong), {1, 5, 7, 3},
                   "luma");
  }
}

TEST(Pipeline, NormalizeMeasuresTheTrainingSplit) {
  const ImageSet training = random_images({60, 6, 5, 3}), test = random_images({4, 6, 5, 3}, 60, 3);
  TestPipeline pipeline(R"([{"op": "normalize"}])", {1, 6, 5, 3});
  pipeline->measure(training);
  double mean[3] = {}, deviation[3] = {};
  for (size_t i = 0; i < training.pixels.size(); ++i)
    mean[i % 3] += training.pixels[i] / 255.0 / 1800;
  for (size_t i = 0; i < training.pixels.size(); ++i) {
    deviation[i % 3] += std::pow(training.pixels[i] / 255.0 - mean[i % 3], 2) / 1800;
  }
  const std::vector<double> statistics = pipeline->statistics();
  ASSERT_EQ(statistics.size(), 6u);
  for (int c = 0; c < 3; ++c) {
    EXPECT_NEAR(statistics[c], mean[c], 1e-7);
    EXPECT_NEAR(statistics[3 + c], std::sqrt(deviation[c]), 1e-7);
  }
  const std::vector<float> found = pipeline.run(test);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], (test.pixels[i] / 255.0 - mean[i % 3]) / std::sqrt(deviation[i % 3]),
                2e-6);
  }
  // Given back to another pipeline: the same bits.
  TestPipeline again(R"([{"op": "normalize"}])", {1, 6, 5, 3});
  again->set_statistics(statistics);
  EXPECT_TRUE(same_floats(again.run(test), found));
  EXPECT_THROW(again->set_statistics(std::span(statistics).first(5)), Error);
}

TEST(Pipeline, NormalizeMeasuresWhatItSees) {
  const ImageSet images = random_images({40, 9, 8, 3});
  for (const char* before :
       {R"({"op": "grayscale"}, {"op": "noise", "sigma": 0.3})",
        R"({"op": "smooth", "sigma": 1, "axes": ["sample", "width"]}, {"op": "grayscale"})"}) {
    const std::string stages = fmt::format(R"([{}, {{"op": "normalize"}}])", before);
    std::vector<double> first;
    for (const int threads : {1, 2}) {
      set_threads(threads);
      TestPipeline pipeline(stages, {1, 9, 8, 3});
      pipeline->measure(images);
      double sum = 0, square = 0;
      for (const double x : pipeline.run(images)) {
        sum += x;
        square += x * x;
      }
      EXPECT_NEAR(sum / (40 * 72), 0, 1e-5);
      EXPECT_NEAR(square / (40 * 72), 1, 1e-5);
      if (first.empty()) first = pipeline->statistics();
      EXPECT_EQ(pipeline->statistics(), first);
    }
  }
}

TEST(Pipeline, NormalizeTakesNumbers) {
  const ImageSet images = random_images({2, 3, 3, 3});
  TestPipeline pipeline(R"([{"op": "normalize", "mean": [0.1, 0.2, 0.3], "std": 0.5}])",
                        {1, 3, 3, 3});
  const double mean[] = {0.1, 0.2, 0.3};
  const std::vector<float> found = pipeline.run(images);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], (images.pixels[i] / 255.0 - mean[i % 3]) / 0.5, 1e-6);
  }
  EXPECT_TRUE(pipeline->statistics().empty());
  expect_refused(R"([{"op": "normalize", "mean": [1, 2]}])", {1, 3, 3, 3}, "2 numbers");
  expect_refused(R"([{"op": "normalize", "std": 0}])", {1, 3, 3, 3}, "std");
  expect_refused(R"([{"op": "normalize", "mean": "measurd"}])", {1, 3, 3, 3}, "measured");
}

TEST(Pipeline, ConstantChannelIsOnlyCentred) {
  ImageSet images = random_images({4, 3, 3, 1});
  std::fill(images.pixels.begin(), images.pixels.end(), 51);
  TestPipeline pipeline(R"([{"op": "normalize"}])", {1, 3, 3, 1});
  pipeline->measure(images);
  for (const float x : pipeline.run(images)) EXPECT_NEAR(x, 0, 1e-6);
}

TEST(Pipeline, RefusesOnceAfterEveryEpoch) {
  expect_refused(R"([{"op": "random_flip"}, {"op": "grayscale", "name": "gray"}])", {1, 4, 4, 3},
                 "preprocess.gray runs once, but comes after \"random_flip\"");
  TestPipeline good(R"([{"op": "random_flip"}, {"op": "grayscale", "when": "every_epoch"}])",
                    {1, 4, 4, 3});
  EXPECT_EQ(good->output().c, 1);
}

TEST(Pipeline, RefusesImagesOfAnotherSize) {
  TestPipeline pipeline("[]", {1, 4, 4, 3});
  EXPECT_THROW(pipeline->prepare(random_images({2, 4, 5, 3}), false), Error);
  ImageSet broken = random_images({2, 4, 4, 3});
  broken.samples.pop_back();
  EXPECT_THROW(pipeline->prepare(broken, false), Error);
}

}  // namespace
}  // namespace engine::test
