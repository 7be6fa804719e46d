#!/usr/bin/env python3
"""The events that a run leaves for TensorBoard, read by TensorBoard itself: whole, by a reader that follows the run,
and after kills at random moments. Ends with 77 where TensorBoard is not installed.

    tests/report/tensorboard_test.py --engine build/release/bin/engine [--seed N]
"""

import argparse
import csv
import io
import json
import logging
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".deps" / "python"))
try:
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as PluginAccumulator
    from tensorboard.plugins.custom_scalar import layout_pb2
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.util import tensor_util
except ImportError as missing:
    print(f"skipped: {missing}; cmake/setup test installs TensorBoard into .deps/python")
    sys.exit(77)

EPOCHS = 40
EVERYTHING = {"scalars": 0, "images": 0, "tensors": 0}
EXPERIMENT = {
    "name": "tiny",
    "description": "<script>alert(1)</script>",
    "seed": 5,
    "log": {"report": False, "tensorboard": True},
    "data": {"source": "shapes", "count": 60, "size": 8, "validation": 0.2},
    "preprocess": [{"op": "grayscale", "weights": "mean"}, {"op": "noise", "sigma": 0.25, "when": "every_epoch"}],
    "network": {
        "nodes": [
            {"name": "conv", "op": "conv2d", "filters": 4, "kernel": 3, "stride": 2, "activation": "relu"},
            {"name": "gap", "op": "global_average_pool"},
            {"name": "classifier", "op": "dense", "units": "classes"},
        ]
    },
    "train": {
        "epochs": EPOCHS,
        "batch_size": 24,
        "optimizer": {"type": "adam", "learning_rate": 0.01},
    },
}
COLUMNS = {
    "train_loss": "train/loss",
    "train_accuracy": "train/accuracy",
    "validation_loss": "validation/loss",
    "validation_accuracy": "validation/accuracy",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
}
problems = []


def check(good, what):
    if not good:
        problems.append(what)
        print(f"FAILED: {what}", flush=True)


def crc32c(data):
    """By the polynomial, bit by bit."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
    return rest ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    data, found = path.read_bytes(), []
    while data:
        (length,), crcs = struct.unpack_from("<Q", data), []
        body = data[12 : 12 + length]
        crcs = struct.unpack_from("<I", data, 8) + struct.unpack_from("<I", data, 12 + length)
        check(crcs == (masked(data[:8]), masked(body)), f"{path}: record {len(found)} has a wrong CRC")
        found.append(body)
        data = data[16 + length :]
    return found


def events_files(run):
    """Those that hold something: one. An empty one before it is for readers that have it open."""
    files = sorted((run / "tensorboard").glob("*tfevents*"))
    check(len(files) <= 3, f"{files}")
    return [file for file in files if file.stat().st_size > 0]


def scalars(reader):
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


class PluginReader:
    """What TensorBoard's own pages read from."""

    def __init__(self, folder):
        self.reader = PluginAccumulator(str(folder), {"tensors": 10}, {"scalars": 0, "images": 0})

    def scalars(self):
        self.reader.Reload()
        found = self.reader.PluginTagToContent("scalars") if "scalars" in self.reader.ActivePlugins() else {}
        return {
            tag: [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in self.reader.Tensors(tag)]
            for tag in found
        }


class Follower:
    """Both kinds of readers, kept open while the run is killed and goes on."""

    def __init__(self, folder):
        self.plain, self.plugin = EventAccumulator(str(folder), EVERYTHING), PluginReader(folder)

    def scalars(self):
        self.plain.Reload()
        return scalars(self.plain), self.plugin.scalars()


def fresh(folder):
    return Follower(folder).scalars()


