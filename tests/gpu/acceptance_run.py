"""What the parts of the acceptance script share: programs with a time limit, and the report."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path


class Deadline:
    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def left(self):
        return self.end - time.monotonic()


class Result:
    def __init__(self, code, log, seconds, timed_out):
        self.code = code  # negative: a signal's number
        self.seconds = seconds
        self.timed_out = timed_out
        self.out, self.err = (Path(f"{log}.{kind}").read_text(errors="replace") for kind in ("out", "err"))

    def tail(self):
        """Why it failed: how it ended, and the last lines that it printed."""
        how = f"exit code {self.code}" if self.code >= 0 else signal.Signals(-self.code).name
        if self.timed_out:
            how = f"ended after {self.seconds:.0f} s"
        lines = self.out.strip().splitlines()[-2:] + self.err.strip().splitlines()[-3:]
        return how + ": " + " / ".join(line.strip() for line in lines if line.strip())


class Programs:
    def __init__(self, engine, programs, library, source, folder, logs):
        self.engine, self.source, self.folder, self.logs = engine, source, folder, logs
        self.tests, self.kernel_times = programs / "gpu_acceptance", programs / "gpu_kernel_times"
        self.emulated = False
        self.environment = {"ENGINE_CUDA_LIBRARY": str(library), "ENGINE_SOURCE_DIR": str(source),
                            "XDG_CACHE_HOME": str(folder / "cache")}

    def experiment(self, name):
        return self.source / "experiments" / name

    def all_environment(self, more=None):
        return {**os.environ, **self.environment, **(more or {})}


def stop(process):
    """Ends a program and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def start(programs, command, log, environment=None):
    """A program in a process group of its own; its outputs go to LOG.out and LOG.err."""
    with open(f"{log}.out", "wb") as out, open(f"{log}.err", "wb") as err:
        return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                stderr=err, start_new_session=True,
                                env=programs.all_environment(environment))


def run(programs, command, deadline, name, environment=None, limit=600):
    """Runs a program to its end or until the time is up. name: of its log."""
    log = programs.logs / name
    begin = time.monotonic()
    process = start(programs, command, log, environment)
    timed_out = False
    try:
        process.wait(timeout=max(1, min(limit, deadline.left())))
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        stop(process)
    return Result(process.returncode, log, time.monotonic() - begin, timed_out)


class Report:
    def __init__(self, folder):
        self.folder = folder
        self.about = {"date": time.strftime("%Y-%m-%d %H:%M:%S %Z"), "device": "none"}
        self.rows, self.seconds = [], {}
        self.part, self.began, self.started = "start", time.monotonic(), time.monotonic()

    def begin(self, part, seconds):
        self.part, self.began = part, time.monotonic()
        print(f"== {part} (at most {seconds} s)", flush=True)

    def end(self):
        self.seconds[self.part] = round(time.monotonic() - self.began, 1)
        self.write()

    def row(self, what, result, limit, ok, **numbers):
        """ok: True, False, or None for what was skipped. numbers: kept in the JSON file alone."""
        word = {True: "ok", False: "failed", None: "skipped"}[ok]
        self.rows.append({"part": self.part, "what": what, "result": str(result), "limit": str(limit),
                          "verdict": word, **numbers})
        print(f"   {word:7} {what}: {result}" + (f" (limit {limit})" if limit else ""), flush=True)

    def skip(self, what, why):
        self.row(what, why, "", None)

    def failed(self):
        return any(row["verdict"] == "failed" for row in self.rows)

    def count(self, verdict):
        return sum(row["verdict"] == verdict for row in self.rows)

    def summary(self):
        return (f"{self.about['device']}: {self.count('ok')} ok, {self.count('failed')} failed, "
                f"{self.count('skipped')} skipped, {time.monotonic() - self.started:.0f} s")

    def table(self):
        """What a person reads last: one short line a row."""
        lines = []
        for row in self.rows:
            if row.get("detail") and row["verdict"] == "ok":
                continue  # acceptance.md has it
            result = row["result"] if len(row["result"]) < 70 else row["result"][:67] + "..."
            lines.append(f"{row['part']:8} {row['verdict']:7} {row['what']:44.44} {result}")
        return "\n".join(lines + [self.summary()])

    def markdown(self):
        lines = ["# Acceptance on " + self.about["device"], "", self.summary(), ""]
        lines += [f"- {key}: {value}" for key, value in self.about.items()]
        lines += [f"- seconds: {', '.join(f'{part} {seconds}' for part, seconds in self.seconds.items())}", "",
                  "| part | what | result | limit | |", "|---|---|---|---|---|"]
        for row in self.rows:
            cells = [row[key].replace("|", "\\|").replace("\n", " ")
                     for key in ("part", "what", "result", "limit", "verdict")]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def write(self):
        document = {**self.about, "seconds": self.seconds, "summary": self.summary(), "rows": self.rows}
        for name, text in (("acceptance.json", json.dumps(document, indent=1) + "\n"),
                           ("acceptance.md", self.markdown())):
            part = self.folder / (name + ".part")
            part.write_text(text)
            part.replace(self.folder / name)
