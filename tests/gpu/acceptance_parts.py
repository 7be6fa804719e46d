"""The parts of the acceptance script. Each adds rows to a report and stops starting things when its time is up."""

import fnmatch
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from acceptance_run import run, start, stop

PRECISIONS = ("bf16", "fp32", "tf32")

# Tests of gpu_acceptance by what they are about, in the order in which they run; what belongs to none is "other ops".
# Convolutions come last: their plans take most of the time.
GROUPS = {
    "networks beside the CPU": ["*GpuNetwork*", "GpuPipeline.*"],
    "preprocessing": ["Augment.*", "Noise.*", "Pipeline.*", "Smooth.*"],
    "optimizers": ["optimizers.*"],
    "other ops": [],
    "convolutions and dense layers": ["*conv2d*", "*dense*"],
}
QUICK_TESTS = ["GpuPipeline.*", "*GpuNetwork*AreTheCpus*", "Smooth.*", "optimizers.adam*", "kernels.dense",
               "kernels.conv2d_of_the_study", "max_pool.*", "kernels.softmax*", "kernels.max_pool"]

# Own kernels alone: the tools would otherwise look at cuDNN's code, for minutes.
SANITIZED_TESTS = ["kernels.max_pool", "kernels.dropout", "kernels.batch_normalization", "kernels.concat",
                   "kernels.softmax_cross_entropy", "kernels.global_average_pool", "optimizers.clipping*",
                   "GpuPipeline.*", "Pipeline.Gathers*"]


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def list_tests(programs, deadline):
    """Full names of gpu_acceptance's tests."""
    result = run(programs, [programs.tests, "--gtest_list_tests"], deadline, "tests")
    names, suite = [], ""
    for line in result.out.splitlines():
        word = line.split("#")[0].rstrip()
        if word.startswith("  "):
            names.append(suite + word.strip())
        elif word.endswith("."):
            suite = word
    if result.code != 0 or not names:
        raise RuntimeError(f"cannot list the tests: {result.tail()}")
    return names


def run_group(programs, names, deadline, log):
    """Runs tests until all had their turn; a failed one may have left the GPU unusable, so the others go on in a new
    process. Returns names that passed, names that failed with what they printed, and whether the time ran out."""
    passed, failed, left = set(), {}, list(names)
    for attempt in range(10):
        command = [programs.tests, "--gtest_fail_fast", "--gtest_color=no", "--gtest_filter=" + ":".join(left)]
        result = run(programs, command, deadline, f"{log}-{attempt}")
        before = result.out.split("[  FAILED  ]")[0]  # after a failure the others of its suite are skipped
        passed |= set(re.findall(r"^\[ +(?:OK|SKIPPED) \] (\S+) \(", before, re.M))
        begun = re.findall(r"^\[ RUN      \] (\S+)", result.out, re.M)
        if result.timed_out:
            return passed, failed, True
        if result.code == 0:
            break
        wrong = [name for name in begun if name not in passed][:1]
        if not wrong:
            failed["the program"] = result.tail()
            break
        failed[wrong[0]] = first_failure(result, wrong[0])
        left = [name for name in left if name not in passed and name not in failed]
        if not left:
            break
    return passed, failed, False


def first_failure(result, name):
    """What a test printed between its start and its end."""
    text = result.out.split(f"] {name}", 1)[-1].split("[  FAILED  ]")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[:4]) if lines else result.tail()


def parity(report, programs, deadline, quick):
    """Every op, optimizer and stage against double-precision references, networks against the CPU."""
    names = list_tests(programs, deadline)
    if quick:
        names = [name for name in names if matches(name, QUICK_TESTS)]
    groups = {group: [name for name in names if matches(name, patterns)] for group, patterns in GROUPS.items()}
    groups["other ops"] = [name for name in names if not any(name in chosen for chosen in groups.values())]
    for group, chosen in groups.items():
        if not chosen:
            continue
        if deadline.left() < 5:
            report.skip(group, "no time left")
            continue
        begin = time.monotonic()
        passed, failed, late = run_group(programs, chosen, deadline, "parity-" + group.split()[0])
        text = f"{len(passed & set(chosen))} of {len(chosen)} tests in {time.monotonic() - begin:.0f} s"
        text += ", then the time was up" if late else ""
        report.row(group, text, "all", len(passed & set(chosen)) == len(chosen) and not failed)
        for name, why in failed.items():
            report.row(name, why, "", False)


def accepted_precisions(programs, deadline):
    """The precisions that this build takes on the GPU; those that it refuses as a wrong file (exit code 3) it lacks."""
    taken = []
    for precision in PRECISIONS:
        command = [programs.engine, "summary", small_experiment(programs), "--device", "cuda",
                   "--set", f"precision={precision}"]
        if run(programs, command, deadline, f"summary-{precision}").code != 3:
            taken.append(precision)
    return taken


def skip_others(report, what, taken):
    for precision in PRECISIONS:
        if precision not in taken:
            report.skip(f"{what} {precision}", "this build does not take the precision")


def weights_sum(folder):
    return hashlib.sha256((folder / "checkpoints/last.safetensors").read_bytes()).hexdigest()


