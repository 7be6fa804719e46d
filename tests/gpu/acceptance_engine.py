"""What several parts of the acceptance script ask of the engine."""

import json

from acceptance_run import run

PRECISIONS = ("bf16", "fp32", "tf32")

# The engine's bench evaluates thousands of images, which an emulation can do only for a network like this.
SMALL = {"name": "small", "data": {"source": "shapes", "count": 200, "size": 8, "validation": 0.2},
         "preprocess": [{"op": "grayscale"}],
         "network": {"nodes": [{"op": "conv2d", "filters": 4, "kernel": 3, "stride": 2, "activation": "relu"},
                               {"op": "global_average_pool"}, {"op": "dense", "units": "classes"}]},
         "train": {"epochs": 1, "batch_size": 16, "optimizer": {"type": "adam"}}}


def small_experiment(programs):
    file = programs.folder / "small.json"
    file.write_text(json.dumps(SMALL))
    return file


def accepted_precisions(programs, deadline):
    """The precisions that this build takes on the GPU; those that it refuses as a wrong file (exit code 3) it lacks."""
    taken = []
    for precision in PRECISIONS:
        command = [programs.engine, "summary", small_experiment(programs), "--device", "cuda",
                   "--set", f"precision={precision}"]
        if run(programs, command, deadline, f"summary-{precision}").code != 3:
            taken.append(precision)
    return taken


def skip_others(report, what, taken):
    for precision in PRECISIONS:
        if precision not in taken:
            report.skip(f"{what} {precision}", "this build does not take the precision")


def training(programs, quick, precision, folder):
    """The command of a short training on images that the engine draws."""
    file = small_experiment(programs) if quick else programs.experiment("quickstart.json")
    return [programs.engine, "run", file, "--device", "cuda", "--out", folder, "--set", f"precision={precision}",
            "--set", "data.count=2000", "--epochs", "6", "--quiet"]
