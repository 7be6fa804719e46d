#include "engine/report/page.h"

#include <openssl/evp.h>

#include <array>

#include "engine/core/error.h"
#include "engine/report/base64.h"
#include "engine/report/page_parts.h"

namespace engine {
namespace {

/// A source expression of a Content-Security-Policy.
std::string source_hash(std::string_view text) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    fail(ExitCode::internal, "SHA-256 failed");
  }
  return "'sha256-" + base64({digest.data(), digest.size()}) + "'";
}

const std::string& policy() {
  // The parts never change, so their hashes are made once.
  static const std::string text = fmt::format(
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src {}; script-src {} {}; base-uri 'none'; form-action 'none'\">",
      source_hash(page_parts::style()), source_hash(page_parts::chart()),
      source_hash(page_parts::script()));
  return text;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string json_in_html(const Value& document) {
  const std::string json = to_json(document, -1);
  std::string out;
  out.reserve(json.size());
  for (size_t i = 0; i < json.size(); ++i) {
    const std::string_view rest = std::string_view(json).substr(i, 3);
    if (json[i] == '<') {
      out += "\\u003c";
    } else if (rest == "\xE2\x80\xA8" || rest == "\xE2\x80\xA9") {
      out += rest.back() == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out += json[i];
    }
  }
  return out;
}

std::string report_page(const Value& document) {
  const Value* name = document.find("name");
  const std::string title =
      escape_html(name && name->is(Value::Kind::string) ? name->string() : "Runs");
  const std::string data = json_in_html(document);
  const std::pair<std::string_view, std::string_view> places[] = {
      {"<!--CSP-->", policy()},
      {"<!--TITLE-->", title},
      {"<!--STYLE-->", page_parts::style()},
      {"<!--DATA-->", data},
      {"<!--CHART-->", page_parts::chart()},
      {"<!--SCRIPT-->", page_parts::script()},
  };
  std::string out;
  std::string_view rest = page_parts::html();
  while (true) {  // places in the template's order; what was put in is not looked at again
    const auto* next = std::begin(places);
    size_t at = std::string_view::npos;
    for (const auto& place : places) {
      const size_t found = rest.find(place.first);
      if (found < at) at = found, next = &place;
    }
    out += rest.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += next->second;
    rest.remove_prefix(at + next->first.size());
  }
}

}  // namespace engine
