"""The machine fails: no room, no process, helpers and runners killed, clocks that step."""

from __future__ import annotations

import contextlib
import functools
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from splitopt.bench.studies.faults.attack import Attack
from splitopt.bench.studies.faults.campaign import (
    Campaign,
    end_all,
    family,
    send,
    wait_for,
    zygotes,
)
from splitopt.bench.studies.faults.shortage import disk, refusing_forks

_CANNOT = "this machine cannot do runs now: "


def _full(folder: Path) -> str:
    campaign = Campaign(folder)
    with disk(campaign.scratch, "size=1m"):
        process = campaign.start()
        campaign.wait(2)
        with contextlib.suppress(OSError), (campaign.scratch / "filled").open("wb", 0) as stream:
            while True:
                stream.write(bytes(4096))
        campaign.end(process, 1, _CANNOT, "No space left on device")
        assert campaign.claims() == 0, "a claim is left"
        (campaign.scratch / "filled").unlink()
        return campaign.finish()


def _full_in_mid_run(folder: Path) -> str:
    """Room for the folder of the run, but not for what its method writes into it."""
    campaign = Campaign(folder, methods="writer", runs=4)
    with disk(campaign.scratch, "size=400k"):
        process = campaign.start()
        campaign.wait(1)
        (campaign.scratch / "filled").write_bytes(bytes(380 << 10))
        campaign.end(process, 1, _CANNOT, "No space left on device")
        (campaign.scratch / "filled").unlink()
        return campaign.finish(["writer"])


def _read_only(folder: Path) -> str:
    campaign = Campaign(folder)
    with disk(campaign.scratch, "size=1m"):
        process = campaign.start()
        campaign.wait(2)
        with disk(campaign.scratch, "ro"):
            campaign.end(process, 1, _CANNOT, "Read-only file system")
        return campaign.finish()


def _no_fork(folder: Path) -> str:
    campaign = Campaign(folder)
    process = campaign.start()
    campaign.wait(2)
    wait_for(lambda: zygotes(process), "a run")
    with refusing_forks(*zygotes(process)):
        campaign.end(process, 1, _CANNOT, "Resource temporarily unavailable")
    return campaign.finish()


def _helper_once(folder: Path) -> str:
    campaign = Campaign(folder, pause=1.0)
    process = campaign.start()
    campaign.wait_begun(3)
    send(signal.SIGKILL, *zygotes(process))
    campaign.end(process, 0, "done again: steady")
    return campaign.finish() + f"; {campaign.called().total()} begun"


def _helper_always(folder: Path) -> str:
    campaign = Campaign(folder, methods="steady,writer")
    process = campaign.start()
    campaign.wait(2)
    killed = 0
    while process.poll() is None:
        found = zygotes(process)
        killed += len(found)
        send(signal.SIGKILL, *found)
        time.sleep(0.02)
    campaign.end(process, 1, "the process that runs are forked from ended")
    ends = {row[2] for row in campaign.rows()}
    assert ends == {"solved"}, f"rows {ends}"
    return f"{killed} killed; " + campaign.finish(["steady", "writer"])


def _patricide(folder: Path) -> str:
    campaign = Campaign(folder, methods="patricide,steady", runs=3)
    campaign.end(campaign.start(), 1, "3 runs were lost each time they were tried")
    rows = sorted(row[:3] for row in campaign.rows())
    assert rows == [("steady", seed, "solved") for seed in range(3)], f"rows {rows}"
    return "3 of 3 runs of the other method done, none of its own recorded"


def _itself(folder: Path, method: str) -> str:
    campaign = Campaign(folder, methods=f"{method},steady", runs=2)
    with contextlib.ExitStack() as stack:
        if method == "filler":
            stack.enter_context(disk(campaign.scratch, "size=1m"))
        campaign.end(campaign.start(), 0)
    rows = sorted(row[:3] for row in campaign.rows())
    ends = {method: "crashed", "steady": "solved"}
    assert rows == [(m, s, end) for m, end in ends.items() for s in (0, 1)], f"rows {rows}"
    return "its 2 runs crashed, the 2 of the other solved"


