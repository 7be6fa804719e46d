#!/usr/bin/env python3
"""What the report costs: training speed with "log.report" on and off, in pairs; and the time to write a report of many epochs.

    tests/bench/report_cost.py [--engine FILE] [--pairs N] [--epochs N] [--threads N]
"""

import argparse
import csv
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def train(engine, folder, report, *arguments):
    """Wall time of a run, and the images a second of each of its epochs."""
    command = [engine, "run", ROOT / "experiments/quickstart.json", "--overwrite", "--out", folder, "--quiet",
               "--set", f"log.report={'true' if report else 'false'}", *arguments]
    start = time.monotonic()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    with open(folder / "metrics.csv", newline="") as file:
        return seconds, [float(row["images_per_second"]) for row in csv.DictReader(file)]


def speeds(options, folder):
    print(f"experiments/quickstart.json, {options.epochs} epochs, {options.threads} threads")
    print("| pair | images/s with the report | without | with / without | seconds with | without |")
    print("|---|---|---|---|---|---|")
    ratios = []
    for pair in range(options.pairs):
        found = {}
        for report in (True, False) if pair % 2 == 0 else (False, True):
            found[report] = train(options.engine, folder / "run", report, "--threads", options.threads,
                                  "--epochs", options.epochs, "--set", "train.early_stopping.patience=1000")
        on, off = (statistics.median(found[report][1]) for report in (True, False))
        ratios.append(on / off)
        print(f"| {pair + 1} | {on:.0f} | {off:.0f} | {on / off:.4f} | {found[True][0]:.1f} | {found[False][0]:.1f} |")
    print(f"median ratio {statistics.median(ratios):.4f}, from {min(ratios):.4f} to {max(ratios):.4f}")


def writing(options, folder):
    """Ten thousand test images and ten classes, as CIFAR-10 has; few images to train on."""
    run = folder / "long"
    train(options.engine, run, True, "--threads", options.threads, "--epochs", 200,
          "--set", "data.count=50000", "--set", "data.limit=1000", "--set", "train.batch_size=1000",
          "--set", "train.early_stopping.patience=1000")
    times = []
    for _ in range(7):
        start = time.monotonic()
        subprocess.run([str(options.engine), "report", str(run)], check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - start)
    size = (run / "report.html").stat().st_size
    print(f"engine report of 200 epochs, 10,000 test images: median {statistics.median(times):.3f} s, "
          f"from {min(times):.3f} to {max(times):.3f} s, {size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default=ROOT / "build/release/bin/engine")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        writing(options, pathlib.Path(folder))
        speeds(options, pathlib.Path(folder))


if __name__ == "__main__":
    main()
