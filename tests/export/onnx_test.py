#!/usr/bin/env python3
"""Exported models beside the engine: the official checker, and the answers of ONNX Runtime on 1,000 images
for every shipped experiment; unusual stages; the networks of tests/golden beside PyTorch's logits; docs/export.md's code. Ends
with 77 where onnx or onnxruntime are missing.

    tests/export/onnx_test.py --engine build/release/bin/engine --golden-models build/release/bin/golden_models
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from exported import ROOT, Engine, block_named, code_of, read_tensors, skip, write_tensors

sys.path.insert(0, str(ROOT / ".deps/python"))
try:
    import numpy as np
    import onnx
    import onnxruntime
    from PIL import Image
except ImportError as error:
    skip(f"{error}; cmake/setup test fetches the packages into .deps/python")

IMAGES = 1000
LIMIT = 1e-4


def session_of(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def draw_images(count, height, width, channels=3):
    """Patches of a few colours with noise: images that differ in colour, contrast and structure."""
    random = np.random.default_rng(7)
    coarse = random.uniform(0, 255, (count, 4, 4, channels)) * random.uniform(0.2, 1, (count, 1, 1, channels))
    rows, columns = (np.arange(size) * 4 // size for size in (height, width))
    fine = random.normal(0, 25, (count, height, width, channels))
    return np.clip(coarse[:, rows][:, :, columns] + fine, 0, 255).astype(np.uint8)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.engine = Engine(ARGUMENTS.engine, cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def write_images(self, images, name):
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir()
            for i, image in enumerate(images):
                Image.fromarray(image).save(folder / f"{i:05}.png", compress_level=1)
        return folder

    def compare(self, run, images, folder, least_classes):
        self.engine("export", run, "--format", "onnx")
        session = session_of(self.folder / run / "model.onnx")
        classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
        parts = [session.run(["probabilities", "label"], {"image": part}) for part in np.array_split(images, 4)]
        probabilities = np.concatenate([part[0] for part in parts])
        labels = np.concatenate([part[1] for part in parts])
        rows = self.engine.predict(run, folder)
        first = [next(iter(row)) for row in rows]
        expected = np.array([[row[name] for name in classes] for row in rows])
        self.assertEqual(expected.shape, probabilities.shape)
        self.assertLess(np.abs(expected - probabilities).max(), LIMIT)
        self.assertEqual(list(labels), first)
        self.assertEqual([classes[i] for i in probabilities.argmax(1)], first)
        self.assertGreaterEqual(len(set(first)), least_classes, "the answers hardly differ: nothing is compared")


class ShippedExperiments(Case):
    def test_answers_are_predicts(self):
        images = draw_images(IMAGES, 32, 32)
        folder, some = self.write_images(images, "images"), self.write_images(images[:50], "some")
        names = sorted(path.stem for path in (ROOT / "experiments").glob("*.json"))
        self.assertGreaterEqual(len(names), 7)
        for seed, name in enumerate(names):
            if name == "inception_block":  # ends in an image: has no run, and nothing that answers
                continue
            with self.subTest(name):
                self.engine.run_with_random_weights(ROOT / f"experiments/{name}.json", name, seed, some)
                self.compare(name, images, folder, 3)


class Stages(Case):
    NETWORK = {"nodes": [
        {"name": "image", "op": "conv2d", "filters": 6, "kernel": [3, 2], "stride": 2, "activation": "silu"},
        {"name": "label", "op": "average_pool", "kernel": 2, "stride": 1},
        {"name": "flat", "op": "flatten"},
        {"name": "classes", "op": "dense", "units": 24, "activation": "gelu"},
        {"name": "probabilities", "op": "batch_normalization"},
        {"name": "narrow", "op": "dense", "units": 6, "activation": "tanh"},
        {"name": "wide", "op": "conv2d", "input": "classes", "filters": 6, "kernel": 1},
        {"name": "sum", "op": "add", "inputs": ["narrow", "wide"]},
        {"name": "all", "op": "concat", "inputs": ["sum", "narrow"]},
        {"name": "softmax", "op": "dense", "units": "classes"}]}  # names that the model has for itself
    PIPELINES = {
        "colour": [
            {"op": "random_crop", "padding": 2},
            {"op": "smooth", "sigma": 6, "axes": ["width", "height"], "truncate": 3, "when": "every_epoch"},
            {"op": "normalize", "mean": [0.1, 0.2, 0.3], "std": "measured", "when": "every_epoch"},
            {"op": "noise", "sigma": 0.3, "when": "every_epoch"},
            {"op": "random_flip", "mode": "vertical"}],
        "gray": [
            {"name": "first", "op": "normalize"},
            {"op": "grayscale", "weights": [0.5, -0.25, 1.5]},
            {"op": "grayscale", "name": "again"},
            {"op": "smooth", "sigma": 0, "axes": ["height"]},
            {"op": "smooth", "name": "rows", "sigma": 0.7, "axes": ["sample", "height"]},
            {"name": "second", "op": "normalize", "std": 0.1}],
    }

    def test_every_attribute(self):
        images = draw_images(200, 9, 13)
        folder, some = self.write_images(images, "images"), self.write_images(images[:50], "some")
        for name, stages in self.PIPELINES.items():
            with self.subTest(name):
                experiment = {"name": name, "data": {"source": "shapes", "size": [9, 13], "count": 10},
                              "preprocess": stages, "network": self.NETWORK, "train": {"epochs": 1}}
                file = self.folder / f"{name}.json"
                file.write_text(json.dumps(experiment))
                self.engine.run_with_random_weights(file, name, 3, some, "softmax")
                self.compare(name, images, folder, 3)


class Names(Case):
    def test_any_text_is_a_class(self):
        classes = ['<b onclick="x">', "it's", "\u00fcber \u2603", "image"]
        for name in classes:
            (self.folder / "data/mine/train" / name).mkdir(parents=True)
        (self.folder / "data/mine/test").mkdir()
        experiment = {"name": "probabilities", "data": {"source": "image_folder", "path": "mine", "size": 3},
                      "network": {"nodes": [{"name": "gap", "op": "global_average_pool"},
                                            {"name": "label", "op": "dense", "units": "classes"}]}}
        (self.folder / "names.json").write_text(json.dumps(experiment))
        write_tensors(self.folder / "w.safetensors", {"label.weight": np.eye(4, 3), "label.bias": np.array([0, 0, 0, 0.1])})
        self.engine("import", "w.safetensors", "--experiment", "names.json", "--out", "run")
        self.engine("export", "run", "--format", "onnx")
        session = session_of(self.folder / "run/model.onnx")
        images = np.zeros((4, 3, 3, 3), np.uint8)
        images[[0, 1, 2], :, :, [0, 1, 2]] = 255
        _, labels = session.run(None, {"image": images})
        self.assertEqual(list(labels), sorted(classes))
        metadata = session.get_modelmeta().custom_metadata_map
        self.assertEqual(json.loads(metadata["classes"]), sorted(classes))
        self.assertEqual(metadata["engine.experiment"], "probabilities")


class GoldenNetworks(Case):
    def test_logits_are_pytorchs(self):
        subprocess.run([ARGUMENTS.golden_models, self.folder], check=True)
        names = sorted(path.stem for path in (ROOT / "tests/golden").glob("*.json"))
        self.assertEqual(len(names), 10)
        for name in names:
            with self.subTest(name):
                golden = read_tensors(ROOT / f"tests/golden/{name}.safetensors")
                session = session_of(self.folder / f"{name}.onnx")
                logits, = session.run(None, {"input": golden["input"]})
                self.assertLess(np.abs(logits - golden["logits"]).max(), LIMIT)


class Document(Case):
    def test_its_code_classifies_images(self):
        folder = self.write_images(draw_images(2, 32, 32), "images")
        self.engine.run_with_random_weights(ROOT / "experiments/quickstart.json", "runs/gray", 1, folder)
        for line in "".join(code_of("export.md", "sh")).splitlines():
            if line.startswith("engine export") and "onnx" in line:
                self.engine(*line.split("#")[0].split()[1:])
        for path, first in zip(sorted(folder.iterdir()), self.engine.predict("runs/gray", folder)):
            (self.folder / "photo.png").write_bytes(path.read_bytes())
            printed = subprocess.run([sys.executable, "-c", block_named("export.md", "classify.py")], cwd=self.folder,
                                     env={"PYTHONPATH": str(ROOT / ".deps/python")}, check=True, capture_output=True, text=True)
            self.assertEqual(printed.stdout.split()[0], next(iter(first)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", type=pathlib.Path, required=True)
    parser.add_argument("--golden-models", type=pathlib.Path, required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest)
