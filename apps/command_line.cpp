#include "apps/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "apps/help.h"
#include "apps/verbs.h"
#include "engine/core/error.h"
#include "engine/core/problems.h"

namespace engine {
namespace {

std::string full_name(const CLI::App& app) {
  return app.get_parent() ? full_name(*app.get_parent()) + " " + app.get_name() : app.get_name();
}

/// The command that the arguments got to: the verb, or its sub-verb.
CLI::App& innermost(CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : innermost(*chosen.front());
}

[[noreturn]] void usage_error(const CLI::App& command, std::string message) {
  const std::string name = full_name(command);
  fail(ExitCode::usage, "{}: {}\nTry '{} --help'.", name, message, name);
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string_view near = nearest(word, {known.begin(), known.end()});
  return near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
}

std::vector<std::string> flag_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const auto* option : command.get_options([](const CLI::Option*) { return true; })) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// A word that should have been one of the command's sub-commands.
void check_word(CLI::App& command, std::string_view word, std::string_view kind) {
  std::vector<std::string> names;
  for (const auto* sub : command.get_subcommands([](CLI::App*) { return true; })) {
    if (sub->get_name() == word) return;
    names.push_back(sub->get_name());
  }
  if (word.empty()) usage_error(command, fmt::format("expected one of {}", fmt::join(names, ", ")));
  usage_error(command, fmt::format("unknown {} '{}'{}", kind, word, did_you_mean(word, names)));
}

/// Arguments that nothing took.
[[noreturn]] void report_extras(CLI::App& app) {
  CLI::App& command = innermost(app);
  const auto extras = app.remaining(true);
  for (std::string argument : extras) {
    if (argument.size() < 2 || argument[0] != '-') continue;
    argument = argument.substr(0, argument.find('='));
    usage_error(command, fmt::format("unknown option '{}'{}", argument,
                                     did_you_mean(argument, flag_names(command))));
  }
  usage_error(command,
              fmt::format("unexpected argument '{}'", extras.empty() ? "" : extras.front()));
}

bool has_words(const CLI::App& command) {
  return !command.get_subcommands([](const CLI::App*) { return true; }).empty();
}

/// Verbs are looked up before CLI11 parses, which would take a misspelt one for a stray argument.
void check_verbs(CLI::App& app, int argc, char** argv) {
  const std::string first = argv[1];
  if (first.starts_with('-')) {
    const std::string flag = first.substr(0, first.find('='));
    const auto known = flag_names(app);
    if (flag == "-h" || std::find(known.begin(), known.end(), flag) != known.end()) return;
    usage_error(app, fmt::format("unknown option '{}'{}", flag, did_you_mean(flag, known)));
  }
  check_word(app, first, "verb");
  CLI::App& verb = *app.get_subcommand(argv[1]);
  if (argc > 2 && argv[2][0] == '-') return;
  if (verb.get_name() == "help") {
    if (argc > 2) check_word(app, argv[2], "verb");
  } else if (has_words(verb)) {
    check_word(verb, argc > 2 ? argv[2] : "", "word");
  }
}

struct CommandLine {
  CLI::App app{"Trains small image networks that experiment files describe", "engine"};
  std::vector<std::pair<CLI::App*, Action>> actions;
  std::string help_topic;
  CLI::App* help = nullptr;

  CommandLine() {
    auto formatter = std::make_shared<HelpFormatter>();
    app.formatter(formatter);
    app.set_help_flag("-h,--help", "Print this page");
    app.set_version_flag("--version", "engine " ENGINE_VERSION, "Print the version");
    app.footer("'engine help VERB' and 'engine VERB --help' say more about a verb.");
    app.require_subcommand(1);
    for (const Verb& verb : verbs()) {
      CLI::App* command = app.add_subcommand(verb.name, verb.summary);
      command->group(verb.group);
      Arguments arguments(*command);
      const Action action = verb.declare(arguments);
      // A verb with words of its own leaves the work to their actions.
      if (arguments.actions().empty()) actions.emplace_back(command, action);
      actions.insert(actions.end(), arguments.actions().begin(), arguments.actions().end());
    }
    help = app.add_subcommand("help", "Print this page, or the page of a verb");
    help->group("Data and machine");
    help->add_option("VERB", help_topic, "The verb to explain");
  }

  int act() {
    if (*help) {
      // CLI::App::help() would print the page of the command that was parsed: of "help".
      const CLI::App* topic = help_topic.empty() ? &app : app.get_subcommand(help_topic);
      fmt::print("{}",
                 HelpFormatter().make_help(topic, topic->get_name(), CLI::AppFormatMode::Normal));
      return 0;
    }
    for (auto& [command, action] : actions) {
      if (*command) return action();
    }
    return 0;
  }
};

}  // namespace

int run_command_line(int argc, char** argv) {
  CommandLine line;
  CLI::App& app = line.app;
  if (argc < 2) {
    fmt::print(stderr, "{}", app.help());
    return static_cast<int>(ExitCode::usage);
  }
  check_verbs(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", innermost(app).help());
    return 0;
  } catch (const CLI::CallForVersion& version) {
    fmt::print("{}\n", version.what());
    return 0;
  } catch (const CLI::ExtrasError&) {
    report_extras(app);
  } catch (const CLI::ParseError& error) {
    usage_error(innermost(app), error.what());
  }
  return line.act();
}

}  // namespace engine
