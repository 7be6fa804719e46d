#!/usr/bin/env python3
"""Lines of the GPU's kernels that the emulated GPU's tests run: builds test_emulation with GCC's
coverage in a folder of its own, runs it, and prints a table of kernels/**/*_cuda.* and engine/cuda/*.h.
Ends with 1 when less than 95 % of the lines ran. Takes minutes.

    tests/bench/kernel_coverage.py [--build build/coverage] [--least 95]
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # what CTest is told when the test was not asked for


def build_and_run(build):
    def call(*command, **options):
        subprocess.run([str(word) for word in command], check=True, **options)

    quiet = {"stdout": subprocess.DEVNULL}
    call("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
         "-DENGINE_COVERAGE=ON", "-DENGINE_CUDA=OFF", **quiet)
    call("cmake", "--build", build, "--target", "test_emulation", **quiet)
    for counts in build.rglob("*.gcda"):
        counts.unlink()
    # Failures of calls add minutes and no kernel.
    environment = {k: v for k, v in os.environ.items() if k != "ENGINE_LONG_TESTS"}
    call(build / "bin/test_emulation", "--gtest_brief=1", "--gtest_filter=-FailingGpu.*",
         env=environment)


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
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/coverage")
    parser.add_argument("--least", type=float, default=95, help="per cent of all lines")
    parser.add_argument("--if-long", action="store_true", help="only with ENGINE_LONG_TESTS")
    arguments = parser.parse_args()
    if arguments.if_long and "ENGINE_LONG_TESTS" not in os.environ:
        print("takes minutes: set ENGINE_LONG_TESTS=1")
        return SKIPPED
    build_and_run(arguments.build.resolve())
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
