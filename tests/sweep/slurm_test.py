#!/usr/bin/env python3
"""engine sweep submit against Slurm itself: job arrays whose tasks are hit by signals, requeues, time limits and
crashes of the node end with the bytes of a sweep that nothing disturbed. Ends with 77 where Slurm is not installed.

    tests/sweep/slurm_test.py --engine build/release/bin/engine

ENGINE_LONG_TESTS=1 adds an array of 20 tasks, each hit at least twice.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import slurm_cluster

# A shell, sbatch or Slurm's own patterns could take any of this for something else.
HOSTILE = "it's \"$(touch pwned)\" `touch pwned`; touch pwned # %A_%a & ${HOME}"
EXPERIMENT = {
    "name": "tiny",
    "log": {"report": False},
    # Without validation the best epoch is the last one, so that its weights depend on every step.
    "data": {"source": "shapes", "count": 1500, "size": 24, "validation": 0},
    "preprocess": [{"op": "grayscale", "weights": "mean"}, {"op": "noise", "sigma": 0.1, "when": "every_epoch"}],
    "network": {
        "nodes": [
            {"name": "conv", "op": "conv2d", "filters": 64, "kernel": 5, "stride": 2, "activation": "relu"},
            {"name": "gap", "op": "global_average_pool"},
            {"name": "classifier", "op": "dense", "units": "classes"},
        ]
    },
    "train": {"batch_size": 32, "checkpoint": {"every_steps": 30}},
}
EPOCHS = 200  # seconds of work: a run must be hit before it ends
SHORT, LONG = 600, 1500
FINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}
problems = []


def check(good, what):
    if not good:
        problems.append(what)
        print(f"FAILED: {what}", flush=True)


def wait_for(what, condition, seconds=120, pause=0.2):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise RuntimeError(f"waited {seconds} s for {what}")
        time.sleep(pause)
    return value


class Sweep:
    """A sweep in a folder of its own, done by Slurm and by a plain `sweep run`."""

    def __init__(self, cluster, engine, folder, name, sweep, epochs):
        self.cluster, self.engine, self.folder, self.file = cluster, engine, folder, f"{name}.json"
        self.out = folder / f"by slurm {HOSTILE}"
        folder.mkdir(parents=True, exist_ok=True)
        experiment = dict(EXPERIMENT, train=dict(EXPERIMENT["train"], epochs=epochs))
        (folder / "tiny.json").write_text(json.dumps(experiment))
        (folder / self.file).write_text(json.dumps(dict({"name": "study", "base": "tiny.json"}, **sweep)))

    def run(self, *words, code=0):
        command = [self.engine, "sweep", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.cluster.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != code:
            raise RuntimeError(f"engine sweep {words} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def submit(self, *words):
        told = self.run("submit", self.file, "--out", self.out.name, "--threads", "1", "--json", *words).stdout
        return json.loads(told)

    def tasks(self):
        """Task of the sweep -> what Slurm calls it."""
        known = json.loads((self.out / "slurm" / "jobs.json").read_text())
        found = {}
        for job in known["jobs"]:
            for part in job["tasks"].split(","):
                first, _, last = part.partition("-")
                for task in range(int(first), int(last or first) + 1):
                    found[task] = f"{job['job']}_{task - job['offset']}"
        return found

    def states(self):
        known = self.cluster.tasks()
        return {task: known.get(name, "FORGOTTEN") for task, name in self.tasks().items()}

    def ended(self):
        return all(state in FINAL for state in self.states().values())

    def records(self):
        return [json.loads(file.read_text()) for file in sorted((self.out / "records").glob("*.json"))]

    def progress(self):
        """Run folder -> step of its newest checkpoint or epoch."""
        found = {}
        for file in self.out.glob("points/*/status.json"):
            status = json.loads(file.read_text())
            if status["state"] == "running":
                found[file.parent.name] = status["step"]
        return found

    def weights(self, out):
        found = {}
        for file in sorted(out.glob("points/*/checkpoints/best.safetensors")):
            found[file.parts[-3]] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found

    def run_logs(self):
        return "".join(file.read_text(errors="replace") for file in sorted(self.out.glob("points/*/log.txt")))

    def logs(self):
        return "".join(file.read_text(errors="replace") for file in sorted((self.out / "slurm").glob("*.out")))

    def compare(self, points):
        """With the same sweep, done here without Slurm."""
        self.run("run", self.file, "--out", "undisturbed", "--threads", "1", "--jobs", "2")
        ours, theirs = self.weights(self.folder / "undisturbed"), self.weights(self.out)
        check(len(ours) == points, f"{len(ours)} of {points} points done without Slurm")
        check(ours == theirs, f"weights differ: {ours} {theirs}")
        records = self.records()
        check([record["state"] for record in records] == ["done"] * points, f"records: {records}")
        check(not list(self.folder.rglob("pwned")), "a name was run as a command")


def main_part(cluster, engine, folder):
    """Three points and one more after the first; one is requeued, one gets SIGTERM."""
    sweep = Sweep(
        cluster, engine, folder / HOSTILE, f"sweep {HOSTILE}",
        {
            "points": [
                {"name": "first"},
                {"name": "faster", "set": {"train.optimizer.learning_rate": 0.01}},
                {"name": "second", "after": "first"},
            ],
            "slurm": {"options": ['--comment="$(touch pwned)"'], "setup": ["export PATH"], "signal_seconds": 30},
        },
        epochs=EPOCHS,
    )  # fmt: skip
    shown = sweep.run("submit", sweep.file, "--out", sweep.out.name, "--threads", "1", "--dry-run").stdout
    check("#SBATCH --array=0-1" in shown and "--dependency=afterany:" in shown, f"--dry-run: {shown}")
    check(not sweep.out.exists(), "--dry-run wrote something")
    jobs = sweep.submit()["jobs"]
    check([job["level"] for job in jobs] == [0, 1], f"jobs: {jobs}")
    tasks = sweep.tasks()
    check(sorted(tasks) == [0, 1, 2], f"tasks: {tasks}")
    names = cluster.ask("squeue", "-h", "-r", "-o", "%j|%k").split("\n")
    check("study|$(touch pwned)" in names, f"squeue: {names}")

    again = sweep.run("submit", sweep.file, "--out", sweep.out.name, code=9)
    check(jobs[0]["job"] in again.stderr, f"submitting again: {again.stderr}")

    wait_for("two runs", lambda: len([step for step in sweep.progress().values() if step > 100]) == 2)
    check(sweep.states()[2] == "PENDING", f"the chain's second part: {sweep.states()}")
    cluster.do("scontrol", "requeue", tasks[0])
    cluster.terminate(tasks[1])
    wait_for("the hits", lambda: cluster.restarts(tasks[0]) == 1 and cluster.restarts(tasks[1]) == 1)
    wait_for("the end", sweep.ended, 200)
    check(set(sweep.states().values()) == {"COMPLETED"}, f"states: {sweep.states()} {sweep.logs()}")
    attempts = sorted(record["attempts"] for record in sweep.records())
    check(attempts == [1, 2, 2], f"attempts: {attempts}")
    check(cluster.restarts(tasks[2]) == 0, "the chain's second part was started twice")
    sweep.compare(3)
    nothing = sweep.submit()
    check(nothing["jobs"] == [], f"submitting what is done: {nothing}")
    return sweep


def cancel_part(cluster, engine, folder):
    """What the user cancels stays cancelled, and goes on when it is submitted again."""
    sweep = Sweep(cluster, engine, folder / "cancelled", "sweep", {"seeds": [1, 2]}, epochs=EPOCHS)
    job = sweep.submit()["jobs"][0]["job"]
    wait_for("two runs", lambda: len([step for step in sweep.progress().values() if step > 100]) == 2)
    cluster.do("scancel", job)
    wait_for("the end", sweep.ended)
    check(set(sweep.states().values()) == {"CANCELLED"}, f"states: {sweep.states()}")
    check(sweep.records() == [], f"records: {sweep.records()}")
    check(sweep.submit()["jobs"][0]["job"] != job, "submitted again")
    wait_for("the end", sweep.ended)
    check(set(sweep.states().values()) == {"COMPLETED"}, f"states: {sweep.states()} {sweep.logs()}")
    check([record["attempts"] for record in sweep.records()] == [2, 2], f"records: {sweep.records()}")
    sweep.compare(2)


class Hits:
    """Hits the running tasks of a sweep of one point a task, and counts what Slurm says came of it."""

    KINDS = ("requeue", "SIGTERM", "crash of the node")

    def __init__(self, cluster, sweep, spared):
        self.cluster, self.sweep, self.spared = cluster, sweep, spared
        plan = json.loads(sweep.run("plan", sweep.file, "--no-measure", "--json").stdout)
        self.folders = [point["folder"] for point in plan["points"]]
        self.names = sweep.tasks()
        self.counts, self.restarts = collections.Counter(), collections.Counter()
        self.begun_at, self.turn = {}, 0

    def step(self, task):
        """Of the run's newest checkpoint, where it runs; else 0."""
        return self.sweep.progress().get(self.folders[task], 0)

    def look(self, blame):
        """Counts the restarts since the last look as that kind's. True: there were some."""
        found = False
        for task, name in self.names.items():
            now = self.cluster.restarts(name)
            if now > self.restarts[task]:
                self.counts[blame] += now - self.restarts[task]
                self.restarts[task], found = now, True
                self.begun_at.pop(task, None)
        return found

    def due(self):
        """Running tasks that have done something since they were started, and were not hit twice yet."""
        tasks = []
        for task, state in self.sweep.states().items():
            if state != "RUNNING" or task in self.spared or self.restarts[task] >= 2:
                continue
            step = self.step(task)
            if step > self.begun_at.setdefault(task, step):
                tasks.append(task)
        return tasks

    def hit(self, tasks):
        """The tasks in one of three ways; waits until Slurm has put them back."""
        kind = self.KINDS[self.turn % len(self.KINDS)]
        self.turn += 1
        before = {task: self.cluster.restarts(self.names[task]) for task in tasks}
        if kind == "crash of the node":
            self.cluster.crash_node()
        for task in tasks if kind != "crash of the node" else []:
            if kind == "requeue":
                self.cluster.ask("scontrol", "requeue", self.names[task])
            else:
                self.cluster.terminate(self.names[task])

        def over():
            """Back in the queue, or ended just before it was hit."""
            states = self.sweep.states()
            return all(
                self.cluster.restarts(self.names[task]) > count or states[task] in FINAL for task, count in before.items()
            )

        wait_for(f"{kind} of {tasks}", over)
        self.look(kind)


