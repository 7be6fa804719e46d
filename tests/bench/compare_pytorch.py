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
from torch import nn
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]


def same_pad(size, kernel, stride):
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Inception(nn.Module):
    def __init__(self, c_in, c1, c3, c5, cp):
        super().__init__()
        self.conv1x1 = nn.Conv2d(c_in, c1, 1)
        self.conv3x3 = nn.Conv2d(c_in, c3, 3, padding=1)
        self.conv5x5 = nn.Conv2d(c_in, c5, 5, padding=2)
        self.pool_proj = nn.Conv2d(c_in, cp, 1)

    def forward(self, x):
        pooled = F.max_pool2d(x, 3, 1, 1)
        branches = [self.conv1x1(x), self.conv3x3(x), self.conv5x5(x), self.pool_proj(pooled)]
        return torch.cat([F.relu(b) for b in branches], 1)


class StudyNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 64, 7, stride=2)
        self.inception_a = Inception(64, 64, 128, 32, 32)
        self.inception_b = Inception(256, 128, 192, 96, 64)
        self.classifier = nn.Linear(480, 10)

    @staticmethod
    def pool(x):  # 3x3, stride 2, `same`: padding after; values are >= 0, so zero never wins wrongly
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2)

    def forward(self, x):
        before, after = same_pad(32, 7, 2)
        x = self.pool(F.relu(self.stem(F.pad(x, (before, after, before, after)))))
        x = self.pool(self.inception_b(self.inception_a(x)))
        x = F.dropout(x, 0.5, self.training).mean((2, 3))
        return self.classifier(F.dropout(x, 0.5, self.training))


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
