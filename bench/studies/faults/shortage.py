"""Take from runs what a machine may lack: room on a disk, processes."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from splitopt.bench.studies.faults.attack import NotTriedError
from splitopt.bench.studies.faults.campaign import wait_for


@contextlib.contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """Mount a file system over a folder."""
    if os.getuid() != 0 or shutil.which("mount") is None:
        raise NotTriedError("mounting a small file system needs root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotTriedError(f"mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextlib.contextmanager
def refusing_forks(*processes: int) -> Iterator[None]:
    """Have the system refuse new processes to some: by their limit or, to root, by a group."""
    if os.getuid() != 0:
        for pid in processes:
            resource.prlimit(pid, resource.RLIMIT_NPROC, (1, 1))
        yield
        return
    above = Path("/sys/fs/cgroup")
    group = (above / "pids" if (above / "pids").is_dir() else above) / f"splitopt-{os.getpid()}"
    try:
        group.mkdir()
        for pid in processes:
            (group / "cgroup.procs").write_text(str(pid))
        (group / "pids.max").write_text("1")
    except OSError as error:
        raise NotTriedError(f"root has no limit but by control groups: {error}") from None
    try:
        yield
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text(), "the group to be empty")
        group.rmdir()
