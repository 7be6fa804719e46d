#include "tests/emulation/work_graph.h"

#include <random>
#include <utility>

namespace emulated {

size_t WorkGraph::add(std::function<void()> work, const std::set<size_t>& behind) {
  pieces_.push_back({std::move(work), behind});
  return pieces_.size() - 1;
}

std::set<size_t> WorkGraph::up_to(const std::set<size_t>& pieces) const {
  std::set<size_t> found = pieces;
  std::vector<size_t> open(pieces.begin(), pieces.end());
  while (!open.empty()) {
    const size_t piece = open.back();
    open.pop_back();
    for (const size_t before : pieces_[piece].behind) {
      if (found.insert(before).second) open.push_back(before);
    }
  }
  return found;
}

void WorkGraph::run(uint32_t turn) const {
  std::vector<size_t> waits_for(pieces_.size()), ready;
  std::vector<std::vector<size_t>> after(pieces_.size());
  for (size_t i = 0; i < pieces_.size(); ++i) {
    waits_for[i] = pieces_[i].behind.size();
    for (const size_t before : pieces_[i].behind) after[before].push_back(i);
    if (waits_for[i] == 0) ready.push_back(i);
  }
  std::mt19937 random(turn);
  while (!ready.empty()) {
    std::swap(ready[random() % ready.size()], ready.back());
    const size_t next = ready.back();
    ready.pop_back();
    pieces_[next].work();
    for (const size_t each : after[next]) {
      if (--waits_for[each] == 0) ready.push_back(each);
    }
  }
}

}  // namespace emulated
