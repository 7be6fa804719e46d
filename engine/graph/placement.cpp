#include "engine/graph/placement.h"

#include <algorithm>
#include <limits>

namespace engine {
namespace {

/// Lifetimes of values and gradients, and which of them lie inside others. Tensor 0 is the
/// network's input, 1 + i node i's output; gradients follow. Each tensor points to the one that it
/// lies in; the one that lies in none owns memory.
class Planner {
 public:
  Planner(const Graph& graph, const std::vector<NodeFacts>& facts, bool backward, DType input)
      : graph_(graph),
        facts_(facts),
        backward_(backward),
        input_(input),
        count_(count_of(graph.nodes)) {
    sliced_y_.assign(graph.nodes.size(), false);
    sliced_dy_.assign(graph.nodes.size(), false);
    for (int i = 0; i < count_; ++i) backward_of_.push_back(i);
    add_values();
    if (backward_) add_gradients();
  }

  void alias_views();
  void place_concats();
  void find_streams(int lanes);
  void share_in_place();
  void plan_nodes(const PlanNode& plan) const;
  Placement finish(bool reuse);

 private:
  struct Tensor {
    Shape shape;
    DType dtype = DType::f32;
    int inside = -1;      // the tensor that it lies in
    int64_t channel = 0;  // where in there
    int written = std::numeric_limits<int>::max();
    std::vector<int> reads;
  };

  static int count_of(const std::vector<Node>& nodes) { return static_cast<int>(nodes.size()); }
  const Node& node(int i) const { return graph_.nodes[static_cast<size_t>(i)]; }
  const NodeFacts& facts(int i) const { return facts_[static_cast<size_t>(i)]; }
  Tensor& tensor(int t) { return tensors_[static_cast<size_t>(t)]; }
  const Tensor& tensor(int t) const { return tensors_[static_cast<size_t>(t)]; }
  static int value(int node_or_input) { return node_or_input + 1; }
  int backward_time(int i) const { return 2 * count_ - 1 - i; }
  bool sums(int i) const { return node(i).op->sums_gradients(); }
  /// The node that does i's backward; i itself unless that has been absorbed.
  int backward_of(int i) const { return backward_of_[static_cast<size_t>(i)]; }
  int dx(int i, size_t k) const { return dx_[static_cast<size_t>(i)][k]; }
  /// The gradient that node i's backward reads; a split's first. -1: none.
  int dy(int i) const {
    const auto& all = dys_[static_cast<size_t>(i)];
    return all.empty() ? -1 : all[0];
  }

  /// A value, or the gradient of one: both have its shape and type.
  int add_tensor(int of, int written);
  void add_values();
  void add_gradients();
  bool alike(int a, int b) const {
    return tensor(a).shape == tensor(b).shape && tensor(a).dtype == tensor(b).dtype;
  }
  int root_of(int t) const;
  int64_t pitch_of(int t) const;
  int64_t channel_of(int t) const;
  void put_inside(int t, int outer, int64_t channel);
  bool free_after(int t, int time, int reads_at_time) const;
  void place_concat(int i);
  bool may_write_slice(int producer) const;
  bool may_read_slice(int producer) const;
  bool runs_forward(int i) const;
  bool runs_backward(int i) const;
  PlacedTensor placed(int t) const;
  int request(size_t bytes, int first, int last);

