#include "engine/sweep/record.h"

#include <array>
#include <utility>

#include "engine/core/error.h"
#include "engine/run/run_documents.h"

namespace engine {
namespace {

using State = Record::State;

constexpr int64_t kFormat = 1;  // of what record_value writes
constexpr std::array<std::pair<State, std::string_view>, 3> kStates{
    {{State::done, "done"}, {State::failed, "failed"}, {State::skipped, "skipped"}}};

/// Reads members of one object; what is missing or of another kind is an error that names it.
class RecordReader {
 public:
  RecordReader(const Value& value, const std::string& path, std::string place)
      : value_(value), path_(path), place_(std::move(place)) {
    if (!value.is(Value::Kind::object)) wrong(place_, "an object", value);
  }

  const Value& at(std::string_view key) const {
    const Value* found = value_.find(key);
    if (!found) damaged("{} is missing", name(key));
    return *found;
  }
  RecordReader object(std::string_view key) const { return {at(key), path_, name(key)}; }
  const std::string& text(std::string_view key) const {
    const Value& found = at(key);
    if (!found.is(Value::Kind::string)) wrong(name(key), "a string", found);
    return found.string();
  }
  int64_t integer(std::string_view key, int64_t low, int64_t high) const {
    const Value& found = at(key);
    if (!found.is(Value::Kind::integer)) wrong(name(key), "an integer", found);
    if (found.integer() < low || found.integer() > high) {
      damaged("{} is {}, not from {} to {}", name(key), found.integer(), low, high);
    }
    return found.integer();
  }
  int64_t count(std::string_view key) const {
    return integer(key, 0, std::numeric_limits<int64_t>::max());
  }
  /// null: NaN, which JSON cannot write.
  double number(std::string_view key) const {
    const Value& found = at(key);
    if (found.is(Value::Kind::null)) return std::numeric_limits<double>::quiet_NaN();
    if (!found.is_number()) wrong(name(key), "a number or null", found);
    return found.number();
  }
  double share(std::string_view key) const {
    const double found = number(key);
    if (found < 0 || found > 1) damaged("{} is {}, not from 0 to 1", name(key), found);
    return found;
  }
  const Array& array(std::string_view key) const {
    const Value& found = at(key);
    if (!found.is(Value::Kind::array)) wrong(name(key), "an array", found);
    return found.array();
  }
  std::string name(std::string_view key) const {
    return place_.empty() ? std::string(key) : fmt::format("{}.{}", place_, key);
  }

  template <class... Arguments>
  [[noreturn]] void damaged(fmt::format_string<Arguments...> format,
                            Arguments&&... arguments) const {
    fail(ExitCode::storage, "{}: not the record of a point: {}; delete the file to run it again",
         path_, fmt::format(format, std::forward<Arguments>(arguments)...));
  }

 private:
  [[noreturn]] void wrong(const std::string& place, std::string_view wanted,
                          const Value& found) const {
    damaged("expected {}{}, got {}", wanted, place.empty() ? "" : " at " + place,
            found.kind_name());
  }

  const Value& value_;
  const std::string& path_;
  std::string place_;
};

Value results_value(double accuracy, double loss) {
  Value value{Object{}};
  value.set("accuracy", number_or_null(accuracy));
  value.set("loss", number_or_null(loss));
  return value;
}

Array matrix_value(const std::vector<MatrixCell>& matrix) {
  Array cells;
  for (const MatrixCell& cell : matrix) {
    Value value{Object{}};
    value.set("with", cell.with);
    if (cell.reason.empty()) {
      value.set("accuracy", number_or_null(cell.accuracy));
      value.set("loss", number_or_null(cell.loss));
    } else {
      value.set("reason", cell.reason);
    }
    cells.push_back(std::move(value));
  }
  return cells;
}

std::vector<MatrixCell> read_matrix(const RecordReader& reader, const std::string& path) {
  std::vector<MatrixCell> matrix;
  for (const Value& value : reader.array("matrix")) {
    const RecordReader cell(value, path, fmt::format("matrix[{}]", matrix.size()));
    MatrixCell& read = matrix.emplace_back();
    read.with = cell.text("with");
    if (value.find("reason")) {
      read.reason = cell.text("reason");
    } else {
      read.accuracy = cell.share("accuracy");
      read.loss = cell.number("loss");
    }
  }
  return matrix;
}

State read_state(const RecordReader& reader) {
  const std::string& text = reader.text("state");
  for (const auto& [state, name] : kStates) {
    if (text == name) return state;
  }
  reader.damaged("state is \"{}\", not done, failed or skipped", text);
}

}  // namespace

Value record_value(const Record& record) {
  Value value{Object{}};
  value.set("format", kFormat);
  for (const auto& [state, name] : kStates) {
    if (record.state == state) value.set("state", name);
  }
  value.set("identity", record.identity);
  value.set("configuration", record.configuration);
  value.set("seed", record.seed);
  value.set("folder", record.folder);
  value.set("exit_code", record.exit_code);
  value.set("reason", record.reason);
  value.set("log", record.log);
  value.set("attempts", record.attempts);
  value.set("seconds", number_or_null(record.seconds));
  value.set("host", record.host);
  value.set("ended", record.ended);
  if (record.state != State::done) return value;
  value.set("test", results_value(record.test_accuracy, record.test_loss));
  value.set("validation", results_value(record.validation_accuracy, record.validation_loss));
  value.set("epochs", record.epochs);
  value.set("best_epoch", record.best_epoch);
  value.set("matrix", matrix_value(record.matrix));
  return value;
}

Record read_record(const Value& value, const std::string& path) {
  const RecordReader reader(value, path, "");
  if (const int64_t format = reader.count("format"); format != kFormat) {
    reader.damaged("its format is {}, this program's {}", format, kFormat);
  }
  using Integers = std::numeric_limits<int>;
  Record record;
  record.state = read_state(reader);
  record.identity = reader.text("identity");
  record.configuration = reader.text("configuration");
  record.seed = reader.integer("seed", std::numeric_limits<int64_t>::min(),
                               std::numeric_limits<int64_t>::max());
  record.folder = reader.text("folder");
  record.exit_code =
      static_cast<int>(reader.integer("exit_code", Integers::min(), Integers::max()));
  record.reason = reader.text("reason");
  record.log = reader.text("log");
  record.attempts = reader.count("attempts");
  record.seconds = reader.number("seconds");
  record.host = reader.text("host");
  record.ended = reader.text("ended");
  if (record.state != State::done) return record;
  const RecordReader test = reader.object("test"), validation = reader.object("validation");
  record.test_accuracy = test.share("accuracy");
  record.test_loss = test.number("loss");
  record.validation_accuracy = validation.share("accuracy");
  record.validation_loss = validation.number("loss");
  record.epochs = reader.count("epochs");
  record.best_epoch = reader.count("best_epoch");
  record.matrix = read_matrix(reader, path);
  return record;
}

}  // namespace engine
