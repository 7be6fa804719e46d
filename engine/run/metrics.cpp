#include <charconv>
#include <cmath>
#include <string_view>

#include "engine/core/error.h"
#include "engine/run/run_folder.h"

namespace engine {
namespace {

constexpr std::string_view kColumns =
    "epoch,seconds,images_per_second,learning_rate,train_loss,train_accuracy,validation_loss,"
    "validation_accuracy\n";

std::string_view take(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

bool number(std::string_view text, double& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value) &&
         value >= 0;
}

}  // namespace

std::string metrics_csv(const std::vector<MetricsRow>& rows) {
  std::string text(kColumns);
  for (const MetricsRow& row : rows) {
    // Shortest digits that read back bit for bit; independent of the locale.
    text += fmt::format("{},{:.3f},{:.1f},{},{},{},", row.epoch, row.seconds, row.images_per_second,
                        row.learning_rate, row.train_loss, row.train_accuracy);
    if (!std::isnan(row.validation_loss)) {
      text += fmt::format("{},{}", row.validation_loss, row.validation_accuracy);
    } else {
      text += ',';
    }
    text += '\n';
  }
  return text;
}

void adopt_times(std::vector<MetricsRow>& rows, const std::string& path) {
  std::string text;
  try {
    text = read_text(path);
  } catch (const Error&) {
    return;  // only measured times are in it that the checkpoint has not
  }
  std::string_view rest = text;
  if (std::string(take(rest, '\n')) + "\n" != kColumns) return;
  for (MetricsRow& row : rows) {
    std::string_view line = take(rest, '\n');
    double epoch = 0, seconds = 0, rate = 0;
    if (!number(take(line, ','), epoch) || static_cast<int64_t>(epoch) != row.epoch) return;
    if (!number(take(line, ','), seconds) || !number(take(line, ','), rate)) return;
    row.seconds = seconds;
    row.images_per_second = rate;
  }
}

}  // namespace engine
