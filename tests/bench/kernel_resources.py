#!/usr/bin/env python3
"""Registers, shared memory and spills of every GPU kernel, as nvcc's assembler reports them: compiles each
.cu of the build once more, as compile_commands.json says, and writes a Markdown table. Needs no GPU. Ends
with 1 when a kernel spills.

    tests/bench/kernel_resources.py [--build build/release] [--out docs/results/kernel_resources.md]
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
Resources = collections.namedtuple("Resources", "registers shared stack spills")


def compile_commands(build):
    """(source, arguments) of each file of own kernels that nvcc compiles; CUB's are CUB's matter."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        if any(pathlib.Path(word).name == "nvcc" for word in words[:2]) and not entry["file"].endswith("_cub.cu"):
            yield pathlib.Path(entry["file"]), words, entry["directory"]


def ptxas_report(words, folder):
    """What ptxas -v says of one source for all architectures."""
    words = words[next(i for i, word in enumerate(words) if word.endswith("nvcc")):]  # no ccache
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
            continue
        if word == "-o":
            skip = True
            continue
        kept.append(word)
    done = subprocess.run(kept + ["-Xptxas", "-v", "-o", os.devnull], cwd=folder, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(done.stdout)
    return done.stdout


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0


def read_report(report):
    """{(mangled name, architecture): Resources}."""
    kernels = {}
    parts = re.split(r"Compiling entry function '(\w+)' for '(\w+)'", report)
    for name, architecture, text in zip(parts[1::3], parts[2::3], parts[3::3]):
        kernels[name, architecture] = Resources(
            registers=number(r"Used (\d+) registers", text),
            shared=number(r"(\d+) bytes smem", text),
            stack=number(r"(\d+) bytes stack frame", text),
            spills=number(r"(\d+) bytes spill stores", text) +
            number(r"(\d+) bytes spill loads", text))
    return kernels


def short(demangled):
    """max_pool_forward<4, Number> of void engine::(anonymous namespace)::max_pool_forward<4, ...>(...)."""
    name = re.sub(r"\(anonymous namespace\)::|\bengine::|\([\w ]+\)(?=-?\d)", "", demangled)
    name = re.sub(r"^void ", "", name)
    depth = 0
    for i, letter in enumerate(name):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "(" and depth == 0:
            name = name[:i]
            break
    name = re.sub(r"\bunsigned char\b", "uint8_t", name)
    name = re.sub(r"\bunsigned short\b", "uint16_t", name)
    return name.replace(" >", ">")


def measure(build):
    """{(source, short name): {architecture: Resources}}."""
    table = collections.defaultdict(dict)
    for source, words, folder in compile_commands(build):
        kernels = read_report(ptxas_report(words, folder))
        mangled = sorted({name for name, _ in kernels})
        lines = subprocess.run(["c++filt"], input="\n".join(mangled), check=True, text=True,
                               stdout=subprocess.PIPE).stdout.splitlines()
        names = dict(zip(mangled, map(short, lines)))
        for (name, architecture), resources in kernels.items():
            row = table[source.relative_to(ROOT).as_posix(), names[name]]
            if architecture in row:
                sys.exit(f"two kernels of {source} are both {names[name]}")
            row[architecture] = resources
    return table


def markdown(table, compiler):
    most = {a: max(row[a].registers for row in table.values()) for a in ARCHITECTURES}
    spilling = [name for (_, name), row in table.items()
                if any(r.spills or r.stack for r in row.values())]
    lines = [
        "# Registers, shared memory and spills of the GPU's kernels", "",
        "`tests/bench/kernel_resources.py` made this page from what ptxas reports for the build's own options; no GPU",
        f"is needed. Compiler: {compiler}. A column holds {', '.join(ARCHITECTURES)} where they differ, else one number.",
        "", f"{len(table)} kernels (each instance of a template is one). Most registers: " +
        ", ".join(f"{most[a]} ({a})" for a in ARCHITECTURES) + ". " +
        (f"**Spills or local memory: {', '.join(spilling)}.**" if spilling else
         "No kernel spills, and none uses local memory."), "",
        "| source | kernel | registers | static shared memory, bytes | spills, bytes |",
        "|---|---|---|---|---|"]
    for (source, name), row in sorted(table.items()):
        def cell(field):
            values = [getattr(row[a], field) for a in ARCHITECTURES]
            return str(values[0]) if len(set(values)) == 1 else " / ".join(map(str, values))
        lines.append(f"| `{source}` | `{name}` | {cell('registers')} | {cell('shared')} | {cell('spills')} |")
    return "\n".join(lines) + "\n", spilling


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/results/kernel_resources.md")
    arguments = parser.parse_args()
    commands = list(compile_commands(arguments.build))
    if not commands:
        sys.exit(f"{arguments.build}: nothing in it is compiled by nvcc; configure where a CUDA toolkit is")
    nvcc = next(word for word in commands[0][1] if word.endswith("nvcc"))
    version = subprocess.run([nvcc, "--version"], check=True, text=True, stdout=subprocess.PIPE).stdout
    compiler = "nvcc " + re.search(r"V([\d.]+)", version).group(1)
    text, spilling = markdown(measure(arguments.build), compiler)
    arguments.out.write_text(text)
    print(f"{arguments.out}: {text.count(chr(10)) - 9} kernels, {len(spilling)} spill")
    return 1 if spilling else 0


if __name__ == "__main__":
    sys.exit(main())