class Engine:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.file = folder / "tiny.json"
        self.file.write_text(json.dumps(EXPERIMENT))

    def start(self, run, *more):
        return subprocess.Popen(
            [self.program, "run", self.file, "--out", run, "--resume", "--threads", "1", "--device", "cpu", "--quiet"]
            + list(more),
            env=dict(os.environ, ENGINE_COUNTED_TIME="1", OMP_NUM_THREADS="1"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def whole(self, run, *more):
        process = self.start(run, *more)
        _, errors = process.communicate()
        check(process.returncode == 0, f"engine run: {process.returncode}\n{errors}")
        return errors


def check_scalars(run, got):
    with open(run / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    check(len(rows) == EPOCHS, f"metrics.csv: {len(rows)} epochs")
    results = json.loads((run / "results.json").read_text())["test"]
    single = lambda value: struct.unpack("f", struct.pack("f", value))[0]
    for column, tag in COLUMNS.items():
        wanted = [(int(row["epoch"]), single(float(row[column]))) for row in rows]
        check(got.get(tag) == wanted, f"{tag} is not metrics.csv's {column}")
    for figure in ("loss", "accuracy"):
        check(got.get(f"test/{figure}") == [(EPOCHS, single(results[figure]))], f"test/{figure}: {got.get('test/loss')}")
    check(set(got) == {*COLUMNS.values(), "test/loss", "test/accuracy"}, f"scalars: {sorted(got)}")


def check_rest(run):
    reader = EventAccumulator(str(run / "tensorboard"), EVERYTHING)
    reader.Reload()
    sizes = {}
    for tag in reader.Tags()["images"]:
        (event,) = reader.Images(tag)
        image = Image.open(io.BytesIO(event.encoded_image_string))
        image.load()
        check((image.format, image.size) == ("PNG", (event.width, event.height)), f"{tag}: {image}")
        sizes[tag] = image.size
    row = (6 * 96 + 5 * 4, 96)  # 6 images of 8 pixels, 12 times as large, 4 pixels apart
    wanted = {f"preprocessing/{k:02} {name}": row for k, name in enumerate(("original", "grayscale", "noise"))}
    wanted["test/confusion_matrix"] = (400, 400)
    mistakes = sizes.pop("test/most_confident_mistakes", (0, 0))
    check(mistakes[0] >= 96 and mistakes[1] % 100 == 96, f"mistakes: {mistakes}")
    check(sizes == wanted, f"images: {sizes}")
    content = reader.PluginTagToContent("hparams")
    begin = plugin_data_pb2.HParamsPluginData.FromString(content["_hparams_/session_start_info"])
    end = plugin_data_pb2.HParamsPluginData.FromString(content["_hparams_/session_end_info"])
    values = {k: getattr(v, v.WhichOneof("kind")) for k, v in begin.session_start_info.hparams.items()}
    for key, value in (
        ("train.optimizer.learning_rate", 0.01),
        ("train.optimizer.type", "adam"),
        ("train.batch_size", 24),
        ("train.shuffle", True),
        ("precision", "fp32"),
        ("seed", 5),
        ("preprocess.noise.sigma", 0.25),
        ("network.parameters", 3 * 3 * 4 + 4 + 4 * 10 + 10),
    ):
        check(values.get(key) == value, f"hyper-parameter {key}: {values.get(key)}")
    check(not any(k.startswith(("name", "description", "log", "network.conv")) for k in values), f"too many: {values}")
    check(end.session_end_info.status == 1, f"end: {end}")
    check(0 < begin.session_start_info.start_time_secs <= end.session_end_info.end_time_secs, "times of begin and end")
    (text,) = reader.Tensors("experiment")
    lines = tensor_util.make_ndarray(text.tensor_proto).item().decode().split("\n")
    check(all(line.startswith("    ") for line in lines), "the experiment's text is not all code")
    shown = json.loads("\n".join(lines))
    check(shown == json.loads((run / "config.json").read_text()), "the experiment's text is not config.json")
    (layout,) = reader.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(tensor_util.make_ndarray(layout.tensor_proto).item())
    charts = {c.title: list(c.multiline.tag) for c in layout.category[0].chart}
    check(charts["loss"] == ["^train/loss$", "^validation/loss$"], f"charts: {charts}")


def check_prefix(got, expected, when):
    """Each epoch once, in order, as the undisturbed run has it; nothing more."""
    for kind, values in zip(("plain", "plugin"), got):
        for tag, events in values.items():
            check(events == expected[tag][: len(events)], f"{when}: {kind} reader: {tag} is no prefix: {events}")
        lengths = {len(values.get(tag, [])) for tag in COLUMNS.values()}
        check(len(lengths) == 1, f"{when}: {kind} reader: an epoch has only some of its scalars")


def tear(run, draw, kinds):
    """What a kill or a lost power may leave of the last record; or a newest checkpoint that cannot be read."""
    file = events_files(run)[-1] if (run / "tensorboard").exists() and events_files(run) else None
    kind = draw.choice(kinds)
    if kind == "cut" and file:
        os.truncate(file, max(file.stat().st_size - draw.randrange(1, 200), 0))
    elif kind == "rubbish" and file:
        with open(file, "ab") as end:
            end.write(struct.pack("<Q", 50)[: draw.randrange(1, 9)])
    elif kind == "behind" and (run / "checkpoints/last.state.safetensors.prev").exists():
        state = run / "checkpoints/last.state.safetensors"
        state.write_bytes(state.read_bytes()[:-1])
    else:
        return None
    return kind


def check_kills(engine, expected, seconds, draw):
    kills, midway, torn, behind, runs = 0, 0, 0, 0, 0
    while kills < 12 or midway < 4 or torn < 2 or behind < 1:
        run = engine.folder / f"killed{runs}"
        follower, code, runs, kinds = None, None, runs + 1, ["behind", "cut", "rubbish"]
        for attempt in range(10):
            process = engine.start(run)
            try:
                code = process.wait(draw.uniform(0.3, 1) * seconds if attempt < 9 else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                code = process.wait()
            check(code in (0, -signal.SIGKILL), f"exit code {code}: {process.stderr.read()}")
            process.stderr.close()
            if code == 0:
                break
            kills += 1
            if (run / "tensorboard").exists():
                got = fresh(run / "tensorboard")
                midway += 0 < len(got[0].get("train/loss", [])) < EPOCHS
                check_prefix(got, expected, f"after kill {kills}")
                follower = follower or Follower(run / "tensorboard")
                check_prefix(follower.scalars(), expected, f"following, kill {kills}")
                check(len(events_files(run)) <= 2, f"{events_files(run)}")  # 2: killed in between
            if attempt % 2:
                what = tear(run, draw, kinds)
                torn += what in ("cut", "rubbish")
                if what == "behind":  # once a run: of the two checkpoints one must be whole
                    behind, kinds = behind + 1, ["cut", "rubbish"]
        check(code == 0, "the run did not come to its end")
        check(fresh(run / "tensorboard") == (expected, expected), "a killed run's scalars are not those of a whole one")
        if follower:
            check(follower.scalars() == (expected, expected), "a reader that followed the run sees something else")
        check(len(events_files(run)) == 1, f"one file is left, not {events_files(run)}")
        check_scalars(run, expected)
        records(events_files(run)[0])
    print(f"{kills} kills in {runs} runs, {midway} between two epochs; {torn} times the last record was torn, {behind} times the checkpoint was behind")


def check_longer(engine, run, expected):
    """A run that is resumed when it was at its end, and one that goes on: no second end, epochs once."""
    follower = Follower(run / "tensorboard")
    follower.scalars()
    engine.whole(run)
    check(fresh(run / "tensorboard") == (expected, expected), "resumed at its end")
    check(follower.scalars() == (expected, expected), "resumed at its end, followed")
    engine.whole(run, "--epochs", str(EPOCHS + 3))
    got = fresh(run / "tensorboard")
    steps = [step for step, _ in got[0]["train/loss"]]
    check(steps == list(range(1, EPOCHS + 4)), f"three more epochs: {steps}")
    check(got[0]["train/loss"][:EPOCHS] == expected["train/loss"], "three more epochs: the first are others")
    check([step for step, _ in got[0]["test/loss"]] == [EPOCHS + 3], f"test of {got[0]['test/loss']}")
    check(follower.scalars() == got, "three more epochs, followed")


def check_lost(engine):
    """The file goes while the run goes on: a warning, and a new file with all."""
    run = engine.folder / "lost"
    process = engine.start(run, "--epochs", "3000")  # ends by itself should nothing come
    seen = lambda: events_files(run)
    while process.poll() is None and not (seen() and len(fresh(run / "tensorboard")[0].get("train/loss", [])) > 1):
        pass
    first = seen()[0]
    first.unlink()
    while process.poll() is None and not (seen() and seen()[0] != first):
        pass
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    check(process.returncode == 75, f"lost: exit code {process.returncode}")
    check("tfevents" in errors and "cannot write" in errors, f"lost: no warning: {errors}")
    steps = [step for step, _ in fresh(run / "tensorboard")[0]["train/loss"]]
    check(steps == list(range(1, len(steps) + 1)) and len(steps) > 2, f"lost: epochs {steps[:5]}")
    check(json.loads((run / "status.json").read_text())["epoch"] == len(steps), "lost: not all epochs")


def check_in_the_way(engine):
    """A file stands where the folder should be."""
    run = engine.folder / "in_the_way"
    run.mkdir()
    engine.whole(run)
    for file in events_files(run):
        file.unlink()
    (run / "tensorboard").rmdir()
    (run / "tensorboard").write_text("mine")
    errors = engine.whole(run, "--epochs", str(EPOCHS + 1))
    check("tensorboard" in errors, f"in the way: no warning: {errors}")
    check((run / "tensorboard").read_text() == "mine", "in the way: the file is gone")
    check(json.loads((run / "results.json").read_text())["epochs"] == EPOCHS + 1, "in the way: the run did not end")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # of readers, when they drop what was cut off
    memory = pathlib.Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        engine = Engine(arguments.engine.resolve(), pathlib.Path(folder))
        whole = engine.folder / "whole"
        start = time.monotonic()
        engine.whole(whole)
        seconds = time.monotonic() - start
        expected, plugin = fresh(whole / "tensorboard")
        check(plugin == expected, "the two readers differ")
        check_scalars(whole, expected)
        check_rest(whole)
        check(len(records(events_files(whole)[0])) == 3 + EPOCHS + 2, "records of the whole run")
        check_kills(engine, expected, seconds, random.Random(arguments.seed))
        check_longer(engine, whole, expected)
        check_lost(engine)
        check_in_the_way(engine)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
