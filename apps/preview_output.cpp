#include "apps/preview_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/console.h"
#include "apps/table.h"
#include "engine/report/contact_sheet.h"

namespace engine {
namespace {

std::string number(double value) {
  return fmt::format("{:.4g}", value == 0 ? 0.0 : value);  // no "-0"
}

std::string size_text(const Shape& shape) {
  return fmt::format("{} x {} x {}", shape.h, shape.w, shape.c);
}

/// What a reader of the picture has to know of a stage.
std::vector<SheetLine> stage_heading(const StageImages& stage) {
  std::vector<SheetLine> lines{{stage.name}};
  if (!stage.op.empty() && stage.op != stage.name) lines.push_back({stage.op, kGrayInk});
  if (!stage.brief.empty()) lines.push_back({stage.brief, kGrayInk});
  if (stage.left_out) {
    lines.push_back({"for training only: left out", kRedInk});
  } else if (stage.every_epoch) {
    lines.push_back({"anew in each epoch; here epoch 0", kGrayInk});
  }
  lines.push_back({size_text(stage.shape), kGrayInk});
  lines.push_back(
      {fmt::format("values {} to {}", number(stage.low), number(stage.high)), kGrayInk});
  const ShownRange range = shown_range(stage);
  lines.push_back(
      {fmt::format("black {}, white {}", number(range.black), number(range.white)), kGrayInk});
  return lines;
}

/// Images [begin, end) after every stage.
ContactSheet band(const PreviewOutput& output, size_t begin, size_t end) {
  ContactSheet sheet;
  for (size_t i = begin; i < end; ++i) {
    const ShownImage& shown = output.shown[i];
    auto& lines = sheet.columns.emplace_back(std::vector<SheetLine>{{shown.title}});
    if (!shown.detail.empty()) lines.push_back({shown.detail, kGrayInk});
  }
  for (const StageImages& stage : output.stages) {
    SheetRow row{stage_heading(stage), {}};
    for (size_t i = begin; i < end; ++i) row.cells.push_back({stage_picture(stage, i), {}});
    sheet.rows.push_back(std::move(row));
  }
  return sheet;
}

std::string count_text(const PreviewOutput& output) {
  const auto shown = static_cast<int64_t>(output.shown.size());
  return shown == output.all
             ? fmt::format("{} {}", with_commas(shown), output.what)
             : fmt::format("{} of {} {}", with_commas(shown), with_commas(output.all), output.what);
}

}  // namespace

Picture preview_picture(const PreviewOutput& output) {
  int64_t widest = 0;
  for (const StageImages& stage : output.stages) {
    widest = std::max(widest, shown(stage_picture(stage, 0)).width);
  }
  // As many bands as are needed, all about as long.
  const size_t count = output.shown.size(), most = static_cast<size_t>(sheet_columns(widest));
  const size_t bands = (count + most - 1) / most, columns = (count + bands - 1) / bands;
  std::vector<Picture> pictures;
  for (size_t at = 0; at < count; at += columns) {
    ContactSheet sheet = band(output, at, std::min(at + columns, count));
    if (at == 0) {
      sheet.title = {
          {output.experiment.name},
          {fmt::format("{}, seed {}", count_text(output), output.experiment.seed), kGrayInk}};
    }
    pictures.push_back(draw(sheet));
  }
  return stacked(pictures);
}

std::string preview_text(const PreviewOutput& output, const std::string& picture) {
  const size_t stages = output.stages.size() - 1;
  std::string text =
      fmt::format("{}: {} after {} stage{}\n", printable(picture, false),
                  printable(count_text(output), false), stages, stages == 1 ? "" : "s");
  if (output.figures.empty()) return text;
  Table table({{"stage", Table::Align::left, true},
               {"op", Table::Align::left, true},
               {"shape"},
               {"mean", Table::Align::right},
               {"deviation", Table::Align::right},
               {"minimum", Table::Align::right},
               {"maximum", Table::Align::right}});
  for (const StageFigures& stage : output.figures) {
    table.add({stage.name, stage.left_out ? stage.op + " (left out)" : stage.op,
               to_string(stage.shape.with_batch(1)), number(stage.mean), number(stage.deviation),
               number(stage.low), number(stage.high)});
  }
  return text +
         fmt::format("\nvalues after each stage, over {} images\n",
                     with_commas(output.figures[0].shape.n)) +
         table.text();
}

std::string preview_json(const PreviewOutput& output, const std::string& picture) {
  Value result{Object{}};
  result.set("picture", picture);
  Array shown;
  for (const ShownImage& one : output.shown) {
    Value value{Object{}};
    value.set("image", one.image);
    if (!one.label.empty()) value.set("label", one.label);
    shown.push_back(std::move(value));
  }
  result.set("shown", std::move(shown));
  result.set("images", output.all);
  // Figures of what is shown, or with --stats of all images that could be read.
  const bool all = !output.figures.empty();
  result.set("measured", all ? output.figures[0].shape.n : output.stages[0].shape.n);
  Array stages;
  for (size_t i = 0; i < output.stages.size(); ++i) {
    const StageFigures& stage = all ? output.figures[i] : output.stages[i];
    const ShownRange range = shown_range(output.stages[i]);
    Value value{Object{}};
    value.set("stage", stage.name);
    value.set("op", stage.op);
    value.set("brief", stage.brief);
    value.set("when", i == 0 ? "" : stage.every_epoch ? "every_epoch" : "once");
    value.set("left_out", stage.left_out);
    value.set("shape", Array{stage.shape.h, stage.shape.w, stage.shape.c});
    value.set("mean", stage.mean);
    value.set("deviation", stage.deviation);
    value.set("minimum", stage.low);
    value.set("maximum", stage.high);
    value.set("black", range.black);
    value.set("white", range.white);
    stages.push_back(std::move(value));
  }
  result.set("stages", std::move(stages));
  return to_json(result) + '\n';
}

}  // namespace engine