def training(programs, quick, precision, folder):
    """The command of a short training on images that the engine draws."""
    file = small_experiment(programs) if quick else programs.experiment("quickstart.json")
    return [programs.engine, "run", file, "--device", "cuda", "--out", folder, "--set", f"precision={precision}",
            "--set", "data.count=2000", "--epochs", "6", "--quiet"]


def repeat(report, programs, deadline, quick):
    """The same weights from every run, also from one that was killed and went on."""
    taken = accepted_precisions(programs, deadline)
    skip_others(report, "same weights,", taken)
    seconds = 0  # of the last run; one more is begun only if it can end in time
    for precision in taken:
        sums = []
        for number in range(2 if quick else 5):
            if deadline.left() < 1.5 * seconds + 1:
                break
            folder = programs.folder / f"{precision}-{number}"
            result = run(programs, training(programs, quick, precision, folder), deadline, f"repeat-{precision}-{number}")
            seconds = result.seconds
            sums.append(weights_sum(folder) if result.code == 0 else result.tail())
        if len(sums) < 2:
            report.skip(f"same weights, {precision}", "no time left")
            continue
        same = len(set(sums)) == 1 and len(sums[0]) == 64
        report.row(f"same weights, {precision}", f"{len(sums)} runs: " + ", ".join(sorted({s[:16] for s in sums}))
                   if same else " | ".join(sums), "one SHA-256", same, sha256=sums)
        if same:
            killed_and_resumed(report, programs, deadline, quick, precision, seconds, sums[0])


def killed_and_resumed(report, programs, deadline, quick, precision, seconds, wanted):
    """Kills a run with SIGKILL at a random moment and lets it go on."""
    what = f"killed and resumed, {precision}"
    for attempt in range(4):
        if deadline.left() < 2.5 * seconds + 1:
            return report.skip(what, "no time left")
        folder = programs.folder / f"{precision}-killed-{attempt}"
        moment = random.uniform(0.3, 0.95) * seconds
        command = training(programs, quick, precision, folder)
        process = start(programs, command, programs.logs / f"killed-{precision}-{attempt}")
        time.sleep(moment)
        alive = process.poll() is None
        stop(process)
        if alive and (folder / "status.json").exists():
            break
    else:
        return report.row(what, "four runs ended before they were killed", "", False)
    epoch = json.loads((folder / "status.json").read_text()).get("epoch")
    result = run(programs, command + ["--resume"], deadline, f"resumed-{precision}")
    found = weights_sum(folder) if result.code == 0 else result.tail()
    report.row(what, f"killed after {moment:.2f} s in epoch {epoch}: {found[:16] if len(found) == 64 else found}",
               "the same SHA-256", found == wanted, sha256=found)


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


def sanitizer():
    for place in (shutil.which("compute-sanitizer"), "/usr/local/cuda/bin/compute-sanitizer"):
        if place and Path(place).exists():
            return place
    return None


def memory(report, programs, deadline, quick):
    """compute-sanitizer over tests of the engine's own kernels."""
    program = sanitizer()
    names = [name for name in list_tests(programs, deadline) if matches(name, SANITIZED_TESTS)]
    for tool in ("memcheck", "racecheck", "synccheck", "initcheck"):
        if not program or programs.emulated:
            report.skip(tool, "compute-sanitizer is not here" if not program else "there is no GPU to look at")
            continue
        if deadline.left() < 5:
            report.skip(tool, "no time left")
            continue
        command = [program, "--tool", tool, "--error-exitcode", "86", programs.tests,
                   "--gtest_filter=" + ":".join(names)]
        result = run(programs, command, deadline, tool, limit=25)
        done = len(re.findall(r"^\[       OK \] \S+ \(", result.out, re.M))
        errors = re.findall(r"ERROR SUMMARY: (.*)|RACECHECK SUMMARY: (.*)", result.out + result.err)
        said = " ".join("".join(found) for found in errors[-1:])
        late = result.timed_out and done > 0 and "========= Error" not in result.out
        text = f"{done} of {len(names)} tests, {said or result.tail()}"
        report.row(tool, text + (", then the time was up" if late else ""), "no error", result.code == 0 or late)


# The engine's bench evaluates thousands of images, which an emulation can do only for a network like this.
SMALL = {"name": "small", "data": {"source": "shapes", "count": 200, "size": 8, "validation": 0.2},
         "preprocess": [{"op": "grayscale"}],
         "network": {"nodes": [{"op": "conv2d", "filters": 4, "kernel": 3, "stride": 2, "activation": "relu"},
                               {"op": "global_average_pool"}, {"op": "dense", "units": "classes"}]},
         "train": {"epochs": 1, "batch_size": 16, "optimizer": {"type": "adam"}}}


def small_experiment(programs):
    file = programs.folder / "small.json"
    file.write_text(json.dumps(SMALL))
    return file


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
            slowest = sorted(found["nodes"], key=lambda n: -n["forward_ms"] - n["backward_ms"])[:3]
            print("           most: " + ", ".join(f"{n['node']} {1e3 * (n['forward_ms'] + n['backward_ms']):.0f} us"
                                                  for n in slowest), flush=True)
    peak_memory(report, programs, deadline, quick)


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
