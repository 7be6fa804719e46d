#include "engine/core/problems.h"

#include <algorithm>
#include <cctype>

#include "engine/core/json.h"
#include "engine/core/limits.h"

namespace engine {
namespace {

constexpr size_t kShownWidth = 70;  // with indentation and dots: 80 columns

/// Control characters would move the cursor or worse; a tab would move the caret.
std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  return out;
}

/// Byte offset of the given character (UTF-8).
size_t offset_of(std::string_view text, size_t character) {
  size_t at = 0;
  for (; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && character-- == 0) break;
  return at;
}

/// The text of a line (from 1), ended by \n, \r\n or a lone \r.
std::string_view line_of(std::string_view text, int line) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  size_t begin = 0;
  for (; line > 1; --line) {
    const size_t end = text.find_first_of("\r\n", begin);
    if (end == text.npos) return {};
    begin = end + (text.substr(end, 2) == "\r\n" ? 2 : 1);
  }
  return text.substr(begin, text.find_first_of("\r\n", begin) - begin);
}

/// The letters that matter when words are compared.
std::string folded(std::string_view word) {
  std::string out(word);
  for (char& c : out) c = c == '-' || c == ' ' ? '_' : static_cast<char>(std::tolower(c));
  return out;
}

/// Optimal string alignment: letters added, left out, changed, and neighbours swapped.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

bool Problems::Finding::operator==(const Finding& other) const {
  return message == other.message && origin.file == other.origin.file &&
         origin.line == other.origin.line && origin.column == other.origin.column;
}

void Problems::add(const Origin& origin, std::string_view key_path, std::string_view message) {
  Finding finding{origin, {}};
  if (!key_path.empty()) finding.message = printable(key_path) + ": ";
  finding.message += message;
  // Comparing with the ones before is quadratic; a flood of findings is not worth comparing.
  if (found_.size() < 4 * kLimits.messages &&
      std::find(found_.begin(), found_.end(), finding) != found_.end())
    return;
  found_.push_back(std::move(finding));
}

void Problems::remember_source(std::string file, std::string text) {
  for (const auto& [name, known] : sources_)
    if (name == file) return;
  sources_.emplace_back(std::move(file), std::move(text));
}

std::string Problems::source_line(const Origin& origin) const {
  if (origin.line == 0) return {};
  for (const auto& [name, text] : sources_) {
    if (name != origin.file) continue;
    std::string_view line = line_of(text, origin.line);
    size_t caret = static_cast<size_t>(origin.column - 1);
    std::string before, after;
    const bool fits = offset_of(line, kShownWidth) >= line.size();
    if (const size_t limit = kShownWidth * 3 / 4; !fits && caret > limit) {
      line.remove_prefix(offset_of(line, caret - limit));
      caret = limit + 3;
      before = "...";
    }
    if (const size_t end = offset_of(line, kShownWidth); end < line.size()) {
      line = line.substr(0, end);
      after = "...";
    }
    return fmt::format("\n    {}{}{}\n    {}^", before, printable(line), after,
                       std::string(caret, ' '));
  }
  return {};
}

std::string Problems::text() const {
  std::vector<std::string_view> files;  // in the order in which they were first complained about
  const auto rank = [&](const Finding& finding) {
    return std::find(files.begin(), files.end(), finding.origin.file) - files.begin();
  };
  std::vector<const Finding*> sorted;
  for (const Finding& finding : found_) {
    // Files are few; "--set ..." origins are their own file each, and as few as the command line.
    if (rank(finding) == std::ssize(files)) files.push_back(finding.origin.file);
    sorted.push_back(&finding);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Finding* a, const Finding* b) {
    return std::tuple(rank(*a), a->origin.line, a->origin.column) <
           std::tuple(rank(*b), b->origin.line, b->origin.column);
  });
  std::string all;
  for (size_t i = 0; i < sorted.size() && i < kLimits.messages; ++i) {
    const Finding& finding = *sorted[i];
    if (i > 0) all += '\n';
    const std::string place = printable(to_string(finding.origin));
    all += place + (place.empty() ? "" : ": ") + finding.message + source_line(finding.origin);
  }
  if (sorted.size() > kLimits.messages)
    all += fmt::format("\n... and {} more", sorted.size() - kLimits.messages);
  return all;
}

void Problems::throw_if_any() const {
  if (!empty()) throw Error(ExitCode::experiment, text());
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr size_t kLongest = 64;  // no key is longer, so no longer word is near one
  if (word.size() > kLongest) return {};
  const std::string wanted = folded(word);
  std::string_view best;
  std::tuple<size_t, size_t> best_score{3, 0};
  for (std::string_view candidate : candidates) {
    const size_t longer = std::max(candidate.size(), word.size());
    const size_t shorter = std::min(candidate.size(), word.size());
    if (candidate == word || longer - shorter > 2) continue;
    const size_t edits = distance(wanted, folded(candidate));
    if (edits > 2 || edits > longer / 2) continue;
    // Of equals, prefer the exact spelling's nearest (case counts here), then the first.
    const std::tuple score{edits, distance(word, candidate)};
    if (score < best_score) {
      best_score = score;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string_view near = nearest(word, candidates);
  return near.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", near);
}

std::string listed(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::string_view word : words) out += (out.empty() ? "" : ", ") + json_string(word);
  return out;
}

}  // namespace engine
