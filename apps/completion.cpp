// engine completion: a shell's script that completes the command line, made from what verbs
// declare.

#include <fmt/format.h>

#include <functional>

#include "apps/verbs.h"

namespace engine {
namespace {

/// What a shell offers for a value.
enum class Offer { words, files, folders, nothing };

const std::vector<std::string>& words_of(const DeclaredArgument& argument) {
  return argument.info.choices.empty() ? argument.info.hints : argument.info.choices;
}

bool is_option(const DeclaredArgument& argument) {
  return argument.name.starts_with("-");
}

Offer offer_of(const DeclaredArgument& argument) {
  if (!words_of(argument).empty()) return Offer::words;
  const std::string& what = is_option(argument) ? argument.info.placeholder : argument.name;
  for (const char* folder : {"DIR", "RUN", "FOLDER"}) {
    if (what == folder) return Offer::folders;
  }
  for (const char* nothing : {"N", "K", "S", "NAME", "KEY=VALUE", "URL"}) {
    if (what == nothing) return Offer::nothing;
  }
  return Offer::files;
}

/// Text between single quotes, as all three shells take it.
std::string quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

/// Every verb with its declarations; `help` is not in the table of verbs.
std::vector<DeclaredCommand> all_commands() {
  std::vector<DeclaredCommand> commands;
  DeclaredCommand help{"help", "Print the list of verbs, or the page of one", {}, {}};
  help.arguments.push_back({"VERB", true, {}});
  for (const Verb& verb : verbs()) {
    commands.push_back(declared_by(verb.declare));
    commands.back().name = verb.name;
    commands.back().summary = verb.summary;
    help.arguments[0].info.choices.emplace_back(verb.name);
  }
  commands.push_back(std::move(help));
  return commands;
}

using Use = std::function<void(const std::string& name, const DeclaredCommand& command)>;

/// Each command that has arguments of its own: "run", "data fetch".
void each_command(const std::vector<DeclaredCommand>& commands, const Use& use) {
  for (const DeclaredCommand& command : commands) {
    if (command.words.empty()) use(command.name, command);
    for (const DeclaredCommand& word : command.words) use(command.name + " " + word.name, word);
  }
}

std::string names_of(const std::vector<DeclaredCommand>& commands) {
  std::vector<std::string> names;
  for (const DeclaredCommand& command : commands) names.push_back(command.name);
  return fmt::format("{}", fmt::join(names, " "));
}

// bash: one function, which looks up the command, then the option before the cursor.

std::string bash_offer(const DeclaredArgument& argument) {
  switch (offer_of(argument)) {
    case Offer::words:
      return fmt::format("_engine_words '{}'", fmt::join(words_of(argument), " "));
    case Offer::files:
      return "_engine_paths -f";
    case Offer::folders:
      return "_engine_paths -d";
    case Offer::nothing:
      break;
  }
  return ":";
}

constexpr const char* kBash = R"(# bash completion of engine: source <(engine completion bash)
_engine_words() {{ COMPREPLY+=($(compgen -W "$1" -- "$current")); }}
_engine_paths() {{
  local path
  compopt -o filenames 2>/dev/null
  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$1" -- "$current")
}}
_engine() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local name=${{COMP_WORDS[1]}}
  COMPREPLY=()
  if [ "$COMP_CWORD" = 1 ]; then _engine_words '{names} --help --version'; return; fi
  case $name in
{words}  esac
  case "$name $before" in
{values}  esac
  case $current in
    -*)
      case $name in
{flags}      esac
      return ;;
  esac
  case $name in
{positionals}  esac
}}
complete -F _engine engine
)";

std::string bash(const std::vector<DeclaredCommand>& commands) {
  std::string words, values, flags, positionals;
  for (const DeclaredCommand& command : commands) {
    if (command.words.empty()) continue;
    words += fmt::format(
        "    {})\n      if [ \"$COMP_CWORD\" = 2 ]; then _engine_words '{}'; return; fi\n"
        "      name=\"$name ${{COMP_WORDS[2]}}\" ;;\n",
        command.name, names_of(command.words));
  }
  each_command(commands, [&](const std::string& name, const DeclaredCommand& command) {
    std::string own = "--help", rest;
    for (const DeclaredArgument& argument : command.arguments) {
      const std::string offers = bash_offer(argument);
      if (!is_option(argument)) {
        rest += offers + "; ";
        continue;
      }
      own += " " + argument.name;
      if (argument.takes_value)
        values += fmt::format("    '{} {}') {}; return ;;\n", name, argument.name, offers);
    }
    flags += fmt::format("        '{}') _engine_words '{}' ;;\n", name, own);
    if (!rest.empty()) positionals += fmt::format("    '{}') {};;\n", name, rest);
  });
  return fmt::format(kBash, fmt::arg("names", names_of(commands)), fmt::arg("words", words),
                     fmt::arg("values", values), fmt::arg("flags", flags),
                     fmt::arg("positionals", positionals));
}

// zsh: _arguments does the work; it gives brackets and colons in texts a meaning.

std::string zsh_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string zsh_action(const DeclaredArgument& argument) {
  switch (offer_of(argument)) {
    case Offer::words:
      return fmt::format("({})", fmt::join(words_of(argument), " "));
    case Offer::files:
      return "_files";
    case Offer::folders:
      return "_files -/";
    case Offer::nothing:
      break;
  }
  return " ";
}

