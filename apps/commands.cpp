#include <array>

#include "apps/verbs.h"

namespace engine {

std::span<const Verb> verbs() {
  static constexpr const char* kExperiments = "Experiments";
  static constexpr const char* kRuns = "Finished runs";
  static constexpr const char* kSweeps = "Many experiments";
  static constexpr const char* kParts = "Single parts";
  static constexpr const char* kMachine = "Data and machine";
  static constexpr std::array kVerbs{
      Verb{"run", kExperiments, "Train an experiment and leave a run folder", declare_run},
      Verb{"new", kExperiments, "Write a commented experiment file to start from", declare_new},
      Verb{"check", kExperiments, "Say everything that is wrong with experiment files",
           declare_check},
      Verb{"summary", kExperiments, "Print the network as a table, and the memory it takes",
           declare_summary},
      Verb{"preview", kExperiments, "Show images after each stage of preprocessing",
           declare_preview},
      Verb{"config", kExperiments, "Print every value of an experiment and where it came from",
           declare_config},
      Verb{"schema", kExperiments, "Print the JSON Schema of experiment files", declare_schema},
      Verb{"sweep", kSweeps, "Plan, run and compare many experiments from one file", declare_sweep},
      Verb{"ls", kRuns, "List runs with their state and test accuracy", declare_ls},
      Verb{"report", kRuns, "Compare runs in one HTML page", declare_report},
      Verb{"evaluate", kRuns, "Loss and accuracy of a run's best weights", declare_evaluate},
      Verb{"predict", kRuns, "Classes of image files by a run's best weights", declare_predict},
      Verb{"export", kRuns, "Write a run's model or weights for other programs", declare_export},
      Verb{"import", kRuns, "Check weights of another program and make a run folder of them",
           declare_import},
      Verb{"preprocess", kParts, "Write what the network would see to a NumPy file",
           declare_preprocess},
      Verb{"forward", kParts, "Logits of given weights for given inputs", declare_forward},
      Verb{"bench", kParts, "Measure training, evaluation and preprocessing speed", declare_bench},
      Verb{"profile", kParts, "Say where the time of a training step goes, node by node",
           declare_profile},
      Verb{"data", kMachine, "Fetch, check, describe and make data sets", declare_data},
      Verb{"devices", kMachine, "Print the devices that experiments can run on", declare_devices},
      Verb{"completion", kMachine, "Print a shell's script that completes this command line",
           declare_completion},
  };
  return kVerbs;
}

}  // namespace engine