  const Graph& graph_;
  const std::vector<NodeFacts>& facts_;
  const bool backward_;
  const DType input_;
  const int count_;
  std::vector<Tensor> tensors_;
  std::vector<std::vector<int>> members_;   // of each tensor that owns memory: all that lie in it
  std::vector<std::vector<int>> dx_;        // node, input -> tensor or -1
  std::vector<std::vector<int>> dys_;       // node -> tensors that its backward reads
  std::vector<int> backward_of_;            // of each node
  std::vector<int> uses_;                   // of each value, by forward inputs
  std::vector<bool> sliced_y_, sliced_dy_;  // concats whose work is done by placement
  int seed_ = -1;
  std::vector<int> buffers_;  // of each tensor that owns memory
  Placement result_;
};

int Planner::add_tensor(int of, int written) {
  const DType dtype = of == kGraphInput ? input_ : facts(of).output;
  tensors_.push_back({.shape = graph_.shape_of(of), .dtype = dtype, .written = written});
  members_.push_back({static_cast<int>(tensors_.size()) - 1});
  return static_cast<int>(tensors_.size()) - 1;
}

void Planner::add_values() {
  add_tensor(kGraphInput, 0);
  for (int i = 0; i < count_; ++i) add_tensor(i, i);
  uses_.assign(tensors_.size(), 0);
  for (int i = 0; i < count_; ++i) {
    const BackwardReads reads = node(i).op->backward_reads();
    for (const int input : node(i).inputs) {
      ++uses_[static_cast<size_t>(value(input))];
      if (node(i).op->is_view()) continue;
      tensor(value(input)).reads.push_back(i);
      if (facts(i).backward && reads.inputs) tensor(value(input)).reads.push_back(backward_time(i));
    }
    if (facts(i).backward && reads.output) tensor(value(i)).reads.push_back(backward_time(i));
  }
  // Somebody may want the network's output after forward.
  tensor(value(graph_.logits)).reads.push_back(count_);
}

void Planner::add_gradients() {
  for (int i = 0; i < count_; ++i) {
    for (const int user : node(i).absorbed) {
      if (user >= 0) backward_of_[static_cast<size_t>(user)] = i;
    }
  }
  dx_.resize(static_cast<size_t>(count_));
  dys_.resize(static_cast<size_t>(count_));
  for (int i = 0; i < count_; ++i) {
    for (size_t k = 0; k < node(i).inputs.size(); ++k) {
      const int input = node(i).inputs[k];
      const bool needed = facts(i).backward && facts(i).needs_dx[k];
      if (needed && backward_of(i) != i) {
        dx_[static_cast<size_t>(i)].push_back(-1);
        dys_[static_cast<size_t>(input)].push_back(-1);  // its own dy, which is not known yet
        continue;
      }
      dx_[static_cast<size_t>(i)].push_back(needed ? add_tensor(input, backward_time(i)) : -1);
      if (!needed) continue;
      const int gradient = dx(i, k);
      dys_[static_cast<size_t>(input)].push_back(gradient);
      if (!node(input).op->is_view() || sums(input)) {
        tensor(gradient).reads.push_back(backward_time(input));
      }
    }
  }
  for (int i = 0; i < count_; ++i) {
    for (size_t u = 0; u < node(i).absorbed.size(); ++u) {
      const int user = node(i).absorbed[u];
      if (user < 0) continue;
      dys_[static_cast<size_t>(i)][u] = dy(user);
      tensor(dy(user)).reads.push_back(backward_time(i));
    }
  }
  if (graph_.loss == kGraphInput && graph_.logits != kGraphInput && facts(graph_.logits).backward) {
    seed_ = add_tensor(graph_.logits, count_);
    tensor(seed_).reads.push_back(backward_time(graph_.logits));
    dys_[static_cast<size_t>(graph_.logits)].push_back(seed_);
  }
}

int Planner::root_of(int t) const {
  while (tensor(t).inside >= 0) t = tensor(t).inside;
  return t;
}

int64_t Planner::channel_of(int t) const {
  int64_t channel = 0;
  for (; tensor(t).inside >= 0; t = tensor(t).inside) channel += tensor(t).channel;
  return channel;
}

/// A slice has the pitch of what it lies in; a view of packed memory is packed in its own shape.
int64_t Planner::pitch_of(int t) const {
  const int outer = tensor(t).inside;
  if (outer < 0) return tensor(t).shape.c;
  const bool whole = tensor(t).shape.elements() == tensor(outer).shape.elements();
  const int64_t pitch = pitch_of(outer);
  return whole && pitch == tensor(outer).shape.c ? tensor(t).shape.c : pitch;
}

void Planner::put_inside(int t, int outer, int64_t channel) {
  tensor(t).inside = outer;
  tensor(t).channel = channel;
  auto& group = members_[static_cast<size_t>(root_of(outer))];
  auto& moved = members_[static_cast<size_t>(t)];
  group.insert(group.end(), moved.begin(), moved.end());
  moved.clear();
}

void Planner::alias_views() {
  for (int i = 0; i < count_; ++i) {
    if (node(i).op->is_view()) put_inside(value(i), value(node(i).inputs[0]), 0);
  }
  if (!backward_) return;
  for (int i = count_ - 1; i >= 0; --i) {
    const bool view = node(i).op->is_view() && !sums(i);
    if (view && dx(i, 0) >= 0 && dy(i) >= 0) put_inside(dx(i, 0), dy(i), 0);
  }
}

bool Planner::may_write_slice(int producer) const {
  return !node(producer).op->is_view() &&
         (facts(producer).takes_pitch || sliced_y_[static_cast<size_t>(producer)]);
}

/// A split reads slices as they are; a view cannot, for it may give them another shape.
bool Planner::may_read_slice(int producer) const {
  if (node(producer).op->is_view()) return sums(producer);
  return facts(producer).takes_pitch || sliced_dy_[static_cast<size_t>(producer)];
}

/// Each input that can be written straight into its slice of the output is; gradients likewise.
void Planner::place_concat(int i) {
  const bool runs_backward = backward_ && facts(i).backward && dy(i) >= 0 && !sums(i);
  bool all_values = true, all_gradients = runs_backward;
  int64_t channel = 0;
  for (size_t k = 0; k < node(i).inputs.size(); ++k) {
    const int input = node(i).inputs[k];
    const bool lone = uses_[static_cast<size_t>(value(input))] == 1;
    if (input != kGraphInput && lone && may_write_slice(input)) {
      put_inside(value(input), value(i), channel);
    } else {
      all_values = false;
    }
    if (runs_backward && dx(i, k) >= 0) {
      if (may_read_slice(input)) {
        put_inside(dx(i, k), dy(i), channel);
      } else {
        all_gradients = false;
      }
    }
    channel += graph_.shape_of(input).c;
  }
  sliced_y_[static_cast<size_t>(i)] = all_values;
  sliced_dy_[static_cast<size_t>(i)] = all_gradients;
}

void Planner::place_concats() {
  for (int i = 0; i < count_; ++i) {
    const bool joins = node(i).op->type() == "concat" || sums(i);
    if (joins && !node(i).op->is_view()) place_concat(i);
  }
}

bool Planner::runs_forward(int i) const {
  return !node(i).op->is_view() && !sliced_y_[static_cast<size_t>(i)];
}

bool Planner::runs_backward(int i) const {
  return backward_ && facts(i).backward && (!node(i).op->is_view() || sums(i)) &&
         !sliced_dy_[static_cast<size_t>(i)] && backward_of(i) == i;
}

/// Which calls may run side by side, from what they read and write. Behind what decides which calls
/// run at all; in front of what shares memory in the calls' order.
void Planner::find_streams(int lanes) {
  if (lanes < 2) return;
  std::vector<CallData> calls(static_cast<size_t>(2 * count_) + 1);  // the last: after backward
  for (int t = 0; t < static_cast<int>(tensors_.size()); ++t) {
    for (const int time : tensor(t).reads) {
      calls[static_cast<size_t>(time)].reads.push_back(root_of(t));
    }
    const bool given = t == value(kGraphInput) || t == seed_;
    if (!given) calls[static_cast<size_t>(tensor(t).written)].writes.push_back(root_of(t));
  }
  for (int i = 0; i < count_; ++i) {
    calls[static_cast<size_t>(i)].runs = runs_forward(i);
    calls[static_cast<size_t>(backward_time(i))].runs = runs_backward(i);
  }
  find_regions(calls, 0, count_, lanes, result_.streams);
  find_regions(calls, count_, 2 * count_, lanes, result_.streams);
}

/// Whether t's memory holds nothing that is read after time or beside it, and is read at time only
/// as often as the caller itself does.
bool Planner::free_after(int t, int time, int reads_at_time) const {
  int found = 0;
  for (const int member : members_[static_cast<size_t>(root_of(t))]) {
    for (const int read : tensor(member).reads) {
      if (read > time || result_.streams.concurrent(read, time)) return false;
      found += read == time;
    }
  }
  return found <= reads_at_time;
}

void Planner::share_in_place() {
  const auto packed_whole = [&](int t) {
    return pitch_of(t) == tensor(t).shape.c &&
           tensor(t).shape.elements() == tensor(root_of(t)).shape.elements();
  };
  for (int i = 0; i < count_; ++i) {
    const Node& now = node(i);
    if (!now.op->in_place() || now.op->is_view() || now.inputs.empty()) continue;
    const int input = value(now.inputs[0]);
    if (tensor(value(i)).inside >= 0 || !alike(value(i), input)) continue;
    if (packed_whole(input) && free_after(input, i, 1)) put_inside(value(i), input, 0);
  }
  for (int i = count_ - 1; backward_ && i >= 0; --i) {
    // A pool's gradient is read at other pixels than it is written.
    const bool in_place = sums(i) && (node(i).absorbed.empty() || node(i).absorbed[0] < 0);
    const bool may = in_place || (node(i).op->in_place() && !node(i).op->is_view());
    if (!may || !facts(i).backward || dx(i, 0) < 0 || dy(i) < 0) continue;
    if (tensor(dx(i, 0)).inside >= 0 || !alike(dy(i), dx(i, 0))) continue;
    if (packed_whole(dy(i)) && free_after(dy(i), backward_time(i), 1)) {
      put_inside(dx(i, 0), dy(i), 0);
    }
  }
}

void Planner::plan_nodes(const PlanNode& plan) const {
  const auto place = [&](int t) {
    return t < 0 ? TensorPlace{} : TensorPlace{pitch_of(t), channel_of(t)};
  };
  for (int i = 0; i < count_; ++i) {
    KernelPlaces places{.x = {}, .y = place(value(i))};
    if (backward_) places.dy = place(dy(i));
    for (size_t k = 0; k < node(i).inputs.size(); ++k) {
      places.x.push_back(place(value(node(i).inputs[k])));
      places.dx.push_back(backward_ ? place(dx(i, k)) : TensorPlace{});
    }
    plan(static_cast<size_t>(i), places);
  }
}

PlacedTensor Planner::placed(int t) const {
  return {.shape = tensor(t).shape,
          .dtype = tensor(t).dtype,
          .pitch = pitch_of(t),
          .buffer = buffers_[static_cast<size_t>(root_of(t))],
          .channel = channel_of(t),
          .moved = tensor(t).inside >= 0};
}

/// What is in use in a region's call is so in the whole region: nothing tells which of its lanes is
/// how far.
int Planner::request(size_t bytes, int first, int last) {
  if (bytes == 0) return -1;
  if (const Region* region = result_.streams.region_of(first)) first = region->first;
  if (const Region* region = result_.streams.region_of(last)) last = region->last;
  result_.requests.push_back({.bytes = bytes, .first = first, .last = last});
  return static_cast<int>(result_.requests.size()) - 1;
}

Placement Planner::finish(bool reuse) {
  buffers_.assign(tensors_.size(), -1);
  for (int t = 0; t < static_cast<int>(tensors_.size()); ++t) {
    if (tensor(t).inside >= 0) continue;
    int first = std::numeric_limits<int>::max(), last = 0;
    for (const int member : members_[static_cast<size_t>(t)]) {
      first = std::min(first, tensor(member).written);
      last = std::max(last, tensor(member).written);
      for (const int read : tensor(member).reads) last = std::max(last, read);
    }
    const auto elements = static_cast<size_t>(tensor(t).shape.elements());
    buffers_[static_cast<size_t>(t)] = request(elements * size_of(tensor(t).dtype), first, last);
  }
  result_.input = placed(0);
  result_.nodes.resize(static_cast<size_t>(count_));
  for (int i = 0; i < count_; ++i) {
    NodePlacement& here = result_.nodes[static_cast<size_t>(i)];
    const NodeFacts& about = facts(i);
    const bool has_gradient = backward_ && about.backward;
    result_.outputs.push_back(placed(value(i)));
    here.runs_forward = runs_forward(i);
    here.runs_backward = runs_backward(i);
    here.workspace_forward = request(here.runs_forward ? about.workspace_bytes : 0, i, i);
    here.saved = request(about.saved_bytes, i, has_gradient ? backward_time(backward_of(i)) : i);
    here.dx.resize(node(i).inputs.size());
    if (!has_gradient) continue;
    const int time = backward_time(i);
    here.workspace_backward = request(here.runs_backward ? about.workspace_bytes : 0, time, time);
    for (size_t k = 0; k < here.dx.size(); ++k) {
      if (dx(i, k) >= 0) here.dx[k] = placed(dx(i, k));
    }
    for (const int gradient : dys_[static_cast<size_t>(i)]) here.dys.push_back(placed(gradient));
  }
  if (seed_ >= 0) result_.seed = placed(seed_);
  if (!reuse) {
    for (BufferRequest& each : result_.requests) {
      each.first = 0;
      each.last = 2 * count_;
    }
  }
  result_.layout = lay_out(result_.requests, kArenaAlignment);
  return std::move(result_);
}

}  // namespace

size_t Placement::without_reuse() const {
  size_t sum = 0;
  for (const BufferRequest& each : requests) {
    sum += (each.bytes + kArenaAlignment - 1) & ~(kArenaAlignment - 1);
  }
  return sum;
}

Placement place(const Graph& graph, const std::vector<NodeFacts>& facts, bool backward, DType input,
                int lanes, const PassSwitches& passes, const PlanNode& plan) {
  Planner planner(graph, facts, backward, input);
  planner.alias_views();
  if (passes.concat_placement) planner.place_concats();
  if (passes.side_streams) planner.find_streams(lanes);
  if (passes.in_place) planner.share_in_place();
  planner.plan_nodes(plan);
  return planner.finish(passes.memory_reuse);
}

}  // namespace engine