def _stopped(everybody: bool, size: int) -> Callable[[Path], str]:
    def attempt(folder: Path) -> str:
        campaign = Campaign(folder, runs=4, pause=0.6, size=size, time_limit=1, grace=0.5)
        process = campaign.start()
        campaign.wait_begun(2)
        stopped = [process.pid, *(family(process) if everybody else [])]
        send(signal.SIGSTOP, *stopped)
        time.sleep(4.0)
        send(signal.SIGCONT, *stopped)
        campaign.end(process, 0, "done again: steady")
        return campaign.finish() + f"; {campaign.called().total()} begun"

    return attempt


def _ended_by(number: signal.Signals, everybody: bool) -> Callable[[Path], str]:
    def attempt(folder: Path) -> str:
        campaign = Campaign(folder, pause=0.5)
        process = campaign.start()
        campaign.wait(2)
        wait_for(lambda: zygotes(process), "a run")
        send(number, *(family(process) if everybody else []), process.pid)
        campaign.end(process, 128 + number, f"interrupted by {number.name}; go on with: ")
        assert campaign.claims() == 0, "a claim is left"
        left = _folders(campaign)
        assert not left, f"{len(left)} folders are left"
        return f"exit code {128 + number}; " + campaign.finish()

    return attempt


def _removed(folder: Path) -> str:
    campaign = Campaign(folder)
    process = campaign.start()
    campaign.wait(3)
    shutil.rmtree(campaign.out)
    campaign.end(process, 1, "removed or replaced while runs went on")
    return "noticed; " + campaign.finish()


def _killed_at_random(folder: Path) -> str:
    """As batch systems do when nothing else helps, at any moment."""
    campaign = Campaign(folder, runs=80, pause=0.1, jobs=2)
    draw = random.Random(15)
    kills = told = 0
    while told < 76:
        process = campaign.start()
        campaign.wait(told + 1)
        time.sleep(draw.uniform(0.0, 0.5))
        told = len(campaign.rows())
        everybody = draw.random() < 0.5
        send(signal.SIGKILL, process.pid, *(family(process) if everybody else []))
        process.communicate()
        kills += 1
        assert len(campaign.rows()) >= told, "rows are gone"
    kept = campaign.finish()
    wait_for(lambda: not _folders(campaign), "the folders swept")
    return f"{kills} kills, 0 rows lost, 0 repeated, 0 folders left; {kept}"


def _swept(folder: Path) -> str:
    """Nobody is left to tidy up when all processes of a job are killed at once."""
    other = Campaign(folder, runs=1, pause=100.0, time_limit=200)
    other.out = folder / "others"
    living = other.start()
    other.wait_begun(1)
    campaign = Campaign(folder, pause=0.5)
    process = campaign.start()
    campaign.wait_begun(2)
    wait_for(lambda: len(_folders(campaign)) == 2, "two folders")
    everybody = [process.pid, *family(process)]
    send(signal.SIGSTOP, *everybody)
    left = len(_folders(campaign))
    send(signal.SIGKILL, *everybody)
    process.communicate()
    kept = campaign.finish()
    now = len(_folders(campaign))
    send(signal.SIGTERM, living.pid)
    other.end(living, 143)
    assert (left, now) == (2, 1), f"{left} folders of dead and living, then {now}"
    return f"1 folder swept, that of a living run kept; {kept}"


def _folders(campaign: Campaign) -> list[Path]:
    return list(campaign.scratch.glob("splitopt-scratch-*"))


_STEP = """
import time
from psutil import _pslinux
day, boot = time.time, _pslinux.boot_time
time.time = lambda: day() + {step}
_pslinux.boot_time = lambda: boot() + {step}
_pslinux.BOOT_TIME = boot() + {step}
"""


