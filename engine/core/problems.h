#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/value.h"

namespace engine {

/// Collects everything that is wrong with a file, so that one pass shows all of it.
class Problems {
 public:
  /// "noise.json:3:12: train.epochs: expected ..., got ...", with the source line and a caret below
  /// when the text of the file is known. The same finding at the same place counts once (a block
  /// that is used twice is read twice).
  void add(const Origin& origin, std::string_view key_path, std::string_view message);
  /// Texts of files, for source lines.
  void remember_source(std::string file, std::string text);
  bool empty() const { return found_.empty(); }
  size_t count() const { return found_.size(); }
  /// All messages, sorted by place within a file; the first kLimits.messages of them.
  std::string text() const;
  /// Throws Error (experiment) with all messages if there are any.
  void throw_if_any() const;

 private:
  struct Finding {
    Origin origin;
    std::string message;
    bool operator==(const Finding& other) const;
  };
  std::string source_line(const Origin& origin) const;

  std::vector<Finding> found_;
  std::vector<std::pair<std::string, std::string>> sources_;
};

/// The nearest of candidates to a misspelt word, or empty when none is near: more than two letters
/// added, left out, changed or swapped, or more than half of the word. Case and "-" do not count.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

/// `; did you mean "epochs"?`, or empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates);
/// `"adam", "sgd"`, in quotes as messages list choices.
std::string listed(const std::vector<std::string_view>& words);

}  // namespace engine
