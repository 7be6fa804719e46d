#pragma once

// The contract of a preprocessing stage and of the pipeline that runs stages on a device.
//
// Images start as uint8; the first stage sees float32 = uint8 / 255. The stages run in the file's
// order. A stage with when = once runs when the data set is prepared; one with when = every_epoch
// runs each time a batch is gathered, with fresh random draws for each epoch. A once-stage may not
// follow an every_epoch-stage.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/keys.h"
#include "engine/core/random.h"
#include "engine/core/step.h"
#include "engine/core/tensor.h"

namespace engine {

struct PortableStage;
struct PortableValue;

enum class When : uint8_t { once, every_epoch };

/// A configured stage: attributes and what follows from them. Knows no device.
class Stage {
 public:
  virtual ~Stage() = default;
  virtual std::string_view type() const = 0;  ///< "noise"
  virtual void keys(Keys& keys) = 0;
  virtual When when() const { return When::once; }
  /// Left out for validation, test and prediction (flips, crops).
  virtual bool training_only() const { return false; }
  /// Looks at other samples (smoothing over the sample axis): runs over a whole split at once.
  virtual bool mixes_samples() const { return false; }
  /// Draws random numbers that a prediction should not have (noise).
  virtual bool is_noise() const { return false; }
  /// Needs numbers measured on the training split (normalize with "measured").
  virtual bool needs_statistics() const { return false; }
  virtual Shape infer(Shape input) const = 0;  ///< one image, n = 1
  /// Puts what a prediction does to one image into a graph for other programs (portable.h) and
  /// returns the result. Stages that predictions leave out return their input.
  virtual PortableValue portable(const PortableStage& stage) const = 0;
  virtual std::string brief() const { return {}; }

  std::string name;  ///< "name" in the file; the op's type when absent; unique in an experiment
};

/// What follows from a list of stages, on any device.
struct StageOrder {
  std::vector<Shape> shapes;  ///< shapes[i] goes into stage i; the last is the network's input
  size_t once = 0;            ///< the first so many stages run once

  Shape output() const { return shapes.back(); }
};

/// Infers all shapes. Throws Error (experiment) that names the stage when one does not take its
/// input, or when a once-stage follows an every_epoch-stage.
StageOrder order_stages(const std::vector<const Stage*>& stages, Shape image);

/// The part of a pipeline's statistics that belongs to each stage: empty for those that need none.
/// Throws Error (data) when there are more or fewer than the stages need.
std::vector<std::span<const double>> split_statistics(const std::vector<const Stage*>& stages,
                                                      const StageOrder& order,
                                                      std::span<const double> statistics);

/// Images in host memory, uint8 NHWC, with their sample numbers (keys of random draws).
struct ImageSet {
  Shape shape;  ///< n images
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;  ///< empty when there are none
  std::vector<int32_t> samples;
};

/// A split ready for use in device memory.
class PreparedSet {
 public:
  PreparedSet() = default;
  PreparedSet(const PreparedSet&) = delete;
  virtual ~PreparedSet() = default;
  virtual int64_t count() const = 0;
  virtual size_t bytes() const = 0;
  /// Belongs to this set alone, also when another one comes to lie at its address later.
  std::weak_ptr<const void> identity() const { return identity_; }

 private:
  std::shared_ptr<const void> identity_ = std::make_shared<char>();
};

struct PipelineSetup {
  std::vector<const Stage*> stages;
  Shape image;  ///< as the source gives it, n = 1
  uint32_t seed = 0;
  Device& device;
};

/// All stages of an experiment on one device. What can be done in one pass over memory is.
class Pipeline {
 public:
  virtual ~Pipeline() = default;
  virtual Shape output() const = 0;  ///< one image as the network sees it
  /// Measures what stages need (mean, deviation) on the training split. Called once, before
  /// prepare.
  virtual void measure(const ImageSet& training) = 0;
  /// The numbers measured, to be stored with a run and given back for prediction.
  virtual std::vector<double> statistics() const = 0;
  virtual void set_statistics(std::span<const double> statistics) = 0;
  /// Runs the once-stages. training says whether training_only stages will apply when gathering.
  virtual std::unique_ptr<PreparedSet> prepare(const ImageSet& images, bool training) = 0;
  /// Rows order[position, position + n) of a set, through the every_epoch-stages, into batch
  /// (n, h, w, c; packed; float32, or bf16 on a GPU); also their labels and sample numbers. order
  /// and at are device memory; position and epoch are at's.
  virtual void gather(const PreparedSet& set, const int32_t* order, const StepState* at,
                      const TensorView& batch, int32_t* labels, int32_t* samples) = 0;
  /// at's position moves on by so many rows: the end of a batch that no optimizer ends.
  virtual void advance(StepState* at, int64_t rows) = 0;
  /// Puts permutation(count, random, epoch) (engine/core/permutation.h) into order, in device
  /// memory. Allocates scratch memory only for more rows than ever before; waits for nothing.
  virtual void shuffle(int64_t count, RandomKey random, uint32_t epoch, int32_t* order) = 0;
};

using PipelineFactory = std::unique_ptr<Pipeline> (*)(const PipelineSetup&);

}  // namespace engine
