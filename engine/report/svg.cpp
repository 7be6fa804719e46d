#include "engine/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/core/utf8.h"

namespace engine {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

uint32_t code_point(std::string_view sequence) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(sequence[i]));
  };
  if (sequence.size() == 1) return byte(0);
  uint32_t code = byte(0) & (0x7Fu >> sequence.size());
  for (size_t i = 1; i < sequence.size(); ++i) code = code << 6 | (byte(i) & 0x3F);
  return code;
}

bool unwanted(uint32_t code) {
  const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
  const bool direction = code == 0x061C || code == 0x200E || code == 0x200F ||
                         (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
  const bool not_a_character = (code & 0xFFFE) == 0xFFFE;
  return control || direction || not_a_character;
}

/// Calls with each character of valid UTF-8 in turn; invalid bytes come as U+FFFD.
template <class Call>
void each_character(std::string_view text, const Call& call) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    const std::string_view sequence = length ? text.substr(at, length) : kReplacement;
    call(sequence, code_point(sequence));
    at += std::max<size_t>(length, 1);
  }
}

/// Widths of Helvetica and its like, in shares of the font's size.
double character_width(uint32_t code) {
  constexpr std::string_view kNarrow = "fijlrtI.,:;'|!()[] ", kWide = "mwMW@%";
  if (code >= 0x1100) return 1;                   // what is CJK or a picture; others are narrower
  if (code >= 0x0300 && code < 0x0370) return 0;  // combining
  if (code < 0x80 && kNarrow.find(static_cast<char>(code)) != std::string_view::npos) return 0.33;
  if (code < 0x80 && kWide.find(static_cast<char>(code)) != std::string_view::npos) return 0.9;
  return code >= 'A' && code <= 'Z' ? 0.7 : 0.57;
}

/// Hundredths of a pixel, without zeros at the end.
std::string pixels(double value) {
  return fmt::format("{}", std::round(value * 100) / 100 + 0.0);
}

bool finite(Point point) {
  return std::isfinite(point.x) && std::isfinite(point.y);
}

bool is_picture_address(std::string_view address) {
  constexpr std::string_view kPng = "data:image/png;base64,";
  constexpr std::string_view kBase64 =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
  return address.starts_with(kPng) &&
         address.find_first_not_of(kBase64, kPng.size()) == std::string_view::npos;
}

std::string tooltip_element(std::string_view text) {
  return text.empty() ? "" : "<title>" + escape_xml(text) + "</title>";
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string out;
  each_character(text, [&](std::string_view sequence, uint32_t code) {
    switch (code) {
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
      case '\'':
        out += "&#39;";
        break;
      case '\t':
      case '\n':
      case '\r':
        out += ' ';
        break;
      default:
        out += unwanted(code) ? kReplacement : sequence;
    }
  });
  return out;
}

double text_width(std::string_view text, double size) {
  double width = 0;
  each_character(text, [&](std::string_view, uint32_t code) { width += character_width(code); });
  return width * size;
}

std::string shortened(std::string_view text, double size, double width) {
  if (text_width(text, size) <= width) return std::string(text);
  const double room = width - size;  // of the ellipsis
  std::string out;
  double used = 0;
  bool full = false;
  each_character(text, [&](std::string_view sequence, uint32_t code) {
    used += character_width(code) * size;
    full = full || used > room;
    if (!full) out += sequence;
  });
  return out + "\xE2\x80\xA6";
}

Svg::Svg(double width, double height, std::string_view title, std::string_view description) {
  out_ = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" "
      "width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\" "
      "aria-labelledby=\"title desc\" font-family=\"Helvetica, Arial, sans-serif\">\n"
      "<title id=\"title\">{2}</title>\n<desc id=\"desc\">{3}</desc>\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"{4}\"/>\n",
      pixels(width), pixels(height), escape_xml(title), escape_xml(description), ink::kPaper);
}

