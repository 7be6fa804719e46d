// engine schema: the keys of experiment and sweep files, for editors (JSON Schema) and for people
// (Markdown).

#include "apps/verbs.h"
#include "engine/run/experiment.h"
#include "engine/sweep/sweep_file.h"
#include "kernels/register.h"

namespace engine {

Action declare_schema(Arguments& arguments) {
  auto markdown = std::make_shared<bool>(false), sweep = std::make_shared<bool>(false);
  arguments.flag("--markdown", *markdown, {.doc = "Print the reference page instead"});
  arguments.flag("--sweep", *sweep, {.doc = "Of sweep files instead"});
  arguments.footer(
      "Editors complete and check experiment files that name the schema: engine schema > "
      "experiment.schema.json, then \"$schema\": \"experiment.schema.json\".");
  return [markdown, sweep] {
    if (*sweep) {
      fmt::print("{}", *markdown ? sweep_reference() : to_json(sweep_schema()) + "\n");
      return 0;
    }
    const Registry registry = register_ops();
    if (*markdown) {
      fmt::print("{}", experiment_reference(registry));
    } else {
      fmt::print("{}\n", to_json(experiment_schema(registry)));
    }
    return 0;
  };
}

}  // namespace engine
