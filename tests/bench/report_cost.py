#!/usr/bin/env python3
"""What the report costs: the time to write one of many epochs, the time of each epoch's page in a run, and training
speed with "log.report" on and off, in pairs.

    tests/bench/report_cost.py [--engine FILE] [--pairs N] [--epochs N] [--threads N]
"""

import argparse
import csv
import math
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def train(options, folder, report, *arguments):
    """Wall time of a run, and the images a second of each of its epochs."""
    command = [options.engine, "run", ROOT / "experiments/quickstart.json", "--overwrite", "--out", folder, "--quiet",
               "--threads", options.threads, "--set", f"log.report={'true' if report else 'false'}", *arguments]
    start = time.monotonic()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    with open(folder / "metrics.csv", newline="") as file:
        return seconds, [float(row["images_per_second"]) for row in csv.DictReader(file)]


def student_t(freedom):
    """Student's t, 0.975: Cornish and Fisher's expansion, from 7 degrees of freedom on right to 0.001 (no SciPy here)."""
    z = statistics.NormalDist().inv_cdf(0.975)
    return (z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2) +
            (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3))


def interval(values):
    """Mean of values and half the width of its 95 % interval."""
    mean = statistics.fmean(values)
    return mean, student_t(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


def in_turn(pairs, measure):
    """measure(report) with the report and without, pair after pair; who goes first changes."""
    for pair in range(pairs):
        found = {}
        for report in (True, False) if pair % 2 == 0 else (False, True):
            found[report] = measure(report)
        yield pair + 1, found[True], found[False]


def speeds(options, folder):
    print(f"experiments/quickstart.json, {options.epochs} epochs, {options.threads} threads: images/s")
    print("| pair | with the report | without | with / without |")
    print("|---|---|---|---|")

    def measure(report):
        arguments = ["--epochs", options.epochs, "--set", "train.early_stopping.patience=1000"]
        return statistics.median(train(options, folder / "run", report, *arguments)[1])

    ratios = []
    for pair, on, off in in_turn(options.pairs, measure):
        ratios.append(on / off)
        print(f"| {pair} | {on:.0f} | {off:.0f} | {on / off:.4f} |", flush=True)
    mean, half = interval([math.log(ratio) for ratio in ratios])
    print(f"ratio {math.exp(mean):.4f}, 95 % interval {math.exp(mean - half):.4f} to {math.exp(mean + half):.4f}, "
          f"median {statistics.median(ratios):.4f}")


def each_epoch(options, folder):
    """Epochs of a few images, so that what an epoch's page costs is a large part of the run and can be measured."""
    epochs = 200
    arguments = ["--epochs", epochs, "--set", "data.limit=40", "--set", "train.early_stopping.patience=1000"]

    def measure(report):
        return train(options, folder / "run", report, *arguments)[0]

    costs = [1000 * (on - off) / epochs for _, on, off in in_turn(8, measure)]
    mean, half = interval(costs)
    print(f"report of a run of {epochs} epochs, written after each: {mean:.2f} ms an epoch, "
          f"95 % interval {mean - half:.2f} to {mean + half:.2f}, {len(costs)} pairs")


def writing(options, folder):
    """Ten thousand test images and ten classes, as CIFAR-10 has; few images to train on."""
    run = folder / "long"
    train(options, run, True, "--epochs", 200, "--set", "data.count=50000", "--set", "data.limit=1000",
          "--set", "train.batch_size=1000", "--set", "train.early_stopping.patience=1000")
    times = []
    for _ in range(7):
        start = time.monotonic()
        subprocess.run([str(options.engine), "report", str(run)], check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - start)
    size = (run / "report.html").stat().st_size
    print(f"engine report of 200 epochs, 10,000 test images: median {statistics.median(times):.3f} s, "
          f"from {min(times):.3f} to {max(times):.3f} s, {size} bytes")


def main():
    parser = argparse.ArgumentParser(description=" ".join(__doc__.split("\n\n")[0].split()))
    parser.add_argument("--engine", default=ROOT / "build/release/bin/engine")
    parser.add_argument("--pairs", type=int, default=8, choices=range(8, 1001), metavar="N",
                        help="from 8 on; 100 on a quiet machine tell 1 %% from nothing")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        writing(options, pathlib.Path(folder))
        each_epoch(options, pathlib.Path(folder))
        speeds(options, pathlib.Path(folder))


if __name__ == "__main__":
    main()
