"""Methods that misbehave, and two that do not, for the tests of the runner."""

import ctypes
import errno
import json
import math
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from splitopt.bench.isolation.child import describe_result
from splitopt.instances.contract.method import (
    Guarantee,
    Option,
    Progress,
    Recorder,
    Result,
    SolutionStatus,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found, proven_infeasible
from splitopt.instances.judge import evaluate
from splitopt.instances.mepra.plan import MepraPlan


def device_only(instance):
    """Everything on the devices: feasible for every instance."""
    splits = instance.layers[instance.profile]
    exits = None
    if instance.exits == "free":
        exits = np.int64(1) << (splits - 1)
    return MepraPlan(splits, np.zeros(len(splits)), exits)


class Honest:
    name = "honest"
    problem = "mepra"
    options = (Option("pause", 0.0, "seconds to wait", minimum=0.0),)

    def supports(self, instance):
        return Support()

    def solve(self, instance, budget, seed, options, warm_start=None, on_progress=None):
        recorder = Recorder(on_progress)
        time.sleep(float(options.get("pause", 0.0)))
        return self.finish(instance, recorder, budget)

    def finish(self, instance, recorder, budget):
        return conclude(instance, device_only(instance), recorder, budget)


class Follower(Honest):
    """Gives back the plan it is started from."""

    name = "follower"

    def solve(self, instance, budget, seed, options, warm_start=None, on_progress=None):
        return conclude(instance, warm_start, Recorder(on_progress), budget)


class Picky(Honest):
    name = "picky"

    def supports(self, instance):
        return Support("takes no instance called " + instance.name)


class Sleeper(Honest):
    name = "sleeper"

    def finish(self, instance, recorder, budget):
        recorder.note(bound=0.25)
        recorder.note(objective=1000.0)
        time.sleep(3600)


class Overrunner(Honest):
    """Hands its plan over in time, lies about it when the time is up, and goes on."""

    name = "overrunner"

    def finish(self, instance, recorder, budget):
        plan = device_only(instance)
        cost = evaluate(instance, plan).objective
        recorder.note(cost, plan=plan)
        time.sleep(budget.time_limit_s + 0.1)
        recorder.note(cost / 2, plan=plan)
        time.sleep(3600)


class Stubborn(Honest):
    """Ignores every signal it can, and spins."""

    name = "stubborn"

    def finish(self, instance, recorder, budget):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
            signal.signal(number, signal.SIG_IGN)
        while True:
            pass


class Glutton(Honest):
    name = "glutton"

    def finish(self, instance, recorder, budget):
        hoard = []
        while True:
            hoard.append(b"x" * (4 << 20))


class Family(Honest):
    """Its child, in a session of its own, allocates; the method only waits."""

    name = "family"

    def finish(self, instance, recorder, budget):
        code = "import time; x = bytearray(700 << 20); time.sleep(3600)"
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True).wait()


class Orphaner(Honest):
    """Leaves a process behind and ends well; its number goes into the statistics."""

    name = "orphaner"

    def finish(self, instance, recorder, budget):
        code = "import time; time.sleep(3600)"
        left = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        result = conclude(instance, device_only(instance), recorder, budget)
        return replace(result, statistics={"left": left.pid})


class Litterer(Honest):
    """Leaves a file in its folder, and says which that is."""

    name = "litterer"

    def finish(self, instance, recorder, budget):
        Path("litter.txt").write_text("left behind")
        result = conclude(instance, device_only(instance), recorder, budget)
        return replace(result, statistics={"folder": str(Path.cwd())})


class Segfault(Honest):
    name = "segfault"

    def finish(self, instance, recorder, budget):
        recorder.note(bound=0.5)
        ctypes.string_at(8)


class Assassin(Honest):
    """Kills the worker that it runs on: the parent of its parent."""

    name = "assassin"

    def finish(self, instance, recorder, budget):
        worker = psutil.Process().parent().parent()
        worker.kill()
        time.sleep(3600)


class Patricide(Honest):
    """Kills the process that runs are forked from."""

    name = "patricide"

    def finish(self, instance, recorder, budget):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(3600)


