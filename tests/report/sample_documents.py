"""Documents such as the engine gives to its report, one for each state that a run or a comparison can be in."""

import json
import math
import random

from payloads import payloads
from sample_parts import gray_png, network, picture, residual_network, stages

CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
ENVIRONMENT = {
    "engine": "1.0.0",
    "device": "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
    "threads": 2,
    "instruction_sets": "avx512_core_amx",
    "libraries": "oneDNN 3.1, zlib 1.2.13",
    "compiler": "GNU 12.2.0",
}


def metrics(epochs, seed=1, steps=False):
    draw, m = random.Random(seed), {
        key: []
        for key in (
            "epoch",
            "learning_rate",
            "train_loss",
            "train_accuracy",
            "validation_loss",
            "validation_accuracy",
            "seconds",
            "images_per_second",
        )
    }
    for e in range(1, epochs + 1):
        fall, late = math.exp(-e / 14), max(0, e - 38) / 60
        values = (
            e,
            1e-3 * 0.1 ** (e // 40) if steps else 1e-3,
            0.34 + 1.5 * fall + draw.gauss(0, 0.008),
            0.885 - 0.55 * fall + draw.gauss(0, 0.003),
            0.82 + 0.95 * fall + 0.18 * late + draw.gauss(0, 0.018),
            0.715 - 0.33 * fall - 0.008 * late + draw.gauss(0, 0.006),
            9.5 + draw.gauss(0, 0.2),
            4210 + draw.gauss(0, 60),
        )
        for key, value in zip(m, values):
            m[key].append(value)
    return m


def confusion(n, per_class, seed=1):
    """Neighbours in the list are confused more, as similar classes are."""
    draw, rows = random.Random(seed), []
    for label in range(n):
        right = draw.uniform(0.5, 0.88)
        weights = [0 if p == label else draw.random() ** 4 * (3 if abs(p - label) <= 2 else 1) for p in range(n)]
        total = sum(weights) or 1
        row = [int(per_class * (1 - right) * w / total) for w in weights]
        row[label] = per_class - sum(row)
        rows.append(row)
    return rows


def cifar_confusion():
    return [
        [762, 22, 54, 18, 20, 6, 14, 12, 64, 28],
        [18, 836, 4, 10, 4, 6, 12, 4, 30, 76],
        [72, 6, 578, 74, 88, 66, 66, 32, 10, 8],
        [20, 12, 66, 486, 62, 212, 78, 36, 14, 14],
        [16, 4, 68, 62, 660, 46, 66, 66, 8, 4],
        [10, 6, 48, 158, 46, 650, 28, 44, 4, 6],
        [6, 8, 42, 58, 40, 24, 806, 8, 4, 4],
        [14, 4, 28, 40, 58, 62, 8, 774, 2, 10],
        [62, 34, 14, 14, 8, 6, 8, 4, 822, 28],
        [28, 92, 8, 14, 6, 8, 8, 18, 42, 776],
    ]


def wilson(right, n, z=1.959964):
    p, d = right / n, 1 + z * z / n
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / d
    return (p + z * z / (2 * n)) / d - half, (p + z * z / (2 * n)) / d + half


def tested(document, matrix, seed=1):
    """Fills in everything that a test gives, consistent with its confusion matrix."""
    n, total = len(matrix), sum(map(sum, matrix))
    right = sum(matrix[i][i] for i in range(n))
    low, high = wilson(right, total)
    document["test"] = {
        "accuracy": right / total,
        "low": low,
        "high": high,
        "loss": 0.8687,
        "samples": total,
        "epoch": document["best_epoch"],
    }
    document["confusion"], document["per_class"] = matrix, []
    for i, name in enumerate(document["classes"]):
        called, support = sum(row[i] for row in matrix), sum(matrix[i])
        precision, recall = matrix[i][i] / max(called, 1), matrix[i][i] / max(support, 1)
        document["per_class"].append(
            {
                "class": name,
                "precision": precision,
                "recall": recall,
                "support": support,
                "f1": 2 * precision * recall / max(precision + recall, 1e-9),
            }
        )
    bins, counts = [], [count * total // 10000 for count in (0, 0, 40, 420, 830, 1010, 1060, 1190, 1560, 3890)]
    middles = [(b + 0.5) / 10 if b < 9 else 0.977 for b in range(10)]
    # Too sure, the more so the surer, and right as often on the whole as the matrix says.
    lean = (sum(c * m for c, m in zip(counts, middles)) - sum(counts) * right / total) / max(
        1, sum(c * b for b, c in enumerate(counts))
    )
    for b in range(10):
        count, sure = counts[b], middles[b]
        bins.append(
            {
                "low": b / 10,
                "high": (b + 1) / 10,
                "count": count,
                "confidence": sure if count else None,
                "accuracy": min(1, sure - lean * b) if count else None,
            }
        )
    full = [one for one in bins if one["count"]]
    error = sum(one["count"] * abs(one["accuracy"] - one["confidence"]) for one in full) / sum(o["count"] for o in full)
    document["calibration"] = {"error": error, "bins": bins}
    draw = random.Random(seed)

    def sample(k, wrong):
        label = draw.randrange(n)
        said = (label + draw.randrange(1, n)) % n if wrong else label
        return {
            "image": gray_png([[sum(p) / 3 for p in row] for row in picture(100 + k)]),
            "width": 32,
            "height": 32,
            "sample": k,
            "label": label,
            "prediction": said,
            "confidence": draw.uniform(0.4, 0.99),
        }

    document["mistakes"] = sorted((sample(k, True) for k in range(12)), key=lambda s: -s["confidence"])
    document["predictions"] = [sample(k, draw.random() < 0.29) for k in range(24)]


def config(document):
    values = {
        "name": document["name"],
        "seed": document["seed"],
        "data.source": "cifar10",
        "data.validation": 0.2,
        "preprocess[0].op": "grayscale",
        "preprocess[0].weights": "mean",
        "train.epochs": document["epochs"],
        "train.batch_size": 32,
        "train.optimizer.type": "adam",
        "train.optimizer.learning_rate": 0.001,
        "train.optimizer.beta1": 0.9,
        "train.optimizer.beta2": 0.999,
        "train.optimizer.epsilon": 1e-7,
        "train.early_stopping.monitor": "validation_loss",
        "train.early_stopping.patience": 30,
        "train.checkpoint.every_seconds": 600,
        "train.deterministic": True,
        "train.precision": "float32",
    }
    for k, one in enumerate((document["network"] or {"nodes": []})["nodes"]):
        values[f"network.nodes[{k}].op"] = one["op"]
    origin = {"seed": "--seed", "train.checkpoint.every_seconds": "default", "train.precision": "default"}
    return [
        {"key": key, "value": json.dumps(value), "origin": origin.get(key, f"gray.json:{12 + k}:5")}
        for k, (key, value) in enumerate(values.items())
    ]


def run_document(name, epochs_done, epochs=100, classes=None, state="finished", seed=1, per_class=1000, steps=False):
    classes = classes or CIFAR
    m = metrics(epochs_done, seed, steps)
    losses = m["validation_loss"]
    best = losses.index(min(losses)) + 1 if losses else 0
    document = {
        "format": 1,
        "kind": "run",
        "name": name,
        "description": "CIFAR-10 in gray, the study's first variant",
        "folder": f"runs/{name}",
        "state": state,
        "reason": "",
        "exit_code": 0 if state == "finished" else None,
        "updated": "2026-11-26T18:00:00Z",
        "command": f"engine run experiments/{name}.json --seed {seed}",
        "seed": seed,
        "epochs_done": epochs_done,
        "epochs": epochs,
        "best_epoch": best,
        "stopped_early": False,
        "seconds": sum(m["seconds"]) or None,
        "images_per_second": 4201.0 if epochs_done else None,
        "test": None,
        "metrics": m,
        "classes": classes,
        "counts": [
            {"split": split, "counts": [int(per_class * k)] * len(classes)}
            for split, k in (("train", 4), ("validation", 1), ("test", 1))
        ],
        "confusion": [],
        "per_class": [],
        "calibration": None,
        "mistakes": [],
        "predictions": [],
        "stages": stages(),
        "network": network(len(classes)),
        "node_times": [],
        "environment": dict(ENVIRONMENT),
    }
    draw = random.Random(seed)
    for one in document["network"]["nodes"] if epochs_done else []:
        forward = 0.02 + one["flops"] / 4e7 * draw.uniform(0.8, 1.3)
        document["node_times"].append(
            {
                "node": one["name"],
                "op": one["op"],
                "forward_ms": forward,
                "backward_ms": forward * draw.uniform(1.7, 2.3),
                "implementation": "brgconv:avx512_core" if one["op"] == "conv2d" else "simple:any",
            }
        )
    document["config"] = config(document)
    return document


def finished():
    document = run_document("gray", 100)
    tested(document, cifar_confusion())
    return document


def early():
    document = run_document("gray-early", 21, steps=True)
    document["stopped_early"] = True
    for split, k in zip(document["counts"], (1, 0.25, 0.2)):
        split["counts"] = [int(k * n) for n in (5000, 480, 3200, 960, 4100, 2200, 150, 3700, 2600, 880)]
    tested(document, cifar_confusion())
    return document


def stopped():
    document = run_document("stopped", 12, state="stopped")
    document.update(reason="SIGTERM asked it to stop; --resume goes on with step 15012.", exit_code=75)
    return document


def diverged():
    document = run_document("diverged", 3, state="failed", seed=4)
    document.update(
        reason="The loss is not finite in epoch 4, step 4127: first in the output of inception_b.conv5x5.", exit_code=6
    )
    for key in ("train_loss", "validation_loss"):
        document["metrics"][key][2] = None
    return document


def started():
    document = run_document("just-started", 0, state="running")
    document.update(environment=dict(ENVIRONMENT, device="NVIDIA H100 80GB HBM3"), stages=[], best_epoch=0)
    return document


def running():
    return run_document("running", 9, state="running")


def one_epoch():
    """No validation images, one epoch, a network with skip connections."""
    document = run_document("one-epoch", 1, 1)
    for key in ("validation_loss", "validation_accuracy"):
        document["metrics"][key] = [None]
    document.update(best_epoch=0, network=residual_network(10))
    document["node_times"] = [
        dict(time, node=one["name"], op=one["op"])
        for time, one in zip(document["node_times"], document["network"]["nodes"])
    ]
    document["counts"][1]["counts"] = []
    tested(document, cifar_confusion())
    return document


def two_classes():
    document = run_document("cats-and-dogs", 30, classes=["cat", "dog"], steps=True)
    tested(document, [[871, 129], [102, 898]])
    return document


def hundred_classes():
    names = [
        f"{a} {b}"
        for a in ("small", "large", "red", "wild", "young", "old", "sea", "river", "garden", "desert")
        for b in ("bear", "bottle", "orchid", "beetle", "truck", "whale", "chair", "maple", "lizard", "lamp")
    ]
    document = run_document("hundred", 60, classes=names, per_class=100)
    tested(document, confusion(100, 100))
    return document


def bare():
    """Everything that may be unknown is."""
    document = {key: None for key in run_document("bare", 0)}
    document.update(
        format=1, kind="run", name="bare", state="failed", reason="The images could not be read.", exit_code=4
    )
    return document


def hostile():
    """Every text of the document is a payload; each payload is somewhere."""
    texts = payloads()
    document = run_document("hostile", 9, classes=texts[:50], per_class=40)
    tested(document, confusion(50, 40))
    left = iter(texts[50:] + texts * 40)
    names = {}

    def poison(value, key=""):
        if isinstance(value, dict):
            return {k: poison(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [poison(v, key) for v in value]
        if not isinstance(value, str) or key in ("kind", "split", "state", "class", "classes", "image", "images"):
            return value
        if key in ("block", "inputs", "node"):
            return names.get(value, value)
        return next(left)

    for one in document["network"]["nodes"]:
        for key in ("name", "block"):
            if one[key]:
                names.setdefault(one[key], next(left) + f" {len(names)}")
    nodes = [dict(poison(one), name=names[one["name"]]) for one in document["network"]["nodes"]]
    document["config"] += [{"key": t, "value": t, "origin": t} for t in texts]
    document = poison(document)
    document["network"]["nodes"] = nodes
    document["environment"] = {text: text for text in texts[:60]}
    document["stages"][1]["images"] = [text for text in texts if "javascript" in text or "data:" in text]
    document["mistakes"][0][
        "image"
    ] = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='window.pwned=1'/>"
    document.update(name=f"</title><script>window.pwned=1</script>{texts[4]}", state="stopped", seed=1)
    return document


def hostile_comparison():
    links = ("javascript:pwned=1//report.html", "//example.org/report.html", "data:text/html,report.html", " report.html")
    runs = [dict(hostile(), name=text, report=links[i % 4]) for i, text in enumerate(payloads()[:7])]
    return {"format": 1, "kind": "comparison", "updated": "<b>", "runs": [slim(run) for run in runs]}


def slim(document):
    return {**document, "stages": [], "mistakes": [], "predictions": []}


def comparison():
    runs = []
    for k, (name, done, lost) in enumerate(
        (("gray", 100, 0), ("noise from gray", 64, 55), ("smooth over height and width", 71, 68))
    ):
        document = run_document(name, done, 100 if k == 0 else 150, seed=k + 1)
        matrix = cifar_confusion()
        for i, row in enumerate(matrix):
            row[i] -= lost
            row[(i + 1) % 10] += lost
        document["metrics"]["validation_accuracy"] = [
            x - lost / 1000 for x in document["metrics"]["validation_accuracy"]
        ]
        document["metrics"]["validation_loss"] = [x + lost / 400 for x in document["metrics"]["validation_loss"]]
        tested(document, matrix)
        if k:
            document["config"].append(
                {"key": "preprocess[1].op", "value": '"gaussian_noise"', "origin": "noise.json:9:5"}
            )
        if k == 2:
            document["config"].append({"key": "preprocess[2].sigma", "value": "1", "origin": "smooth.json:9:5"})
        runs.append(slim(document))
    runs[0]["report"], runs[1]["report"] = "../runs/gray/report.html", "a%20%3Ab/report.html"
    return {"format": 1, "kind": "comparison", "updated": "2026-11-26T18:00:00Z", "runs": runs}


DOCUMENTS = {
    "finished": finished,
    "early": early,
    "stopped": stopped,
    "diverged": diverged,
    "started": started,
    "running": running,
    "one_epoch": one_epoch,
    "two_classes": two_classes,
    "hundred_classes": hundred_classes,
    "bare": bare,
    "hostile": hostile,
    "comparison": comparison,
    "hostile_comparison": hostile_comparison,
}
