#include "engine/cuda/architectures.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace engine {

Architectures::Architectures(std::string_view list) {
  while (!list.empty()) {
    const size_t end = list.find(',');
    const std::string_view word = list.substr(0, end);
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    Architecture each;
    const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), each.number);
    if (error != std::errc()) {
      unknown_ = word;
      continue;
    }
    const std::string_view suffix(rest, static_cast<size_t>(word.data() + word.size() - rest));
    each.code = !suffix.ends_with("-virtual");
    each.ptx = !suffix.ends_with("-real");
    each.specific = suffix.substr(0, suffix.find('-'));
    all_.push_back(each);
  }
}

std::string Architectures::text() const {
  if (!unknown_.empty()) return unknown_;
  std::vector<std::string> parts;
  for (const Architecture& each : all_) {
    if (each.code) parts.push_back(fmt::format("sm_{}{}", each.number, each.specific));
  }
  const bool ptx = std::any_of(all_.begin(), all_.end(), [](const auto& each) { return each.ptx; });
  if (ptx) parts.emplace_back("PTX for later ones");
  return fmt::format("{}", fmt::join(parts, ", "));
}

bool Architectures::cover(int major, int minor) const {
  constexpr int kMajor = 10;
  const int gpu = major * kMajor + minor;
  return !unknown_.empty() || std::any_of(all_.begin(), all_.end(), [&](const auto& each) {
    if (!each.specific.empty()) return each.code && each.number == gpu;
    const bool runs = each.number / kMajor == major && each.number <= gpu;
    return (each.code && runs) || (each.ptx && each.number <= gpu);
  });
}

}  // namespace engine
