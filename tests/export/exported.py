"""What the tests of exports share: weights without the package safetensors, runs that nobody had to train, code of documents."""

import json
import pathlib
import re
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def read_tensors(path):
    """{name: array} of a safetensors file with float32, float64 or int64."""
    import numpy as np
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", {})
    types = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def write_tensors(path, tensors):
    header, parts, offset = {}, [], 0
    for name, tensor in tensors.items():
        raw = tensor.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        parts.append(raw)
    text = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


class Engine:
    def __init__(self, program, folder):
        self.program, self.folder = pathlib.Path(program).resolve(), pathlib.Path(folder)
        self.drawn_like = {}  # parameters by network

    def __call__(self, *arguments, code=0):
        result = subprocess.run([self.program, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True)
        if result.returncode != code:
            sys.exit(f"engine {' '.join(map(str, arguments))}: exit code {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    def run_with_random_weights(self, experiment, run, seed, images=None, last="classifier"):
        """A run folder of an experiment, network and preprocessing as they are, whose weights are drawn. One step on
        eight generated images tells their names and shapes. With a folder of images, the layer `last` is shifted and
        scaled so that the answers to them differ."""
        small = {"data.source": "shapes", "data.count": 10, "train.batch_size": 8, "train.epochs": 1}
        sets = [word for key, value in small.items() for word in ("--set", f"{key}={value}")]
        resolved = json.loads(self("config", experiment, "--json"))
        channels = 1 if any(stage["op"] == "grayscale" for stage in resolved["preprocess"]) else 3
        network = json.dumps([channels, resolved["network"]])
        if network not in self.drawn_like:
            tiny = f"{run}-tiny"
            self("run", experiment, *sets, "--out", tiny, "--threads", 1, "--device", "cpu", "--quiet")
            self.drawn_like[network] = read_tensors(self.folder / tiny / "checkpoints/best.safetensors")
        weights = random_weights(self.drawn_like[network], seed)

        def bring_in(out):
            write_tensors(self.folder / f"{run}.safetensors", weights)
            self("import", f"{run}.safetensors", "--experiment", experiment, *sets, "--out", out)

        if images:
            weights[f"{last}.weight"] *= 0.1
            bring_in(f"{run}-drawn")
            self.spread_answers(weights, last, self.predict(f"{run}-drawn", images))
        bring_in(run)

    @staticmethod
    def spread_answers(weights, last, rows):
        import numpy as np
        logits = np.log([[row[name] for name in sorted(row)] for row in rows])  # the classes' order
        logits -= logits.mean(1, keepdims=True)
        scale = 1.5 / (logits - logits.mean(0)).std()
        weights[f"{last}.bias"] = (weights[f"{last}.bias"] - logits.mean(0)) * scale
        weights[f"{last}.weight"] *= scale

    def predict(self, run, images):
        """{class: probability} of each image of a folder, most probable first."""
        text = self("predict", run, images, "--top", 100, "--json", "--threads", 1, "--device", "cpu")
        return [{entry["class"]: entry["probability"] for entry in row["classes"]} for row in json.loads(text)]


def random_weights(tensors, seed):
    """Weights whose activations keep their size from layer to layer; the last layer's make clear answers."""
    import numpy as np
    random = np.random.default_rng(seed)
    drawn = {}
    for name, tensor in sorted(tensors.items()):
        normal = random.standard_normal(tensor.shape)
        if name.endswith(("running_var",)) or (name.endswith(".weight") and tensor.ndim == 1):
            drawn[name] = 1 + 0.2 * np.abs(normal)
        elif name.endswith(".weight"):
            drawn[name] = normal * np.sqrt(2 / np.prod(tensor.shape[1:]))
        else:
            drawn[name] = 0.1 * normal
    return drawn


def code_of(document, language):
    """The blocks of code of a document, in their order."""
    text = (ROOT / "docs" / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block_named(document, name):
    """The Python block of a document whose first line is "# NAME"."""
    found = [block for block in code_of(document, "python") if block.startswith(f"# {name}\n")]
    if len(found) != 1:
        sys.exit(f"docs/{document}: {len(found)} blocks begin with \"# {name}\"")
    return found[0]
