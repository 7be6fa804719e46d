#!/usr/bin/env python3
"""Training speed of the study's network: this engine beside PyTorch, in turn, in one run.

    tests/bench/compare_pytorch.py [--engine build/release/bin/engine] [--threads 2] [--batch 32 250]

Needs torch. Each round times PyTorch (channels_last; the better of eager and, where a compiler is
found, torch.compile) and then `engine bench`, so that both see the same state of the machine; the
ratio is taken round by round and its median is printed. Both train on data that lies in memory:
forward, loss, backward and Adam, with dropout on.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/gpu"))
from pytorch_baseline import StudyNetwork  # noqa: E402


def torch_trainer(batch, compiled):
    torch.manual_seed(1)
    net = StudyNetwork().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7)
    images = torch.rand(batch, 1, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,))
    model = torch.compile(net) if compiled else net

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    for _ in range(3):
        step()
    return step


def images_per_second(step, batch, seconds):
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
    return steps * batch / (time.perf_counter() - start)


def engine_images_per_second(arguments, batch):
    command = [arguments.engine, "bench", str(ROOT / "experiments/gray.json"), "--json",
               "--threads", str(arguments.threads), "--set", f"train.batch_size={batch}"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)["images_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default=str(ROOT / "build/release/bin/engine"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 250])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    print(f"PyTorch {torch.__version__}, {arguments.threads} threads, {arguments.rounds} rounds")
    print(f"{'batch':>5} {'eager':>8} {'compiled':>9} {'engine':>8} {'ratio':>6}   images/s, medians")
    for batch in arguments.batch:
        trainers = {"eager": torch_trainer(batch, False)}
        try:
            trainers["compiled"] = torch_trainer(batch, True)
        except Exception as error:  # no compiler on this machine: eager alone
            print(f"torch.compile does not work here: {str(error).splitlines()[0]}", file=sys.stderr)
        rows = []
        for _ in range(arguments.rounds):
            row = {k: images_per_second(s, batch, arguments.seconds) for k, s in trainers.items()}
            row["engine"] = engine_images_per_second(arguments, batch)
            row["ratio"] = row["engine"] / max(v for k, v in row.items() if k != "engine")
            rows.append(row)
        median = {k: statistics.median(r[k] for r in rows) for k in rows[0]}
        print(f"{batch:5d} {median['eager']:8.0f} {median.get('compiled', float('nan')):9.0f} "
              f"{median['engine']:8.0f} {median['ratio']:6.2f}", flush=True)


if __name__ == "__main__":
    main()
