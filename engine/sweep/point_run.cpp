#include "engine/sweep/point_run.h"

#include <algorithm>
#include <fstream>
#include <set>

#include "engine/core/error.h"
#include "engine/core/json.h"
#include "engine/core/text.h"
#include "engine/run/run_documents.h"
#include "engine/run/run_folder.h"
#include "engine/sweep/this_process.h"

namespace engine {
namespace {

/// A number below a path of keys; NaN where the document has null.
double number_at(const Value& document, std::initializer_list<std::string_view> path,
                 const std::string& file) {
  const Value* at = &document;
  for (const std::string_view key : path) at = at ? at->find(key) : nullptr;
  if (at && at->is_number()) return at->number();
  if (at && at->is(Value::Kind::null)) return std::numeric_limits<double>::quiet_NaN();
  fail(ExitCode::storage, "{}: expected a number at \"{}\"", file,
       fmt::join(std::vector<std::string_view>(path), "."));
}

Value read_file(const std::string& path) {
  return parse_json_or_throw(read_text(path), path, ExitCode::storage);
}

/// Below the sweep's folder: one for each way to preprocess.
std::string variant_name(const Configuration& configuration) {
  return fmt::format("{}/{}.json", sweep_files::kVariants,
                     hash_hex(configuration.preprocessing).substr(0, 16));
}

}  // namespace

std::vector<std::string> run_words(const Sweep& sweep, const SweepStore& store,
                                   const SweepPoint& point) {
  const Configuration& configuration = sweep.configurations[point.configuration];
  std::vector<std::string> words{"run", configuration.file};
  const auto set = [&](std::string assignment) {
    words.emplace_back("--set");
    words.push_back(std::move(assignment));
  };
  for (const std::string& assignment : configuration.set) set(assignment);
  set("name=" + json_string(point.folder.substr(0, point.folder.rfind('-'))));
  words.insert(words.end(), {"--seed", std::to_string(point.seed)});
  if (point.after)
    words.insert(words.end(), {"--from", store.run_folder(sweep.points[*point.after])});
  words.insert(words.end(), {"--out", store.run_folder(point), "--resume", "--quiet"});
  return words;
}

std::vector<std::string> write_variants(const Sweep& sweep, const SweepStore& store,
                                        FileSystem& files) {
  make_folders(files, store / sweep_files::kVariants);
  std::vector<std::string> variants;
  for (const Configuration& configuration : sweep.configurations) {
    const std::string name = variant_name(configuration);
    variants.push_back(store / name);
    // Others that preprocess alike differ in what does not count here.
    if (exists(variants.back())) continue;
    store.save_shared(name, to_json(configuration.experiment->resolved) + "\n");
  }
  return variants;
}

std::vector<std::string> evaluate_words(const SweepStore& store, const SweepPoint& point,
                                        const std::vector<std::string>& variants) {
  std::vector<std::string> words{"evaluate", store.run_folder(point), "--json"};
  for (const std::string& variant : std::set<std::string>(variants.begin(), variants.end()))
    words.insert(words.end(), {"--with", variant});
  return words;
}

Record begun_record(const Sweep& sweep, const SweepStore& store, const SweepPoint& point) {
  return {.identity = point.identity,
          .configuration = sweep.configurations[point.configuration].name,
          .folder = point.folder,
          .seed = point.seed,
          .log = store.log_file(point),
          .host = this_process().host,
          .ended = utc_now()};
}

void add_results(Record& record, const SweepStore& store, const SweepPoint& point) {
  const std::string folder = store.run_folder(point) + "/";
  const Value config = read_file(folder + std::string(run_files::kConfig));
  if (hash_of_experiment(config) != point.experiment_hash)
    fail(ExitCode::experiment,
         "the experiment file is not what it was when the sweep was started; run the sweep again");
  const std::string file = folder + std::string(run_files::kResults);
  const Value results = read_file(file);
  record.test_accuracy = number_at(results, {"test", "accuracy"}, file);
  record.test_loss = number_at(results, {"test", "loss"}, file);
  record.validation_accuracy = number_at(results, {"validation", "accuracy"}, file);
  record.validation_loss = number_at(results, {"validation", "loss"}, file);
  record.epochs = static_cast<int64_t>(number_at(results, {"epochs"}, file));
  record.best_epoch = static_cast<int64_t>(number_at(results, {"best_epoch"}, file));
}

void add_matrix(Record& record, const Sweep& sweep, const std::vector<std::string>& variants,
                const std::string& json) {
  const std::string source = "engine evaluate";
  const Value document = parse_json_or_throw(json, source, ExitCode::internal);
  const Value* with = document.find("with");
  if (!with || !with->is(Value::Kind::array))
    fail(ExitCode::internal, "{} printed no \"with\"", source);
  for (size_t i = 0; i < sweep.configurations.size(); ++i) {
    MatrixCell cell{.with = sweep.configurations[i].name};
    for (const Value& entry : with->array()) {
      const Value* file = entry.find("file");
      if (!file || !file->is(Value::Kind::string) || file->string() != variants[i]) continue;
      if (const Value* reason = entry.find("reason")) {
        cell.reason = reason->is(Value::Kind::string) ? reason->string() : "does not fit";
      } else {
        cell.accuracy = number_at(entry, {"accuracy"}, source);
        cell.loss = number_at(entry, {"loss"}, source);
      }
    }
    record.matrix.push_back(std::move(cell));
  }
}

std::string end_of_log(const std::string& path, uint64_t begin) {
  constexpr uint64_t kMost = 1500;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto size = static_cast<uint64_t>(file.tellg());
  const uint64_t from = size - std::min(size - std::min(begin, size), kMost);
  file.seekg(static_cast<std::streamoff>(from));
  std::string text(size - from, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (from > begin) text.erase(0, text.find('\n') + 1);  // a whole line to begin with
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return printable(text, true);
}

}  // namespace engine
