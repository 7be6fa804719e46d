#include "kernels/register_cuda.h"

#include <algorithm>

#include "engine/core/error.h"
#include "kernels/fused/dense_loss.h"
#include "kernels/fused/junction.h"
#include "kernels/fused/pooled_mean.h"
#include "kernels/fused/stem.h"
#include "kernels/image/pipeline.h"
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

template <class Factory>
struct Row {
  std::string_view name;
  Factory cuda;
};

constexpr Row<KernelFactory> kOps[] = {
    {"activation", make_activation_cuda},
    {"add", make_add_cuda},
    {"average_pool", make_average_pool_cuda},
    {"batch_normalization", make_batch_normalization_cuda},
    {"concat", make_concat_cuda},
    {"conv2d", make_conv2d_cuda},
    {"dense", make_dense_cuda},
    {"dense_loss", make_dense_loss_cuda},
    {"dropout", make_dropout_cuda},
    {"flatten", make_flatten_cuda},
    {"global_average_pool", make_global_average_pool_cuda},
    {"junction", make_junction_cuda},
    {"max_pool", make_max_pool_cuda},
    {"pooled_mean", make_pooled_mean_cuda},
    {"softmax_cross_entropy", make_softmax_cross_entropy_cuda},
    {"split", make_split_cuda},
    {"stem", make_stem_cuda},
};

constexpr Row<OptimizerFactory> kOptimizers[] = {
    {"sgd", make_sgd_cuda},
    {"rmsprop", make_rmsprop_cuda},
    {"adam", make_adam_cuda},
    {"adamw", make_adamw_cuda},
};

template <class Entries, class Rows>
void enter(Entries& entries, const Rows& rows) {
  for (const auto& row : rows) {
    const auto entry = std::find_if(entries.begin(), entries.end(),
                                    [&](const auto& each) { return each.name == row.name; });
    if (entry == entries.end()) fail(ExitCode::internal, "there is no \"{}\"", row.name);
    entry->cuda = row.cuda;
  }
}

}  // namespace

void register_cuda_kernels(Registry& registry) {
  enter(registry.ops, kOps);
  enter(registry.optimizers, kOptimizers);
  registry.cuda_pipeline = make_cuda_pipeline;
}

}  // namespace engine
