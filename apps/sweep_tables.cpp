#include "apps/sweep_tables.h"

#include "engine/core/error.h"
#include "engine/core/text.h"
#include "engine/report/figures.h"
#include "engine/sweep/table/table.h"

namespace engine {

SavedTables save_sweep_tables(const SweepSession& session, const SweepStore& store,
                              size_t baseline) {
  const SweepResults results =
      gather_results(session.sweep, point_results(session.sweep, store), baseline);
  SavedTables saved{.page = store / sweep_files::kPage};
  make_folders(real_files(), store.folder());
  const auto save = [&](std::string_view name, const std::string& text) {
    save_or_remove(real_files(), store / name, text);
    if (!text.empty()) saved.files.push_back(store / name);
  };
  save(sweep_files::kPage, sweep_page(results));
  save(sweep_files::kMarkdown, sweep_markdown(results));
  save(sweep_files::kPointsTable, points_csv(results));
  save(sweep_files::kConfigurationsTable, configurations_csv(results));
  save(sweep_files::kMatrixTable, matrix_csv(results));
  return saved;
}

void print_sentences(const SweepSession& session, const SweepStore& store, size_t baseline) {
  constexpr size_t kColumns = 79;
  const SweepResults results =
      gather_results(session.sweep, point_results(session.sweep, store), baseline);
  bool any = false;
  for (const ConfigurationResult& result : results.configurations) {
    for (const std::string& line :
         folded_to(printable(difference_sentence(results, result), false), kColumns)) {
      if (!line.empty()) fmt::print("{}\n", line);
      any = any || !line.empty();
    }
  }
  if (any) fmt::print("\n");
}

size_t named_configuration(const Sweep& sweep, const std::string& name) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < sweep.configurations.size(); ++i) {
    if (sweep.configurations[i].name == name) return i;
    names.push_back(sweep.configurations[i].name);
  }
  fail(ExitCode::usage, "--baseline {}: no such configuration{}; `engine sweep plan` lists them",
       name, did_you_mean(name, names));
}

}  // namespace engine
