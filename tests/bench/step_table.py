#!/usr/bin/env python3
"""Writes docs/results/step_h100.md: what one training step of the study launches on an H100 that need not be there, what it
moves and multiplies, and the time that follows from the GPU's ceilings.

    tests/bench/step_table.py [--engine build/release/bin/engine] [--out docs/results/step_h100.md]

Needs the CUDA library and cuDNN, but no GPU: it asks `engine summary FILE --target h100 --json`.
"""

import argparse
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATCH = 1000
BYTES_PER_SECOND = 3.0e12  # what a large copy reaches on an H100
FLOPS = 790e12  # what a large bf16 product reaches there
FP32_FLOPS = 67e12  # of ordinary arithmetic there: the stem's, which is not for tensor cores
SHARED_READS = 7.4e12  # of 4 bytes: 132 multiprocessors x 32 banks x 1.755 GHz
LAUNCH_SECONDS = 1.5e-6  # from one kernel of a CUDA graph to the next; assumed, like the two above, until a GPU has said

TEXT = """# What a training step costs on an H100

No GPU has run this engine yet. What is known without one is what a step launches, moves and multiplies: `engine summary
experiments/gray.json --device cuda --target h100 --set precision=bf16 --set train.batch_size=1000` lists it launch by launch, from
the same code that runs on a GPU. Here it is by node. Times are estimates from assumed ceilings, not measurements: the longer of bytes at
{bandwidth:.1f} TB/s and arithmetic at {tflops:.0f} TFLOP/s for each launch, and {launch:.1f} us for each launch on top; for the stem, an own kernel,
arithmetic at {fp32:.0f} TFLOP/s and in its backward one read of shared memory a product at {reads:.1f} T/s; branches that run side by
side count one after the other. A plan of cuDNN
counts as one launch; it may start more than one kernel, and the copies that it makes inside ([plans.md](plans.md))
are not in its bytes.

{table}

**{launches} launches a step, {megabytes:.0f} MB, {gigaflop:.0f} GFLOP: {step:.2f} ms at the ceilings, {rate:,.0f} images/s.** The arithmetic alone
would take {arithmetic:.2f} ms. `tests/gpu/acceptance` measures all of this on a GPU ([testing.md](../testing.md)).

What keeps the launches few: a step is one CUDA graph; preprocessing is part of the gather; bias and ReLU are part of the
convolution, which writes straight into its slice of a concat; one pass brings gradients back through a concat, a fan-out, max pools
and ReLUs and sums the biases' gradients (the pass `join_branches`); the first convolution and its pool are one fused op
(`fuse_stem`), from the last pool to the loss there are two (`fuse_head`); the optimizer is one pass over one arena.
Without these passes it would be {apart} launches.

Made by `tests/bench/step_table.py`.
"""


def summary(engine, *more):
    command = [engine, "summary", str(ROOT / "experiments/gray.json"), "--device", "cuda", "--target", "h100", "--json",
               "--set", "precision=bf16", "--set", f"train.batch_size={BATCH}", *more]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def arithmetic(launch, products):
    """Operations of a launch, and the seconds that they take at the ceilings."""
    flop = products.get(launch["node"], 0)
    if launch["kernel"].startswith("convolution"):
        return flop, flop / FLOPS
    if launch["kernel"] == "stem_forward":
        return flop, flop / FP32_FLOPS
    if launch["kernel"] == "stem_backward":  # only for pixels that the pool chose, one in four
        return flop / 4, flop / 4 / 2 / SHARED_READS
    return 0, 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--engine", default=str(ROOT / "build/release/bin/engine"))
    parser.add_argument("--out", default=str(ROOT / "docs/results/step_h100.md"))
    options = parser.parse_args()
    described = summary(options.engine)
    without = [word for name in ("join_branches", "fuse_head", "fuse_stem") for word in ("--without-pass", name)]
    products = {node["name"]: 2 * node["multiply_adds"] * BATCH for node in described["nodes"]}

    rows, total = {}, {"launches": 0, "bytes": 0, "flop": 0, "seconds": 0}
    for launch in described["launches"]:
        flop, busy = arithmetic(launch, products)
        seconds = max(launch["bytes"] / BYTES_PER_SECOND, busy) + LAUNCH_SECONDS
        key = (launch["node"] or launch["phase"], launch["phase"] if launch["node"] else "")
        row = rows.setdefault(key, {"launches": 0, "bytes": 0, "flop": 0, "seconds": 0})
        for sums in (row, total):
            sums["launches"] += 1
            sums["bytes"] += launch["bytes"]
            sums["flop"] += flop
            sums["seconds"] += seconds

    lines = ["| node | phase | launches | MB | GFLOP | us |", "|---|---|---:|---:|---:|---:|"]
    for (node, phase), row in rows.items():
        lines.append(f"| {node} | {phase} | {row['launches']} | {row['bytes'] / 1e6:.1f} | {row['flop'] / 1e9:.1f} "
                     f"| {row['seconds'] * 1e6:.1f} |")
    text = TEXT.format(table="\n".join(lines), launches=total["launches"], megabytes=total["bytes"] / 1e6,
                       gigaflop=total["flop"] / 1e9, step=total["seconds"] * 1e3, rate=BATCH / total["seconds"],
                       arithmetic=total["flop"] / FLOPS * 1e3, bandwidth=BYTES_PER_SECOND / 1e12, tflops=FLOPS / 1e12,
                       fp32=FP32_FLOPS / 1e12, reads=SHARED_READS / 1e12,
                       launch=LAUNCH_SECONDS * 1e6,
                       apart=len(summary(options.engine, *without)["launches"]))
    Path(options.out).write_text(text)


if __name__ == "__main__":
    main()
