"""A Slurm cluster of one node on this machine, of Debian's packages slurmctld, slurmd, slurm-client and munge: own
configuration, ports and sockets in a folder, so that it meets no other one. For slurm_test.py."""

import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "squeue")
# One-second turns, and credentials that expire soon: Slurm starts a requeued job only after the old credential did.
CONFIG = """\
ClusterName=engine
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1,sched_min_interval=500000
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
MinJobAge=3600
MaxArraySize={max_array_size}
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """Why there can be no cluster here; empty: there can."""
    if os.geteuid() != 0:
        return "needs root: Slurm's programs run as root here"
    absent = [name for name in PROGRAMS if not shutil.which(name, path=search_path())]
    return f"not installed: {', '.join(absent)} (slurmctld, slurmd, slurm-client, munge)" if absent else ""


def search_path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children_of(parents):
    """Process ids of all descendants, by /proc."""
    parent_of = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent_of[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    found, fresh = set(), set(parents)
    while fresh:
        fresh = {child for child, parent in parent_of.items() if parent in fresh} - found
        found |= fresh
    return found


def send(process, number):
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass


class Cluster:
    def __init__(self, folder, max_array_size=1001):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o755)
        (self.folder / "state").mkdir()
        (self.folder / "spool").mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(64))
        key.chmod(0o600)
        self.host = socket.gethostname().split(".")[0]
        text = CONFIG.format(
            host=self.host, folder=self.folder, ports=(free_port(), free_port()), max_array_size=max_array_size
        )
        (self.folder / "slurm.conf").write_text(text)
        self.environment = dict(os.environ, PATH=search_path(), SLURM_CONF=str(self.folder / "slurm.conf"))
        self.daemons = {}
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def daemon(self, name, *arguments):
        with open(self.folder / f"{name}.out", "ab") as out:
            self.daemons[name] = subprocess.Popen(
                [name, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment
            )

    def start(self):
        at = self.folder
        self.daemon(
            "munged", "--foreground", "--force", f"--key-file={at}/munge.key", f"--socket={at}/munge.socket",
            f"--pid-file={at}/munge.pid", f"--log-file={at}/munge.log", f"--seed-file={at}/munge.seed",
        )  # fmt: skip
        self.wait("munged", lambda: (at / "munge.socket").exists())
        self.daemon("slurmctld", "-D", "-i")
        self.start_node()

    def start_node(self, down=False):
        self.daemon("slurmd", "-D", "-N", self.host)
        if down:
            self.do("scontrol", "update", f"NodeName={self.host}", "State=RESUME")
        self.wait("the node", lambda: self.ask("sinfo", "-h", "-o", "%t").strip() in ("idle", "mix", "alloc"))

    def wait(self, what, condition, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            for name, process in self.daemons.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode}:\n{self.logs()}")
            if time.monotonic() > end:
                raise RuntimeError(f"{what} did not come up:\n{self.logs()}")
            time.sleep(0.1)

    def logs(self):
        found = sorted(self.folder.glob("*.log")) + sorted(self.folder.glob("*.out"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in found)

    def crash_node(self):
        """slurmd and all that it started end at once, as when the machine loses power; slurmctld takes the node for
        down, which it else does after SlurmdTimeout; then the node comes back."""
        slurmd = self.daemons.pop("slurmd")
        # All stand still before any is killed, so that none tells of the end of another.
        processes = [slurmd.pid, *sorted(self.steps())]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes:
                send(process, number)
        slurmd.wait()
        self.do("scontrol", "update", f"NodeName={self.host}", "State=DOWN", "Reason=crash")
        self.start_node(down=True)

    def restart_slurmd(self):
        """As an update of the package does: jobs go on."""
        slurmd = self.daemons.pop("slurmd")
        slurmd.terminate()
        slurmd.wait()
        self.start_node()

    def steps(self):
        """The slurmstepd of this cluster, which detach themselves from slurmd, and all processes below them."""
        own = set()
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if not (entry / "cmdline").read_bytes().startswith(b"slurmstepd"):
                    continue
                files = [os.readlink(file) for file in (entry / "fd").iterdir()]
            except OSError:
                continue
            if any(file.startswith(str(self.folder)) for file in files):
                own.add(int(entry.name))
        return own | children_of(own)

    def ask(self, *command):
        """What one of Slurm's programs prints; empty when it fails."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False).stdout

    def do(self, *command):
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def tasks(self):
        """Array job and index -> state, of all that Slurm still knows."""
        lines = self.do("squeue", "--noheader", "--array", "--states=all", "--format=%F_%K|%T").split()
        return dict(line.split("|") for line in lines)

    def terminate(self, task):
        """SIGTERM to the step. To the job, scancel of Slurm 22.05 sends it again and again for a minute, to the task
        that has begun anew too. A step that has just ended is left alone: who hits waits for a restart and so sees it."""
        self.ask("scancel", "--signal=TERM", f"{task}.0")

    def restarts(self, task):
        found = re.search(r"\bRestarts=(\d+)", self.ask("scontrol", "show", "job", task))
        return int(found[1]) if found else 0

    def stop(self):
        for process in self.steps():
            send(process, signal.SIGKILL)
        for name in ("slurmd", "slurmctld", "munged"):
            process = self.daemons.pop(name, None)
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
