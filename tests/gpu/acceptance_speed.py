"""The parts of the acceptance script that measure. Each adds rows to a report and begins nothing when its time is up."""

import json
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from acceptance_engine import accepted_precisions, skip_others, small_experiment, training
from acceptance_run import run, start, stop


def study(programs, quick):
    """The experiment whose speed is measured."""
    return small_experiment(programs) if quick else programs.experiment("gray.json")


def bench(programs, deadline, quick, batch, precision, name):
    """What `engine bench` measures; nothing and the reason when it fails."""
    seconds = ["--windows", "1", "--seconds", "0.01"] if quick else ["--windows", "3", "--seconds", "0.25"]
    command = [programs.engine, "bench", study(programs, quick), "--device", "cuda", "--json", "--batch",
               str(batch), "--set", f"precision={precision}", *seconds]
    result = run(programs, command, deadline, name)
    if result.code != 0:
        return None, result.tail()
    return json.loads(result.out), ""


def speed(report, programs, deadline, quick):
    """Training speed of the study's network, its memory, and the time until the first step."""
    cold_start(report, programs, deadline, quick)
    taken = accepted_precisions(programs, deadline)
    skip_others(report, "images/s", taken)
    for batch in (16,) if quick else (1000, 32, 128, 512):
        for precision in taken:
            what = f"images/s {precision} batch {batch}"
            if deadline.left() < 3:
                report.skip(what, "no time left")
                continue
            found, why_not = bench(programs, deadline, quick, batch, precision, f"bench-{precision}-{batch}")
            if not found:
                report.row(what, why_not, "", False)
                continue
            rate, step = found["images_per_second"], found["milliseconds_per_step"]
            report.row(what, f"{rate:,.0f} ({step:.3f} ms a step, {50e6 / rate:.1f} ms for 50,000 images)", "",
                       rate > 0, images_per_second=rate, study=None if quick else [precision, batch], bench=found)
            by_node(report, f"by node, {precision} batch {batch}", found["nodes"])
    peak_memory(report, programs, deadline, quick)


def by_node(report, what, nodes):
    """Where a step's time goes: forward + backward of each node, the slowest first."""
    slowest = sorted(nodes, key=lambda node: -node["forward_ms"] - node["backward_ms"])
    report.row(what, ", ".join(f"{node['node']} {1e3 * node['forward_ms']:.0f} + {1e3 * node['backward_ms']:.0f} us"
                               for node in slowest), "", True, detail=True)


def cold_start(report, programs, deadline, quick):
    """A run that is asked to stop as soon as it listens makes one step, saves and ends with 75: an upper bound of the
    time to the first step. The second start finds the convolution plans that the first one remembered."""
    cache = programs.folder / "cold"
    for number, what in enumerate(("cold start", "second start")):
        folder = programs.folder / f"start-{number}"
        begin = time.monotonic()
        process = start(programs, training(programs, quick, "fp32", folder), programs.logs / f"start-{number}",
                        {"XDG_CACHE_HOME": str(cache)})
        try:
            while process.poll() is None and not listens(process.pid) and deadline.left() > 0:
                time.sleep(0.002)
            if process.poll() is None:
                process.send_signal(signal.SIGUSR2)
                process.wait(timeout=max(1, deadline.left()))
            seconds, code = time.monotonic() - begin, process.returncode
        finally:
            stop(process)
        steps = json.loads((folder / "status.json").read_text())["step"] if code == 75 else 0
        report.row(f"{what} to the first step, fp32", f"{seconds:.2f} s, exit code {code}, step {steps}",
                   "exit code 75 after 1 step", code == 75 and steps == 1, seconds=seconds)


