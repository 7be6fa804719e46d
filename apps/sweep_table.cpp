// engine sweep table: what a sweep says so far, as files.

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
  if (arguments.shared.json) {
    Value result{Object{}};
    result.set("files", Array(saved.files.begin(), saved.files.end()));
    fmt::print("{}\n", to_json(result));
    return 0;
  }
  print_sentences(session, store, baseline);
  for (const std::string& file : saved.files) fmt::print("{}\n", file);
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
