#!/usr/bin/env python3
"""Speed of the study's preprocessing: this engine beside NumPy and SciPy, in turn, in one run.

    tests/bench/compare_scipy.py [--engine build/release/bin/engine] [--threads 2] [--rounds 3] [--images 50000]

Gray, noise 0.1 and smoothing over height and width, on 32x32x3 images that lie in memory. Each round times
NumPy and SciPy as the study used them (float32) and then `engine bench`, so that both see the same state of
the machine; the ratio is taken round by round and its median is printed.
"""

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

ROOT = Path(__file__).resolve().parents[2]


def scipy_seconds(images):
    random = np.random.default_rng(1)
    start = time.perf_counter()
    gray = (images.astype(np.float32) / 255).mean(axis=3, keepdims=True)
    noisy = gray + 0.1 * random.standard_normal(gray.shape).astype(np.float32)
    gaussian_filter(noisy, sigma=(0, 1, 1, 0), mode="reflect", truncate=4)
    return time.perf_counter() - start


def engine_seconds(options):
    command = [options.engine, "bench", str(ROOT / "experiments" / "smooth.json"), "--json", "--threads", str(options.threads)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return options.images / result["preprocessing"]["images_per_second"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default=str(ROOT / "build" / "release" / "bin" / "engine"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=50000)
    options = parser.parse_args()
    images = np.random.default_rng(0).integers(0, 256, (options.images, 32, 32, 3), dtype=np.uint8)
    ratios = []
    for _ in range(options.rounds):
        slow, fast = scipy_seconds(images), engine_seconds(options)
        ratios.append(slow / fast)
        print(f"{options.images} images: NumPy and SciPy {slow:.2f} s, engine {fast:.3f} s, ratio {ratios[-1]:.1f}")
    print(f"median ratio {statistics.median(ratios):.1f}")


if __name__ == "__main__":
    main()
