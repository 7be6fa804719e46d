#!/usr/bin/env python3
"""The pictures and tables that `engine report` makes of sample documents, read by other programs: XML by ElementTree,
tables by csv. Values must be at their pixels, names whole and harmless.

    tests/report/figures_test.py --engine build/release/bin/engine
"""

import argparse
import csv
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

import make_page
import sample_documents
from payloads import payloads

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
BLUE, ORANGE = "#0072b2", "#c84e00"
PICTURES = {"curves", "confusion_matrix", "reliability", "stages", "predictions", "class_counts"}
problems = []


def check(good, what):
    if not good:
        problems.append(what)
        print(f"FAILED: {what}")


class Figure:
    def __init__(self, path):
        self.path = path
        self.root = ElementTree.parse(path).getroot()
        self.width, self.height = float(self.root.get("width")), float(self.root.get("height"))
        self.all = list(self.root.iter())
        self.check_safe()

    def check_safe(self):
        """Nothing runs, nothing is fetched, and who cannot see it is told what it is."""
        kinds = {"svg", "title", "desc", "rect", "line", "path", "circle", "text", "image"}
        for element in self.all:
            check(element.tag.removeprefix(SVG) in kinds, f"{self.path}: element {element.tag}")
            for key, value in element.attrib.items():
                check(not key.lower().startswith("on"), f"{self.path}: attribute {key}")
                if key.endswith("href"):
                    check(value.startswith("data:image/png;base64,"), f"{self.path}: address {value[:40]}")
        check(self.root.get("role") == "img", f"{self.path}: role")
        for part in ("title", "desc"):
            found = self.root.find(f"{SVG}{part}")
            check(found is not None and found.text and found.get("id") == part, f"{self.path}: {part}")

    def of(self, kind, **attributes):
        return [
            e
            for e in self.root.iter(SVG + kind)
            if all(e.get(k.rstrip("_").replace("_", "-")) == v for k, v in attributes.items())
        ]

    def texts(self):
        return [e.text or "" for e in self.root.iter(SVG + "text")]

    def inside(self):
        """Marks and texts that do not turn lie in the picture."""
        for box in self.of("rect") + self.of("image"):
            x, y, w, h = (float(box.get(k) or 0) for k in ("x", "y", "width", "height"))
            good = x >= -0.01 and y >= -0.01 and x + w <= self.width + 0.01 and y + h <= self.height + 0.01
            check(good, f"{self.path}: a box at {x}, {y} leaves the picture")
        for text in self.of("text"):
            if text.get("transform") or not text.text:
                continue
            # Liberation Sans is narrower than this on the whole; narrower still would let a text out.
            size, x = float(text.get("font-size")), float(text.get("x"))
            width = 0.45 * size * len(text.text)
            left = {None: x, "middle": x - width / 2, "end": x - width}[text.get("text-anchor")]
            check(left >= 0 and left + width <= self.width, f"{self.path}: text {text.text!r} leaves the picture")


class Run:
    """A run folder as far as a report needs one."""

    def __init__(self, engine, folder, document):
        self.folder, self.document = folder, document
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "report.html").write_text(make_page.assemble(document, ""), encoding="utf-8")
        done = subprocess.run([engine, "report", folder], capture_output=True, text=True)
        check(done.returncode == 0, f"engine report: {done.returncode} {done.stderr}")
        made = ("report.html", "pictures", "tables")
        lines = [f"{folder}/{name}" for name in made if (folder / name).exists()]
        check(done.stdout.splitlines() == lines, f"engine report prints {done.stdout!r}")
        self.figures = {p.stem: Figure(p) for p in (folder / "pictures").iterdir()}

    def table(self, name):
        with open(self.folder / "tables" / name, encoding="utf-8", newline="") as file:
            return list(csv.reader(file, strict=True))


def axis(figure, left, right, percent):
    """Where the labels of a panel's value axis say that values are: slope and offset of pixels."""
    ticks = []
    for text in figure.of("text", text_anchor="end"):
        if left <= float(text.get("x")) <= right and re.fullmatch(r"[\d.e+-]+( %)?", text.text):
            value = float(text.text.removesuffix(" %")) / (100 if percent else 1)
            ticks.append((value, float(text.get("y")) - 4))
    ticks.sort()
    (v0, y0), (v1, y1) = ticks[0], ticks[-1]
    return lambda v: y0 + (v - v0) * (y1 - y0) / (v1 - v0)


