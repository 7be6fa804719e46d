#!/usr/bin/env python3
"""Writes docs/results/plans.md: what computes each convolution of the shipped experiments on GPUs that need not
be there.

    tests/bench/plan_table.py [--engine build/release/bin/engine] [--out docs/results/plans.md]

Needs the CUDA library and cuDNN, but no GPU: it asks `engine check FILE --target GPU --json`.
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ["h100", "h200"]
PRECISIONS = ["fp32", "tf32", "bf16"]
BATCHES = [32, 50, 1000]

HEAD = """# Convolution plans

What cuDNN computes the convolutions and dense layers of the shipped experiments with on GPUs that nobody needs to have: `engine check FILE
--target h100`. Each cell is the first choice of cuDNN's heuristics for a batch of that size: its engine, the workspace that it asks
for, and the tensors that it copies there into another layout because it cannot use them as they are ("repacks", judged by the
workspace's size). On a GPU that is there the plans are timed, and another engine may win
([numerics.md](../numerics.md)). A test compares this table with what cuDNN says.

Made by `tests/bench/plan_table.py` with {library}.
"""


def check(engine, file, target, precision, batch):
    command = [engine, "check", str(file), "--target", target, "--json", "--set", f"precision={precision}",
               "--set", f"train.batch_size={batch}"]
    begin = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nexit code {result.returncode}\n{result.stderr}")
    return json.loads(result.stdout)[0], seconds


def size(count):
    for unit in ["B", "KiB", "MiB"]:
        if count < 1023.5:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def cell(row):
    parts = [row["engine"].split("_")[0]]
    if row["workspace"]:
        parts.append(size(row["workspace"]))
    if row["note"]:
        parts.append(row["note"])
    return ", ".join(parts)


def cells(checked):
    """{(node, pass): text} of training's plans; passes of own kernels have none."""
    return {(row["node"], row["pass"]): cell(row) for row in checked["passes"]
            if row["program"] == "training" and "engine" in row}


def merged(tables):
    """Names with equal tables under one name, in order."""
    groups = []
    for name, table in tables:
        for names, other in groups:
            if other == table:
                names.append(name)
                break
        else:
            groups.append(([name], table))
    return [(", ".join(names), table) for names, table in groups]


def section(target_tables):
    text = ""
    for (targets, columns) in merged(target_tables):
        text += f"\n### {targets}\n| node | pass | " + " | ".join(f"batch {b}" for b in BATCHES) + " |\n"
        text += "|---|---|" + "---|" * len(BATCHES) + "\n"
        for key in columns[0]:
            text += f"| {key[0]} | {key[1]} | " + " | ".join(column[key] for column in columns) + " |\n"
    return text


def trains(file, engine):
    """Whether `engine check` records a training step of it."""
    return check(engine, file, TARGETS[0], "fp32", BATCHES[0])[0]["launches"] > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default=str(ROOT / "build/release/bin/engine"))
    parser.add_argument("--out", default=str(ROOT / "docs/results/plans.md"))
    arguments = parser.parse_args()
    experiments, longest = [], 0
    for file in sorted((ROOT / "experiments").glob("*.json")):
        if not trains(file, arguments.engine):
            continue
        by_precision = []
        for precision in PRECISIONS:
            targets = []
            for target in TARGETS:
                columns = []
                for batch in BATCHES:
                    checked, seconds = check(arguments.engine, file, target, precision, batch)
                    columns.append(cells(checked))
                    longest = max(longest, seconds)
                targets.append((f"{precision} on {target}", columns))
            by_precision.extend(targets)
        experiments.append((file.stem, by_precision))
    text = HEAD.format(library=next(part for part in check(
        arguments.engine, ROOT / "experiments/gray.json", TARGETS[0], "fp32", 32)[0]["libraries"].split(", ")
        if part.startswith("cuDNN")))
    for names, tables in merged(experiments):
        text += f"\n## {names}\n" + section(tables)
    Path(arguments.out).write_text(text)
    print(f"{arguments.out}: the slowest check of one experiment took {longest:.2f} s, cuDNN's start included")


if __name__ == "__main__":
    main()