def long_part(cluster, engine, folder):
    """20 tasks, each hit at least twice; four of them are left to their time limit alone."""
    spared = set(range(4, 20, 5))
    points = []
    for i in range(20):
        settings = {"train.optimizer.learning_rate": 0.001 + i / 1e4, "train.epochs": LONG if i in spared else SHORT}
        points.append({"name": f"p{i}", "set": settings})
    slurm = {"time": "00:01:00", "signal_seconds": 45, "requeues": 1000}
    sweep = Sweep(cluster, engine, folder / "long", "sweep", {"points": points, "slurm": slurm}, epochs=1)
    sweep.submit()
    hits = Hits(cluster, sweep, spared)
    end = time.monotonic() + 3000
    while not sweep.ended():
        hits.look("time limit")
        tasks = hits.due()
        if tasks:
            hits.hit(tasks)
        elif hits.turn == 5:
            cluster.restart_slurmd()  # jobs go on
            hits.turn += 1
        if time.monotonic() > end:
            raise RuntimeError(f"not done after 3000 s: {sweep.states()}")
        time.sleep(0.5)
    hits.look("time limit")
    print(f"restarts by cause: {dict(hits.counts)}; by task: {sorted(hits.restarts.items())}", flush=True)
    check(min(hits.restarts[task] for task in range(20)) >= 2, f"restarts: {hits.restarts}")
    for kind in (*Hits.KINDS, "time limit"):
        check(hits.counts[kind] >= 4, f"{kind}: {hits.counts}")
    check("stopped by SIGUSR2" in sweep.run_logs(), "no run was stopped by SIGUSR2")
    check(set(sweep.states().values()) == {"COMPLETED"}, f"states: {sweep.states()}")
    for record in sweep.records():
        check(record["attempts"] >= 2, f"attempts: {record}")
    sweep.compare(20)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    reason = slurm_cluster.missing()
    if reason:
        print(f"skipped: {reason}")
        return 77
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with slurm_cluster.Cluster(folder / "cluster") as cluster:
            main_part(cluster, arguments.engine.resolve(), folder)
            cancel_part(cluster, arguments.engine.resolve(), folder)
            if os.environ.get("ENGINE_LONG_TESTS"):
                long_part(cluster, arguments.engine.resolve(), folder)
    print(f"{time.monotonic() - start:.0f} s, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
