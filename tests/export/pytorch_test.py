#!/usr/bin/env python3
"""The PyTorch code of docs/export.md, as it stands there: the study's network with the engine's weights gives the
engine's logits, and its own weights come back. Ends with 77 where torch (Debian's python3-torch) or safetensors are
missing; takes /usr/bin/python3 where only that has them.

    tests/export/pytorch_test.py --engine build/release/bin/engine
"""

import argparse
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from exported import ROOT, Engine, block_named, code_of, skip

SYSTEM_PYTHON = "/usr/bin/python3"
LIMIT = 1e-4
try:
    import numpy as np
    import safetensors.torch
    import torch
except ImportError as error:
    if sys.executable != SYSTEM_PYTHON and os.path.exists(SYSTEM_PYTHON):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
    skip(f"{error}; for this test install Debian's python3-torch and the package safetensors")


def worst(logits, file):
    expected = np.load(file)
    assert logits.shape == expected.shape
    spread = np.abs(expected - expected.mean(0)).max()
    assert spread > 100 * LIMIT, f"logits that hardly differ ({spread}): nothing is compared"
    return np.abs(logits - expected).max()


def test(engine, folder):
    torch.set_num_threads(1)
    os.chdir(folder)
    (folder / "experiments").symlink_to(ROOT / "experiments")
    engine.run_with_random_weights("experiments/gray.json", "runs/gray", 5)
    commands = [line.split("#")[0].split()[1:] for line in "".join(code_of("export.md", "sh")).splitlines()]
    assert [command[0] for command in commands] == ["export", "export", "import"]
    for command in commands[:2]:
        engine(*command)

    names = {}
    exec(block_named("export.md", "study.py"), names)
    network = names["network"]
    images = torch.rand(50, 3, 32, 32, generator=torch.Generator().manual_seed(1)).mean(1, keepdim=True)
    np.save("images.npy", images.permute(0, 2, 3, 1).contiguous().numpy())
    forward = ["forward", "experiments/gray.json", "--input", "images.npy", "--out", "logits.npy", "--threads", 1,
               "--device", "cpu", "--weights"]
    with torch.no_grad():
        engine(*forward, "runs/gray/weights.safetensors")
        out = worst(network(images).numpy(), "logits.npy")

        # Other weights, so that what comes back is not what went out.
        for parameter in network.parameters():
            parameter += 0.1 * parameter.std() * torch.randn(parameter.shape) if parameter.ndim > 1 else 0.1
        before = network(images).numpy()
    exec(block_named("export.md", "save.py"), names)
    printed = engine(*commands[2])
    assert "engine evaluate runs/gray-imported" in printed, printed
    engine(*forward, "runs/gray-imported")
    back = worst(before, "logits.npy")

    # Half precision, as it is often stored, and what wrappers do to names.
    half = {name: value.half() for name, value in network.state_dict().items()}
    safetensors.torch.save_file(half, "half.safetensors")
    engine("import", "half.safetensors", "--experiment", "experiments/gray.json", "--out", "half16.safetensors")
    engine(*forward, "half16.safetensors")
    with torch.no_grad():
        network.load_state_dict({name: value.float() for name, value in half.items()})
        rounded = worst(network(images).numpy(), "logits.npy")
    print(f"largest differences of logits: exported {out:.1e}, imported {back:.1e}, from float16 {rounded:.1e}")
    return int(max(out, back, rounded) >= LIMIT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(test(Engine(arguments.engine, folder), pathlib.Path(folder)))
