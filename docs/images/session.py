#!/usr/bin/env python3
"""Draws a terminal session as SVG from real output: session.py ENGINE OUT.svg

Runs the commands below in a temporary folder and shows what they print. Lines of progress come from
standard error, as on a terminal.
"""
import html
import os
import subprocess
import sys
import tempfile

COMMANDS = [
    ["new", "mine"],
    ["check", "mine.json"],
    ["summary", "mine.json"],
    ["run", "mine.json", "--set", "train.epochs=3"],
]
COLUMNS, CHARACTER, LINE, MARGIN = 100, 8.4, 19, 16


def session(engine):
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for arguments in COMMANDS:
            lines.append(("prompt", "$ engine " + " ".join(arguments)))
            result = subprocess.run([engine, *arguments], cwd=folder, text=True, check=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for kind, text in (("progress", result.stderr), ("output", result.stdout)):
                for line in text.splitlines():
                    while line:
                        lines.append((kind, line[:COLUMNS]))
                        line = line[COLUMNS:]
            lines.append(("output", ""))
    return lines[:-1]


def draw(lines):
    width = round(2 * MARGIN + COLUMNS * CHARACTER)
    height = 2 * MARGIN + LINE * len(lines)
    color = {"prompt": "#7ee787", "progress": "#8b949e", "output": "#e6edf3"}
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}">',
           f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
           '<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">']
    for i, (kind, text) in enumerate(lines):
        y = MARGIN + LINE * (i + 1) - 5
        if text:
            length = f' textLength="{len(text) * CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs"'
            out.append(f'<text x="{MARGIN}" y="{y}" fill="{color[kind]}"{length}>{html.escape(text)}</text>')
    return "\n".join(out + ["</g>", "</svg>", ""])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    text = draw(session(os.path.abspath(sys.argv[1])))
    with open(sys.argv[2], "w") as file:
        file.write(text)
