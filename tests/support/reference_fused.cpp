// Fused ops: what the ops that they replace make of it, one after the other.

#include "tests/support/reference.h"

namespace engine::test {
namespace {

/// Each op's output is the next one's input. Parameters are those of the ops in their order.
class ReferenceChain : public ReferenceOp {
 public:
  ReferenceChain(const ReferenceSetup& setup, const std::vector<std::string>& ops)
      : ReferenceOp(setup) {
    ReferenceSetup each = setup;
    each.node = string_or(setup.attributes, "dropout", setup.node);
    for (const std::string& op : ops) {
      ops_.push_back(make_reference(op, each));
      each.inputs = {ops_.back()->output()};
    }
  }

  Shape output() const override { return ops_.back()->output(); }
  std::vector<std::vector<int64_t>> parameter_dims() const override {
    std::vector<std::vector<int64_t>> all;
    for (const auto& op : ops_) {
      for (const auto& dims : op->parameter_dims()) all.push_back(dims);
    }
    return all;
  }
  Doubles forward(const ReferenceTensors& t) const override { return values(t).back().x[0]; }
  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    const std::vector<ReferenceTensors> inputs = values(t);
    ReferenceTensors d{{dy}, {}};
    for (size_t i = ops_.size(); i-- > 0;) {
      ReferenceTensors of = ops_[i]->backward(inputs[i], d.x[0]);
      d.parameters.insert(d.parameters.begin(), of.parameters.begin(), of.parameters.end());
      d.x = std::move(of.x);
    }
    return d;
  }

 protected:
  /// What each op reads, then the last one's output.
  std::vector<ReferenceTensors> values(const ReferenceTensors& t) const {
    std::vector<ReferenceTensors> all{{t.x, {}}};
    size_t parameter = 0;
    for (const auto& op : ops_) {
      for (size_t p = 0; p < op->parameter_dims().size(); ++p) {
        all.back().parameters.push_back(t.parameters[parameter++]);
      }
      all.push_back({{op->forward(all.back())}, {}});
    }
    return all;
  }
  std::vector<std::unique_ptr<ReferenceOp>> ops_;
};

/// Its output is what the loss reads.
class ReferenceChainWithLoss : public ReferenceChain {
 public:
  ReferenceChainWithLoss(const ReferenceSetup& setup, const std::vector<std::string>& ops)
      : ReferenceChain(setup, ops) {
    ReferenceSetup last = setup;
    last.inputs = {ReferenceChain::output()};
    loss_ = make_reference("softmax_cross_entropy", last);
  }
  bool is_loss() const override { return true; }
  double objective(const ReferenceTensors& t, const Doubles& dy) const override {
    return loss_->objective({{forward(t)}, {}}, dy);
  }
  ReferenceTensors backward(const ReferenceTensors& t, const Doubles& dy) const override {
    return ReferenceChain::backward(t, loss_->backward({{forward(t)}, {}}, dy).x[0]);
  }

 private:
  std::unique_ptr<ReferenceOp> loss_;
};

}  // namespace

std::unique_ptr<ReferenceOp> make_reference_pooled_mean(const ReferenceSetup& setup) {
  return std::make_unique<ReferenceChain>(
      setup, std::vector<std::string>{"max_pool", "dropout", "global_average_pool"});
}

std::unique_ptr<ReferenceOp> make_reference_dense_loss(const ReferenceSetup& setup) {
  return std::make_unique<ReferenceChainWithLoss>(setup,
                                                  std::vector<std::string>{"dropout", "dense"});
}

}  // namespace engine::test
