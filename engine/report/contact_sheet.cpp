#include "engine/report/contact_sheet.h"

#include <algorithm>

namespace engine {
namespace {

constexpr int kTitleSize = 17, kTextSize = 13;
constexpr int64_t kMargin = 16, kGap = 12, kCaptionGap = 4;
constexpr int64_t kLeastColumn = 104, kWidestHeading = 240, kWindow = 1600;
constexpr int64_t kReadable = 128, kLongestSide = 256;
constexpr Colour kFrame{200, 200, 200}, kNothing{242, 242, 242};

Picture white(int64_t width, int64_t height) {
  return {width, height, 3, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 255)};
}

void fill(Picture& picture, int64_t x, int64_t y, int64_t width, int64_t height, Colour colour) {
  for (int64_t v = y; v < y + height; ++v) {
    for (int64_t u = x; u < x + width; ++u) {
      uint8_t* pixel = &picture.pixels[static_cast<size_t>((v * picture.width + u) * 3)];
      pixel[0] = colour.red, pixel[1] = colour.green, pixel[2] = colour.blue;
    }
  }
}

void paste(Picture& picture, int64_t x, int64_t y, const Picture& part) {
  for (int64_t v = 0; v < part.height; ++v) {
    const auto row = part.pixels.begin() + static_cast<std::ptrdiff_t>(v * part.width * 3);
    std::copy_n(
        row, part.width * 3,
        picture.pixels.begin() + static_cast<std::ptrdiff_t>(((y + v) * picture.width + x) * 3));
  }
}

/// Measures first and draws then; every length is in pixels.
class Drawing {
 public:
  explicit Drawing(const ContactSheet& sheet) : sheet_(sheet) {
    for (const SheetRow& row : sheet.rows) {
      columns_ = std::max(columns_, row.cells.size());
      heading_ = std::max(heading_, widest(row.heading));
      auto& pictures = pictures_.emplace_back();
      for (const SheetCell& cell : row.cells) {
        pictures.push_back(cell.picture.pixels.empty() ? Picture{} : shown(cell.picture));
        column_ = std::max(column_, pictures.back().width);
      }
    }
    for (const auto& column : sheet.columns) most_lines_ = std::max(most_lines_, column.size());
    columns_ = std::max(columns_, sheet.columns.size());
    heading_ = std::min(heading_, kWidestHeading);
    left_ = kMargin + (heading_ > 0 ? heading_ + kGap : 0);
  }

  Picture draw() {
    const int64_t width =
        left_ + static_cast<int64_t>(columns_) * (column_ + kGap) - kGap + kMargin;
    int64_t height = kMargin + title_height() + column_heading_height() + kMargin;
    for (size_t r = 0; r < sheet_.rows.size(); ++r) height += row_height(r) + (r > 0 ? kGap : 0);
    picture_ = white(width, height);
    int64_t y = kMargin;
    for (size_t i = 0; i < sheet_.title.size(); ++i) {
      const TextRaster& text = i == 0 ? title_ : text_;
      line(text, kMargin, y, width - 2 * kMargin, sheet_.title[i]);
      y += text.line_height();
    }
    if (!sheet_.title.empty()) y += kGap;
    for (size_t c = 0; c < sheet_.columns.size(); ++c) {
      const auto empty = static_cast<int64_t>(most_lines_ - sheet_.columns[c].size());
      lines(column_x(c), y + empty * text_.line_height(), column_, sheet_.columns[c]);
    }
    y += column_heading_height();
    for (size_t r = 0; r < sheet_.rows.size(); ++r) {
      draw_row(r, y);
      y += row_height(r) + kGap;
    }
    return std::move(picture_);
  }