def _clock_steps(folder: Path) -> str:
    campaign = Campaign(folder, pause=0.5, runs=12)
    first = campaign.start()
    campaign.wait_begun(1)
    others = [campaign.start(_STEP.format(step=step)) for step in (86_400, -86_400)]
    for process in (first, *others):
        campaign.end(process, 0)
    called = campaign.called()
    assert called.total() == len(called) == 12, f"{called.total()} runs begun for 12"
    campaign.finish()
    return "12 runs by 3 runners, 12 begun"


def _suspended(folder: Path) -> str:
    campaign = Campaign(folder, pause=0.5, runs=6)
    first = campaign.start()
    campaign.wait_begun(1)
    everybody = [first.pid, *family(first)]
    send(signal.SIGSTOP, *everybody)
    second = campaign.start()
    campaign.wait(5)
    time.sleep(40.0)
    called = campaign.called()
    send(signal.SIGCONT, *everybody)
    campaign.end(second, 0, "waiting for another runner")
    campaign.end(first, 0)
    assert called.total() == len(called) == 6, f"{called.total()} runs begun for 6"
    campaign.finish()
    return "its run was left to it, and the other told what it waited for; 6 begun for 6"


def _beside(folder: Path) -> str:
    campaigns = []
    for number in range(3):
        (folder / str(number)).mkdir()
        campaigns.append(Campaign(folder / str(number), runs=2, pause=1.5))
        campaigns[-1].scratch = folder  # of one machine
    started = [campaign.start() for campaign in campaigns]
    for campaign, process in zip(campaigns, started, strict=True):
        campaign.end(process, 0)
    most = [max(row[3] or 0 for row in campaign.rows()) for campaign in campaigns]
    assert max(most) == 2, f"at most {most}"
    return f"rows of 3 runners with at most {', '.join(map(str, most))} runs beside"


_ONE_LINE = "one line, exit code 1, claims given back; resumed"


def attacks() -> Iterator[Attack]:
    """Yield the attacks of this kind."""
    named: dict[str, tuple[str, Callable[[Path], str]]] = {
        "the temporary folder is full": (_ONE_LINE, _full),
        "no room for what a method writes": (_ONE_LINE, _full_in_mid_run),
        "the temporary folder becomes read-only": (_ONE_LINE, _read_only),
        "the system refuses new processes": (_ONE_LINE, _no_fork),
        "the helper process is killed": ("its run is done again", _helper_once),
        "it is killed whenever it is there": (_ONE_LINE, _helper_always),
        "a method kills it": ("the others are done; no row; exit code 1", _patricide),
        "a method opens too many files": (
            "crashed, and the set goes on",
            functools.partial(_itself, method="hoarder"),
        ),
        "a method fills the disk itself": (
            "crashed, and the set goes on",
            functools.partial(_itself, method="filler"),
        ),
        "the runner is stopped over a deadline": ("its run is done again", _stopped(False, 0)),
        "the same, with 0.5 MB of result": ("its run is done again", _stopped(False, 1 << 19)),
        "all processes are stopped over it": ("its run is done again", _stopped(True, 0)),
        "SIGTERM": ("as Ctrl-C; exit code 143", _ended_by(signal.SIGTERM, False)),
        "SIGTERM to all processes of a job": ("the same", _ended_by(signal.SIGTERM, True)),
        "SIGHUP": ("as Ctrl-C; exit code 129", _ended_by(signal.SIGHUP, False)),
        "the results are removed": ("one line, exit code 1", _removed),
        "kill -9 at random moments": ("no row lost or repeated", _killed_at_random),
        "kill -9 of all processes of a job": ("the folder of its run is swept later", _swept),
        "clocks a day apart, and steps": ("each run is begun once", _clock_steps),
        "a runner is suspended for 40 s": ("each run is begun once", _suspended),
        "three runners on one machine": ("rows say what ran beside", _beside),
    }
    for name, (holds, attempt) in named.items():
        yield Attack("machine", name, holds, _tidy(attempt))


def _tidy(attempt: Callable[[Path], str]) -> Callable[[Path], str]:
    def tried(folder: Path) -> str:
        try:
            return attempt(folder)
        finally:
            end_all()

    return tried
