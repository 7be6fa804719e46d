#pragma once

// A sweep as job arrays of Slurm: what is submitted, and what Slurm says of it afterwards.
// docs/slurm.md is its user's guide.
//
// The work is cut into N tasks. Task I is `engine sweep run --shard I/N`: the points
// [I * count / N, (I + 1) * count / N) of the sweep. Points are ordered by chain level, so the
// tasks are too: a task belongs to the level of its first point.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sweep/sweep.h"

namespace engine {

/// How a task calls the program.
struct SlurmCommand {
  std::string program;                 ///< path of the engine, absolute
  std::string folder;                  ///< absolute; relative paths count from here
  std::string file;                    ///< the sweep file
  std::string out;                     ///< the sweep's folder
  std::vector<std::string> arguments;  ///< what else `sweep run` is told: "--set", "seed=3"
};

/// A job array: tasks of one chain level.
struct SlurmArray {
  size_t level = 0;
  size_t chunk = 0;            ///< counts the arrays of a level
  int64_t offset = 0;          ///< index in the array = task - offset
  std::vector<int64_t> tasks;  ///< in order; fewer than MaxArraySize from the first to the last
  std::vector<size_t> after;   ///< arrays (by index) that must have ended before it may start
  std::string file;            ///< name of its script: "level0-0.sbatch"
  std::string script;
};

/// N: how many tasks the sweep is cut into.
int64_t slurm_tasks(const Sweep& sweep);

/// The arrays to submit, in this order. Tasks whose points are all done are left out; done has an
/// entry for each point. max_array_size: indices must be below it. Throws Error (experiment) when a
/// value of the sweep file or a path cannot stand in a script, (usage) when out cannot.
std::vector<SlurmArray> slurm_arrays(const Sweep& sweep, const SlurmCommand& command,
                                     const std::vector<bool>& done, int64_t max_array_size);

/// Behind "#SBATCH --option=", a value that sbatch reads as exactly this text.
std::string sbatch_word(std::string_view text);
/// "0-4,7": numbers in rising order, as sbatch writes indices.
std::string index_ranges(const std::vector<int64_t>& indices);

/// MaxArraySize of the cluster, from `scontrol show config`. Throws Error (device) when Slurm is
/// not there or does not answer.
int64_t slurm_max_array_size();

/// A job array that Slurm has taken.
struct SlurmJob {
  std::string id;  ///< of the array: "4711"
  SlurmArray array;
};

/// Writes each script into OUT/slurm and gives it to sbatch; OUT/slurm/jobs.json says what has been
/// taken, after each of them. Throws Error (storage), or (device) with what sbatch said and the
/// jobs that were taken before.
std::vector<SlurmJob> submit_arrays(const std::string& out, const std::string& file, int64_t points,
                                    int64_t tasks, std::vector<SlurmArray> arrays);

/// A task of the last submission, as Slurm knows it.
struct SlurmTaskState {
  std::string job;     ///< "4711_3", as scancel takes it
  int64_t shard = 0;   ///< I and
  int64_t shards = 1;  ///< N: which points these are
  std::string state;   ///< Slurm's word: "PENDING", "RUNNING", "TIMEOUT"
  std::string nodes;   ///< where it runs; empty: nowhere yet
  std::string reason;  ///< Slurm's word: why it waits, or "None"
  bool ended = false;  ///< Slurm will not start it again
};

/// The tasks of the last submission that Slurm still knows, asked from squeue in one call. OUT has
/// no jobs: empty, and nothing is asked. Slurm forgets a task that ended after a while (MinJobAge,
/// 300 s where nobody changed it), and squeue's answer may be some seconds old: a task that is
/// missing has ended, and only the points' records say how. Throws Error (device) when squeue is
/// not there or does not answer, (storage) when jobs.json is damaged.
std::vector<SlurmTaskState> slurm_states(const std::string& out);

}  // namespace engine
