#!/usr/bin/env python3
"""Seconds from the command to the end of the first training step, and the peak memory until then.

    tests/bench/start_time.py [FILE] [--engine build/release/bin/engine] [--rounds 5] [-- engine flags]

The engine is asked to stop (SIGUSR2) as soon as it listens, so it makes one step, saves a checkpoint and exits
with 75. The time is that of the whole process: an upper bound that includes the save and the exit.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def listens(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return int(line.split()[1], 16) >> (signal.SIGUSR2 - 1) & 1
    return False


def one_start(command):
    begin = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not listens(process.pid):
        if process.poll() is not None:
            raise SystemExit(f"the engine ended with {process.returncode} before it trained: {' '.join(command)}")
        time.sleep(0.001)
    process.send_signal(signal.SIGUSR2)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    code = os.waitstatus_to_exitcode(status)
    if code != 75:
        raise SystemExit(f"expected exit code 75, got {code}: {' '.join(command)}")
    return seconds, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", default=str(ROOT / "experiments/quickstart.json"))
    parser.add_argument("--engine", default=str(ROOT / "build/release/bin/engine"))
    parser.add_argument("--rounds", type=int, default=5)
    arguments, extra = parser.parse_known_args()
    extra = [flag for flag in extra if flag != "--"]
    seconds, peaks = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            out = Path(folder) / str(number)
            taken, peak = one_start([arguments.engine, "run", arguments.file, "--out", str(out), *extra])
            step = json.loads((out / "status.json").read_text())["step"]
            if step != 1:
                raise SystemExit(f"expected one step, the run made {step}")
            seconds.append(taken)
            peaks.append(peak)
    print(f"{Path(arguments.file).name}: first step within {statistics.median(seconds):.2f} s "
          f"(worst of {len(seconds)}: {max(seconds):.2f} s), peak {max(peaks):.0f} MiB")


if __name__ == "__main__":
    main()
