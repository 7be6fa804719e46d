#include "tests/support/lanes.h"

#include <fmt/format.h>

namespace engine::test {
namespace {

/// Bytes of the arena that a call reads or writes.
struct Touched {
  size_t begin = 0, end = 0;
  bool write = false;
};

class Toucher {
 public:
  explicit Toucher(const Program& program)
      : program_(program), place_(program.placement()), nodes_(static_cast<int>(program.nodes())) {}

  std::string name(int time) const {
    return fmt::format("{} ({})", program_.node(node(time)).name,
                       time < nodes_ ? "forward" : "backward");
  }
  bool runs(int time) const {
    return time < nodes_ ? program_.runs_forward(node(time)) : program_.runs_backward(node(time));
  }
  std::vector<Touched> of(int time) {
    touched_.clear();
    if (time < nodes_) {
      forward(node(time));
    } else {
      backward(node(time));
    }
    return touched_;
  }

 private:
  size_t node(int time) const {
    return static_cast<size_t>(time < nodes_ ? time : 2 * nodes_ - 1 - time);
  }
  const PlacedTensor& value(int input) const {
    return input == kGraphInput ? place_.input : place_.outputs[static_cast<size_t>(input)];
  }

  void add(const PlacedTensor& tensor, bool write) {
    if (!tensor) return;
    const size_t size = size_of(tensor.dtype);
    const size_t first = place_.layout.offsets[static_cast<size_t>(tensor.buffer)] +
                         static_cast<size_t>(tensor.channel) * size;
    for (int64_t pixel = 0; pixel < tensor.shape.pixels(); ++pixel) {
      const size_t begin = first + static_cast<size_t>(pixel * tensor.pitch) * size;
      touched_.push_back({begin, begin + static_cast<size_t>(tensor.shape.c) * size, write});
    }
  }
  void add(int buffer, bool write) {
    if (buffer < 0) return;
    const size_t begin = place_.layout.offsets[static_cast<size_t>(buffer)];
    touched_.push_back({begin, begin + place_.requests[static_cast<size_t>(buffer)].bytes, write});
  }

  void forward(size_t i) {
    for (const int input : program_.node(i).inputs) add(value(input), false);
    add(place_.outputs[i], true);
    add(place_.nodes[i].workspace_forward, true);
    add(place_.nodes[i].saved, true);
  }
  void backward(size_t i) {
    const Node& node = program_.node(i);
    const NodePlacement& here = place_.nodes[i];
    const BackwardReads reads = node.op->backward_reads();
    for (const int input : node.inputs) {
      if (reads.inputs) add(value(input), false);
    }
    if (reads.output) add(place_.outputs[i], false);
    for (const PlacedTensor& dy : here.dys) add(dy, false);
    for (const PlacedTensor& dx : here.dx) add(dx, true);
    add(here.workspace_backward, true);
    add(here.saved, false);
    for (const int user : node.absorbed) {
      if (user >= 0) add(place_.nodes[static_cast<size_t>(user)].saved, false);
    }
  }

  const Program& program_;
  const Placement& place_;
  const int nodes_;
  std::vector<Touched> touched_;
};

}  // namespace

ProgramSetup program_setup(const SmallNetwork& network, Device& device, Mode mode) {
  return {.network = network.network,
          .image = network.image,
          .context = network.context,
          .registry = network.registry,
          .device = device,
          .batch = network.batch,
          .mode = mode,
          .label_smoothing = network.label_smoothing,
          .seed = 1,
          .precision = network.precision,
          .passes = {}};
}

std::vector<std::string> disturbed_lanes(const Program& program) {
  const Streams& streams = program.placement().streams;
  Toucher toucher(program);
  std::vector<std::string> problems;
  for (const Region& region : streams.regions) {
    std::vector<int> writer(program.arena_bytes(), -1);  // the call that wrote a byte
    for (const bool write : {true, false}) {
      for (int time = region.first; time <= region.last; ++time) {
        if (!toucher.runs(time)) continue;
        int beside = -1;
        for (const Touched& touched : toucher.of(time)) {
          if (touched.write != write) continue;
          for (size_t byte = touched.begin; byte < touched.end; ++byte) {
            const int other = writer[byte];
            const bool disturbs = other >= 0 && streams.lane[static_cast<size_t>(other)] !=
                                                    streams.lane[static_cast<size_t>(time)];
            if (disturbs) beside = other;
            if (write) writer[byte] = time;
          }
        }
        if (beside < 0) continue;
        problems.push_back(fmt::format("{} writes what {} touches beside it", toucher.name(beside),
                                       toucher.name(time)));
      }
    }
  }
  return problems;
}

}  // namespace engine::test
