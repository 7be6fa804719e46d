#include "engine/sweep/table/links.h"

#include <fmt/format.h>

#include <algorithm>

namespace engine {

std::string encoded_path(std::string_view path) {
  if (path.empty() || path.front() == '/') return {};
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    if (path.substr(start, end - start) == "..") return {};
    start = end + 1;
  }
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  std::string out;
  for (const char c : path) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string report_link(std::string_view folder) {
  std::string name = encoded_path(folder);
  for (size_t at = name.find('/'); at != std::string::npos; at = name.find('/', at)) {
    name.replace(at, 1, "%2F");  // a folder's name is one part of a path
  }
  return name.empty() ? name : fmt::format("points/{}/report.html", name);
}

}  // namespace engine
