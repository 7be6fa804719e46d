// engine sweep table: what a sweep says so far, as files.

#include "apps/console.h"
#include "apps/sweep_session.h"
#include "apps/sweep_tables.h"

namespace engine {
namespace {

struct TableArguments : SweepArguments {
  std::string baseline;
};

int table(const TableArguments& arguments) {
  const SweepSession session = open_sweep(arguments);
  const size_t baseline = arguments.baseline.empty()
                              ? session.sweep.baseline
                              : named_configuration(session.sweep, arguments.baseline);
  const SweepStore store(real_files(), session.folder);
  const SavedTables saved = save_sweep_tables(session, store, baseline);
  if (!arguments.shared.json) print_sentences(session, store, baseline);
  print_files(saved.files, arguments.shared.json);
  return 0;
}

}  // namespace

Action declare_sweep_table(Arguments& arguments) {
  auto options = std::make_shared<TableArguments>();
  add_sweep(arguments, *options);
  arguments.text("--baseline", options->baseline,
                 {.doc = "Configuration that others are compared with (default: the key baseline, "
                         "else the first)",
                  .placeholder = "NAME"});
  add_data_dir(arguments, options->shared);
  arguments.footer("Works at any time: what has not ended is counted as such.");
  return [options] { return table(*options); };
}

}  // namespace engine
