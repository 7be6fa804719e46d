#!/usr/bin/env python3
"""Sweeps as users run them: points done once whatever is killed, failures told, chains, shards, the matrix."""
import argparse
import csv
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
import unittest

LONG = os.environ.get("ENGINE_LONG_TESTS") == "1"
ENGINE = None

SMALL = {
    "data": {"source": "shapes", "count": 60, "size": 8, "validation": 0.2},
    "preprocess": [{"op": "grayscale"}, {"op": "noise", "sigma": 0.1, "when": "once"}],
    "network": {"nodes": [
        {"name": "conv", "op": "conv2d", "filters": 4, "kernel": 3, "stride": 2, "activation": "relu"},
        {"op": "global_average_pool"},
        {"name": "classifier", "op": "dense", "units": "classes"}]},
    "train": {"epochs": 1, "batch_size": 16},
    "log": {"report": False},
}


class Folder:
    """A folder with small.json, and sweeps in it."""

    def __init__(self, case):
        self.holder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.holder.name)
        case.addCleanup(self.holder.cleanup)
        self.write("small.json", SMALL)

    def write(self, name, document):
        (self.path / name).write_text(json.dumps(document))
        return name

    def command(self, verb, *arguments):
        return [ENGINE, "sweep", verb, *map(str, arguments)]

    def engine(self, verb, *arguments, timeout=600):
        return subprocess.run(self.command(verb, *arguments), cwd=self.path, capture_output=True, text=True,
                              timeout=timeout)

    def start(self, verb, *arguments):
        return subprocess.Popen(self.command(verb, *arguments), cwd=self.path, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def records(self, name="sweep"):
        files = sorted((self.path / "sweeps" / name / "records").glob("*.json"))
        return [json.loads(file.read_text()) for file in files]

    def points(self, name="sweep"):
        """points.csv without what the clock and the machine decide."""
        with open(self.path / "sweeps" / name / "points.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        measured = {"seconds", "attempts", "host", "ended"}
        return [{key: value for key, value in row.items() if key not in measured} for row in rows]

    def hashes(self, name="sweep", folder=None):
        """SHA-256 of the best weights of each point, by its folder's name."""
        found = {}
        for run in sorted(((folder or self.path / "sweeps") / name / "points").iterdir()):
            found[run.name] = hashlib.sha256((run / "checkpoints/best.safetensors").read_bytes()).hexdigest()
        return found


def processes_of(folder, words):
    """Ids of processes in a folder whose command line has these words."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if os.readlink(entry / "cwd") == str(folder) and all(word in line for word in words):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


class Sweeps(unittest.TestCase):
    def assertCode(self, result, code):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)

    def test_every_point_once_whatever_is_killed(self):
        """Workers and the coordinator are killed at random moments: the results are those of an undisturbed sweep."""
        points, kills, coordinator_kills = (1000, 200, 5) if LONG else (60, 24, 2)
        sweep = {"base": "small.json", "seeds": list(range(points)), "max_points": points, "attempts": 1000}
        calm, wild = Folder(self), Folder(self)
        for folder in (calm, wild):
            folder.write("sweep.json", sweep)
        self.assertCode(calm.engine("run", "sweep.json", "--jobs", 8, "--threads", 1, "--quiet", timeout=1800), 0)

        chance = random.Random(5)
        killed = killed_coordinators = restarts = 0
        # So many ended points lie between two kills that all kills find something to kill.
        next_kill = 0
        process = wild.start("run", "sweep.json", "--jobs", 8, "--threads", 1, "--quiet")
        deadline = time.monotonic() + 1800
        while True:
            self.assertLess(time.monotonic(), deadline)
            if process.poll() is not None:
                if process.returncode == -signal.SIGKILL:
                    process.stderr.close()
                    process = wild.start("run", "sweep.json", "--jobs", 8, "--threads", 1, "--quiet")
                    restarts += 1
                    continue
                break
            done = len(list((wild.path / "sweeps/sweep/records").glob("*.json")))
            if killed < kills and done >= next_kill:
                workers = processes_of(wild.path, ["--resume"])
                if workers:
                    try:
                        os.kill(chance.choice(workers), signal.SIGKILL)
                        killed += 1
                        next_kill = killed * (points - 20) / kills
                    except ProcessLookupError:
                        pass
            if killed_coordinators < coordinator_kills and done >= (killed_coordinators + 1) * points / (coordinator_kills + 1):
                process.kill()
                process.wait()
                killed_coordinators += 1
            time.sleep(0.002)  # between looks; what happens in between is what is tested
        error = process.stderr.read()
        process.stderr.close()
        self.assertEqual(process.returncode, 0, error)
        self.assertEqual((killed, killed_coordinators), (kills, coordinator_kills), "the faults happened")
        self.assertEqual(restarts, coordinator_kills)
        self.assertIn("ended by signal 9", (wild.path / "sweeps/sweep/log.txt").read_text())

        records = wild.records()
        self.assertEqual(len(records), points)
        self.assertEqual(sorted(record["seed"] for record in records), list(range(points)), "none twice, none missing")
        self.assertEqual(list((wild.path / "sweeps/sweep/claims").iterdir()), [], "no claim is left")
        self.assertEqual(wild.points(), calm.points())
        self.assertEqual(wild.hashes(), calm.hashes())
        print(f"{points} points: {killed} runs and {killed_coordinators} coordinators killed")

    def test_failures_in_five_ways(self):
        """50 points, 10 of which fail: 40 done, 10 listed with reason."""
        folder = Folder(self)
        bad = {
            "config": {"data.validation": 0, "train.early_stopping": {"patience": 1}},
            "nan": {"train.optimizer": {"type": "sgd", "learning_rate": 1e6, "weight_decay": 1000}, "train.epochs": 50},
            "memory": {"data.count": 10000000, "data.size": 1024},
            "killed": {"train.epochs": 1000000, "train.checkpoint": {"every_seconds": 0}},
            "slow": {"train.epochs": 1000000},
        }
        points = [{"name": f"good{i}", "set": {"preprocess.noise.sigma": 0.01 * i}} for i in range(20)]
        points += [{"name": name, "set": dict(settings, **{"log.report": False})} for name, settings in bad.items()]
        folder.write("sweep.json", {"base": "small.json", "points": points, "seeds": [1, 2], "attempts": 2,
                                    "time_limit": 8})
        process = folder.start("run", "sweep.json", "--jobs", 4, "--threads", 1)
        killed = 0
        while process.poll() is None:
            for worker in processes_of(folder.path, ["--resume"]):
                try:
                    line = pathlib.Path(f"/proc/{worker}/cmdline").read_bytes().decode()
                    if 'name="killed-seed' in line:
                        os.kill(worker, signal.SIGKILL)
                        killed += 1
                except (OSError, ProcessLookupError):
                    continue
            time.sleep(0.01)
        error = process.stderr.read()
        process.stderr.close()
        self.assertEqual(process.returncode, 1, error)
        self.assertEqual(killed, 4, "two attempts of two seeds")
        records = folder.records()
        failed = {(r["configuration"], r["seed"]): r for r in records if r["state"] == "failed"}
        self.assertEqual(sum(r["state"] == "done" for r in records), 40)
        self.assertEqual(sorted(failed), sorted((name, seed) for name in bad for seed in (1, 2)))
        expected = {"config": (3, "train.early_stopping needs validation images"), "nan": (6, "diverged"),
                    "memory": (5, "out of memory"), "killed": (-9, "its process died 2 times"),
                    "slow": (75, "ran longer than time_limit (8 s)")}
        for (name, _), record in failed.items():
            code, reason = expected[name]
            self.assertEqual(record["exit_code"], code, record)
            self.assertIn(reason.lower(), record["reason"].lower())
            self.assertTrue((folder.path / "sweeps/sweep" / record["log"]).exists(), record)
        status = folder.engine("status", "sweep.json")
        self.assertCode(status, 0)
        self.assertLessEqual(max(map(len, status.stdout.splitlines())), 80)
        for name in bad:
            self.assertIn(name, status.stdout)
        # Run again: nothing is done again; --retry-failed tries those that failed.
        self.assertCode(folder.engine("run", "sweep.json", "--quiet"), 1)
        self.assertEqual(folder.records(), records)
        folder.write("sweep.json", {"base": "small.json", "points": points[:20] + points[21:22], "seeds": [1, 2]})
        self.assertCode(folder.engine("run", "sweep.json", "--retry-failed", "--quiet"), 1)
        again = {(r["configuration"], r["seed"]): r for r in folder.records()}
        self.assertNotEqual(again["nan", 1]["ended"] + str(again["nan", 1]["seconds"]),
                            failed["nan", 1]["ended"] + str(failed["nan", 1]["seconds"]))

    def test_on_failure_stop(self):
        folder = Folder(self)
        points = [{"name": "bad", "set": {"data.validation": 0, "train.early_stopping": {"patience": 1}}}]
        points += [{"name": f"good{i}", "set": {"preprocess.noise.sigma": 0.01 * i}} for i in range(5)]
        folder.write("sweep.json", {"base": "small.json", "points": points, "on_failure": "stop"})
        result = folder.engine("run", "sweep.json", "--json")
        self.assertCode(result, 1)
        outcome = json.loads(result.stdout)
        self.assertEqual((outcome["failed"], outcome["done"], outcome["left"]), (1, 0, 5))

    def test_chains_start_from_the_point_before(self):
        folder = Folder(self)
        points = [{"name": "smooth", "after": "noise", "set": {"train.epochs": 3}},
                  {"name": "noise", "after": "gray", "set": {"train.epochs": 2}},
                  {"name": "gray"},
                  {"name": "bad", "set": {"data.validation": 0, "train.early_stopping": {"patience": 1}}},
                  {"name": "after_bad", "after": "bad", "set": {"train.epochs": 2}},
                  {"name": "last", "after": "after_bad"}]
        folder.write("sweep.json", {"base": "small.json", "points": points, "seeds": [1, 2]})
        result = folder.engine("run", "sweep.json", "--jobs", 2, "--threads", 1, "--json")
        self.assertCode(result, 1)
        outcome = json.loads(result.stdout)
        self.assertEqual((outcome["done"], outcome["failed"], outcome["skipped"]), (6, 2, 4))
        skipped = [r for r in folder.records() if r["state"] == "skipped"]
        self.assertIn('"bad", seed 1, which it starts from, failed', [r["reason"] for r in skipped])
        # By hand, each from the best weights of the one before: the same bits.
        for seed in (1, 2):
            before = []
            for name, epochs in (("gray", 1), ("noise", 2), ("smooth", 3)):
                out = folder.path / f"hand/{name}{seed}"
                subprocess.run([ENGINE, "run", "small.json", "--set", f"train.epochs={epochs}", "--seed", str(seed),
                                "--threads", "1", "--device", "cpu", "--quiet", "--out", str(out), *before],
                               cwd=folder.path, check=True, capture_output=True)
                before = ["--from", str(out)]
                best = (out / "checkpoints/best.safetensors").read_bytes()
                [run] = (folder.path / "sweeps/sweep/points").glob(f"{name}-seed{seed}-*")
                weights = lambda data: data[8 + int.from_bytes(data[:8], "little"):]
                self.assertEqual(weights((run / "checkpoints/best.safetensors").read_bytes()), weights(best), name)

    def test_shards_divide_the_points(self):
        folder, whole = Folder(self), Folder(self)
        sweep = {"base": "small.json", "seeds": [1, 2, 3],
                 "points": [{"name": "a"}, {"name": "b", "after": "a", "set": {"train.epochs": 2}}]}
        for each in (folder, whole):
            each.write("sweep.json", sweep)
        self.assertCode(whole.engine("run", "sweep.json", "--threads", 1), 0)
        # All at once: what one needs of another it waits for, or does itself.
        shards = [folder.start("run", "sweep.json", "--shard", f"{i}/4", "--threads", 1) for i in (3, 2, 1, 0)]
        for shard in shards:
            error = shard.communicate(timeout=300)[1]
            self.assertEqual(shard.returncode, 0, error)
        self.assertEqual(len(folder.records()), 6)
        self.assertEqual({r["attempts"] for r in folder.records()}, {1})
        self.assertEqual(folder.hashes(), whole.hashes())
        for text in ("4/4", "-1/4", "1", "a/b", "0/0", "1/4x"):
            self.assertCode(folder.engine("run", "sweep.json", "--shard", text), 2)

    def test_a_signal_stops_with_checkpoints_and_the_same_command_goes_on(self):
        folder, whole = Folder(self), Folder(self)
        sweep = {"base": "small.json", "seeds": [1, 2, 3], "set": {"train.epochs": 150}}
        for each in (folder, whole):
            each.write("sweep.json", sweep)
        self.assertCode(whole.engine("run", "sweep.json", "--jobs", 2, "--threads", 1), 0)
        stops = 0
        for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP):
            process = folder.start("run", "sweep.json", "--jobs", 2, "--threads", 1)
            points = folder.path / "sweeps/sweep/points"
            while process.poll() is None and not [
                    s for s in points.glob("*/status.json") if '"running"' in s.read_text()]:
                time.sleep(0.005)
            process.send_signal(sent)
            error = process.communicate(timeout=60)[1]
            if process.returncode == 75:
                stops += 1
                self.assertIn("stopping with checkpoints", error)
            status = json.loads(folder.engine("status", "sweep.json", "--json").stdout)
            self.assertNotIn("running", [point["state"] for point in status["points"]])
        self.assertGreaterEqual(stops, 2, "it was stopped while it ran")
        self.assertCode(folder.engine("run", "sweep.json", "--jobs", 2, "--threads", 1), 0)
        self.assertEqual(folder.points(), whole.points())
        self.assertEqual(folder.hashes(), whole.hashes())

    def test_matrix(self):
        folder = Folder(self)
        gray = [{"op": "grayscale"}]
        points = [{"name": "gray", "set": {"preprocess": gray}},
                  {"name": "noise", "set": {"preprocess": gray + [{"op": "noise", "sigma": 0.5, "when": "once"}]}},
                  {"name": "color", "set": {"preprocess": []}},
                  {"name": "gray_longer", "set": {"preprocess": gray, "train.epochs": 2}}]
        folder.write("sweep.json", {"base": "small.json", "points": points, "seeds": [1, 2], "matrix": True})
        self.assertCode(folder.engine("run", "sweep.json", "--threads", 1), 0)
        for record in folder.records():
            cells = {cell["with"]: cell for cell in record["matrix"]}
            self.assertEqual(list(cells), ["gray", "noise", "color", "gray_longer"])
            own = cells[record["configuration"]]
            self.assertEqual((own["accuracy"], own["loss"]), (record["test"]["accuracy"], record["test"]["loss"]))
            self.assertEqual(cells["gray"].get("accuracy"), cells["gray_longer"].get("accuracy"))
            fits = record["configuration"] == "color"
            self.assertEqual("accuracy" in cells["color"], fits, record)
        with open(folder.path / "sweeps/sweep/matrix.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([(row["trained_on"], row["evaluated_on"]) for row in rows],
                         [(trained["name"], evaluated) for trained in points for evaluated in ("gray", "noise", "color")])

    def test_a_changed_experiment_is_found(self):
        """The base file is edited while the sweep runs: no result of another experiment is taken for a point's."""
        folder = Folder(self)
        folder.write("sweep.json", {"base": "small.json", "seeds": list(range(8))})
        process = folder.start("run", "sweep.json", "--threads", 1)
        while process.poll() is None and not list((folder.path / "sweeps/sweep/records").glob("*.json")):
            time.sleep(0.002)
        folder.write("small.json", dict(SMALL, train={"epochs": 2, "batch_size": 16}))
        error = process.communicate(timeout=120)[1]
        self.assertEqual(process.returncode, 1, error)
        failed = [r for r in folder.records() if r["state"] == "failed"]
        self.assertGreater(len(failed), 0)
        for record in failed:
            self.assertIn("not what it was when the sweep was started", record["reason"])

    def test_plan_and_status_before_anything_ran(self):
        folder = Folder(self)
        folder.write("sweep.json", {"base": "small.json", "grid": {"preprocess.noise.sigma": [0, 0.1]}, "seeds": [1, 2]})
        plan = folder.engine("plan", "sweep.json")
        self.assertCode(plan, 0)
        self.assertIn("4 = 2 configurations x 2 seeds", plan.stdout)
        self.assertLessEqual(max(map(len, plan.stdout.splitlines())), 80)
        document = json.loads(folder.engine("plan", "sweep.json", "--json").stdout)
        self.assertEqual(len(document["points"]), 4)
        self.assertGreater(document["seconds_at_most"], 0)
        self.assertGreater(document["bytes"], 0)
        self.assertFalse((folder.path / "sweeps").exists(), "plan writes nothing")
        self.assertIn("waiting", folder.engine("status", "sweep.json").stdout)
        self.assertCode(folder.engine("table", "sweep.json"), 0)
        self.assertTrue((folder.path / "sweeps/sweep/table.html").exists())

    def test_report_of_a_sweeps_folder(self):
        folder = Folder(self)
        folder.write("sweep.json", {"base": "small.json", "seeds": [1, 2]})
        self.assertCode(folder.engine("run", "sweep.json", "--set", "train.batch_size=8", "--out", "here", "--quiet"), 0)
        table = folder.path / "here/points.csv"
        before = table.read_bytes()
        table.unlink()
        result = subprocess.run([ENGINE, "report", "here", "--json"], cwd=folder.path, capture_output=True, text=True)
        self.assertCode(result, 0)
        self.assertIn("here/table.html", json.loads(result.stdout)["files"])
        self.assertEqual(table.read_bytes(), before)

    def test_a_huge_grid_is_refused_in_a_second(self):
        folder = Folder(self)
        grid = {f"train.k{i}": list(range(10)) for i in range(12)}
        folder.write("sweep.json", {"base": "small.json", "grid": grid})
        start = time.monotonic()
        result = folder.engine("plan", "sweep.json")
        self.assertLess(time.monotonic() - start, 1)
        self.assertCode(result, 3)
        self.assertIn("got 1000000000000", result.stderr)

    def test_wrong_shapes_start_nothing(self):
        folder = Folder(self)
        folder.write("sweep.json", {"base": "small.json", "seeds": [1, 2],
                                    "grid": {"network.conv.kernel": [3, 99], "network.conv.padding": ["valid"]}})
        result = folder.engine("run", "sweep.json")
        self.assertCode(result, 3)
        self.assertIn("kernel=99", result.stderr)
        self.assertFalse((folder.path / "sweeps").exists())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    arguments, rest = parser.parse_known_args()
    ENGINE = arguments.engine
    unittest.main(argv=[__file__, *rest])
