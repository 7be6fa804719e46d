#include <filesystem>
#include <unordered_map>

#include "engine/core/json.h"
#include "engine/run/experiment_parts.h"

namespace engine {
namespace {

namespace fs = std::filesystem;

/// A chain of files, the one that the user named first.
class Chain {
 public:
  explicit Chain(Problems& problems) : problems_(problems) {}

  /// Reads a file and follows its "extends"; false when one of them cannot be read. Duplicate keys
  /// are reported, but do not keep the rest from being checked.
  bool follow(const std::string& file) {
    // A text instead of a file's name: tests and tools that have no file.
    const size_t first = file.find_first_not_of(" \t\r\n");
    if (first != file.npos && file[first] == '{') return add("<text>", file, fs::path());
    const fs::path path = fs::path(file).lexically_normal();
    // What "extends" may reach: the folder above the first file's, and everything below it.
    root_ = fs::weakly_canonical(fs::absolute(path).parent_path() / "..");
    return add(path.string(), read_json_text(path.string()), path);
  }

  std::vector<Value> documents;  ///< the file that the user named first, then what it extends

 private:
  bool add(const std::string& shown, const std::string& text, const fs::path& path) {
    bytes_ += text.size();
    std::optional<Value> document = parse_json(text, shown, problems_);
    if (!document) return false;
    if (!document->is(Value::Kind::object)) {
      problems_.add(document->origin, "", "expected an object, got " + got_text(*document));
      return false;
    }
    files_.push_back(shown);
    if (!path.empty()) canonical_.push_back(fs::weakly_canonical(path));
    const Value* extends = document->find("extends");
    const Value target = extends ? *extends : Value();
    documents.push_back(std::move(*document));
    return !extends || extend(target, path);
  }

  bool extend(const Value& target, const fs::path& from) {
    const auto wrong = [&](const std::string& what) {
      problems_.add(target.origin, "extends", what);
      return false;
    };
    const std::string got = ", got " + got_text(target);
    if (!target.is(Value::Kind::string) || target.string().empty())
      return wrong("expected the name of a file" + got);
    const fs::path named = target.string();
    if (named.is_absolute()) return wrong("expected a path relative to this file" + got);
    const fs::path path = (from.parent_path() / named).lexically_normal();
    const fs::path canonical = fs::weakly_canonical(path);
    if (!root_.empty() && !inside(canonical))
      return wrong("expected a file in this folder, one below, or the one above" + got);
    if (from.empty()) root_ = fs::weakly_canonical(fs::absolute("."));
    for (size_t i = 0; i < canonical_.size(); ++i) {
      if (canonical_[i] != canonical) continue;
      std::string chain;
      for (size_t j = i; j < files_.size(); ++j) chain += files_[j] + " -> ";
      return wrong("expected files that do not extend themselves, got " + chain + path.string());
    }
    if (files_.size() > kLimits.extends_levels)
      return wrong(
          fmt::format("expected at most {} levels of \"extends\"", kLimits.extends_levels));
    std::string text;
    try {
      text = read_json_text(path.string());
    } catch (const Error& error) {
      return wrong(error.what());
    }
    if (bytes_ + text.size() > kLimits.merged_bytes)
      return wrong(
          fmt::format("expected at most {} bytes in all files together", kLimits.merged_bytes));
    return add(path.string(), text, path);
  }

  bool inside(const fs::path& canonical) const {
    const fs::path relative = canonical.lexically_relative(root_);
    return !relative.empty() && *relative.begin() != "..";
  }

  Problems& problems_;
  std::vector<std::string> files_;  ///< as shown
  std::vector<fs::path> canonical_;
  fs::path root_;
  size_t bytes_ = 0;
};

/// An override's object for "preprocess": each key is a stage of the base.
void merge_stages(Value& stages, const Value& override, const Registry& registry,
                  Problems& problems) {
  const std::vector<std::string> names = stage_names(stages.array());
  for (const Member& member : override.object()) {
    const size_t index =
        find_named(names, member.key, "stage", member.origin, "preprocess." + member.key, problems);
    if (index == names.size()) continue;
    merge(stages.array()[index], member.value, "preprocess." + member.key, registry, problems);
  }
  stages.origin = override.origin;
}

}  // namespace

Value load_merged(const std::string& file, const Registry& registry, Problems& problems) {
  Chain chain(problems);
  if (!chain.follow(file)) return {};
  Value merged = std::move(chain.documents.back());
  chain.documents.pop_back();
  for (;;) {
    erase_key(merged, "extends");
    erase_key(merged, "$schema");
    if (chain.documents.empty()) return merged;
    const Value override = std::move(chain.documents.back());
    chain.documents.pop_back();
    merge(merged, override, "", registry, problems);
  }
}

void merge(Value& base, const Value& override, const std::string& path, const Registry& registry,
           Problems& problems) {
  if (path == "preprocess" && base.is(Value::Kind::array) && override.is(Value::Kind::object))
    return merge_stages(base, override, registry, problems);
  if (!base.is(Value::Kind::object) || !override.is(Value::Kind::object)) {
    base = override;
    return;
  }
  if (path == "train.optimizer")
    if (const Value* type = override.find("type")) switch_optimizer(base, *type, registry);
  std::unordered_map<std::string, size_t> places;  // found fast, however many keys there are
  for (size_t i = 0; i < base.object().size(); ++i) places[base.object()[i].key] = i;
  bool removed = false;
  for (const Member& member : override.object()) {
    const auto place = places.find(member.key);
    if (place == places.end()) {
      if (!member.value.is(Value::Kind::null)) base.object().push_back(member);
      continue;
    }
    Member& target = base.object()[place->second];
    removed = removed || member.value.is(Value::Kind::null);
    merge(target.value, member.value, join_path(path, member.key), registry, problems);
    target.origin = member.origin;
  }
  base.origin = override.origin;  // what is missing is missing in the file that the user looks at
  if (removed)
    std::erase_if(base.object(), [](const Member& m) { return m.value.is(Value::Kind::null); });
}

void erase_key(Value& object, std::string_view key) {
  std::erase_if(object.object(), [&](const Member& member) { return member.key == key; });
}

void switch_optimizer(Value& optimizer, const Value& type, const Registry& registry) {
  if (!type.is(Value::Kind::string) || !optimizer.is(Value::Kind::object)) return;
  const Value* before = optimizer.find("type");
  const std::string was = before && before->is(Value::Kind::string) ? before->string() : "adam";
  const OptimizerEntry* old_entry = registry.optimizer(was);
  const OptimizerEntry* new_entry = registry.optimizer(type.string());
  if (was == type.string() || !old_entry || !new_entry) return;
  const auto has = [](const OptimizerEntry& entry, const std::string& key) {
    for (const KeyDescription& known : describe(*entry.make()))
      if (known.key == key) return true;
    return false;
  };
  std::erase_if(optimizer.object(), [&](const Member& member) {
    return has(*old_entry, member.key) && !has(*new_entry, member.key);
  });
}

}  // namespace engine
