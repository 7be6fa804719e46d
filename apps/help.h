#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace engine {

/// The page of `engine VERB --help`: usage, what the verb does, arguments, options; 80 columns.
class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
};

}  // namespace engine
