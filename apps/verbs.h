#pragma once

// The words after `engine`. Each has a file of its own; commands.cpp holds the one table of them.

#include <span>

#include "apps/arguments.h"

namespace engine {

struct Verb {
  const char* name;
  const char* group;                        ///< heading in `engine help`
  const char* summary;                      ///< one line of `engine help`
  Action (*declare)(Arguments& arguments);  ///< adds the verb's arguments
};

std::span<const Verb> verbs();

Action declare_run(Arguments& arguments);
Action declare_check(Arguments& arguments);
Action declare_summary(Arguments& arguments);
Action declare_config(Arguments& arguments);
Action declare_new(Arguments& arguments);
Action declare_schema(Arguments& arguments);
Action declare_evaluate(Arguments& arguments);
Action declare_sweep(Arguments& arguments);
Action declare_predict(Arguments& arguments);
Action declare_export(Arguments& arguments);
Action declare_import(Arguments& arguments);
Action declare_ls(Arguments& arguments);
Action declare_report(Arguments& arguments);
Action declare_preview(Arguments& arguments);
Action declare_preprocess(Arguments& arguments);
Action declare_forward(Arguments& arguments);
Action declare_bench(Arguments& arguments);
Action declare_profile(Arguments& arguments);
Action declare_data(Arguments& arguments);
Action declare_devices(Arguments& arguments);
Action declare_completion(Arguments& arguments);

}  // namespace engine
