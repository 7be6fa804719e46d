#!/usr/bin/env python3
"""Training speed of the study's network in PyTorch, for one batch size and precision.

    tests/gpu/pytorch_baseline.py [--device cuda|cpu] [--batch N] [--precision bf16|tf32|fp32] [--ways WAY[,WAY]]

Prints a line of JSON for each way as soon as it is timed: eager; graph (eager, the whole step in one CUDA graph);
compiled+graph (torch.compile with max-autotune, the whole step in one CUDA graph); compiled (torch.compile with
max-autotune, its own CUDA graphs). The best of them is PyTorch's speed. A step is everything from the indices of the
batch to the new weights: images are gathered from a data set on the device; channels_last, bf16 by autocast, fused
Adam, cudnn.benchmark. Times are medians of windows after a warm-up.
"""

import argparse
import json
import statistics
import sys
import time

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError:
    sys.exit("PyTorch is not installed")

PARAMETERS = 1_245_738
WAYS = ("graph", "compiled+graph", "eager", "compiled")


class Inception(nn.Module):
    def __init__(self, channels, c1, c3, c5, cp):
        super().__init__()
        self.conv1x1 = nn.Conv2d(channels, c1, 1)
        self.conv3x3 = nn.Conv2d(channels, c3, 3, padding=1)
        self.conv5x5 = nn.Conv2d(channels, c5, 5, padding=2)
        self.pool_proj = nn.Conv2d(channels, cp, 1)

    def forward(self, x):
        pooled = F.max_pool2d(x, 3, 1, 1)
        branches = self.conv1x1(x), self.conv3x3(x), self.conv5x5(x), self.pool_proj(pooled)
        return torch.cat([F.relu(branch) for branch in branches], 1)


class StudyNetwork(nn.Module):
    """experiments/gray.json. TensorFlow's `same` padding puts the odd pixel after the image."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 64, 7, stride=2)
        self.inception_a = Inception(64, 64, 128, 32, 32)
        self.inception_b = Inception(256, 128, 192, 96, 64)
        self.classifier = nn.Linear(480, 10)

    @staticmethod
    def halve(x):  # inputs are >= 0, so padding never wins
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2)

    def forward(self, x):
        x = self.halve(F.relu(self.stem(F.pad(x, (2, 3, 2, 3)))))
        x = self.halve(self.inception_b(self.inception_a(x)))
        x = F.dropout(x, 0.5, self.training).mean((2, 3))
        return self.classifier(F.dropout(x, 0.5, self.training))


class Trainer:
    """One training step, and its repetition in the given way."""

    def __init__(self, device, batch, precision, way):
        torch.manual_seed(1)
        self.device, self.precision, self.gpu = device, precision, device.type == "cuda"
        self.network = StudyNetwork().to(device).to(memory_format=torch.channels_last).train()
        count = 50_000 if self.gpu else 2 * batch
        self.images = torch.rand(count, 1, 32, 32, device=device).to(memory_format=torch.channels_last)
        self.labels = torch.randint(0, 10, (count,), device=device)
        self.rows = torch.randperm(count, device=device)[:batch].clone()
        self.loss_sum = torch.zeros((), device=device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3, eps=1e-7, fused=self.gpu,
                                          capturable="graph" in way)
        self.model = self.network
        if "compiled" in way:
            # A graph of the whole step holds more than the graphs that max-autotune would make.
            mode = "max-autotune-no-cudagraphs" if "graph" in way else "max-autotune"
            self.model = torch.compile(self.network, mode=mode)
        self.run = self.captured() if "graph" in way else self.step

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            loss = F.cross_entropy(self.model(self.images[self.rows]), self.labels[self.rows])
        loss.backward()
        self.optimizer.step()
        self.loss_sum.add_(loss.detach())

    def captured(self):
        """The whole step as one CUDA graph."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(5):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        return graph.replay

    def wait(self):
        if self.gpu:
            torch.cuda.synchronize()

    def seconds_of_a_step(self, windows=5, seconds=0.3):
        for _ in range(5 if self.gpu else 1):
            self.run()
        self.wait()
        found = []
        for _ in range(windows if self.gpu else 1):
            begin, steps = time.perf_counter(), 0
            while steps == 0 or time.perf_counter() - begin < seconds:
                for _ in range(20 if self.gpu else 1):
                    self.run()
                    steps += 1
                self.wait()
            found.append((time.perf_counter() - begin) / steps)
        return statistics.median(found)


def time_way(device, batch, precision, way):
    begin = time.perf_counter()
    trainer = Trainer(device, batch, precision, way)
    seconds = trainer.seconds_of_a_step()
    loss = float(trainer.loss_sum)
    if loss != loss:
        raise RuntimeError("the loss is not a number")
    return {"way": way, "batch": batch, "precision": precision, "images_per_second": batch / seconds,
            "milliseconds_per_step": 1e3 * seconds, "with_preparation_s": round(time.perf_counter() - begin, 1),
            "parameters": sum(p.numel() for p in trainer.network.parameters())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="store_true", help="print PyTorch's version and whether it has a GPU")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--precision", default="bf16", choices=("bf16", "tf32", "fp32"))
    parser.add_argument("--ways", default=",".join(WAYS))
    given = parser.parse_args()
    if given.version:
        print(f"PyTorch {torch.__version__}, {'cuda' if torch.cuda.is_available() else 'no GPU'}, "
              f"cuDNN {torch.backends.cudnn.version()}")
        return
    device = torch.device(given.device)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = given.precision != "fp32"
    ways = [way for way in given.ways.split(",") if device.type == "cuda" or "graph" not in way]
    worked = set()
    for way in ways:
        if way == "compiled" and "compiled+graph" in worked:
            continue  # the same kernels with more launches
        try:
            print(json.dumps(time_way(device, given.batch, given.precision, way)), flush=True)
            worked.add(way)
        except Exception as error:  # the other ways may still work
            print(json.dumps({"way": way, "error": f"{type(error).__name__}: {error}"[:300]}), flush=True)
        torch.compiler.reset()
    assert sum(p.numel() for p in StudyNetwork().parameters()) == PARAMETERS
    sys.exit(0 if worked else 1)


if __name__ == "__main__":
    main()
