#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

/// Text as XML takes it, in elements and in attributes. What XML 1.0 or a reader of figures must
/// not see - control characters, invalid UTF-8, marks that reverse the direction of writing -
/// becomes U+FFFD; tabs and line breaks become spaces.
std::string escape_xml(std::string_view text);

/// About how wide a sans-serif font sets a text, in pixels; rather too much than too little.
double text_width(std::string_view text, double size);
/// A text that fits into a width by that estimate, cut with an ellipsis if need be.
std::string shortened(std::string_view text, double size, double width);

/// Colours of figures, on a white ground: those of the report's light scheme.
namespace ink {
inline constexpr std::string_view kText = "#182028", kMuted = "#53606b", kGrid = "#d9dfe4",
                                  kBlue = "#0072b2", kOrange = "#c84e00", kGreen = "#007f5f",
                                  kPaper = "#ffffff";
}  // namespace ink

struct Point {
  double x = 0, y = 0;
};

struct TextStyle {
  double size = 12;
  std::string_view color = ink::kText;
  std::string_view anchor = "start";  ///< or "middle", "end"
  bool bold = false;
  double turn = 0;     ///< degrees, clockwise around the place
  double width = 1e9;  ///< longer texts are cut, and whole in a tooltip
};

/// A figure under way. Lengths are pixels, y goes down. Places that are not finite draw nothing.
class Svg {
 public:
  /// title and description are for who cannot see it.
  Svg(double width, double height, std::string_view title, std::string_view description);

  void line(Point from, Point to, std::string_view color, double width = 1,
            std::string_view dashes = "");
  /// Through points in order; interrupted where one is not finite.
  void curve(std::span<const Point> points, std::string_view color, double width = 2);
  void dot(Point center, double radius, std::string_view color);
  /// tooltip: what a browser shows above it; mark: its class, by which it can be found.
  void box(Point corner, double width, double height, std::string_view color,
           std::string_view tooltip = "", std::string_view mark = "");
  void frame(Point corner, double width, double height, std::string_view color,
             double line_width = 1);
  void text(Point place, std::string_view text, const TextStyle& style = {});
  /// A picture at a data: address, as large as fits, pixels not blurred. Other addresses, which a
  /// viewer would fetch, draw nothing.
  void image(Point corner, double width, double height, std::string_view address,
             std::string_view tooltip = "");

  std::string finish() &&;

 private:
  std::string out_;
};

/// From values to pixels, linear.
class Axis {
 public:
  /// low < high; from and to are the pixels of both.
  Axis(double low, double high, double from, double to)
      : low_(low), high_(high), from_(from), to_(to) {}
  double operator()(double value) const {
    return from_ + (value - low_) / (high_ - low_) * (to_ - from_);
  }
  /// Multiples of 1, 2 or 5 times a power of ten within the axis, at most so many (2 or more).
  std::vector<double> ticks(int most, double least_step = 0) const;
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  double low_, high_, from_, to_;
};

/// "0.25", "1e-07": as short as it is right.
std::string short_number(double value);
/// "71.2 %" from 0.712.
std::string percent(double share, int digits = 1);

}  // namespace engine