def listens(pid):
    """Whether the process has a handler for SIGUSR2."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = re.search(r"^SigCgt:\s*(\w+)", status, re.M)
    return bool(caught and int(caught.group(1), 16) >> (signal.SIGUSR2 - 1) & 1)


def used_megabytes(programs, deadline):
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"]
    return float(run(programs, query, deadline, "memory", limit=10).out.strip() or "nan")


def peak_memory(report, programs, deadline, quick):
    """Memory of the GPU while the study trains, beside what the plan says."""
    what = "memory at batch 1000, fp32"
    if not shutil.which("nvidia-smi"):
        return report.skip(what, "nvidia-smi is not here")
    if deadline.left() < 5:
        return report.skip(what, "no time left")
    planned = run(programs, [programs.engine, "summary", programs.experiment("gray.json"), "--device", "cuda", "--json",
                             "--set", "train.batch_size=1000"], deadline, "summary")
    if planned.code != 0:
        return report.row(what, planned.tail(), "", False)
    plan = json.loads(planned.out)["memory"]["total"] / 1e6
    before, seen, done = used_megabytes(programs, deadline), [], threading.Event()

    def watch():
        while not done.is_set():
            seen.append(used_megabytes(programs, deadline))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        found, why_not = bench(programs, deadline, quick, 1000, "fp32", "bench-memory")
    finally:
        done.set()
        watcher.join()
    if not found:
        return report.row(what, why_not, "", False)
    # CUDA's context and its libraries' code take about 600 MB, the images and evaluation the rest.
    peak, limit = max(seen) - before, 1.05 * plan + 1500
    report.row(what, f"{peak:.0f} MB at most; {plan:.0f} MB are planned", f"{limit:.0f} MB", peak < limit, peak=peak,
               planned=plan)


# (batch, precision, seconds): each is a process of its own and prints a line for each way that it has timed.
PYTORCH = [(1000, "bf16", 40), (32, "bf16", 30), (1000, "fp32", 30), (32, "fp32", 20)]


def pytorch(report, programs, deadline, quick):
    """The same network and step in PyTorch, and the engine's speed as a multiple of its best."""
    script = Path(__file__).resolve().parent / "pytorch_baseline.py"
    probe = run(programs, [sys.executable, script, "--version"], deadline, "pytorch-version")
    if probe.code != 0:
        return report.skip("PyTorch", "PyTorch is not installed")
    report.about["pytorch"] = probe.out.strip()
    gpu = "cuda" in probe.out and not programs.emulated
    for batch, precision, seconds in ((4, "fp32", 60),) if quick else PYTORCH:
        what = f"PyTorch images/s {precision} batch {batch}"
        if deadline.left() < 5:
            report.skip(what, "no time left")
            continue
        command = [sys.executable, script, "--device", "cuda" if gpu else "cpu", "--batch", str(batch), "--precision",
                   precision, *(["--ways", "eager"] if quick else [])]
        result = run(programs, command, deadline, f"pytorch-{precision}-{batch}", limit=seconds)
        ways = [json.loads(line) for line in result.out.splitlines() if line.startswith("{")]
        timed = {way["way"]: way["images_per_second"] for way in ways if "images_per_second" in way}
        if not timed:
            report.row(what, result.tail(), "", False)
            continue
        best = max(timed, key=timed.get)
        report.row(what, f"{timed[best]:,.0f} ({best}; " + ", ".join(f"{w} {r:,.0f}" for w, r in timed.items()) + ")",
                   "", True, images_per_second=timed[best], ways=ways)
        compare(report, batch, precision, timed[best])


def compare(report, batch, precision, theirs):
    what = f"engine / PyTorch {precision} batch {batch}"
    ours = [row["images_per_second"] for row in report.rows
            if row.get("study") == [precision, batch]]
    if not ours:
        return report.skip(what, "the engine's speed on the study was not measured")
    report.row(what, f"{ours[0] / theirs:.2f}", "", True, ratio=ours[0] / theirs)


def kernels(report, programs, deadline, quick):
    """Each launch of a step by itself: bytes a second beside a copy's, and products a second of convolutions."""
    batch, steps, copy = ("1", "1", "4000000") if quick else ("1000", "7", str(1 << 30))
    for precision in accepted_precisions(programs, deadline):
        what = f"launches of a step, {precision} batch {batch}"
        if deadline.left() < 3:
            report.skip(what, "no time left")
            continue
        command = [programs.kernel_times, batch, precision, steps, copy]
        result = run(programs, command, deadline, f"kernels-{precision}")
        if result.code != 0:
            report.row(what, result.tail(), "", False)
            continue
        found = json.loads(result.out)
        ceiling, launches = found["copy_gigabytes_per_second"], found["launches"]
        total = sum(launch["microseconds"] for launch in launches)
        report.row(what, f"{len(launches)} launches, {total:.0f} us; a copy reaches {ceiling:,.0f} GB/s", "",
                   total > 0, **found)
        bandwidths(report, precision, launches, ceiling)
        products(report, precision, launches)


def bandwidths(report, precision, launches, ceiling):
    """A row for each kernel that says what it moves, over all nodes that use it."""
    named = {}
    for launch in launches:
        if launch["bytes"] > 0 and "multiply_adds" not in launch:
            named.setdefault(launch["kernel"], []).append(launch)
    for kernel, each in sorted(named.items()):
        microseconds = sum(launch["microseconds"] for launch in each)
        speed = 1e-3 * sum(launch["bytes"] for launch in each) / max(microseconds, 1e-9)
        report.row(f"{kernel}, {precision}", f"{len(each)} x, {microseconds:.1f} us, {speed:,.0f} GB/s, "
                   f"{100 * speed / ceiling:.0f} % of a copy", "", True, detail=True)


def products(report, precision, launches):
    """A row for each node with convolutions: TFLOP/s of each pass and what computes it."""
    nodes = {}
    for launch in launches:
        if "multiply_adds" in launch:
            speed = 2e-6 * launch["multiply_adds"] / max(launch["microseconds"], 1e-9)
            plan = launch["kernel"].removeprefix("convolution ")
            nodes.setdefault(launch["node"], []).append(f"{plan}: {launch['microseconds']:.1f} us {speed:.1f} TFLOP/s")
    for node, passes in nodes.items():
        report.row(f"{node}, {precision}", "; ".join(passes), "", True, detail=True)
