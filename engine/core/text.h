#pragma once

// Text for a person at a terminal: what it may hold, how many columns it takes, numbers in words.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

/// Text that a terminal only shows: control characters (but for line breaks when keep_lines) and
/// marks that reverse the writing direction become '?', tabs spaces. Names and messages may come
/// from files.
std::string printable(std::string_view text, bool keep_lines);

/// Characters of UTF-8 text; wide scripts count as one, which only costs alignment.
size_t columns_of(std::string_view text);
/// Text that takes at most so many columns; what was cut off shows as "...".
std::string cut_to(std::string_view text, size_t columns);
/// Lines of at most so many columns, broken at spaces. A longer word has a line of its own, so that
/// a path can be copied whole.
std::vector<std::string> folded_to(std::string_view text, size_t columns);

/// A word of a POSIX shell that stands for exactly this text.
std::string shell_word(std::string_view text);

std::string with_commas(int64_t number);    ///< "1,245,738"
std::string short_count(int64_t number);    ///< "999", "73.9 k", "803 k"
std::string short_bytes(uint64_t bytes);    ///< "64 B", "16.0 KiB", "592 KiB"
std::string short_seconds(double seconds);  ///< "0.8 s", "2 min 05 s", "1 h 02 min"

}  // namespace engine
