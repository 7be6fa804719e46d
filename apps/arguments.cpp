#include "apps/arguments.h"

#include <CLI/CLI.hpp>

namespace engine {
namespace {

void apply(CLI::Option& option, const ArgumentInfo& info) {
  if (!info.placeholder.empty()) option.type_name(info.placeholder);
  option.required(info.required);
  if (!info.choices.empty()) option.check(CLI::IsMember(info.choices));
}

void apply_range(CLI::Option& option, const ArgumentInfo& info, auto type) {
  using Number = decltype(type);
  constexpr auto kLargest = std::numeric_limits<double>::max();
  if (info.minimum == -std::numeric_limits<double>::infinity()) return;
  option.check(CLI::Range(static_cast<Number>(info.minimum),
                          static_cast<Number>(std::min(info.maximum, kLargest))));
}

}  // namespace

void Arguments::flag(const std::string& name, bool& value, const ArgumentInfo& info) {
  note(name, false, info);
  CLI::Option* option = command_->add_flag(name, value, info.doc);
  if (!info.excludes.empty()) option->excludes(command_->get_option(info.excludes));
}

void Arguments::text(const std::string& name, std::string& value, const ArgumentInfo& info) {
  note(name, true, info);
  apply(*command_->add_option(name, value, info.doc), info);
}

void Arguments::integer(const std::string& name, int64_t& value, const ArgumentInfo& info) {
  note(name, true, info);
  CLI::Option* option = command_->add_option(name, value, info.doc);
  apply_range(*option, info, int64_t{});
  apply(*option, info);
}

void Arguments::integer(const std::string& name, std::optional<int64_t>& value,
                        const ArgumentInfo& info) {
  note(name, true, info);
  CLI::Option* option = command_->add_option(name, value, info.doc);
  apply_range(*option, info, int64_t{});
  apply(*option, info);
}

void Arguments::number(const std::string& name, double& value, const ArgumentInfo& info) {
  note(name, true, info);
  CLI::Option* option = command_->add_option(name, value, info.doc);
  apply_range(*option, info, double{});
  apply(*option, info);
}

void Arguments::list(const std::string& name, std::vector<std::string>& values,
                     const ArgumentInfo& info) {
  note(name, true, info);
  CLI::Option* option = command_->add_option(name, values, info.doc);
  apply(*option, info);
  // Otherwise an option would swallow optional positional arguments that follow it.
  if (name.front() == '-') option->allow_extra_args(info.many);
}

void Arguments::footer(const std::string& text) {
  command_->footer(text);
}

void Arguments::subcommand(const std::string& name, const std::string& summary,
                           Action (*declare)(Arguments&)) {
  CLI::App* command = command_->add_subcommand(name, summary);
  command->group("Words");
  command_->require_subcommand(1);
  Arguments arguments(*command);
  Action action = declare(arguments);
  actions_.emplace_back(command, std::move(action));
  declared_.words.push_back(arguments.declared());
  declared_.words.back().name = name;
  declared_.words.back().summary = summary;
}

void Arguments::note(const std::string& name, bool takes_value, const ArgumentInfo& info) {
  declared_.arguments.push_back({name, takes_value, info});
}

DeclaredCommand declared_by(Action (*declare)(Arguments&)) {
  CLI::App nobody;
  Arguments arguments(nobody);
  declare(arguments);
  return arguments.declared();
}

}  // namespace engine
