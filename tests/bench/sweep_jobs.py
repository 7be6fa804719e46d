#!/usr/bin/env python3
"""What running points side by side gains: the same sweep with --jobs 1, 2, ..., one after the other in one run, each in
a fresh folder; images a second of all points together, and the ratio to one at a time. For --per-gpu: tests/gpu/acceptance.

  tests/bench/sweep_jobs.py --engine build/release/bin/engine [--counts 1,2,4] [--rounds 3] [--experiment FILE]
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--engine", required=True)
parser.add_argument("--experiment", default=str(pathlib.Path(__file__).parents[2] / "experiments/quickstart.json"))
parser.add_argument("--counts", default="1,2")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--points", type=int, default=4)
parser.add_argument("--images", type=int, default=5000)
parser.add_argument("--epochs", type=int, default=4)
arguments = parser.parse_args()
counts = [int(count) for count in arguments.counts.split(",")]
engine = str(pathlib.Path(arguments.engine).resolve())


def rate(folder, count, number):
    """Training images a second of a whole sweep, starts of processes and tests among its time."""
    command = [engine, "sweep", "run", "sweep.json", "--out", f"out{number}", "--jobs", str(count), "--quiet", "--json"]
    start = time.monotonic()
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    seconds = time.monotonic() - start
    assert result.returncode == 0, result.stderr
    done = json.loads(result.stdout)["done"]
    assert done == arguments.points
    return done * arguments.images * 0.8 * arguments.epochs / seconds


with tempfile.TemporaryDirectory() as folder:
    sweep = {"base": str(pathlib.Path(arguments.experiment).resolve().relative_to("/")), "seeds": list(range(arguments.points)),
             "set": {"data.source": "shapes", "data.count": arguments.images, "train.epochs": arguments.epochs,
                     "train.early_stopping": None, "log.report": False}}
    # The sweep file's own folder is where "base" counts from.
    sweep["base"] = "/".join([".."] * (len(pathlib.Path(folder).resolve().parts) - 1) + [sweep["base"]])
    (pathlib.Path(folder) / "sweep.json").write_text(json.dumps(sweep))
    rates = {count: [] for count in counts}
    for round_number in range(arguments.rounds):  # in turn, so that a slow minute of the machine meets all
        for count in counts:
            rates[count].append(rate(folder, count, f"{round_number}_{count}"))
    print(f"| jobs | images/s of all, median of {arguments.rounds} | ratio, round by round |")
    print("|---|---|---|")
    for count in counts:
        ratios = ", ".join(f"{a / b:.2f}" for a, b in zip(rates[count], rates[counts[0]]))
        print(f"| {count} | {statistics.median(rates[count]):.0f} | {ratios} |")