void Svg::line(Point from, Point to, std::string_view color, double width,
               std::string_view dashes) {
  if (!finite(from) || !finite(to)) return;
  out_ += fmt::format(
      "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"{}\"{}/>\n",
      pixels(from.x), pixels(from.y), pixels(to.x), pixels(to.y), color, pixels(width),
      dashes.empty() ? "" : fmt::format(" stroke-dasharray=\"{}\"", dashes));
}

void Svg::curve(std::span<const Point> points, std::string_view color, double width) {
  std::string path;
  bool down = false;
  for (const Point point : points) {
    if (finite(point)) {
      path += fmt::format("{}{} {}",
                          down           ? " L"
                          : path.empty() ? "M"
                                         : " M",
                          pixels(point.x), pixels(point.y));
    }
    down = finite(point);
  }
  if (path.empty()) return;
  out_ += fmt::format(
      "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\" "
      "stroke-linecap=\"round\"/>\n",
      path, color, pixels(width));
}

void Svg::dot(Point center, double radius, std::string_view color) {
  if (!finite(center)) return;
  out_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"/>\n", pixels(center.x),
                      pixels(center.y), pixels(radius), color);
}

void Svg::box(Point corner, double width, double height, std::string_view color,
              std::string_view tooltip, std::string_view mark) {
  if (!finite(corner) || !(width > 0) || !(height > 0)) return;
  out_ += fmt::format("<rect{} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"",
                      mark.empty() ? "" : fmt::format(" class=\"{}\"", mark), pixels(corner.x),
                      pixels(corner.y), pixels(width), pixels(height), color);
  out_ += tooltip.empty() ? "/>\n" : ">" + tooltip_element(tooltip) + "</rect>\n";
}

void Svg::frame(Point corner, double width, double height, std::string_view color,
                double line_width) {
  out_ += fmt::format(
      "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"{}\" "
      "stroke-width=\"{}\"/>\n",
      pixels(corner.x), pixels(corner.y), pixels(width), pixels(height), color, pixels(line_width));
}

void Svg::text(Point place, std::string_view text, const TextStyle& style) {
  if (!finite(place)) return;
  const std::string shown = shortened(text, style.size, style.width);
  std::string more;
  if (style.anchor != "start") more += fmt::format(" text-anchor=\"{}\"", style.anchor);
  if (style.bold) more += " font-weight=\"bold\"";
  if (style.turn != 0) {
    more += fmt::format(" transform=\"rotate({} {} {})\"", pixels(style.turn), pixels(place.x),
                        pixels(place.y));
  }
  out_ += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{}>{}{}</text>\n",
                      pixels(place.x), pixels(place.y), pixels(style.size), style.color, more,
                      escape_xml(shown), shown == text ? "" : tooltip_element(text));
}

void Svg::image(Point corner, double width, double height, std::string_view address,
                std::string_view tooltip) {
  if (!finite(corner) || !is_picture_address(address)) return;
  out_ += fmt::format(
      "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" style=\"image-rendering: pixelated\" "
      "xlink:href=\"{}\"",
      pixels(corner.x), pixels(corner.y), pixels(width), pixels(height), address);
  out_ += tooltip.empty() ? "/>\n" : ">" + tooltip_element(tooltip) + "</image>\n";
}

std::string Svg::finish() && {
  return std::move(out_) + "</svg>\n";
}

std::vector<double> Axis::ticks(int most, double least_step) const {
  const double raw = (high_ - low_) / most;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    // As many steps as fit, and one tick more than steps.
    const double candidate = factor * power;
    if (std::floor(high_ / candidate) - std::ceil(low_ / candidate) + 1 <= most) {
      step = candidate;
      break;
    }
  }
  step = std::max(step, least_step);
  std::vector<double> ticks;
  const double slack = step * 1e-9;
  for (double i = std::ceil((low_ - slack) / step); i * step <= high_ + slack; ++i) {
    ticks.push_back(i * step + 0.0);
    if (ticks.size() > static_cast<size_t>(most) + 1) break;  // steps too small for doubles
  }
  return ticks;
}

std::string short_number(double value) {
  return fmt::format("{:.4g}", value);
}

std::string percent(double share, int digits) {
  return fmt::format("{:.{}f} %", 100 * share, digits);
}

}  // namespace engine
