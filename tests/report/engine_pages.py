#!/usr/bin/env python3
"""Opens the reports that the engine itself writes - of a finished, a stopped and a diverged run - in headless
Chromium, with page_test.py. Ends with 77 where there is no Chromium.

    tests/report/engine_pages.py --engine build/release/bin/engine [--screenshots DIR]
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
EXPERIMENT = {
    "description": "<img src=x onerror=alert(1)> & \"quotes\"",
    "seed": 3,
    "data": {"source": "shapes", "count": 300, "size": 16, "validation": 0.2},
    "preprocess": [{"op": "grayscale", "weights": "mean"}, {"op": "noise", "sigma": 0.1, "when": "once"},
                   {"op": "smooth", "sigma": 1, "axes": ["height", "width"]}],
    "network": {
        "blocks": {"pair": {"parameters": ["n"], "nodes": [
            {"name": "a", "op": "conv2d", "input": "$input", "filters": "$n", "kernel": 1, "activation": "relu"},
            {"name": "b", "op": "conv2d", "input": "$input", "filters": "$n", "kernel": 3, "activation": "relu"},
            {"op": "concat", "inputs": ["a", "b"]}]}},
        "nodes": [
            {"name": "stem", "op": "conv2d", "filters": 8, "kernel": 3, "stride": 2, "activation": "relu"},
            {"name": "pair_a", "block": "pair", "n": 8},
            {"name": "gap", "op": "global_average_pool"},
            {"name": "classifier", "op": "dense", "units": "classes"}]},
    "train": {"epochs": 3, "batch_size": 16},
}
DIVERGES = {"optimizer": {"type": "sgd", "learning_rate": 1e6, "weight_decay": 1000}}


class Runs:
    def __init__(self, engine, folder):
        self.engine, self.folder = engine, folder

    def start(self, name, train):
        experiment = self.folder / f"{name}.json"
        experiment.write_text(json.dumps(dict(EXPERIMENT, name=name, train=dict(EXPERIMENT["train"], **train))))
        return subprocess.Popen([self.engine, "run", experiment, "--out", self.folder / name, "--device", "cpu", "--quiet"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def page(self, name, process, code):
        _, errors = process.communicate()
        if process.returncode != code:
            sys.exit(f"{name}: exit code {process.returncode} instead of {code}\n{errors}")
        page = self.folder / f"{name}.html"  # its name becomes the screenshots'
        page.write_bytes((self.folder / name / "report.html").read_bytes())
        return page

    def stop_after_an_epoch(self, name, process):
        status = self.folder / name / "status.json"
        while process.poll() is None and not (status.exists() and json.loads(status.read_text())["epoch"] > 0):
            os.sched_yield()
        process.send_signal(signal.SIGTERM)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", type=pathlib.Path, required=True)
    parser.add_argument("--screenshots", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(arguments.engine.resolve(), pathlib.Path(folder))
        pages = [runs.page("finished", runs.start("finished", {}), 0),
                 runs.page("diverged", runs.start("diverged", DIVERGES), 6)]
        stopped = runs.start("stopped", {"epochs": 100000})
        runs.stop_after_an_epoch("stopped", stopped)
        pages.append(runs.page("stopped", stopped, 75))
        more = ["--screenshots", arguments.screenshots] if arguments.screenshots else []
        return subprocess.run([sys.executable, HERE / "page_test.py", *more, *pages]).returncode


if __name__ == "__main__":
    sys.exit(main())