class Bulky(Honest):
    """Tells an improvement, and gives back more than a pipe holds."""

    name = "bulky"

    def finish(self, instance, recorder, budget):
        recorder.note(objective=1000.0)
        time.sleep(0.1)
        result = super().finish(instance, recorder, budget)
        return replace(result, statistics={str(k): "x" * 1000 for k in range(300)})


class Terminated(Honest):
    """Ends itself as batch systems would."""

    name = "terminated"

    def finish(self, instance, recorder, budget):
        os.kill(os.getpid(), signal.SIGTERM)


class Crammed(Honest):
    """Finds no room, though there is some."""

    name = "crammed"

    def finish(self, instance, recorder, budget):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Liar(Honest):
    """Claims that its plan, which is not optimal, is: with a bound to match."""

    name = "liar"

    def finish(self, instance, recorder, budget):
        result = conclude(instance, device_only(instance), recorder, budget)
        return replace(
            result,
            status=SolutionStatus.OPTIMAL,
            bound=result.objective,
            guarantee=Guarantee("exact", 1.0, "optimal"),
        )


class Cheat(Honest):
    """Reports half of what its plan costs."""

    name = "cheat"

    def finish(self, instance, recorder, budget):
        result = conclude(instance, device_only(instance), recorder, budget)
        return replace(result, objective=result.objective / 2)


class Denier(Honest):
    """Says that there is no plan."""

    name = "denier"

    def finish(self, instance, recorder, budget):
        return proven_infeasible(recorder)


class Quitter(Honest):
    """Claims nothing."""

    name = "quitter"

    def finish(self, instance, recorder, budget):
        return nothing_found(recorder, termination=Termination.TIME)


