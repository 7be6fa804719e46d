#include "engine/graph/executor.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/graph/executor_impl.h"

namespace engine {
namespace {

// Programs kept besides the first: training and evaluation, each with one for its last incomplete
// batch, and a few for sets of other sizes.
constexpr size_t kProgramsKept = 8;

OptimizerFactory factory_of(const Registry& registry, const Optimizer& optimizer,
                            const Device& device) {
  const OptimizerEntry* entry = registry.optimizer(optimizer.type());
  const OptimizerFactory factory =
      entry ? (device.kind() == "cuda" ? entry->cuda : entry->cpu) : nullptr;
  if (!factory) {
    fail(ExitCode::device, "the device {} has no implementation of the optimizer {}", device.kind(),
         optimizer.type());
  }
  return factory;
}

Buffer zeroed(Device& device, size_t bytes) {
  Buffer buffer(device, bytes);
  if (buffer) device.zero(buffer.data(), bytes);
  return buffer;
}

}  // namespace

Executor::Impl::Impl(const ExecutorSetup& setup)
    : network(setup.network),
      image(setup.image),
      context(setup.context),
      registry(setup.registry),
      device(setup.device),
      pipeline(setup.pipeline),
      batch(setup.batch),
      evaluation_batch(setup.evaluation_batch),
      label_smoothing(setup.label_smoothing),
      seed(setup.seed),
      precision(setup.precision),
      passes(select_passes(setup.without_passes)),
      optimizer(setup.optimizer),
      store(setup.device, setup.precision) {
  if (precision != Precision::fp32 && device.kind() != "cuda") {
    fail(ExitCode::device,
         "precision {} needs a CUDA device; on the {} use \"precision\": \"fp32\"",
         to_string(precision), device.kind() == "cpu" ? "CPU" : device.kind());
  }
  if (batch < 1 || evaluation_batch < 1)
    fail(ExitCode::internal, "a batch has at least one sample");
  first =
      optimizer ? &program(batch, Mode::training) : &program(evaluation_batch, Mode::evaluation);
  first->define(store);
  store.allocate(optimizer != nullptr, optimizer ? optimizer->moments() : 0);
  if (optimizer) optimizer_kernel = factory_of(registry, *optimizer, device)(*optimizer, device);
  state = zeroed(device, sizeof(StepState));
  evaluation_state = zeroed(device, sizeof(StepState));
  const auto most = static_cast<size_t>(std::max(batch, evaluation_batch));
  labels = zeroed(device, most * sizeof(int32_t));
  samples = zeroed(device, most * sizeof(int32_t));
  kept_state_parameters = zeroed(
      device, static_cast<size_t>(store.elements() - store.trainable_elements()) * sizeof(float));
  learning_rates = zeroed(device, sizeof(float));
  write(state, {});
}

Program& Executor::Impl::program(int64_t size, Mode mode) {
  for (Held& held : programs) {
    if (held.program->batch() == size && held.program->mode() == mode) {
      held.used = ++uses;
      return *held.program;
    }
  }
  auto made = std::make_unique<Program>(ProgramSetup{.network = network,
                                                     .image = image,
                                                     .context = context,
                                                     .registry = registry,
                                                     .device = device,
                                                     .batch = size,
                                                     .mode = mode,
                                                     .label_smoothing = label_smoothing,
                                                     .seed = seed,
                                                     .precision = precision,
                                                     .passes = passes});
  if (programs.size() > kProgramsKept) {
    const auto oldest =
        std::min_element(programs.begin() + 1, programs.end(),
                         [](const Held& a, const Held& b) { return a.used < b.used; });
    programs.erase(oldest);
  }
  programs.push_back({.program = std::move(made), .used = ++uses});
  bound = false;
  return *programs.back().program;
}

void Executor::Impl::prepare() {
  if (bound) return;
  size_t bytes = 0;
  for (const Held& held : programs) bytes = std::max(bytes, held.program->arena_bytes());
  if (bytes > arena.bytes()) {
    arena = Buffer();  // first back, then anew: never both at a time
    arena = Buffer(device, bytes);
  }
  for (const Held& held : programs) {
    held.program->bind(store, static_cast<std::byte*>(arena.data()));
  }
  forget_recordings();
  bound = true;
}

void Executor::Impl::forget_recordings() {
  for (Held& held : programs) held.recording.reset();
}

Executor::Impl::Held& Executor::Impl::held(const Program& program) {
  return *std::find_if(programs.begin(), programs.end(),
                       [&](const Held& each) { return each.program.get() == &program; });
}

bool Executor::Impl::Held::has_recorded(const PreparedSet& of, bool loss) const {
  const std::weak_ptr<const void> other = of.identity();
  const bool same_set = !set.owner_before(other) && !other.owner_before(set);
  return recording && same_set && with_loss == loss;
}

void Executor::Impl::Held::keep(std::unique_ptr<Recording> made, const PreparedSet& of, bool loss) {
  recording = std::move(made);
  set = of.identity();
  with_loss = loss;
}

void Executor::Impl::require_loss() const {
  if (first->has_loss()) return;
  const Graph& graph = first->built_graph();
  fail(ExitCode::experiment,
       "the network cannot be trained or evaluated: its last node \"{}\" gives {}, expected one "
       "value "
       "for each of {} classes",
       graph.nodes[static_cast<size_t>(graph.logits)].name, to_string(graph.shape_of(graph.logits)),
       context.classes);
}

void Executor::Impl::require_training() const {
  if (!optimizer) fail(ExitCode::internal, "this executor was made without an optimizer");
  require_loss();
}

void Executor::Impl::require_pipeline() const {
  if (!pipeline) fail(ExitCode::internal, "this executor was made without a pipeline");
}

StepState Executor::Impl::read(const Buffer& buffer) const {
  StepState value;
  device.copy_to_host(&value, buffer.data(), sizeof(StepState));
  return value;
}

void Executor::Impl::write(Buffer& buffer, const StepState& value) {
  device.copy_to_device(buffer.data(), &value, sizeof(StepState));
}

Executor::Executor(const ExecutorSetup& setup) : impl_(std::make_unique<Impl>(setup)) {}
Executor::~Executor() = default;

void Executor::initialize() {
  impl_->store.initialize(impl_->seed);
}
std::vector<NamedTensor> Executor::parameters() const {
  return impl_->store.export_parameters();
}
void Executor::set_parameters(std::span<const NamedTensor> tensors) {
  impl_->store.import_parameters(tensors);
}
std::vector<NamedTensor> Executor::moments() const {
  return impl_->store.export_moments();
}
void Executor::set_moments(std::span<const NamedTensor> tensors) {
  impl_->store.import_moments(tensors);
}
StepState Executor::state() const {
  return impl_->read(impl_->state);
}
void Executor::set_state(const StepState& state) {
  impl_->write(impl_->state, state);
}

MemoryPlan Executor::memory() const {
  Impl& impl = *impl_;
  const auto bytes = [](int64_t elements) { return static_cast<size_t>(elements) * sizeof(float); };
  MemoryPlan plan{.parameters = bytes(impl.store.elements())};
  if (impl.store.operands()) plan.parameters += bytes(impl.store.trainable_elements()) / 2;
  if (impl.optimizer) {
    const auto trainable = static_cast<size_t>(impl.store.trainable_elements());
    plan.gradients = trainable * size_of(impl.store.storage());
    plan.moments = trainable * sizeof(float) * static_cast<size_t>(impl.store.moment_count());
  }
  impl.program(impl.evaluation_batch, Mode::evaluation);
  for (const Impl::Held& held : impl.programs) {
    if (held.program->arena_bytes() < plan.activations) continue;
    plan.activations = held.program->arena_bytes();
    plan.without_reuse = held.program->placement().without_reuse();
  }
  return plan;
}

const Graph& Executor::training_graph() const {
  return impl_->first->built_graph();
}

}  // namespace engine
