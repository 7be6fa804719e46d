#pragma once

// One point as processes: `engine run`, then for a matrix `engine evaluate`; and what they left as
// a record.

#include <string>
#include <vector>

#include "engine/sweep/store.h"

namespace engine {

/// The words of `engine run` for a point; the program itself is not among them.
std::vector<std::string> run_words(const Sweep& sweep, const SweepStore& store,
                                   const SweepPoint& point);

/// The configurations' experiments as files for `engine evaluate --with`: for each configuration
/// the file of its preprocessing; those that preprocess alike share one.
std::vector<std::string> write_variants(const Sweep& sweep, const SweepStore& store,
                                        FileSystem& files);
/// The words of `engine evaluate` for a point's row of the matrix.
std::vector<std::string> evaluate_words(const SweepStore& store, const SweepPoint& point,
                                        const std::vector<std::string>& variants);

/// A record with what is known before a point ends.
Record begun_record(const Sweep& sweep, const SweepStore& store, const SweepPoint& point);
/// Takes the results of a run that ended well. Throws Error (storage) when they are not there, and
/// Error (experiment) when the run is of another experiment than the point: a file was changed.
void add_results(Record& record, const SweepStore& store, const SweepPoint& point);
/// Takes a point's row of the matrix from what `engine evaluate --json` printed.
void add_matrix(Record& record, const Sweep& sweep, const std::vector<std::string>& variants,
                const std::string& json);
/// The last lines of a log from a byte on, for a person: why a process failed.
std::string end_of_log(const std::string& path, uint64_t begin);

}  // namespace engine
