#!/usr/bin/env python3
"""Draws a terminal session as SVG from real output: session.py ENGINE OUT.svg

Runs the commands below on a pseudo-terminal in a temporary folder and shows what is left on the
screen after each.
"""
import fcntl
import html
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios

COMMANDS = [
    ["new", "mine"],
    ["summary", "mine.json"],
    ["run", "mine.json", "--epochs", "5"],
]
COLUMNS, CHARACTER, LINE, MARGIN = 118, 8.4, 19, 16


def on_terminal(arguments, folder):
    """Everything a command writes to a terminal of COLUMNS columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    process = subprocess.Popen(arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    if process.wait() != 0:
        sys.exit(written.decode())
    return written.decode()


def screen(written):
    """The lines that stay: of a line that was drawn several times, the last drawing."""
    for line in written.replace("\r\n", "\n").rstrip("\n").split("\n"):
        yield re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line.rsplit("\r", 1)[-1])


def session(engine):
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for arguments in COMMANDS:
            lines.append(("prompt", "$ engine " + " ".join(arguments)))
            lines += [("output", line) for line in screen(on_terminal([engine, *arguments], folder))]
            lines.append(("output", ""))
    return lines[:-1]


def draw(lines):
    width = round(2 * MARGIN + COLUMNS * CHARACTER)
    height = 2 * MARGIN + LINE * len(lines)
    color = {"prompt": "#7ee787", "output": "#e6edf3"}
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
