#include "engine/report/run_report.h"

#include <numeric>

#include "engine/report/figures.h"
#include "engine/report/page.h"
#include "engine/report/tables.h"

namespace engine {

Array node_time_values(const std::vector<NodeTime>& times) {
  Array values;
  for (const NodeTime& time : times) {
    Value value{Object{}};
    value.set("node", time.node);
    value.set("op", time.op);
    value.set("implementation", time.implementation);
    value.set("forward_ms", time.forward_ms);
    value.set("backward_ms", time.backward_ms);
    values.push_back(std::move(value));
  }
  return values;
}

void RunReport::tested(const RunView& run, const TestView& test) {
  constexpr int kRepetitions = 3;
  std::vector<int32_t> order(static_cast<size_t>(test.training.count()));
  std::iota(order.begin(), order.end(), 0);
  run.executor->begin_epoch(test.training, order, 0);
  node_times_ = node_time_values(run.executor->time_nodes(kRepetitions));
}

void RunReport::noted(const RunView& run, const Status& status, FileSystem& files) {
  Value document = facts_.document(run, status);
  document.set("node_times", node_times_);
  save_file(files, run.folder + "/" + std::string(run_files::kReport), report_page(document),
            {.durable = false, .label = "report"});
  if (status.state == "running") return;
  save_figures(files, run.folder, document);
  save_tables(files, run.folder, document);
  save_predictions(files, run.folder, facts_.predictions(), run.classes);
}

}  // namespace engine
