#include "apps/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string_view>
#include <vector>

namespace engine {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kMostIndent = 28;  ///< the descriptions start here or before

/// Breaks text at spaces; lines after the first start at `indent`. A line break in the text stays.
std::string wrap(const std::string& text, size_t indent, size_t column) {
  std::string result;
  std::istringstream paragraphs(text);
  std::string paragraph;
  bool first_paragraph = true;
  while (std::getline(paragraphs, paragraph)) {
    if (!first_paragraph) {
      result += '\n';
      if (!paragraph.empty()) result.append(indent, ' ');
      column = indent;
    }
    first_paragraph = false;
    std::istringstream words(paragraph);
    std::string word;
    bool first_word = true;
    while (words >> word) {
      if (!first_word && column + 1 + word.size() > kWidth) {
        result += '\n' + std::string(indent, ' ') + word;
        column = indent + word.size();
      } else {
        if (!first_word) result += ' ', ++column;
        result += word;
        column += word.size();
      }
      first_word = false;
    }
  }
  return result;
}

using Rows = std::vector<std::pair<std::string, std::string>>;

/// Names with their descriptions beside them.
std::string section(const std::string& title, const Rows& rows) {
  size_t indent = 0;
  for (const auto& [name, description] : rows) indent = std::max(indent, name.size() + 4);
  indent = std::min(indent, kMostIndent);
  std::string text = "\n" + title + ":\n";
  for (const auto& [name, description] : rows) {
    std::string line = "  " + name;
    if (line.size() + 2 > indent) {
      line += '\n' + std::string(indent, ' ');
    } else {
      line.append(indent - line.size(), ' ');
    }
    text += line + wrap(description, indent, indent) + '\n';
  }
  return text;
}

bool is_positional(const CLI::Option& option) {
  return option.nonpositional() == false;
}

std::string option_text(const CLI::Option& option) {
  if (is_positional(option)) return option.get_name(true);
  std::string text;
  for (const auto& name : option.get_snames()) text += "-" + name + ", ";
  for (const auto& name : option.get_lnames()) text += "--" + name + ", ";
  text.resize(text.size() - 2);
  // CLI11 appends what is allowed to the placeholder: "N:INT in [1 - 4096]".
  const std::string placeholder = option.get_type_name();
  if (option.get_type_size() != 0) text += " " + placeholder.substr(0, placeholder.find(':'));
  return text;
}

std::string usage(const CLI::App& app, const std::string& name,
                  const std::vector<const CLI::Option*>& options) {
  std::string line = "usage: " + name;
  if (!app.get_subcommands({}).empty()) line += app.get_parent() ? " WHAT" : " VERB";
  bool any = !app.get_subcommands({}).empty();
  for (const auto* option : options) {
    if (is_positional(*option)) {
      std::string word = option->get_name(true);
      if (option->get_items_expected_max() > 1) word += "...";
      line += option->get_required() ? " " + word : " [" + word + "]";
    } else if (option->get_required()) {
      line += " " + option_text(*option);
    } else if (option->get_lnames() != std::vector<std::string>{"help"}) {
      any = true;
    }
  }
  return line + (any ? " [OPTIONS]\n" : "\n");
}

std::string subcommands(const CLI::App& app) {
  std::string text;
  std::vector<std::string> groups;
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const auto* command : commands) {
    if (std::find(groups.begin(), groups.end(), command->get_group()) == groups.end()) {
      groups.push_back(command->get_group());
    }
  }
  for (const auto& group : groups) {
    Rows rows;
    for (const auto* command : commands) {
      if (command->get_group() == group) {
        rows.emplace_back(command->get_name(), command->get_description());
      }
    }
    text += section(group, rows);
  }
  return text;
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode) const {
  for (const CLI::App* parent = app->get_parent(); parent; parent = parent->get_parent()) {
    if (name.rfind(parent->get_name() + " ", 0) != 0) name = parent->get_name() + " " + name;
  }
  const auto options = app->get_options([](const CLI::Option*) { return true; });
  std::string text = usage(*app, name, options);
  text += '\n' + wrap(app->get_description() + ".", 0, 0) + '\n';
  Rows arguments, flags;
  for (const auto* option : options) {
    (is_positional(*option) ? arguments : flags)
        .emplace_back(option_text(*option), option->get_description());
  }
  if (!arguments.empty()) text += section("Arguments", arguments);
  text += subcommands(*app);
  if (!flags.empty()) text += section("Options", flags);
  if (!app->get_footer().empty()) text += '\n' + wrap(app->get_footer(), 0, 0) + '\n';
  return text;
}

}  // namespace engine
