#include "engine/graph/program.h"

#include <algorithm>

#include "engine/core/error.h"

namespace engine {

Program::Program(const ProgramSetup& setup) : device_(setup.device), mode_(setup.mode) {
  const GraphOptions options{.batch = setup.batch,
                             .training = setup.mode == Mode::training,
                             .label_smoothing = setup.label_smoothing};
  built_ = build_graph(setup.network, setup.image, setup.context, setup.registry, options);
  graph_ = built_;
  const auto gpu_has = [&](std::string_view op) {
    const OpEntry* entry = setup.registry.op(op);
    return setup.device.kind() == "cuda" && entry && entry->cuda;
  };
  if (setup.passes.merge_activation) merge_activations(graph_, setup.context, setup.registry);
  if (setup.passes.fuse_stem && gpu_has("stem")) fuse_stem(graph_, setup.context);
  if (setup.passes.fuse_head && gpu_has("pooled_mean") && gpu_has("dense_loss")) {
    fuse_head(graph_, setup.context, setup.registry, training());
  }
  if (training()) {
    insert_splits(graph_, setup.registry);
    if (setup.passes.join_branches && gpu_has("junction")) join_branches(graph_, setup.registry);
  }
  make_kernels(setup);
  placement_ = place(graph_, facts_, training(), storage_type(setup.precision),
                     setup.device.lanes(), setup.passes,
                     [&](size_t i, const KernelPlaces& places) { plan_kernel(setup, i, places); });
}

void Program::make_kernels(const ProgramSetup& setup) {
  const std::vector<bool> gradient = values_with_gradient(graph_);
  calls_.resize(graph_.nodes.size());
  for (size_t i = 0; i < graph_.nodes.size(); ++i)
    facts_.push_back(make_kernel(setup, i, gradient));
}

NodeFacts Program::make_kernel(const ProgramSetup& setup, size_t i,
                               const std::vector<bool>& gradient) {
  const Node& node = graph_.nodes[i];
  const bool is_loss = static_cast<int>(i) == graph_.loss;
  NodeFacts facts{.output = is_loss ? DType::f32 : storage_type(setup.precision),
                  .backward = training() && gradient[i]};
  std::vector<Shape> shapes;
  std::unique_ptr<bool[]> needs(new bool[node.inputs.size()]);
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    const int input = node.inputs[k];
    shapes.push_back(graph_.shape_of(input));
    needs[k] = training() && input != kGraphInput && gradient[static_cast<size_t>(input)];
    facts.needs_dx.push_back(needs[k]);
  }
  if (node.op->is_view() && !node.op->sums_gradients()) return facts;
  std::vector<const Op*> absorbed;
  for (const int user : node.absorbed) {
    absorbed.push_back(user < 0 ? nullptr : graph_.nodes[static_cast<size_t>(user)].op.get());
  }

  const DeviceRange range(setup.device, node.name);
  const OpEntry* entry = setup.registry.op(node.op->type());
  const bool cuda = setup.device.kind() == "cuda";
  const KernelFactory factory = entry ? (cuda ? entry->cuda : entry->cpu) : nullptr;
  if (!factory) {
    fail(ExitCode::device, "node \"{}\": the device {} has no implementation of {}", node.name,
         setup.device.kind(), node.op->type());
  }
  const KernelSetup kernel_setup{.op = *node.op,
                                 .node = node.name,
                                 .inputs = shapes,
                                 .output = node.signature.output,
                                 .parameters = node.signature.parameters,
                                 .training = facts.backward,
                                 .needs_dx = std::span<const bool>(needs.get(), node.inputs.size()),
                                 .seed = setup.seed,
                                 .precision = setup.precision,
                                 .absorbed = absorbed,
                                 .device = setup.device};
  try {
    calls_[i].kernel = factory(kernel_setup);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("node \"{}\": {}", node.name, error.what()));
  }
  facts.takes_pitch = calls_[i].kernel->takes_pitch();
  return facts;
}

void Program::plan_kernel(const ProgramSetup& setup, size_t i, const KernelPlaces& places) {
  if (!calls_[i].kernel) return;
  const Node& node = graph_.nodes[i];
  const DeviceRange range(setup.device, node.name);
  Kernel& kernel = *calls_[i].kernel;
  try {
    kernel.plan(places);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("node \"{}\": {}", node.name, error.what()));
  }
  facts_[i].workspace_bytes = kernel.workspace_bytes();
  facts_[i].saved_bytes = kernel.saved_bytes();
}

void Program::define(ParameterStore& store) const {
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    store.add(node.name, node.signature.parameters, calls_[i].kernel);
  }
}

std::byte* Program::memory(int buffer, std::byte* arena) const {
  return buffer < 0 ? nullptr : arena + placement_.layout.offsets[static_cast<size_t>(buffer)];
}

