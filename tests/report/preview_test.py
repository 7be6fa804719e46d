#!/usr/bin/env python3
"""What `engine preview` and `engine predict` draw and print, against Pillow (decoding, text) and NumPy (stages).
Ends with 77 where these are missing.

    tests/report/preview_test.py --engine build/release/bin/engine --font DejaVuSans.ttf
"""

import argparse
import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont
except ImportError as error:
    print(f"skipped: {error}; cmake/setup fetches NumPy and Pillow into .deps/python")
    sys.exit(77)

NETWORK = {"nodes": [{"name": "conv", "op": "conv2d", "filters": 4, "kernel": 3, "stride": 4, "activation": "relu"},
                     {"name": "gap", "op": "global_average_pool"},
                     {"name": "classifier", "op": "dense", "units": "classes"}]}
STAGES = [{"op": "grayscale", "weights": "mean"}, {"op": "noise", "sigma": 0.1, "when": "once"},
          {"op": "normalize", "mean": [0.5], "std": [0.25]}]
HOSTILE = ["=cmd|' -C calc'!A0.png", "@a,\"b\".png", "-1+2\x1b[31m\n.png", "<script>.png", "\u202egnp.png",
           " +x.png", "\t=1.png"]
arguments = None


def image(random, height, width, channels=3):
    pixels = random.integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels if channels == 3 else pixels[..., 0])


def tiles(sheet, height, width):
    """Upper left corners of what has a frame of this size, row by row."""
    grid = (sheet == 200).all(axis=2)
    rows = np.lib.stride_tricks.sliding_window_view(grid, width + 2, axis=1).all(axis=2)
    columns = np.lib.stride_tricks.sliding_window_view(grid, height + 2, axis=0).all(axis=2)
    top, left = rows[:-height - 1], columns[:, :-width - 1]
    corners = top & rows[height + 1:] & left[:, :top.shape[1]] & columns[:, width + 1:]
    return [(y + 1, x + 1) for y, x in np.argwhere(corners)]