class Chatterbox(Honest):
    """Prints a gigabyte."""

    name = "chatterbox"

    def finish(self, instance, recorder, budget):
        block = b"blah " * (1 << 18)
        for _ in range((1 << 30) // len(block) + 1):
            os.write(1, block)
        return conclude(instance, device_only(instance), recorder, budget)


class Raiser(Honest):
    name = "raiser"

    def finish(self, instance, recorder, budget):
        raise ValueError("no\nluck <b>today</b>")


class Stranger(Honest):
    """Returns something that is no result."""

    name = "stranger"

    def finish(self, instance, recorder, budget):
        return {"objective": 0}


class Deserter(Honest):
    """Ends its process without a word."""

    name = "deserter"

    def finish(self, instance, recorder, budget):
        os._exit(0)


class Forger(Honest):
    """Gives back a result with a plan for some other instance."""

    name = "forger"

    def finish(self, instance, recorder, budget):
        plan = MepraPlan(np.array([0]), np.array([1.0]))
        return Result(
            Termination.SOLVED, SolutionStatus.FEASIBLE, plan, 1.0, 0.0, None, (), {}, 0.0
        )


class Boundless(Honest):
    """Tells figures that are not finite, on the way and at the end, beside a plan that is right."""

    name = "boundless"

    def solve(self, instance, budget, seed, options, warm_start=None, on_progress=None):
        if on_progress is not None:
            on_progress(Progress(0.001, None, -math.inf))
        result = self.finish(instance, Recorder(on_progress), budget)
        # Past the checks of Result, as a method that builds its own could.
        object.__setattr__(result, "bound", -math.inf)
        object.__setattr__(result, "trajectory", (Progress(0.001, math.nan, None),))
        return result


class Standstill(Honest):
    """Stops the clock of its process, and tells of its plan when it pleases."""

    name = "standstill"

    def solve(self, instance, budget, seed, options, warm_start=None, on_progress=None):
        now = time.perf_counter()
        time.perf_counter = time.monotonic = lambda: now
        time.sleep(1.0)
        on_progress(Progress(0.0, 8.0, None))
        result = conclude(instance, device_only(instance), Recorder(None), budget)
        return replace(result, trajectory=(Progress(0.0, 8.0, None),))


class Early(Honest):
    """Does its work when asked whether it takes the instance."""

    name = "early"

    def supports(self, instance):
        time.sleep(1.0)
        return Support()


class Asked(Honest):
    """Never says whether it takes the instance."""

    name = "asked"

    def supports(self, instance):
        time.sleep(3600)


class Preparer(Honest):
    """Never is ready."""

    name = "preparer"

    def prepare(self):
        time.sleep(3600)


class Widener(Honest):
    """Takes every core there is, in a thread of its own, and gives them back."""

    name = "widener"

    def finish(self, instance, recorder, budget):
        def widen():
            mine = os.sched_getaffinity(0)
            os.sched_setaffinity(0, range(os.cpu_count()))
            time.sleep(0.5)
            os.sched_setaffinity(0, mine)

        thread = threading.Thread(target=widen)
        thread.start()
        thread.join()
        return conclude(instance, device_only(instance), recorder, budget)


def pipe():
    """Return the descriptor on which this process sends what it has to say."""
    for number in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                os.write(number, b"")
                return number
        except OSError:
            continue
    raise RuntimeError("no pipe")


BABBLE = (
    *("", "statistics", "points", "surrogates", "depth", "whole numbers", "guarantee"),
    *("deadlines", "huge", "plan", "infinite", "large", "texts", "ready", "reason", "error"),
    *("input", "nothing", "noise"),
)


class Babbler(Honest):
    """Sends what no method could, past the checks of its own process; the seed says what."""

    name = "babbler"

    def solve(self, instance, budget, seed, options, warm_start=None, on_progress=None):
        result = conclude(instance, device_only(instance), Recorder(on_progress), budget)
        document = describe_result(result)
        what = BABBLE[seed]
        if what == "statistics":
            document["statistics"] = {f"s{k}": "x" * 1000 for k in range(5_000)}
        elif what == "points":
            document["trajectory"] = [[k / 1e6, 1e7 - k, None] for k in range(200_000)]
        elif what == "surrogates":
            document["statistics"] = {"\ud800": "\udfff", "list": ["\ud800"]}
        elif what == "depth":
            deep = []
            for _ in range(500):
                deep = [deep]
            document["statistics"] = {"deep": deep}
        elif what == "whole numbers":
            document["statistics"] = {"n": 10**4000}
        elif what == "guarantee":
            document["guarantee"] = {"kind": ["x"], "factor": "y"}
        elif what == "deadlines":
            document["guarantee"] = Guarantee("none", None, "").to_document() | {
                "relaxed_deadlines": {"inference": "x" * 100}
            }
        elif what == "huge":
            document["bound"] = 10**400
        elif what == "plan":
            document["plan"]["splits"] = [["\ud800"]] * 2
        lines = {
            "infinite": b'{"kind":"point","time_s":1e999,"objective":1e999,"bound":-1e999}',
            "large": b'{"kind":"point","time_s":0.1,"objective":1' + b"0" * 400 + b"}",
            "texts": b'{"kind":"point","time_s":"x","objective":"y","bound":[],"plan":7}',
            "ready": b'{"kind":"ready","enforced":[1],"not_enforced":7}',
            "reason": b'{"kind":"unsupported","reason":"' + b"x" * 5_000_000 + b'"}',
            "error": b'{"kind":"error","type":{},"message":["\\ud800"]}',
            "input": b'{"kind":"input"}',
            "nothing": b'{"kind":"result"}',
            "noise": bytes(range(1, 10)) * 100 + b"\xff",
        }
        if what in lines:
            with os.fdopen(pipe(), "wb", closefd=False) as stream:
                stream.write(lines[what] + b"\n")
        else:
            text = json.dumps({"kind": "result", "solve_time_s": 0.0, "document": document})
            with os.fdopen(pipe(), "wb", closefd=False) as stream:
                stream.write(text.encode() + b"\n")
        return result


METHODS = [
    kind()
    for kind in (
        Honest,
        Follower,
        Picky,
        Sleeper,
        Overrunner,
        Stubborn,
        Glutton,
        Family,
        Orphaner,
        Litterer,
        Segfault,
        Assassin,
        Patricide,
        Bulky,
        Terminated,
        Crammed,
        Liar,
        Cheat,
        Denier,
        Quitter,
        Chatterbox,
        Raiser,
        Stranger,
        Deserter,
        Forger,
        Boundless,
        Standstill,
        Early,
        Asked,
        Preparer,
        Widener,
        Babbler,
    )
]
HONEST = METHODS[0]
