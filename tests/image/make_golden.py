#!/usr/bin/env python3
"""Makes golden/smooth.safetensors: scipy.ndimage.gaussian_filter on images of odd sizes.

For each case: "<case>.images" (n, h, w, c) uint8 and "<case>.smooth" float32, computed in float64 from
images / 255. The case's name says what was done: "<n>x<h>x<w>x<c> sigma <s> truncate <t> <axes>".
"""
import itertools
import json
import pathlib
import struct

import numpy as np
from scipy.ndimage import gaussian_filter1d

SHAPES = [(1, 1, 1, 1), (1, 1, 1, 3), (1, 1, 5, 1), (1, 5, 1, 3), (2, 2, 3, 1), (3, 3, 2, 3), (1, 7, 5, 1),
          (2, 9, 13, 3), (1, 17, 23, 1), (5, 4, 4, 1), (3, 1, 31, 1), (1, 33, 2, 3), (9, 3, 3, 1)]
SIGMAS = [0.1, 0.3, 0.6, 1.0, 1.7, 2.5, 5.0]
AXES = ["height width", "height", "width", "sample", "sample height width"]


def main():
    random = np.random.default_rng(7)
    tensors = {}
    chosen = 0
    for shape, sigma in itertools.product(SHAPES, SIGMAS):
        images = random.integers(0, 256, shape, dtype=np.uint8)
        axes = AXES[chosen % len(AXES)] if chosen % 2 else AXES[0]
        truncate = 4.0 if chosen % 3 else 2.5
        chosen += 1
        result = images.astype(np.float64) / 255
        for axis, name in enumerate(["sample", "height", "width"]):
            if name in axes.split():
                result = gaussian_filter1d(result, sigma, axis, mode="reflect", truncate=truncate)
        case = f"{'x'.join(map(str, shape))} sigma {sigma} truncate {truncate} {axes}"
        tensors[case + ".images"] = images
        tensors[case + ".smooth"] = result.astype(np.float32)
    write(pathlib.Path(__file__).parent / "golden" / "smooth.safetensors", tensors)


def write(path, tensors):
    header, data = {}, b""
    for name, array in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        raw = np.ascontiguousarray(array).tobytes()
        kind = {np.dtype(np.uint8): "U8", np.dtype(np.float32): "F32"}[array.dtype]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()
