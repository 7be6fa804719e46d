#include "kernels/register.h"

#include "kernels/fused/dense_loss.h"
#include "kernels/fused/junction.h"
#include "kernels/fused/pooled_mean.h"
#include "kernels/fused/stem.h"
#include "kernels/image/grayscale.h"
#include "kernels/image/noise.h"
#include "kernels/image/normalize.h"
#include "kernels/image/pipeline.h"
#include "kernels/image/random_crop.h"
#include "kernels/image/random_flip.h"
#include "kernels/image/smooth.h"
#include "kernels/nn/activation.h"
#include "kernels/nn/add.h"
#include "kernels/nn/average_pool.h"
#include "kernels/nn/batch_normalization.h"
#include "kernels/nn/concat.h"
#include "kernels/nn/conv2d.h"
#include "kernels/nn/dense.h"
#include "kernels/nn/dropout.h"
#include "kernels/nn/flatten.h"
#include "kernels/nn/global_average_pool.h"
#include "kernels/nn/max_pool.h"
#include "kernels/nn/softmax_cross_entropy.h"
#include "kernels/nn/split.h"
#include "kernels/optim/adam.h"
#include "kernels/optim/rmsprop.h"
#include "kernels/optim/sgd.h"

namespace engine {
namespace {

template <class T>
OpEntry op(std::string_view name, std::string_view doc, KernelFactory cpu) {
  return {.name = name, .doc = doc, .make = make_as<T, Op>, .cpu = cpu};
}

template <class T>
OpEntry internal_op(std::string_view name, std::string_view doc, KernelFactory cpu) {
  return {.name = name, .doc = doc, .make = make_as<T, Op>, .cpu = cpu, .internal = true};
}

template <class T>
StageEntry stage(std::string_view name, std::string_view doc) {
  return {.name = name, .doc = doc, .make = make_as<T, Stage>};
}

template <class T>
OptimizerEntry optimizer(std::string_view name, std::string_view doc, OptimizerFactory cpu) {
  return {.name = name, .doc = doc, .make = make_as<T, Optimizer>, .cpu = cpu};
}

}  // namespace

Registry register_ops() {
  Registry registry;
  registry.ops = {
      op<Conv2d>("conv2d", "Two-dimensional convolution, optionally with bias and activation.",
                 make_conv2d_cpu),
      op<Dense>("dense", "Fully connected layer: every output sees every input value.",
                make_dense_cpu),
      op<MaxPool>("max_pool", "The largest value of each window; padding never wins.",
                  make_max_pool_cpu),
      op<AveragePool>("average_pool", "The mean of each window.", make_average_pool_cpu),
      op<GlobalAveragePool>("global_average_pool",
                            "The mean of each channel over the whole image: a vector.",
                            make_global_average_pool_cpu),
      op<BatchNormalization>(
          "batch_normalization",
          "Normalizes each channel by the batch's mean and variance in training, "
          "by running ones in evaluation, then scales and shifts it.",
          make_batch_normalization_cpu),
      op<ActivationOp>("activation", "Applies a function to each element.", make_activation_cpu),
      op<Dropout>("dropout", "Drops random elements in training and scales up the others.",
                  make_dropout_cpu),
      op<Add>("add", "The sum of inputs of the same shape.", make_add_cpu),
      op<Concat>("concat", "Puts the channels of its inputs one after the other.", make_concat_cpu),
      op<Flatten>("flatten", "An image as a vector, in the order height, width, channel.",
                  make_flatten_cpu),
      internal_op<FanOut>("split", "A value with several users; its gradient is the sum of theirs.",
                          make_split_cpu),
      internal_op<Junction>(
          "junction", "Where branches end and begin; its backward is one pass on a GPU.", nullptr),
      internal_op<PooledMean>("pooled_mean",
                              "max_pool, dropout and global_average_pool in one pass on a GPU.",
                              nullptr),
      internal_op<DenseLoss>("dense_loss", "dropout, dense and the loss in one pass on a GPU.",
                             nullptr),
      internal_op<SoftmaxCrossEntropy>("softmax_cross_entropy",
                                       "The loss: softmax, then cross-entropy with the label.",
                                       make_softmax_cross_entropy_cpu),
      internal_op<Stem>("stem", "The first convolution with its ReLU and max pool, on a GPU.",
                        nullptr),
  };
  registry.stages = {
      stage<Grayscale>("grayscale", "Three color channels become one weighted sum."),
      stage<Noise>("noise", "Adds Gaussian noise to every value."),
      stage<Smooth>("smooth", "Gaussian filter over height, width or samples."),
      stage<Normalize>("normalize", "Subtracts a mean and divides by a standard deviation."),
      stage<RandomFlip>("random_flip", "Mirrors images at random, in training only."),
      stage<RandomCrop>("random_crop",
                        "Pads images and cuts them to size at a random place, in training only."),
  };
  registry.optimizers = {
      optimizer<Sgd>("sgd", "Gradient descent, optionally with momentum.", make_sgd_cpu),
      optimizer<RmsProp>("rmsprop", "Divides the gradient by a running mean of its magnitude.",
                         make_rmsprop_cpu),
      optimizer<Adam>("adam", "Running means of gradient and squared gradient, bias-corrected.",
                      make_adam_cpu),
      optimizer<AdamW>("adamw", "Adam with weight decay apart from the gradient.", make_adamw_cpu),
  };
  registry.cpu_pipeline = make_cpu_pipeline;
  return registry;
}

}  // namespace engine
