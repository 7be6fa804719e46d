#include "apps/slots.h"

#include <algorithm>
#include <set>

#include "apps/machine.h"
#include "engine/core/error.h"
#include "engine/core/json.h"
#include "engine/core/text.h"
#include "engine/cpu/cpu_device.h"
#include "engine/sweep/child_process.h"

namespace engine {
namespace {

std::vector<Slot> cpu_slots(const SlotOptions& options) {
  const std::vector<int> all = allowed_cores();
  const int64_t jobs = options.jobs > 0 ? options.jobs : options.concurrency;
  // A container may grant less time than it shows cores.
  const auto usable = std::min<int64_t>(usable_cores(), static_cast<int64_t>(all.size()));
  const int64_t each = std::max<int64_t>(options.threads > 0 ? options.threads : usable / jobs, 1);
  std::vector<Slot> slots;
  for (int64_t job = 0; job < jobs; ++job) {
    Slot slot{.name = fmt::format("job {}", job)};
    // One job has what this process has; shares that do not fit are left to the system.
    if (jobs > 1 && each <= static_cast<int64_t>(all.size())) {
      for (int64_t i = 0; i < each; ++i)
        slot.cores.push_back(
            all[static_cast<size_t>((job * each + i) % static_cast<int64_t>(all.size()))]);
    }
    slot.words = {"--device", "cpu"};
    slots.push_back(std::move(slot));
  }
  return slots;
}

struct FoundGpu {
  std::string uuid, why_not;
  int64_t memory = 0;  ///< bytes
};

/// Asked of a process of its own: one that has opened CUDA holds memory on every GPU.
std::vector<FoundGpu> find_gpus(const SlotOptions& options, std::string& why_none) {
  const ProgramOutput output = run_program({options.program, "devices", "--json"});
  if (!output.end.ok())
    fail(ExitCode::device, "engine devices ended with exit code {}: {}", output.end.code,
         output.err);
  const Value document = parse_json_or_throw(output.out, "engine devices", ExitCode::internal);
  const auto text = [](const Value& value, std::string_view key) {
    const Value* found = value.find(key);
    return found && found->is(Value::Kind::string) ? found->string() : std::string();
  };
  why_none = text(document, "no_cuda_because");
  std::vector<FoundGpu> gpus;
  for (const Value& device : document.find("devices")->array()) {
    if (text(device, "device").starts_with("cuda:"))
      gpus.push_back({text(device, "uuid"), text(device, "not_used_because"),
                      device.find("memory")->integer()});
  }
  return gpus;
}

/// The GPUs that --device names, without those that cannot be used.
std::vector<FoundGpu> chosen_gpus(const SlotOptions& options) {
  std::string why_none;
  std::vector<FoundGpu> gpus = find_gpus(options, why_none);
  const bool asked = options.device != "auto";
  if (options.device.starts_with("cuda:")) {
    const auto ordinal = static_cast<size_t>(*cuda_ordinal(options.device));
    if (ordinal >= gpus.size())
      fail(ExitCode::device, "--device {}: this machine has {} GPUs{}", options.device, gpus.size(),
           why_none.empty() ? "" : " (" + why_none + ")");
    gpus = {gpus[ordinal]};
  }
  std::string why_not = why_none;
  for (const FoundGpu& gpu : gpus)
    if (!gpu.why_not.empty()) why_not = gpu.why_not;
  std::erase_if(gpus, [](const FoundGpu& gpu) { return !gpu.why_not.empty(); });
  if (asked && gpus.empty())
    fail(ExitCode::device, "--device {}: no GPU can be used: {}", options.device, why_not);
  return gpus;
}

/// The largest planned memory of the sweep's runs on a GPU, each distinct network asked once, in a
/// process of its own.
int64_t planned_memory(const SlotOptions& options) {
  int64_t most = 0;
  std::set<std::string> asked;
  for (const Configuration& configuration : options.sweep->configurations) {
    const Experiment& experiment = *configuration.experiment;
    std::string key = std::to_string(experiment.train.batch_size) + " " +
                      std::to_string(experiment.train.evaluation_batch_size);
    for (const char* part : {"data", "preprocess", "network", "precision"})
      key += to_json(*experiment.resolved.find(part), -1);
    if (!asked.insert(key).second) continue;
    std::vector<std::string> words{options.program, "check", configuration.file,
                                   "--target",      "cuda",  "--json"};
    for (const std::string& set : configuration.set) words.insert(words.end(), {"--set", set});
    const ProgramOutput output = run_program(words);
    if (!output.end.ok())
      fail(static_cast<ExitCode>(output.end.code), "{}: {}", configuration.name, output.err);
    const Value checked = parse_json_or_throw(output.out, "engine check", ExitCode::internal);
    most = std::max(most, checked.array().at(0).find("memory")->integer());
  }
  return most;
}

/// How many runs fit on the smallest of the GPUs, at most per_gpu.
int64_t fitting(const SlotOptions& options, const std::vector<FoundGpu>& gpus, std::string& note) {
  if (options.per_gpu < 2 || !options.sweep) return options.per_gpu;
  // Of CUDA, cuDNN and cuBLAS in each process: assumed, since no GPU has been asked yet.
  constexpr int64_t kContext = 700'000'000;
  int64_t memory = gpus[0].memory;
  for (const FoundGpu& gpu : gpus) memory = std::min(memory, gpu.memory);
  const int64_t each = planned_memory(options) + kContext;
  const int64_t fit = std::clamp<int64_t>(memory / each, 1, options.per_gpu);
  if (fit < options.per_gpu)
    note = fmt::format("a run is planned to take {} of a GPU's {}: {} at a time on each, not {}",
                       short_bytes(static_cast<uint64_t>(each)),
                       short_bytes(static_cast<uint64_t>(memory)), fit, options.per_gpu);
  return fit;
}

}  // namespace

Slots make_slots(const SlotOptions& options) {
  const std::string& device = options.device;
  require_device_name(device);
  if (device == "cpu") return {cpu_slots(options), {}};
  const std::vector<FoundGpu> gpus = chosen_gpus(options);
  if (gpus.empty()) return {cpu_slots(options), {}};
  Slots made;
  const int64_t per_gpu = fitting(options, gpus, made.note);
  for (int64_t round = 0; round < per_gpu; ++round) {
    for (const FoundGpu& gpu : gpus) {
      made.slots.push_back({.name = gpu.uuid,
                            .environment = {{"CUDA_VISIBLE_DEVICES", gpu.uuid}},
                            .words = {"--device", "cuda"}});
    }
  }
  if (options.jobs > 0 && options.jobs < static_cast<int64_t>(made.slots.size()))
    made.slots.resize(static_cast<size_t>(options.jobs));
  return made;
}

}  // namespace engine
