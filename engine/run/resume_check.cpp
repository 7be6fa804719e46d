#include <algorithm>
#include <array>
#include <map>

#include "engine/core/error.h"
#include "engine/core/value.h"
#include "engine/run/checkpoint.h"

namespace engine {
namespace {

using Verdict = ResumeCheck::Verdict;
using Lines = std::map<std::string, std::string>;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const size_t middle = line.find(" = ");
    if (middle != std::string_view::npos) {
      lines.emplace(line.substr(0, middle), line.substr(middle + 3));
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::string get(const Lines& lines, const std::string& key) {
  const auto found = lines.find(key);
  return found == lines.end() ? "(absent)" : found->second;
}

struct Rule {
  std::string_view prefix;
  Verdict verdict;
  std::string_view why;
};

// The first that fits counts; what no rule names is refused.
constexpr const char* kOtherCode = "other code may round differently";
constexpr std::string_view kOtherTraining = "the steps to come differ";
constexpr auto kRules = std::to_array<Rule>({
    {"name", Verdict::identical, "a name changes no number"},
    {"description", Verdict::identical, "a text changes no number"},
    {"$schema", Verdict::identical, "for editors"},
    {"initialize", Verdict::identical, "only read at the start of a run"},
    {"log.", Verdict::identical, "what is written beside the run changes no number"},
    {"train.checkpoint.", Verdict::identical, "saving changes no number"},
    {"data.path", Verdict::identical, "the images are the same"},
    {"train.early_stopping.monitor", Verdict::continues, "another epoch may be the best"},
    {"train.early_stopping.min_delta", Verdict::continues, "another epoch may be the best"},
    {"train.early_stopping", Verdict::identical, "decides when to end, not how to train"},
    {"train.optimizer.type", Verdict::refused, "the optimizer's state would not fit"},
    {"train.optimizer.", Verdict::continues, kOtherTraining},
    {"train.schedule", Verdict::continues, kOtherTraining},
    {"train.label_smoothing", Verdict::continues, kOtherTraining},
    {"train.evaluation_batch_size", Verdict::continues, "sums are rounded in another order"},
});

ResumeCheck::Change judge(const std::string& key, const Lines& before, const Lines& now) {
  ResumeCheck::Change change{key, get(before, key), get(now, key), Verdict::refused,
                             "another experiment: start a new run with --from"};
  if (key == "train.epochs") {
    const std::string schedule = get(now, "train.schedule.type");
    const bool depends = schedule == "\"cosine\"" || schedule == "\"linear\"";
    change.verdict = depends ? Verdict::continues : Verdict::identical;
    change.why =
        depends ? "the learning rate's schedule spans all epochs" : "the steps so far are the same";
    return change;
  }
  for (const Rule& rule : kRules) {
    if (!key.starts_with(rule.prefix)) continue;
    change.verdict = rule.verdict;
    change.why = rule.why;
    break;
  }
  return change;
}

void flatten(const Value& value, const std::string& path, std::string& text) {
  const auto below = [&](std::string_view key) {
    return path.empty() ? std::string(key) : path + "." + std::string(key);
  };
  if (value.is(Value::Kind::object) && !value.object().empty()) {
    for (const Member& member : value.object()) flatten(member.value, below(member.key), text);
  } else if (value.is(Value::Kind::array) && !value.array().empty()) {
    for (size_t i = 0; i < value.array().size(); ++i) {
      flatten(value.array()[i], below(std::to_string(i)), text);
    }
  } else {
    text += fmt::format("{} = {}\n", path, to_json(value, -1));
  }
}

}  // namespace

std::string flat_config(const Value& resolved) {
  std::string text;
  flatten(resolved, "", text);
  return text;
}

Verdict ResumeCheck::verdict() const {
  Verdict worst = Verdict::identical;
  for (const Change& change : changes) worst = std::max(worst, change.verdict);
  return worst;
}

std::string to_string(const ResumeCheck::Change& change) {
  constexpr std::array<std::string_view, 3> kWords{"identical", "continues, not bit-identical",
                                                   "refused"};
  return fmt::format("{}: {} -> {}: {} ({})", change.what, change.before, change.after,
                     kWords[static_cast<size_t>(change.verdict)], change.why);
}

ResumeCheck check_resume(const TrainingState& saved, const TrainingState& now) {
  ResumeCheck check;
  const Lines before = lines_of(saved.config), after = lines_of(now.config);
  Lines all = before;
  all.insert(after.begin(), after.end());
  for (const auto& [key, value] : all) {
    if (get(before, key) != get(after, key)) check.changes.push_back(judge(key, before, after));
  }
  const auto compare = [&](const char* what, const std::string& was, const std::string& is,
                           Verdict verdict, const char* why) {
    if (was != is) check.changes.push_back({what, was, is, verdict, why});
  };
  compare("data", saved.data_fingerprint, now.data_fingerprint, Verdict::refused,
          "other images or labels");
  compare("threads", std::to_string(saved.threads), std::to_string(now.threads), Verdict::continues,
          "sums are rounded in another order");
  compare("device", saved.device, now.device, Verdict::continues, kOtherCode);
  compare("instruction sets", saved.isa, now.isa, Verdict::continues, kOtherCode);
  compare("libraries", saved.libraries, now.libraries, Verdict::continues, kOtherCode);
  compare("engine", saved.engine_version, now.engine_version, Verdict::continues, kOtherCode);
  return check;
}

ResumeCheck adopt_choices(Choices& saved, const Choices& now) {
  ResumeCheck check;
  for (const auto& [what, engine] : now) {
    std::string& before = saved.try_emplace(what, engine).first->second;
    if (before == engine) continue;
    check.changes.push_back({what, before, engine, Verdict::continues, kOtherCode});
    before = engine;
  }
  return check;
}

}  // namespace engine