def points(path):
    return [tuple(map(float, p)) for p in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path.get("d"))]


def check_curves(run):
    figure, metrics = run.figures["curves"], run.document["metrics"]
    best = run.document["best_epoch"]
    for name, left, percent in (("loss", 60, False), ("accuracy", 440, True)):
        y = axis(figure, left - 40, left, percent)
        for color, split in ((BLUE, "train"), (ORANGE, "validation")):
            curves = [p for p in figure.of("path", stroke=color) if left - 1 <= points(p)[0][0] <= left + 301]
            check(len(curves) == 1, f"{figure.path}: {split} {name}: {len(curves)} curves")
            drawn, values = points(curves[0]), metrics[f"{split}_{name}"]
            check(len(drawn) == len(values), f"{figure.path}: {len(drawn)} of {len(values)} points")
            for k, (at, value) in enumerate(zip(drawn, values)):
                x = left + 300 * k / (len(values) - 1)
                good = abs(at[0] - x) < 0.02 and abs(at[1] - y(value)) < 0.3
                check(good, f"{figure.path}: epoch {k + 1}: {value} at {at} instead of {x}, {y(value)}")
            x = left + 300 * (best - 1) / (len(values) - 1)
            dots = [c for c in figure.of("circle", fill=color) if abs(float(c.get("cx")) - x) < 0.02]
            check(len(dots) == 1, f"{figure.path}: the best epoch is not marked on {split} {name}")
    check(figure.texts().count(f"best: epoch {best}") == 2, f"{figure.path}: best epoch {best} is not named")


def check_confusion(run):
    figure, matrix = run.figures["confusion_matrix"], run.document["confusion"]
    cells = figure.of("rect", class_="cell")
    wanted = [(i, k) for i, row in enumerate(matrix) for k, n in enumerate(row) if n]
    check(len(cells) == len(wanted), f"{figure.path}: {len(cells)} cells for {len(wanted)} counts")
    n = len(matrix)
    frame = max(figure.of("rect", fill="none"), key=lambda e: float(e.get("width")))
    left, top, side = (float(frame.get(k)) for k in ("x", "y", "width"))
    for cell, (row, column) in zip(cells, wanted):
        at = (float(cell.get("x")) - left) * n / side, (float(cell.get("y")) - top) * n / side
        check(abs(at[0] - column) < 0.05 and abs(at[1] - row) < 0.05, f"{figure.path}: cell {row}, {column} is at {at}")
    share = {p: matrix[p[0]][p[1]] / sum(matrix[p[0]]) for p in wanted}
    darkness = {p: -sum(bytes.fromhex(c.get("fill")[1:])) for c, p in zip(cells, wanted)}
    order = sorted(wanted, key=share.get)
    check(all(darkness[a] <= darkness[b] for a, b in zip(order, order[1:])), f"{figure.path}: darker is not more")
    shown = figure.texts()
    if n <= 12:
        for row, column in wanted:
            check(str(matrix[row][column]) in shown, f"{figure.path}: {matrix[row][column]} is not shown")
        for name in run.document["classes"]:
            check(shown.count(name) == 2, f"{figure.path}: {name} is not on both sides")
    rows = [float(t.get("y")) for t in figure.of("text", text_anchor="end") if not t.get("transform")]
    check(all(b - a >= 12 for a, b in zip(rows, rows[1:])), f"{figure.path}: labels lie on each other")
    columns = [t for t in figure.of("text", text_anchor="end") if t.get("transform")]
    places = [float(t.get("x")) for t in columns]
    slant = 0.7072 if columns and columns[0].get("transform").startswith("rotate(-45") else 1
    check(all((b - a) * slant >= 12 for a, b in zip(places, places[1:])), f"{figure.path}: labels below touch")


