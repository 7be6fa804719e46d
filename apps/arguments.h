#pragma once

// What a verb says about its arguments. A front of CLI11, which takes so long to compile that only
// arguments.cpp, help.cpp and command_line.cpp see it.

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace engine {

/// Does the work once the command line has been read; returns the exit code.
using Action = std::function<int()>;

struct ArgumentInfo {
  std::string doc;
  std::string placeholder;  ///< what help shows for the value: "DIR"
  bool required = false;
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices;  ///< text: one of these
  std::vector<std::string> hints;    ///< text: a shell offers these, others are fine too
  std::string excludes;              ///< a flag declared before that may not be given too
  bool many = false;                 ///< a list option takes all words up to the next option
};

struct DeclaredArgument {
  std::string name;
  bool takes_value = true;
  ArgumentInfo info;
};

/// What a command has declared: for completion in shells.
struct DeclaredCommand {
  std::string name, summary;
  std::vector<DeclaredArgument> arguments;
  std::vector<DeclaredCommand> words;  ///< that follow the verb
};

/// Declares one command's arguments. The variables must live until the action has run; what they
/// hold before is the default. Names with dashes are options, others are positional, in this order.
class Arguments {
 public:
  explicit Arguments(CLI::App& command) : command_(&command) {}
  void flag(const std::string& name, bool& value, const ArgumentInfo& info);
  void text(const std::string& name, std::string& value, const ArgumentInfo& info);
  void integer(const std::string& name, int64_t& value, const ArgumentInfo& info);
  void integer(const std::string& name, std::optional<int64_t>& value, const ArgumentInfo& info);
  void number(const std::string& name, double& value, const ArgumentInfo& info);
  /// An option that may be repeated, or every positional argument that is left.
  void list(const std::string& name, std::vector<std::string>& values, const ArgumentInfo& info);
  /// Text below the options in help.
  void footer(const std::string& text);
  /// A word that follows the verb, with arguments and an action of its own.
  void subcommand(const std::string& name, const std::string& summary,
                  Action (*declare)(Arguments&));

  const DeclaredCommand& declared() const { return declared_; }
  /// The actions of the sub-commands declared so far.
  const std::vector<std::pair<CLI::App*, Action>>& actions() const { return actions_; }

 private:
  void note(const std::string& name, bool takes_value, const ArgumentInfo& info);

  CLI::App* command_;
  DeclaredCommand declared_;
  std::vector<std::pair<CLI::App*, Action>> actions_;
};

/// What a verb declares, without a command line.
DeclaredCommand declared_by(Action (*declare)(Arguments&));

}  // namespace engine
