"""Images and networks for the sample documents: made up, but such that a reader sees something."""

import base64
import math
import random
import struct
import zlib


# --- Images ---------------------------------------------------------------------------------------------------------
def png(width, height, pixels, channels):
    """pixels: rows of bytes, `channels` (1 or 3) a pixel."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    rows = b"".join(b"\0" + row for row in pixels)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode()


def picture(seed, size=32):
    """A blurred shape on a gradient, as rows of (r, g, b) in [0, 1]: enough to look like a photograph from afar."""
    draw = random.Random(seed)
    low, high, shape = ([draw.random() for _ in range(3)] for _ in range(3))
    x0, y0, rx, ry, power = (draw.uniform(*r) for r in ((10, 22), (10, 22), (5, 13), (5, 13), (0.7, 3)))
    rows = []
    for y in range(size):
        row = []
        for x in range(size):
            r = abs((x * 32 / size - x0) / rx) ** power + abs((y * 32 / size - y0) / ry) ** power
            inside, grain = 1 / (1 + math.exp(8 * (r - 1))), draw.gauss(0, 0.03)
            row.append(
                tuple(
                    min(1, max(0, (a + (b - a) * y / size) * (1 - inside) + c * inside + grain))
                    for a, b, c in zip(low, high, shape)
                )
            )
        rows.append(row)
    return rows


def color_png(rows):
    return png(len(rows[0]), len(rows), [bytes(int(255 * c) for pixel in row for c in pixel) for row in rows], 3)


def gray_png(rows):
    low, high = min(map(min, rows)), max(map(max, rows))
    return png(len(rows[0]), len(rows), [bytes(int(255 * (v - low) / (high - low)) for v in row) for row in rows], 1)


def blur(rows):
    weights = [math.exp(-k * k / 2) for k in range(-4, 5)]
    total, n = sum(weights), len(rows)

    def along(lines):
        return [
            [sum(w * line[min(max(i + k - 4, 0), n - 1)] for k, w in enumerate(weights)) / total for i in range(n)]
            for line in lines
        ]

    turned = [list(line) for line in zip(*along(rows))]
    return [list(line) for line in zip(*along(turned))]


def stages():
    pictures = [picture(seed) for seed in range(8)]
    gray = [[[sum(p) / 3 for p in row] for row in rows] for rows in pictures]
    draw = random.Random(5)
    noise = [[[v + draw.gauss(0, 0.1) for v in row] for row in rows] for rows in gray]
    smooth = [blur(rows) for rows in noise]

    def stage(name, op, brief, shape, images, values):
        flat = [v for rows in values for row in rows for v in row]
        mean = sum(flat) / len(flat)
        return {
            "name": name,
            "op": op,
            "brief": brief,
            "shape": shape,
            "low": min(flat),
            "high": max(flat),
            "mean": mean,
            "deviation": math.sqrt(sum((v - mean) ** 2 for v in flat) / len(flat)),
            "images": images,
        }

    original = [[[c for p in row for c in p] for row in rows] for rows in pictures]
    return [
        stage("original", "", "uint8 RGB", [32, 32, 3], [color_png(rows) for rows in pictures], original),
        stage("grayscale", "grayscale", "mean of R, G and B", [32, 32, 1], [gray_png(r) for r in gray], gray),
        stage("noise", "gaussian_noise", "0.1 N(0, 1), drawn once", [32, 32, 1], [gray_png(r) for r in noise], noise),
        stage(
            "smooth",
            "gaussian_filter",
            "sigma 1 over height and width",
            [32, 32, 1],
            [gray_png(r) for r in smooth],
            smooth,
        ),
    ]


# --- Networks -------------------------------------------------------------------------------------------------------
def node(name, op, brief, inputs, output, parameters, block=""):
    size = output[0] * output[1] if len(output) == 3 else 1
    return {
        "name": name,
        "op": op,
        "brief": brief,
        "block": block,
        "inputs": inputs,
        "output": output,
        "parameters": parameters,
        "flops": 2 * size * parameters,
    }


def inception(name, before, channels, filters):
    c1, c3, c5, cp = filters
    nodes = [
        ("conv1x1", "conv2d", f"{c1} filters, 1x1", [before], c1, channels * c1 + c1),
        ("conv3x3", "conv2d", f"{c3} filters, 3x3", [before], c3, 9 * channels * c3 + c3),
        ("conv5x5", "conv2d", f"{c5} filters, 5x5", [before], c5, 25 * channels * c5 + c5),
        ("pool", "max_pool", "3x3", [before], channels, 0),
        ("pool_proj", "conv2d", f"{cp} filters, 1x1", [name + ".pool"], cp, channels * cp + cp),
        (
            "concat",
            "concat",
            "",
            [name + s for s in (".conv1x1", ".conv3x3", ".conv5x5", ".pool_proj")],
            c1 + c3 + c5 + cp,
            0,
        ),
    ]
    return [
        node(f"{name}.{n}", op, brief, inputs, [8, 8, out], size, name) for n, op, brief, inputs, out, size in nodes
    ]


def network(classes):
    nodes = [
        node("stem", "conv2d", "64 filters, 7x7, stride 2", [""], [16, 16, 64], 3200),
        node("pool1", "max_pool", "3x3, stride 2", ["stem"], [8, 8, 64], 0),
    ]
    nodes += inception("inception_a", "pool1", 64, (64, 128, 32, 32))
    nodes += inception("inception_b", "inception_a.concat", 256, (128, 192, 96, 64))
    nodes += [
        node("pool2", "max_pool", "3x3, stride 2", ["inception_b.concat"], [4, 4, 480], 0),
        node("dropout1", "dropout", "rate 0.5", ["pool2"], [4, 4, 480], 0),
        node("gap", "global_average_pool", "", ["dropout1"], [480], 0),
        node("dropout2", "dropout", "rate 0.5", ["gap"], [480], 0),
        node("classifier", "dense", f"{classes} units", ["dropout2"], [classes], 481 * classes),
    ]
    return {"parameters": sum(n["parameters"] for n in nodes), "input": [32, 32, 1], "nodes": nodes}


def residual_network(classes):
    """Blocks with skip connections, one of them from outside into a block."""
    nodes, before = [node("stem", "conv2d", "16 filters, 3x3", [""], [32, 32, 16], 160)], "stem"
    for k in range(3):
        block = f"block{k + 1}"
        for i, (op, source) in enumerate((("conv2d", before), ("batch_norm", "conv2d1"), ("relu", "batch_norm2"))):
            inputs = [source if i == 0 else f"{block}.{source}"]
            nodes.append(node(f"{block}.{op}{i + 1}", op, "", inputs, [32, 32, 16], 2320 if i == 0 else 32, block))
        nodes.append(node(f"{block}.add", "add", "", [f"{block}.relu3", before], [32, 32, 16], 0, block))
        before = f"{block}.add"
    nodes.append(node("skip", "add", "", [before, "stem"], [32, 32, 16], 0))
    nodes.append(node("classifier", "dense", f"{classes} units", ["skip"], [classes], 17 * classes))
    return {"parameters": sum(n["parameters"] for n in nodes), "input": [32, 32, 1], "nodes": nodes}
