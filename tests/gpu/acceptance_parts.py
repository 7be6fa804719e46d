"""The parts of the acceptance script that say right or wrong. Each adds rows to a report and begins nothing that cannot
end in its time."""

import fnmatch
import hashlib
import json
import random
import re
import shutil
import time
from pathlib import Path

from acceptance_engine import accepted_precisions, skip_others, training
from acceptance_run import run, start, stop

# Tests of gpu_acceptance by what they are about, in the order in which they run; what belongs to none is "other ops".
# Convolutions come last: their plans take most of the time.
GROUPS = {
    "networks beside the CPU": ["*GpuNetwork*"],
    "random bits and order beside the CPU": ["GpuPipeline.*"],
    "preprocessing": ["Augment.*", "Noise.*", "Pipeline.*", "Smooth.*"],
    "optimizers": ["optimizers.*"],
    "other ops": [],
    "convolutions and dense layers": ["*conv2d*", "*dense*"],
}
QUICK_TESTS = ["GpuPipeline.*", "*GpuNetwork*AreTheCpus*", "Smooth.*", "optimizers.adam*", "kernels.dense",
               "kernels.conv2d_of_the_study", "max_pool.*", "kernels.softmax*", "kernels.max_pool"]

# Own kernels alone: the tools would otherwise look at cuDNN's code, for minutes.
SANITIZED_TESTS = ["kernels.max_pool", "kernels.dropout", "kernels.batch_normalization", "kernels.concat",
                   "kernels.softmax_cross_entropy", "kernels.global_average_pool", "kernels.stem*", "optimizers.clipping*",
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


def weights_sum(folder):
    return hashlib.sha256((folder / "checkpoints/last.safetensors").read_bytes()).hexdigest()


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
