#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/report/svg.h"

namespace engine {

/// How a figure's lengths along x are meant.
enum class Across {
  pixels,   ///< the figure has its size wherever it stands
  percents  ///< 0 to 100 of the width that the figure is given; texts keep their size
};

/// A figure under way that stands in a page. Its colours are those of ink, as attributes, which the
/// page's style turns into those of its scheme. y and sizes are pixels, y goes down. Places that
/// are not finite draw nothing.
class InlineFigure {
 public:
  static constexpr double kNarrow = 360, kWide = 640;
  /// width: in pixels; in percents the least that its texts need, of which kNarrow is always
  /// there; what needs more has the class "wide", kWide at least. label: what the figure shows, for
  /// who cannot see it.
  InlineFigure(Across across, double width, double height, std::string_view label);

  void line(Point from, Point to, std::string_view color, double width = 1,
            std::string_view dashes = "");
  /// tooltip: what a browser shows above it; empty: none. opacity: from 0 to 1.
  void dot(Point center, double radius, std::string_view color, std::string_view tooltip = "",
           double opacity = 1);
  /// A dot with a rim in the paper's colour, which stands out from others.
  void mark(Point center, double radius, std::string_view color, std::string_view tooltip = "");
  /// halo: a rim in the paper's colour, so that it can be read on lines.
  void text(Point place, std::string_view text, const TextStyle& style = {}, bool halo = false);
  /// A rectangle with a heat's colour, from 0 to 1, and up to two lines in its middle, black or
  /// white, whichever reads better. Not a number: a ground without colour.
  void cell(Point corner, double width, double height, double heat, std::string_view first,
            std::string_view second, std::string_view tooltip);

  std::string finish() &&;

 private:
  std::string across(double x) const;

  Across unit_;
  std::string out_;
};

}  // namespace engine
