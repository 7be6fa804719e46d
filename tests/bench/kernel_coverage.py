#!/usr/bin/env python3
"""Runs the kernels on the emulated GPU under sanitizers (test_emulation_sanitized), and counts the
lines that ran: a table of kernels/**/*_cuda.* and engine/cuda/*.h. Ends with 1 when the tests fail, a
kernel was never launched, or less than 95 % of the lines ran.

    tests/bench/kernel_coverage.py [--build build/release] [--least 95]
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What takes longest (half an hour) is for ./test --long. Should it be all that launches some kernel, the program
# fails.
SLOW = ["kernels.conv2d_of_the_study", "kernels.conv2d_bias_and_activation", "kernels.stem_of_the_study",
        "kernels.stem_odd_sizes", "kernels.stem_padding", "kernels.stem_tiles", "kernels.*_large",
        "EmulatedNetwork.The*", "EmulatedNetwork.FusedHeads*", "EmulatedNetwork.SideStreams*",
        "EmulatedNetwork.EvaluationReplays*", "GpuPipeline.TakesLargeSetsInParts", "ops/RandomShapes.*"]


def run_kernels(build):
    for counts in build.rglob("*.gcda"):
        counts.unlink()
    environment = dict(os.environ, ENGINE_KERNEL_TABLE=str(build / "kernels_sanitized.txt"))
    slow = [] if environment.pop("ENGINE_LONG_TESTS", None) else SLOW  # popped: it would ask for more of each test
    tests = subprocess.run([build / "bin/test_emulation_sanitized", "--gtest_brief=1",
                            "--gtest_filter=-" + ":".join(slow)], env=environment)
    if tests.returncode != 0:
        sys.exit("the tests failed")


def is_kernel(path):
    inside = path.parts[:1] == ("kernels",) and path.stem.endswith("_cuda")
    return inside or (path.parts[:2] == ("engine", "cuda") and path.suffix == ".h")


def read_counts(build):
    """{file: {line: times}} over all instances of templates and all sources that include the file."""
    files = collections.defaultdict(collections.Counter)
    for counts in sorted(build.rglob("*.gcda")):
        out = subprocess.run(["gcov", "--json-format", "--stdout", counts], check=True, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=build).stdout
        for document in map(json.loads, out.splitlines()):
            folder = pathlib.Path(document["current_working_directory"])
            for entry in document["files"]:
                path = pathlib.Path(os.path.normpath(folder / entry["file"]))
                if not path.is_relative_to(ROOT) or not is_kernel(path.relative_to(ROOT)):
                    continue
                lines = files[path.relative_to(ROOT).as_posix()]
                for line in entry["lines"]:
                    lines[line["line_number"]] += line["count"]
    return files


def ranges(numbers):
    """[1, 2, 3, 7] -> "1-3, 7"."""
    found = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--least", type=float, default=95, help="per cent of all lines")
    arguments = parser.parse_args()
    run_kernels(arguments.build.resolve())
    files = read_counts(arguments.build.resolve())
    every = {p.relative_to(ROOT).as_posix() for p in (ROOT / "kernels").rglob("*_cuda.cu")}
    if missing := sorted(every - files.keys()):
        sys.exit(f"not measured: {', '.join(missing)}")
    total = covered = 0
    print(f"{'file':48} {'lines':>6} {'covered':>8}  not run")
    for name, lines in sorted(files.items()):
        ran = sum(count > 0 for count in lines.values())
        total, covered = total + len(lines), covered + ran
        absent = ranges(sorted(n for n, count in lines.items() if count == 0))
        print(f"{name:48} {len(lines):6} {100 * ran / len(lines):7.1f}%  {absent}")
    share = 100 * covered / total
    print(f"{'all':48} {total:6} {share:7.1f}%")
    return 0 if share >= arguments.least else 1


if __name__ == "__main__":
    sys.exit(main())
