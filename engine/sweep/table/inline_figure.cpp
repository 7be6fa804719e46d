#include "engine/sweep/table/inline_figure.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "engine/report/heat.h"

namespace engine {
namespace {

constexpr double kCellText = 12, kSecondText = 10;

/// Hundredths, without zeros at the end.
std::string rounded(double value) {
  return fmt::format("{}", std::round(value * 100) / 100 + 0.0);
}

bool finite(Point point) {
  return std::isfinite(point.x) && std::isfinite(point.y);
}

std::string title_element(std::string_view text) {
  return text.empty() ? std::string() : "<title>" + escape_xml(text) + "</title>";
}

/// Relative luminance after WCAG 2.1.
double luminance(const std::array<uint8_t, 3>& color) {
  const auto linear = [](uint8_t value) {
    const double share = value / 255.0;
    return share <= 0.04045 ? share / 12.92 : std::pow((share + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(color[0]) + 0.7152 * linear(color[1]) + 0.0722 * linear(color[2]);
}

/// Black or white, whichever has more contrast: at least 4.58 to 1.
std::string_view ink_on(const std::array<uint8_t, 3>& color) {
  constexpr double kEven = 0.179;                           // where both contrasts are the same
  return luminance(color) > kEven ? "#000000" : "#fffffe";  // not the paper's white, which changes
}

}  // namespace

InlineFigure::InlineFigure(Across across, double width, double height, std::string_view label)
    : unit_(across) {
  const std::string size =
      across == Across::percents
          ? fmt::format("{}width=\"100%\" height=\"{}\"", width > kNarrow ? "class=\"wide\" " : "",
                        rounded(height))
          : fmt::format("width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\"", rounded(width),
                        rounded(height));
  out_ = fmt::format(
      "<svg {} xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{}\" "
      "font-family=\"Helvetica, Arial, sans-serif\">\n",
      size, escape_xml(label));
}

std::string InlineFigure::across(double x) const {
  return rounded(x) + (unit_ == Across::percents ? "%" : "");
}

void InlineFigure::line(Point from, Point to, std::string_view color, double width,
                        std::string_view dashes) {
  if (!finite(from) || !finite(to)) return;
  out_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{}\"", across(from.x),
                      rounded(from.y), across(to.x), rounded(to.y), color);
  if (width != 1) out_ += fmt::format(" stroke-width=\"{}\"", rounded(width));
  if (!dashes.empty()) out_ += fmt::format(" stroke-dasharray=\"{}\"", dashes);
  out_ += "/>\n";
}

void InlineFigure::dot(Point center, double radius, std::string_view color,
                       std::string_view tooltip, double opacity) {
  if (!finite(center)) return;
  out_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"", across(center.x),
                      rounded(center.y), rounded(radius), color);
  if (opacity < 1) out_ += fmt::format(" fill-opacity=\"{}\"", rounded(opacity));
  out_ += tooltip.empty() ? "/>\n" : ">" + title_element(tooltip) + "</circle>\n";
}

void InlineFigure::mark(Point center, double radius, std::string_view color,
                        std::string_view tooltip) {
  if (!finite(center)) return;
  out_ += fmt::format(
      "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\" stroke=\"{}\" stroke-width=\"1.5\">{}"
      "</circle>\n",
      across(center.x), rounded(center.y), rounded(radius), color, ink::kPaper,
      title_element(tooltip));
}

void InlineFigure::text(Point place, std::string_view text, const TextStyle& style, bool halo) {
  if (!finite(place)) return;
  const std::string shown = shortened(text, style.size, style.width);
  std::string more;
  if (style.anchor != "start") more += fmt::format(" text-anchor=\"{}\"", style.anchor);
  if (style.bold) more += " font-weight=\"bold\"";
  if (halo) {
    more += fmt::format(
        " stroke=\"{}\" stroke-width=\"4\" stroke-linejoin=\"round\" "
        "paint-order=\"stroke\"",
        ink::kPaper);
  }
  if (style.turn != 0) {
    more += fmt::format(" transform=\"rotate({} {} {})\"", rounded(style.turn), rounded(place.x),
                        rounded(place.y));
  }
  out_ += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{}>{}{}</text>\n",
                      across(place.x), rounded(place.y), rounded(style.size), style.color, more,
                      escape_xml(shown), shown == text ? "" : title_element(text));
}

void InlineFigure::cell(Point corner, double width, double height, double heat,
                        std::string_view first, std::string_view second, std::string_view tooltip) {
  const bool has_heat = std::isfinite(heat);
  const auto color = heat_color(heat);
  const std::string fill =
      has_heat ? fmt::format("#{:02x}{:02x}{:02x}", color[0], color[1], color[2]) : "none";
  const std::string_view text_color = has_heat ? ink_on(color) : ink::kMuted;
  out_ += fmt::format(
      "<g>{}<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"{}/>",
      title_element(tooltip), has_heat ? "face" : "empty", across(corner.x), rounded(corner.y),
      across(width), rounded(height), fill,
      has_heat ? "" : fmt::format(" stroke=\"{}\"", ink::kGrid));
  const Point middle{corner.x + width / 2, corner.y + height / 2};
  const double shift = second.empty() ? kCellText * 0.35 : -2;
  if (!first.empty()) {
    text({middle.x, middle.y + shift}, first,
         {.size = kCellText, .color = text_color, .anchor = "middle"});
  }
  if (!second.empty()) {
    text({middle.x, middle.y + 12}, second,
         {.size = kSecondText, .color = text_color, .anchor = "middle"});
  }
  out_ += "</g>\n";
}

std::string InlineFigure::finish() && {
  return std::move(out_) + "</svg>\n";
}

}  // namespace engine