 private:
  int64_t widest(const std::vector<SheetLine>& lines) const {
    int64_t width = 0;
    for (const SheetLine& line : lines) width = std::max(width, text_.width(line.text));
    return width;
  }
  int64_t text_height(size_t lines) const {
    return static_cast<int64_t>(lines) * text_.line_height();
  }
  int64_t title_height() const {
    if (sheet_.title.empty()) return 0;
    return title_.line_height() + text_height(sheet_.title.size() - 1) + kGap;
  }
  int64_t column_heading_height() const {
    return most_lines_ > 0 ? text_height(most_lines_) + kCaptionGap : 0;
  }
  int64_t column_x(size_t c) const { return left_ + static_cast<int64_t>(c) * (column_ + kGap); }
  /// Of the pictures of a row, or of the frames that stand for them.
  int64_t pictures_height(size_t r) const {
    int64_t height = 0;
    for (const Picture& picture : pictures_[r]) height = std::max(height, picture.height);
    return height > 0 || pictures_[r].empty() ? height : column_;
  }
  int64_t row_height(size_t r) const {
    size_t most = 0;
    for (const SheetCell& cell : sheet_.rows[r].cells) most = std::max(most, cell.caption.size());
    const int64_t captions = most > 0 ? kCaptionGap + text_height(most) : 0;
    return std::max(pictures_height(r) + captions, text_height(sheet_.rows[r].heading.size()));
  }

  void line(const TextRaster& text, int64_t x, int64_t y, int64_t width, const SheetLine& line) {
    text.draw(picture_, x, y, text.fitted(line.text, width), line.colour);
  }
  void lines(int64_t x, int64_t y, int64_t width, const std::vector<SheetLine>& lines) {
    for (size_t i = 0; i < lines.size(); ++i) {
      line(text_, x, y + text_height(i), width, lines[i]);
    }
  }

  void draw_row(size_t r, int64_t y) {
    const SheetRow& row = sheet_.rows[r];
    lines(kMargin, y, heading_, row.heading);
    for (size_t c = 0; c < row.cells.size(); ++c) {
      const Picture& picture = pictures_[r][c];
      const bool none = picture.pixels.empty();
      const int64_t width = none ? column_ : picture.width;
      const int64_t height = none ? pictures_height(r) : picture.height;
      fill(picture_, column_x(c) - 1, y - 1, width + 2, height + 2, kFrame);
      if (none) {
        fill(picture_, column_x(c), y, width, height, kNothing);
      } else {
        paste(picture_, column_x(c), y, picture);
      }
      lines(column_x(c), y + pictures_height(r) + kCaptionGap, column_, row.cells[c].caption);
    }
  }

  const ContactSheet& sheet_;
  TextRaster title_{kTitleSize}, text_{kTextSize};
  std::vector<std::vector<Picture>> pictures_;
  size_t columns_ = 1, most_lines_ = 0;
  int64_t column_ = kLeastColumn, heading_ = 0, left_ = 0;
  Picture picture_;
};

}  // namespace

Picture shown(const Picture& picture) {
  const Picture small = shrunk(picture, kLongestSide);
  const int64_t factor = std::max<int64_t>(1, kReadable / std::max(small.width, small.height));
  Picture result = white(small.width * factor, small.height * factor);
  for (int64_t y = 0; y < result.height; ++y) {
    for (int64_t x = 0; x < result.width; ++x) {
      const int64_t from = (y / factor * small.width + x / factor) * small.channels;
      for (int64_t c = 0; c < 3; ++c) {
        result.pixels[static_cast<size_t>((y * result.width + x) * 3 + c)] =
            small.pixels[static_cast<size_t>(from + (small.channels == 3 ? c : 0))];
      }
    }
  }
  return result;
}

Picture draw(const ContactSheet& sheet) {
  return Drawing(sheet).draw();
}

int64_t sheet_columns(int64_t picture_width) {
  const int64_t room = kWindow - 2 * kMargin - kWidestHeading;
  return std::max<int64_t>(1, room / (std::max(picture_width, kLeastColumn) + kGap));
}

Picture stacked(const std::vector<Picture>& pictures) {
  int64_t width = 0, height = 0;
  for (const Picture& picture : pictures) {
    width = std::max(width, picture.width);
    height += picture.height;
  }
  Picture result = white(width, height);
  int64_t y = 0;
  for (const Picture& picture : pictures) {
    paste(result, 0, y, picture);
    y += picture.height;
  }
  return result;
}

}  // namespace engine