def check_others(run):
    document, figures = run.document, run.figures
    bins = [b for b in document["calibration"]["bins"] if b["count"]]
    boxes = figures["reliability"].of("rect", class_="bin")
    check(len(boxes) == len(bins), f"reliability: {len(boxes)} boxes for {len(bins)} bins")
    for box, one in zip(boxes, bins):
        check(abs(float(box.get("height")) - 300 * one["accuracy"]) < 0.02, f"reliability: height of {one}")
    pictures = figures["stages"].of("image")
    wanted = [image for stage in document["stages"] for image in stage["images"]]
    check([p.get(HREF) for p in pictures] == wanted, "stages: not all images in their order")
    shown = document["predictions"]
    check(len(figures["predictions"].of("image")) == len(shown), "predictions: not all images")
    wrong = sum(p["label"] != p["prediction"] for p in shown)
    check(len(figures["predictions"].of("rect", class_="wrong")) == wrong, f"predictions: {wrong} are wrong")
    counts = [n for split in document["counts"] for n in split["counts"]]
    bars = figures["class_counts"].of("rect", class_="bar")
    check(len(bars) == len(counts), f"class counts: {len(bars)} bars for {len(counts)} counts")
    for split, first in zip(document["counts"], range(0, len(bars), len(document["classes"]))):
        for bar, count in zip(bars[first:], split["counts"]):
            width = 126 * count / max(split["counts"])
            check(abs(float(bar.get("width")) - width) < 0.02, f"class counts: {count} is {bar.get('width')} wide")


def defused(name):
    return "'" + name if name[:1] in tuple("=+-@\t\r\n") else name


def check_tables(run):
    document = run.document
    head, *rows = run.table("per_class.csv")
    check(head == ["class", "precision", "recall", "f1", "support"], f"per_class.csv: {head}")
    check([r[0] for r in rows] == [defused(c["class"]) for c in document["per_class"]], "per_class.csv: classes")
    for row, one in zip(rows, document["per_class"]):
        values = [one[key] for key in head[1:]]
        check([float(v) for v in row[1:]] == values, f"per_class.csv: {row} is not {values}")
    head, *rows = run.table("confusion_matrix.csv")
    names = [defused(name) for name in document["classes"]]
    check(head == ["label", *names] and [r[0] for r in rows] == names, "confusion_matrix.csv: names")
    check([[int(v) for v in r[1:]] for r in rows] == document["confusion"], "confusion_matrix.csv: counts")


def check_hostile(run):
    """As text every name is there, cut or whole; as markup none is."""
    for figure in run.figures.values():
        source = figure.path.read_text(encoding="utf-8")
        check(not re.search(r"<(script|img|iframe|style|foreignObject|a |/text>\s*<script)", source), figure.path)
        check(not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", source), figure.path)
    bad = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"

    def clean(name):
        return re.sub(bad, "\ufffd", re.sub("[\t\n\r]", " ", name))

    counts = run.figures["class_counts"]
    shown = {t.text or "" for t in counts.of("text")}
    whole = shown | {t.text for t in counts.root.iter(SVG + "title")}
    for name in run.document["classes"]:
        check(clean(name) in whole, f"{counts.path}: {name!r} is not there whole")


def hostile_document():
    """All 150 payloads as names of classes."""
    names = payloads()
    document = sample_documents.run_document("hostile", 3, classes=names, per_class=10)
    sample_documents.tested(document, sample_documents.confusion(len(names), 10))
    document["name"] = document["description"] = names[3]
    for stage, name in zip(document["stages"], names[20:]):
        stage["name"] = stage["brief"] = name
    return document


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", type=pathlib.Path, required=True)
    engine = parser.parse_args().engine.resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name in ("finished", "two_classes", "hundred_classes"):
            run = Run(engine, folder / name, sample_documents.DOCUMENTS[name]())
            check(set(run.figures) == PICTURES, f"{name}: {sorted(run.figures)}")
            for figure in run.figures.values():
                figure.inside()
            check_curves(run)
            check_confusion(run)
            check_others(run)
            check_tables(run)
        hostile = Run(engine, folder / "hostile", hostile_document())
        check_hostile(hostile)
        check_tables(hostile)
        for name, wanted in (("started", {"class_counts"}), ("diverged", {"class_counts", "curves", "stages"})):
            run = Run(engine, folder / name, sample_documents.DOCUMENTS[name]())
            check(set(run.figures) == wanted, f"{name}: {sorted(run.figures)}")
            check(not (run.folder / "tables").exists(), f"{name}: has tables")
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