TensorView Program::view(const PlacedTensor& tensor, std::byte* arena) const {
  TensorView view{.shape = tensor.shape, .dtype = tensor.dtype, .pitch = tensor.shape.c};
  if (!tensor) return view;
  view.data =
      memory(tensor.buffer, arena) + static_cast<size_t>(tensor.channel) * size_of(tensor.dtype);
  view.pitch = tensor.pitch;
  return view;
}

void Program::bind(const ParameterStore& store, std::byte* arena) {
  input_ = view(placement_.input, arena);
  seed_ = view(placement_.seed, arena);
  outputs_.clear();
  for (const PlacedTensor& output : placement_.outputs) outputs_.push_back(view(output, arena));
  for (size_t i = 0; i < graph_.nodes.size(); ++i) bind_node(i, store, arena);
}

void Program::bind_node(size_t i, const ParameterStore& store, std::byte* arena) {
  const Node& node = graph_.nodes[i];
  const NodePlacement& place = placement_.nodes[i];
  Call& call = calls_[i];
  call.x.clear();
  call.dx.clear();
  call.gradients.clear();
  call.stored.clear();
  call.parameters.clear();
  call.operands.clear();
  call.dparameters.clear();
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    const int input = node.inputs[k];
    call.x.push_back(input == kGraphInput ? input_ : outputs_[static_cast<size_t>(input)]);
    TensorView dx = view(place.dx[k], arena);
    if (!dx) dx = packed_view(nullptr, call.x[k].shape, call.x[k].dtype);
    call.dx.push_back(dx);
  }
  for (const PlacedTensor& dy : place.dys) call.gradients.push_back(view(dy, arena));
  for (size_t p = 0; p < node.signature.parameters.size(); ++p) {
    call.stored.push_back(store.find(node.name, node.signature.parameters[p], *call.kernel, p));
    call.parameters.push_back(store.parameter(call.stored.back()));
    call.operands.push_back(store.operand(call.stored.back()));
    call.dparameters.push_back(store.gradient(call.stored.back()));
  }
  for (const std::string& name : node.lent) {
    call.dparameters.push_back(name.empty() ? nullptr : store.gradient(store.index_of(name)));
  }
  call.absorbed_saved.clear();
  for (const int user : node.absorbed) {
    const int buffer = user < 0 ? -1 : placement_.nodes[static_cast<size_t>(user)].saved;
    call.absorbed_saved.push_back(memory(buffer, arena));
  }
  const TensorView y = outputs_[i];
  std::byte* saved = memory(place.saved, arena);
  call.forward.emplace(ForwardArgs{.batch = batch_,
                                   .x = call.x,
                                   .y = y,
                                   .parameters = call.parameters,
                                   .operands = call.operands,
                                   .workspace = memory(place.workspace_forward, arena),
                                   .saved = saved});
  // Backward may look only at what it has declared; the rest may have been overwritten by now.
  const BackwardReads reads = node.op->backward_reads();
  const bool sums = node.op->sums_gradients();
  std::span<const TensorView> x = call.gradients;
  if (!sums) {
    call.backward_x = call.x;
    for (TensorView& each : call.backward_x) {
      if (!reads.inputs) each.data = nullptr;
    }
    x = call.backward_x;
  }
  TensorView backward_y = y;
  if (!reads.output) backward_y.data = nullptr;
  const bool has_dy = !sums && !call.gradients.empty();
  call.backward.emplace(
      BackwardArgs{.batch = batch_,
                   .x = x,
                   .y = backward_y,
                   .dy = has_dy ? call.gradients[0] : packed_view(nullptr, y.shape, y.dtype),
                   .dx = call.dx,
                   .parameters = call.parameters,
                   .operands = call.operands,
                   .dparameters = call.dparameters,
                   .workspace = memory(place.workspace_backward, arena),
                   .saved = saved,
                   .absorbed_saved = call.absorbed_saved});
}

std::string Program::implementation(size_t i) const {
  return calls_[i].kernel ? calls_[i].kernel->implementation() : std::string();
}

/// Calls run_at for the times from first to last - 1, forking the device for each region.
template <class RunAt>
void Program::run(int first, int last, const RunAt& run_at) {
  const Streams& streams = placement_.streams;
  std::optional<DeviceFork> fork;
  for (int time = first; time < last; ++time) {
    const Region* region = streams.region_of(time);
    if (region && time == region->first) fork.emplace(device_, region->lanes);
    if (region) device_.use_lane(streams.lane[static_cast<size_t>(time)]);
    run_at(time);
    if (!region || time != region->last) continue;
    fork->join();
    fork.reset();
  }
}

void Program::forward(bool with_loss) {
  run(0, static_cast<int>(nodes()), [&](int time) {
    const auto i = static_cast<size_t>(time);
    if (!runs_forward(i) || (time == graph_.loss && !with_loss)) return;
    forward_node(i);
  });
}

void Program::backward() {
  const int count = static_cast<int>(nodes());
  run(count, 2 * count, [&](int time) {
    const auto i = static_cast<size_t>(2 * count - 1 - time);
    if (runs_backward(i)) backward_node(i);
  });
}

}  // namespace engine
