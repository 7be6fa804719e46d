#include "apps/prediction_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/csv.h"
#include "apps/table.h"
#include "engine/core/value.h"
#include "engine/report/contact_sheet.h"

namespace engine {
namespace {

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

std::string accuracy_text(const FolderAccuracy& accuracy) {
  return fmt::format(
      "accuracy {} ({} of {} images in folders named like classes)",
      percent(static_cast<double>(accuracy.right) / static_cast<double>(accuracy.images)),
      with_commas(accuracy.right), with_commas(accuracy.images));
}

/// "cats/1.jpg" for "photos/cats/1.jpg": what tells files apart where there is little room.
std::string short_name(const std::string& file) {
  return file.substr(file.rfind('/') + 1);
}

}  // namespace

FolderAccuracy folder_accuracy(const std::vector<FilePrediction>& predictions) {
  FolderAccuracy accuracy;
  for (const FilePrediction& prediction : predictions) {
    if (prediction.label < 0 || prediction.classes.empty()) continue;
    ++accuracy.images;
    accuracy.right += prediction.wrong() ? 0 : 1;
  }
  return accuracy;
}

std::string predictions_table(const std::vector<FilePrediction>& predictions,
                              const std::vector<std::string>& classes) {
  const FolderAccuracy accuracy = folder_accuracy(predictions);
  std::vector<Table::Column> columns{{"image", Table::Align::left, true},
                                     {"class", Table::Align::left, true},
                                     {"probability", Table::Align::right}};
  if (accuracy.images > 0) columns.push_back({"folder says", Table::Align::left, true});
  Table table(columns);
  for (const FilePrediction& prediction : predictions) {
    std::string file = prediction.file, label;
    if (prediction.wrong()) label = classes[static_cast<size_t>(prediction.label)];
    for (const auto& [index, probability] : prediction.classes) {
      std::vector<std::string> row{file, classes[static_cast<size_t>(index)], percent(probability)};
      if (accuracy.images > 0) row.push_back(label);
      table.add(std::move(row));
      file.clear();
      label.clear();
    }
  }
  return accuracy.images > 0 ? table.text() + accuracy_text(accuracy) + '\n' : table.text();
}

std::string predictions_json(const std::vector<FilePrediction>& predictions,
                             const std::vector<std::string>& classes) {
  Array all;
  for (const FilePrediction& prediction : predictions) {
    Value row{Object{}};
    row.set("image", prediction.file);
    if (!prediction.error.empty()) {
      row.set("error", prediction.error);
    } else {
      Array best;
      for (const auto& [index, probability] : prediction.classes) {
        Value entry{Object{}};
        entry.set("class", classes[static_cast<size_t>(index)]);
        entry.set("probability", probability);
        best.push_back(std::move(entry));
      }
      row.set("classes", std::move(best));
    }
    if (prediction.label >= 0) row.set("label", classes[static_cast<size_t>(prediction.label)]);
    all.push_back(std::move(row));
  }
  return to_json(Value(std::move(all))) + '\n';
}

std::string predictions_csv(const std::vector<FilePrediction>& predictions,
                            const std::vector<std::string>& classes) {
  std::string text = "image,class,probability,label,error\n";
  for (const FilePrediction& prediction : predictions) {
    const std::string image = csv_cell(prediction.file);
    const std::string label =
        prediction.label < 0 ? "" : csv_cell(classes[static_cast<size_t>(prediction.label)]);
    if (!prediction.error.empty()) {
      text += fmt::format("{},,,{},{}\n", image, label, csv_cell(prediction.error));
    }
    for (const auto& [index, probability] : prediction.classes) {
      text += fmt::format("{},{},{},{},\n", image, csv_cell(classes[static_cast<size_t>(index)]),
                          probability, label);
    }
  }
  return text;
}

Picture predictions_grid(const std::vector<FilePrediction>& predictions,
                         const std::vector<int64_t>& shown_places,
                         const std::vector<std::string>& classes, const std::string& title) {
  ContactSheet sheet;
  const auto count = static_cast<int64_t>(shown_places.size());
  const auto all = static_cast<int64_t>(predictions.size());
  sheet.title = {
      {title},
      {count == all ? fmt::format("{} images", with_commas(all))
                    : fmt::format("{} of {} images", with_commas(count), with_commas(all)),
       kGrayInk}};
  const FolderAccuracy accuracy = folder_accuracy(predictions);
  if (accuracy.images > 0) sheet.title.push_back({accuracy_text(accuracy), kGrayInk});
  std::vector<SheetCell> cells;
  int64_t widest = 0;
  for (const int64_t place : shown_places) {
    const FilePrediction& prediction = predictions[static_cast<size_t>(place)];
    SheetCell cell{prediction.picture, {{short_name(prediction.file), kGrayInk}}};
    if (prediction.classes.empty()) {
      cell.caption.push_back({"cannot be read", kRedInk});
    } else {
      widest = std::max(widest, shown(cell.picture).width);
      const auto& [index, probability] = prediction.classes[0];
      const Colour ink = prediction.wrong() ? kRedInk : kInk;
      cell.caption.push_back({classes[static_cast<size_t>(index)], ink});
      cell.caption.push_back({percent(probability), ink});
      if (prediction.wrong()) {
        cell.caption.push_back({"not " + classes[static_cast<size_t>(prediction.label)], kRedInk});
      }
    }
    cells.push_back(std::move(cell));
  }
  const auto columns = static_cast<size_t>(std::min<int64_t>(10, sheet_columns(widest)));
  for (size_t at = 0; at < cells.size(); at += columns) {
    const size_t end = std::min(at + columns, cells.size());
    sheet.rows.push_back({{},
                          {cells.begin() + static_cast<std::ptrdiff_t>(at),
                           cells.begin() + static_cast<std::ptrdiff_t>(end)}});
  }
  return draw(sheet);
}

}  // namespace engine
