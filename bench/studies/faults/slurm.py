"""A Slurm of one's own: controller, node and munge on the loopback device, in a folder."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from splitopt.bench.studies.faults.attack import NotTriedError

_COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "scontrol", "sinfo")
_READY_S = 60.0
_CONF = """\
ClusterName=splitopt
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=5,sched_min_interval=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.log
MpiDefault=none
ReturnToService=2
KillWait=2
EnforcePartLimits=ALL
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=4096 State=UNKNOWN
PartitionName=short Nodes=node Default=YES State=UP MaxTime=UNLIMITED
PartitionName=closed Nodes=node State=UP MaxTime=UNLIMITED AllowAccounts=lab
"""


def _needed() -> None:
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    missing = [name for name in _COMMANDS if shutil.which(name, path=path) is None]
    if missing:
        raise NotTriedError(
            f"there is no {missing[0]} here: apt-get install slurm-wlm munge, on Debian or Ubuntu"
        )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Slurm:
    """A Slurm that runs.

    Attributes
    ----------
    environment : dict
        In which its commands find it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "slurm.conf").write_text(
            _CONF.format(
                host=platform.node().partition(".")[0],
                controller_port=_free_port(),
                node_port=_free_port(),
                user=getpass.getuser(),
                folder=folder,
            )
        )
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o600)
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "log", "pid", "seed")]
        self._start("munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge)
        self.start_controller()
        self._start("slurmd", "-D", "-N", "node")

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                [name, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_controller(self) -> None:
        """Start the controller; it goes on from its saved state."""
        self._start("slurmctld", "-D")

    def end(self, name: str) -> None:
        """End a daemon, by its name."""
        daemon = self._daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def call(self, *command: str) -> str:
        """Return what a command of Slurm's says; '' when it fails."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def wait_ready(self) -> None:
        """Return when the node takes jobs."""
        until = time.monotonic() + _READY_S
        while self.call("sinfo", "--noheader", "--format=%T", "--partition=short") != "idle":
            if time.monotonic() > until:
                said = sorted(self.folder.glob("slurm*.log"))
                lines = [line for path in said for line in path.read_text().splitlines()[-2:]]
                raise NotTriedError("Slurm does not start here: " + "; ".join(lines)[:500])
            time.sleep(0.2)

    def jobs(self, *states: str) -> list[str]:
        """Return the numbers of the jobs in some states; of all that are known without any."""
        listed = self.call("squeue", "--noheader", "--states=all", "--format=%i %T")
        pairs = [line.split() for line in listed.splitlines()]
        return [number for number, state in pairs if not states or state in states]

    def accounted(self) -> dict[str, str]:
        """Return the state that each job has ended in, of those that `jobs` forgets in time too."""
        log = self.folder / "jobs.log"
        lines = log.read_text().splitlines() if log.exists() else []
        entries = [dict(part.partition("=")[::2] for part in line.split()) for line in lines]
        return {entry["JobId"]: entry["JobState"] for entry in entries}

    def close(self) -> None:
        """Cancel what is left, and end the daemons."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.call("scancel", *self.jobs("PENDING", "RUNNING", "COMPLETING"))
            until = time.monotonic() + 10
            while self.jobs("RUNNING", "COMPLETING") and time.monotonic() < until:
                time.sleep(0.2)
        for name in ("slurmd", "slurmctld", "munged"):
            if name in self._daemons:
                self.end(name)


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """Start a Slurm in a folder, and end it.

    Raises
    ------
    NotTriedError
        Where it is not installed, or does not start.
    """
    _needed()
    folder.mkdir()
    running = Slurm(folder)
    try:
        running.wait_ready()
        yield running
    finally:
        running.close()
