#!/usr/bin/env python3
"""Runs the whole study in its order and writes its table and curves.

    tests/bench/reproduce_study.py --data-dir data --out docs/results/study_cpu.md [-- engine flags]

gray from random weights; noise from gray's best weights; both kinds of smoothing from noise's. A run
folder that is there already is continued (--resume), so the script can be stopped and started again.
For a folder of JPEG files instead of the official binaries add, after --:
    --set data.source=image_folder --set data.path=.
"""

import argparse
import csv
import json
import platform
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# variant, starts from, published test accuracy, an independent PyTorch run's, tolerance in points
VARIANTS = [
    ("gray", None, 70.12, 70.66, 2.5),
    ("noise", "gray", 65.13, 65.60, 2.5),
    ("smooth", "noise", None, 64.40, 2.5),
    ("smooth_all_axes", "noise", 38.08, 38.03, 3.0),
]


def run_variant(arguments, extra, name, start):
    folder = arguments.runs / name
    if not (folder / "results.json").exists():
        command = [arguments.engine, "run", str(ROOT / f"experiments/{name}.json"), "--out", str(folder),
                   "--data-dir", arguments.data_dir, "--threads", str(arguments.threads), *extra]
        if start:
            command += ["--from", str(arguments.runs / start)]
        if folder.exists():
            command.append("--resume")
        subprocess.run(command, check=True)
    results = json.loads((folder / "results.json").read_text())
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    return results, rows


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default=str(ROOT / "build/release/bin/engine"))
    parser.add_argument("--data-dir", default="data")
    parser.add_argument("--runs", type=Path, default=Path("runs/study"))
    parser.add_argument("--out", type=Path, default=Path("study.md"))
    parser.add_argument("--threads", type=int, default=2)
    arguments, extra = parser.parse_known_args()
    extra = [flag for flag in extra if flag != "--"]

    version = subprocess.run([arguments.engine, "--version"], capture_output=True, text=True, check=True)
    lines = [
        "# The study on the CPU",
        "",
        f"{version.stdout.strip()}, {cpu_name()}, {arguments.threads} threads, {time.strftime('%Y-%m-%d')}, seed 1. "
        "One run each: early stopping makes single runs vary by a point or two.",
        "",
        f"Engine flags: `{' '.join(extra) or 'none'}`. Made by `tests/bench/reproduce_study.py`.",
        "",
        "| variant | starts from | test accuracy | test loss | epochs (best) | time | median images/s "
        "| published | PyTorch | difference to PyTorch |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    curves = []
    for name, start, published, torch_accuracy, tolerance in VARIANTS:
        results, rows = run_variant(arguments, extra, name, start)
        accuracy, loss = 100 * results["test"]["accuracy"], results["test"]["loss"]
        seconds = sum(float(row["seconds"]) for row in rows)
        speeds = sorted(float(row["images_per_second"]) for row in rows)
        difference = accuracy - torch_accuracy
        inside = "inside" if abs(difference) <= tolerance else "OUTSIDE"
        lines.append(
            f"| {name} | {start or 'random weights'} | {accuracy:.2f} % | {loss:.4f} "
            f"| {len(rows)} ({results['best_epoch']}) | {seconds / 60:.1f} min | {speeds[len(speeds) // 2]:.0f} "
            f"| {f'{published:.2f} %' if published else 'not run'} | {torch_accuracy:.2f} % "
            f"| {difference:+.2f} points, {inside} ±{tolerance} |")
        curves.append((name, rows))
    lines += ["", "`images/s` is training's; `time` is the training and validation of all epochs.", "", "## Curves"]
    for name, rows in curves:
        lines += ["", f"### {name}", "", "```csv"]
        lines.append(",".join(rows[0]))
        lines += [",".join(row.values()) for row in rows]
        lines.append("```")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines[:14]))


if __name__ == "__main__":
    main()
