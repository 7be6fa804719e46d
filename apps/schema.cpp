// engine schema: the keys of experiment files, for editors (JSON Schema) and for people (Markdown).

#include "apps/verbs.h"
#include "engine/run/experiment.h"
#include "kernels/register.h"

namespace engine {

Action declare_schema(Arguments& arguments) {
  auto markdown = std::make_shared<bool>(false);
  arguments.flag("--markdown", *markdown, {.doc = "Print the reference page instead"});
  arguments.footer(
      "Editors complete and check experiment files that name the schema: engine schema > "
      "experiment.schema.json, then \"$schema\": \"experiment.schema.json\".");
  return [markdown] {
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
