// engine sweep: many experiments from one file, run and compared.

#include "apps/sweep_session.h"
#include "apps/verbs.h"

namespace engine {

Action declare_sweep(Arguments& arguments) {
  arguments.subcommand("plan", "Count and check the points, and say what they will take",
                       declare_sweep_plan);
  arguments.subcommand("run", "Run the points that are not done yet", declare_sweep_run);
  arguments.subcommand("submit", "Give the points that are not done yet to Slurm",
                       declare_sweep_submit);
  arguments.subcommand("status", "What is done, running and failed", declare_sweep_status);
  arguments.subcommand("table", "Means, intervals and differences as CSV, Markdown and HTML",
                       declare_sweep_table);
  return {};
}

}  // namespace engine
