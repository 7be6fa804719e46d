"""The part of the acceptance script that measures sweeps: what several points at once on one GPU gain."""

import csv
import json
import os
import statistics

from acceptance_engine import small_experiment
from acceptance_run import run

POINTS = 4
VALIDATION = 0.2  # share of the images that no point trains on
# Network, training images, epochs, how many points at once.
NETWORKS = [("quickstart.json", 20000, 10, (1, 2, 4)), ("gray.json", 20000, 4, (1, 2))]


def sweep(report, programs, deadline, quick):
    """The same points with --per-gpu 1, 2, ...: images a second of all of them by the whole sweep's time, with starts,
    tests and tables, and the ratio to one at a time."""
    for name, images, epochs, counts in [("small", 200, 1, (1, 2))] if quick else NETWORKS:
        base = small_experiment(programs) if quick else programs.experiment(name)
        # With this sweep nobody measures: what the first start on a GPU times and remembers is there for all others.
        measure(programs, deadline, base, images, 1, 1, f"sweep-{name}-first")
        rates = {}
        for count in counts:
            what = f"sweep of {name}, {count} at once"
            if deadline.left() < 5:
                report.skip(what, "no time left")
                continue
            found, why_not = measure(programs, deadline, base, images, epochs, count, f"sweep-{name}-{count}")
            if not found:
                report.row(what, why_not, "", False)
                continue
            rates[count], alone = found
            ratio = rates[count] / rates[1] if 1 in rates else None  # one at a time failed
            beside = f", {ratio:.2f} x" if ratio else ""
            report.row(what, f"{rates[count]:,.0f} images/s{beside}; a point while it trains {alone:,.0f}", "",
                       rates[count] > 0, images_per_second=rates[count], ratio=ratio, of_a_point=alone)


def measure(programs, deadline, base, images, epochs, count, name):
    """Images a second of the whole sweep, and of a point within its epochs; nothing and the reason when it fails."""
    out, file = programs.folder / name, programs.folder / f"{name}.json"
    file.write_text(json.dumps({
        "base": os.path.relpath(base, programs.folder), "seeds": list(range(POINTS)),
        "set": {"data.source": "shapes", "data.count": images, "data.validation": VALIDATION, "train.epochs": epochs,
                "train.early_stopping": None, "log.report": False}}))
    command = [programs.engine, "sweep", "run", file, "--out", out, "--device", "cuda:0", "--per-gpu", count, "--quiet",
               "--json"]
    result = run(programs, command, deadline, name)
    if result.code != 0 or json.loads(result.out)["done"] != POINTS:
        return None, result.tail()
    speeds = []
    for metrics in out.glob("points/*/metrics.csv"):
        with open(metrics, newline="") as lines:
            speeds.append(statistics.median(float(row["images_per_second"]) for row in csv.DictReader(lines)))
    return (POINTS * images * (1 - VALIDATION) * epochs / result.seconds, statistics.median(speeds)), ""