class Case(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.random = np.random.default_rng(1)

    def engine(self, *words, code=0):
        result = subprocess.run([arguments.engine, *map(str, words), "--threads", "1", "--device", "cpu"],
                                cwd=self.folder, capture_output=True, encoding="utf-8", errors="surrogateescape")
        self.assertEqual(result.returncode, code, (words, result.stdout, result.stderr))
        return result

    def experiment(self, stages, name="small", **data):
        data = {"source": "shapes", "count": 100, "size": 16, **data}
        (self.folder / "x.json").write_text(json.dumps({
            "name": name, "seed": 3, "data": data, "preprocess": stages, "network": NETWORK,
            "train": {"epochs": 1, "batch_size": 20}}))
        return "x.json"

    def preview(self, *words, code=0):
        return json.loads(self.engine("preview", "x.json", "--json", *words, code=code).stdout)

    def sheet(self, name="preview.png"):
        picture = Image.open(self.folder / name)
        self.assertEqual((picture.mode, picture.format), ("RGB", "PNG"))
        return np.asarray(picture)

    def same_figures(self, figures, values):
        values = values.astype(np.float64)
        for key, expected in [("mean", values.mean()), ("deviation", values.std()), ("minimum", values.min()),
                              ("maximum", values.max())]:
            self.assertLessEqual(abs(figures[key] - expected), 1e-5 * max(abs(expected), values.std()), key)


class Preview(Case):
    def test_an_array_through_the_stages(self):
        self.experiment(STAGES)
        images = self.random.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
        np.save(self.folder / "i.npy", images)
        said = self.preview("--images", "i.npy", "--count", 4, "--stats")
        self.assertEqual(said["shown"], [{"image": i} for i in (0, 3, 6, 9)])
        self.assertEqual((said["images"], said["measured"]), (12, 12))
        self.assertEqual([s["op"] for s in said["stages"]], ["", "grayscale", "noise", "normalize"])
        self.engine("preprocess", "x.json", "--split", "train", "--images", "i.npy", "--out", "o.npy")
        seen = np.load(self.folder / "o.npy")
        self.same_figures(said["stages"][0], images / 255)
        self.same_figures(said["stages"][1], images.mean(axis=3) / 255)
        self.same_figures(said["stages"][3], seen)

        sheet = self.sheet()
        corners = tiles(sheet, 128, 128)
        self.assertEqual(len(corners), 16)
        self.assertEqual(sheet.shape[:2], (corners[-1][0] + 128 + 16, corners[-1][1] + 128 + 16))
        last = said["stages"][3]
        for column, i in enumerate((0, 3, 6, 9)):
            def tile(row):
                y, x = corners[4 * row + column]
                return sheet[y:y + 128, x:x + 128].astype(int)
            large = images[i].repeat(8, axis=0).repeat(8, axis=1)
            self.assertTrue((tile(0) == large).all())
            self.assertLessEqual(abs(tile(1) - large.mean(axis=2, keepdims=True)).max(), 1)
            mapped = (seen[i] - last["black"]) / (last["white"] - last["black"]) * 255
            self.assertLessEqual(abs(tile(3) - mapped.repeat(8, axis=0).repeat(8, axis=1)).max(), 1)
        shown = seen[[0, 3, 6, 9]]
        self.assertAlmostEqual(last["black"], shown.min(), places=5)
        self.assertAlmostEqual(last["white"], shown.max(), places=5)
        before = (self.folder / "preview.png").read_bytes()
        self.preview("--images", "i.npy", "--count", 4)
        self.assertEqual((self.folder / "preview.png").read_bytes(), before)

    def test_splits_with_stages_that_mix_flip_and_measure(self):
        self.experiment([{"op": "grayscale", "weights": "luma"},
                         {"op": "smooth", "sigma": 1, "axes": ["sample", "width"]}, {"op": "normalize"},
                         {"op": "noise", "sigma": 0.1, "when": "every_epoch"}, {"op": "random_flip"}])
        for split, count in [("train", 80), ("validation", 20), ("test", 20)]:
            said = self.preview("--split", split, "--stats", "--out", split + ".png")
            self.assertEqual((said["images"], said["measured"], len(said["shown"])), (count, count, 8))
            self.assertEqual(len({one["label"] for one in said["shown"]}), 8, "of all classes in turn")
            self.assertEqual(said["stages"][-1]["left_out"], split != "train")
            self.engine("preprocess", "x.json", "--split", split, "--out", "o.npy")
            self.same_figures(said["stages"][-1], np.load(self.folder / "o.npy"))
        sheet = self.sheet("test.png")
        corners = tiles(sheet, 128, 128)
        for (y, x), (v, u) in zip(corners[-16:-8], corners[-8:]):
            self.assertTrue((sheet[y:y + 128, x:x + 128] == sheet[v:v + 128, u:u + 128]).all(), "left out")

    def test_files_of_all_kinds(self):
        self.experiment([{"op": "grayscale", "weights": "mean"}])
        folder = self.folder / "photos"
        (folder / "deep").mkdir(parents=True)
        for i in range(30 - 3 - len(HOSTILE)):
            image(self.random, 20 + i, 30, 1 if i % 3 else 3).save(folder / f"{i:02}.{'jpg' if i % 2 else 'png'}")
        image(self.random, 1, 1).save(folder / "deep/one.png")
        image(self.random, 1000, 1000).save(folder / "deep/large.JPEG", format="JPEG")
        for name in HOSTILE:
            image(self.random, 16, 16).save(folder / name, format="PNG")
        (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n, or so it says")
        (folder / "notes.txt").write_text("no image")
        (folder / ".hidden.png").write_text("no image")
        result = self.engine("preview", "x.json", "--json", "--stats", "--images", "photos", code=4)
        said = json.loads(result.stdout)
        self.assertEqual((said["images"], said["measured"], len(said["shown"])), (30, 29, 8))
        self.assertEqual(result.stderr.count("\n"), 1)
        self.assertIn("photos/bad.png", result.stderr)
        self.assertEqual(len(tiles(self.sheet(), 128, 128)), 16)
        said = self.preview("--images", "photos", "--count", 100, "--skip-bad", "--out", "all.png")
        self.assertEqual(len(said["shown"]), 29)
        self.assertEqual(len(tiles(self.sheet("all.png"), 128, 128)), 2 * 29)
        self.assertLessEqual(self.sheet("all.png").shape[1], 1600)
        two = self.preview("--images", "photos/deep/one.png", "photos/deep/large.JPEG")
        self.assertEqual(two["shown"], [{"image": "photos/deep/one.png"}, {"image": "photos/deep/large.JPEG"}])
        pixel = np.asarray(Image.open(folder / "deep/one.png"))[0, 0]
        y, x = tiles(self.sheet(), 128, 128)[0]
        self.assertTrue((self.sheet()[y:y + 128, x:x + 128] == pixel).all())

    def test_sizes_and_no_stages(self):
        for shape, side in [((3, 1, 1), 128), ((1, 1000, 1000, 1), 250), ((2, 224, 224, 3), 224)]:
            self.experiment([])
            images = self.random.integers(0, 256, shape, dtype=np.uint8)
            np.save(self.folder / "i.npy", images)
            said = self.preview("--images", "i.npy", "--out", f"{side}.png")
            self.assertEqual((len(said["stages"]), len(said["shown"])), (1, shape[0]))
            sheet = self.sheet(f"{side}.png")
            (y, x), *rest = tiles(sheet, side, side)
            self.assertEqual(len(rest), shape[0] - 1)
            picture = images.reshape(*shape[:3], -1)[0].astype(float)
            factor = -(-picture.shape[0] // 256)
            whole = picture.shape[0] // factor
            expected = picture[:whole * factor, :whole * factor].reshape(whole, factor, whole, factor, -1).mean((1, 3))
            expected = expected.repeat(side // whole, axis=0).repeat(side // whole, axis=1)
            self.assertLessEqual(abs(sheet[y:y + side, x:x + side] - expected).max(), 1)

    def test_what_does_not_fit_is_said(self):
        self.experiment(STAGES)
        np.save(self.folder / "i.npy", np.zeros((2, 16, 16, 3), dtype=np.uint8))
        np.save(self.folder / "f.npy", np.zeros((2, 16, 16, 3), dtype=np.float32))
        (self.folder / "empty").mkdir()
        for words, code, message in [(["--images", "absent.png"], 4, "absent.png"), (["--images", "empty"], 4, "empty"),
                                     (["--images", "f.npy"], 4, "uint8"), (["--images", "absent.npy"], 4, "absent.npy"),
                                     (["--images", "x.png", "i.npy"], 2, "i.npy"), (["--count", "0"], 2, "--count"),
                                     (["--count", "201"], 2, "--count"), (["--split", "none"], 2, "--split"),
                                     (["--out", "absent/x.png"], 7, "absent/x.png")]:
            result = self.engine("preview", "x.json", *words, code=code)
            self.assertIn(message, result.stderr)
            self.assertEqual(result.stdout, "")
        self.assertFalse((self.folder / "preview.png").exists())
        self.engine("preview", "absent.json", code=3)
        self.experiment(STAGES, validation=0)
        self.assertIn("no images", self.engine("preview", "x.json", "--split", "validation", code=4).stderr)

    def test_the_table_fits_a_terminal(self):
        self.experiment([{"op": "grayscale", "weights": "mean", "name": "g" * 64},
                         {"op": "normalize", "mean": [123456.789], "std": [1e-6], "name": "n" * 64}])
        result = self.engine("preview", "x.json", "--stats")
        self.assertEqual(result.stderr, "")
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 80)
        self.assertIn("over 80 images", result.stdout)
        self.assertGreater(len(tiles(self.sheet(), 128, 128)), 8)

    def test_text_is_pillows(self):
        name = "Quartz_jump-WAVe.fixt0123456789"
        self.experiment([], name=name)
        self.preview()
        font = ImageFont.truetype(arguments.font, 17, layout_engine=ImageFont.Layout.BASIC)
        there = Image.new("L", (600, 60), 255)
        ImageDraw.Draw(there).text((16, 16), name, fill=34, font=font)
        ours = 255 - self.sheet()[12:38, :600, 0].astype(float)
        theirs = 255 - np.asarray(there)[12:38, :600].astype(float)

        def extent(ink):
            columns = np.flatnonzero(ink.sum(axis=0) > 60)
            return columns[0], columns[-1]
        self.assertLessEqual(abs(extent(ours)[0] - extent(theirs)[0]), 1)
        width = extent(theirs)[1] - extent(theirs)[0]
        self.assertLessEqual(abs(extent(ours)[1] - extent(theirs)[1]), max(3, 0.03 * width), "Pillow rounds advances")
        self.assertLessEqual(abs(ours.sum() / theirs.sum() - 1), 0.2, "hinted strokes are a little heavier")
        # Letter by letter, for the two round positions differently: the first three overlap.
        best = max(np.corrcoef(ours[dy:dy + 20, 16:48].ravel(), theirs[3:23, 16:48].ravel())[0, 1] for dy in range(7))
        self.assertGreater(best, 0.8)


class Predict(Case):
    def setUp(self):
        super().setUp()
        self.experiment(STAGES)
        self.engine("run", "x.json", "--out", "run", "--quiet")
        self.engine("data", "make", "shapes", "--count", 10, "--size", 24, "--out", "made")

    def engine(self, *words, code=0):
        if words[:2] != ("data", "make"):
            return super().engine(*words, code=code)
        result = subprocess.run([arguments.engine, *map(str, words)], cwd=self.folder, capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_csv_grid_and_accuracy_of_thirty_files(self):
        for i, name in enumerate(HOSTILE):
            image(self.random, 20, 24 + i).save(self.folder / "made/train/cross" / name, format="PNG")
        files = sorted((self.folder / "made/train").rglob("*.png"))
        for i in range(29 - len(files)):
            image(self.random, 30, 30).save(self.folder / f"made/train/other_{i}.png")
        (self.folder / "made/train/ring/bad.png").write_bytes(b"broken")
        result = self.engine("predict", "run", "made/train", "--csv", "--grid", "grid.png", code=4)
        self.assertEqual(result.stderr.count("\n"), 1, "one bad file listed, no progress")
        rows = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
        said = json.loads(self.engine("predict", "run", "made/train", "--json", "--skip-bad").stdout)
        self.assertEqual((len(rows), len(said)), (30, 30))
        self.assertEqual(list(rows[0]), ["image", "class", "probability", "label", "error"])
        for row, entry in zip(rows, said):
            self.assertFalse(any(ord(c) < 32 or c == "\u202e" for c in row["image"]), row)
            self.assertEqual(row["label"], entry.get("label", ""))
            self.assertEqual(bool(row["error"]), "bad.png" in row["image"])
            if not row["error"]:
                self.assertEqual(row["class"], entry["classes"][0]["class"])
                self.assertEqual(float(row["probability"]), entry["classes"][0]["probability"])
        self.assertNotIn("\x1b", result.stdout)
        self.assertEqual(sum("label" in entry for entry in said), 30 - (29 - len(files)))
        sheet = self.sheet("grid.png")
        self.assertEqual(len(tiles(sheet, 128, 128)), 30)
        self.assertTrue(((sheet[..., 0] == 192) & (sheet[..., 1] == 0)).any(), "wrong ones are red")
        text = self.engine("predict", "run", "made/train", "--skip-bad").stdout
        labelled = [e for e in said if "label" in e and "classes" in e]
        right = sum(e["label"] == e["classes"][0]["class"] for e in labelled)
        self.assertIn(f"({right} of {len(labelled)} images in folders named like classes)", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_cells_are_no_formulas(self):
        os.chdir(self.folder)
        self.addCleanup(os.chdir, "/")
        for name in HOSTILE:
            image(self.random, 16, 16).save(self.folder / name, format="PNG")
        out = self.engine("predict", "run", "--csv", "--top", "2", *["./" + HOSTILE[0], HOSTILE[1], HOSTILE[5],
                                                                     HOSTILE[6], HOSTILE[0]]).stdout
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        self.assertEqual([row["image"] for row in rows[::2]],
                         ["./" + HOSTILE[0], "'" + HOSTILE[1], "'" + HOSTILE[5], "' =1.png", "'" + HOSTILE[0]])
        self.assertEqual([row["image"] for row in rows[1::2]], [row["image"] for row in rows[::2]])
        plain = self.engine("predict", "run", HOSTILE[1]).stdout
        self.assertNotIn("folder", plain)
        self.engine("predict", "run", HOSTILE[1], "--csv", "--json", code=2)
        self.engine("predict", "run", HOSTILE[1], "--grid", "absent/grid.png", code=7)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True, type=os.path.abspath)
    parser.add_argument("--font", required=True, type=os.path.abspath)
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest, verbosity=1)
