// engine config: every value of an experiment and where it came from.

#include "apps/options.h"
#include "apps/verbs.h"
#include "kernels/register.h"

namespace engine {

Action declare_config(Arguments& arguments) {
  auto options = std::make_shared<SharedOptions>();
  add_file(arguments, *options);
  add_set(arguments, *options);
  add_json(arguments, *options);
  return [options] {
    const Registry registry = register_ops();
    const Experiment experiment = open_experiment(*options, registry);
    if (options->json) {
      fmt::print("{}\n", to_json(experiment.resolved));
    } else {
      fmt::print("{}", describe_origins(experiment.resolved));
    }
    return 0;
  };
}

}  // namespace engine
