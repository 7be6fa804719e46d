#include "engine/data/dataset.h"

namespace engine {

void DataConfig::keys(Keys& keys) {
  keys.choice("source", source,
              {{"cifar10", Source::cifar10},
               {"image_folder", Source::image_folder},
               {"shapes", Source::shapes}},
              {.doc = "\"cifar10\": the official binary files or their archive; \"image_folder\": "
                      "JPEG and PNG files in a folder for each class; \"shapes\": ten classes of "
                      "small images that are generated, no files needed."});
  keys.string(
      "path", path,
      {.doc = "image_folder: the folder below the data folder that holds train/ and test/."});
  keys.custom("size", size,
              {.doc = "image_folder, shapes: height and width that every image gets."});
  keys.choice(
      "fit", fit, {{"resize", Fit::resize}, {"crop", Fit::crop}},
      {.doc = "image_folder: \"resize\" stretches the whole image to the size; \"crop\" cuts "
              "out the largest centred part of the size's proportions first."});
  keys.integer("channels", channels,
               {.doc = "image_folder: 3 (red, green, blue) or 1 (brightness, Rec. 601).",
                .minimum = 1,
                .maximum = 3});
  keys.number("validation", validation,
              {.doc = "Share of the training images that is kept for validation.",
               .minimum = 0,
               .maximum = 1,
               .exclusive_maximum = true});
  keys.integer(
      "limit", limit,
      {.doc = "Use at most so many training images, evenly spread over the data set; 0: all.",
       .minimum = 0,
       .maximum = 2147483647});
  keys.integer("test_limit", test_limit,
               {.doc = "The same for test images.", .minimum = 0, .maximum = 2147483647});
  keys.integer("count", count,
               {.doc = "shapes: number of training images; there are a fifth as many test images.",
                .minimum = 10,
                .maximum = 10000000});
}

}  // namespace engine