std::string zsh_arguments(const DeclaredCommand& command) {
  std::string text, last;  // of several positional arguments the last may be repeated
  for (const DeclaredArgument& argument : command.arguments) {
    if (is_option(argument)) {
      std::string spec = fmt::format("*{}[{}]", argument.name, zsh_text(argument.info.doc));
      if (argument.takes_value)
        spec += fmt::format(":{}:{}", zsh_text(argument.info.placeholder), zsh_action(argument));
      text += " \\\n      " + quoted(spec);
      continue;
    }
    if (!last.empty()) text += " \\\n      " + quoted(last);
    last = fmt::format(":{}:{}", argument.name, zsh_action(argument));
  }
  if (!last.empty()) text += " \\\n      " + quoted("*" + last);
  return text;
}

constexpr const char* kZsh = R"(#compdef engine
# zsh completion of engine: engine completion zsh > "${{fpath[1]}}/_engine"
_engine() {{
{lists}  if (( CURRENT == 2 )); then _describe verb verbs; return; fi
  local name=$words[2]
  shift words; (( CURRENT-- ))
  case $name in
{words}  esac
  case $name in
{cases}  esac
}}
if [ "$funcstack[1]" = _engine ]; then _engine "$@"; else compdef _engine engine; fi
)";

std::string zsh(const std::vector<DeclaredCommand>& commands) {
  std::string lists, words, cases;
  const auto list = [&](const std::string& name, const std::vector<DeclaredCommand>& entries) {
    lists += fmt::format("  local -a {}=(\n", name);
    for (const DeclaredCommand& entry : entries)
      lists += "    " + quoted(zsh_text(entry.name) + ":" + entry.summary) + "\n";
    lists += "  )\n";
  };
  list("verbs", commands);
  for (const DeclaredCommand& command : commands) {
    if (command.words.empty()) continue;
    list(command.name + "_words", command.words);
    words += fmt::format(
        "    {0})\n      if (( CURRENT == 2 )); then _describe word {0}_words; return; fi\n"
        "      name=\"$name $words[2]\"; shift words; (( CURRENT-- )) ;;\n",
        command.name);
  }
  each_command(commands, [&](const std::string& name, const DeclaredCommand& command) {
    cases += fmt::format("    '{}') _arguments '--help[Print this page]'{} ;;\n", name,
                         zsh_arguments(command));
  });
  return fmt::format(kZsh, fmt::arg("lists", lists), fmt::arg("words", words),
                     fmt::arg("cases", cases));
}

// fish: a line for each thing that can be completed, with the condition under which it can.

std::string fish_values(const DeclaredArgument& argument) {
  switch (offer_of(argument)) {
    case Offer::words:
      return fmt::format(" -x -a '{}'", fmt::join(words_of(argument), " "));
    case Offer::files:
      return " -r -F";
    case Offer::folders:
      return " -x -a '(__fish_complete_directories)'";
    case Offer::nothing:
      break;
  }
  return " -x";
}

std::string fish(const std::vector<DeclaredCommand>& commands) {
  std::string text =
      "# fish completion of engine: engine completion fish > "
      "~/.config/fish/completions/engine.fish\n"
      "complete -c engine -f\n";
  const auto line = [&](const std::string& when, const std::string& rest, std::string_view doc) {
    text += fmt::format("complete -c engine -n {}{} -d {}\n", quoted(when), rest, quoted(doc));
  };
  for (const DeclaredCommand& command : commands) {
    line("__fish_use_subcommand", " -a " + command.name, command.summary);
    const std::string words = names_of(command.words);
    for (const DeclaredCommand& word : command.words) {
      line(fmt::format("__fish_seen_subcommand_from {}; and not __fish_seen_subcommand_from {}",
                       command.name, words),
           " -a " + word.name, word.summary);
    }
  }
  each_command(commands, [&](const std::string& name, const DeclaredCommand& command) {
    const size_t space = name.find(' ');
    std::string when = "__fish_seen_subcommand_from " + name.substr(0, space);
    if (space != std::string::npos)
      when += "; and __fish_seen_subcommand_from " + name.substr(space + 1);
    for (const DeclaredArgument& argument : command.arguments) {
      if (is_option(argument)) {
        line(when,
             " -l " + argument.name.substr(2) + (argument.takes_value ? fish_values(argument) : ""),
             argument.info.doc);
      } else if (const Offer offer = offer_of(argument); offer == Offer::files) {
        line(when, " -F", argument.name);
      } else if (offer != Offer::nothing) {
        line(when, fish_values(argument), argument.name);
      }
    }
  });
  return text;
}

}  // namespace

Action declare_completion(Arguments& arguments) {
  auto shell = std::make_shared<std::string>();
  arguments.text(
      "SHELL", *shell,
      {.doc = "bash, zsh or fish", .required = true, .choices = {"bash", "zsh", "fish"}});
  arguments.footer(
      "bash: source <(engine completion bash), in ~/.bashrc for every shell.\n"
      "zsh: engine completion zsh > \"${fpath[1]}/_engine\"\n"
      "fish: engine completion fish > ~/.config/fish/completions/engine.fish");
  return [shell] {
    const std::vector<DeclaredCommand> commands = all_commands();
    fmt::print("{}", *shell == "bash"  ? bash(commands)
                     : *shell == "zsh" ? zsh(commands)
                                       : fish(commands));
    return 0;
  };
}

}  // namespace engine
