#include "engine/report/tables.h"

#include <fmt/format.h>

#include "engine/core/json.h"
#include "engine/report/document_parts.h"
#include "engine/report/figures.h"
#include "engine/run/run_folder.h"

namespace engine {
namespace {

using namespace parts;

/// A number as JSON writes it; an empty cell where there is none.
std::string csv_number(const Value& value) {
  return value.is_number() ? to_json(value, -1) : std::string();
}

void save_table(FileSystem& files, const std::string& folder, std::string_view name,
                const std::string& table) {
  save_or_remove(files, folder + "/" + std::string(name), table);
}

}  // namespace

std::string csv_text(std::string_view text) {
  std::string cell;
  if (!text.empty() && std::string_view("=+-@\t\r\n").find(text.front()) != text.npos) cell = "'";
  cell += text;
  if (cell.find_first_of("\",\r\n") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string per_class_csv(const Value& document) {
  const Array& classes = list(document, "per_class");
  if (classes.empty()) return {};
  std::string table = "class,precision,recall,f1,support\n";
  for (const Value& row : classes) {
    table += csv_text(text(row, "class"));
    for (const char* key : {"precision", "recall", "f1", "support"}) {
      table += "," + csv_number(at(row, key));
    }
    table += '\n';
  }
  return table;
}

std::string confusion_csv(const Value& document) {
  const Array& rows = list(document, "confusion");
  const Array& names = list(document, "classes");
  if (rows.empty() || rows.size() != names.size()) return {};
  std::string table = "label";
  for (const Value& name : names) table += "," + csv_text(text(name));
  table += '\n';
  for (size_t i = 0; i < rows.size(); ++i) {
    table += csv_text(text(names[i]));
    for (const Value& count : list(rows[i])) table += "," + csv_number(count);
    table += '\n';
  }
  return table;
}

std::string predictions_csv(std::span<const Prediction> all,
                            const std::vector<std::string>& classes) {
  if (all.empty()) return {};
  std::vector<std::string> names;
  for (const std::string& name : classes) names.push_back(csv_text(name));
  std::string table = "row,label,prediction,confidence\n";
  for (const Prediction& each : all) {
    fmt::format_to(std::back_inserter(table), "{},{},{},{}\n", each.row,
                   names[static_cast<size_t>(each.label)],
                   names[static_cast<size_t>(each.prediction)], each.confidence);
  }
  return table;
}

void save_tables(FileSystem& files, const std::string& folder, const Value& document) {
  save_table(files, folder, run_files::kPerClass, per_class_csv(document));
  save_table(files, folder, run_files::kMatrixTable, confusion_csv(document));
}

void save_predictions(FileSystem& files, const std::string& folder, std::span<const Prediction> all,
                      const std::vector<std::string>& classes) {
  save_table(files, folder, run_files::kPredictionsTable, predictions_csv(all, classes));
}

}  // namespace engine
