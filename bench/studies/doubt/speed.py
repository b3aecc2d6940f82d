"""What doubt costs `jqodi` in time: instances of `standard-v1` beside their twins in doubt.

Run ``python -m splitopt.bench.studies doubt-speed``. Twins: ten samples of K around the nominal one
(`epochs`), or ten scenarios in which every link has a rate of 0.5 to 1.6 times the nominal one
(`links`), each with 0.9. The nominal instance and the twin are run in turn; of each the least of
three processor times counts. With epochs in doubt, the nominal twin is the slower one of nominal K
and of K at the quantile asked for: deadlines that hold for one press on the other.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from splitopt.bench.methods.registry import load
from splitopt.bench.studies.pages import markdown_table
from splitopt.instances import library
from splitopt.instances.cift.doubt import Doubt, EpochsInDoubt, Factor, Scenario
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.method import Budget

_SAMPLES = (0.8, 0.9, 0.95, 1, 1, 1, 1.05, 1.1, 1.2, 1.4)
_RATES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6)
ROUNDS, ENOUGH_S = 3, 2.0
#: Numbers of `standard-v1`: every sixth of the first ninety, and long rows of nodes nearly alike.
NUMBERS = (*range(1, 90, 6), *range(88, 104, 3))


def twins(instance: CiftInstance, kind: str) -> tuple[list[CiftInstance], CiftInstance]:
    """Return nominal twins, and the instance in doubt of `epochs` or of `links`."""
    draw = random.Random(instance.name)
    if kind == "epochs":
        doubt = Doubt(
            tuple(
                EpochsInDoubt(*g.key, tuple(max(0, round(g.epochs * f)) for f in _SAMPLES))
                for g in instance.configurations
            ),
            fine_tuning_confidence=0.9,
        )
        longer = tuple(replace(g, epochs=round(g.epochs * 1.2)) for g in instance.configurations)
        later = instance.replace(error_target=None, curves=(), configurations=longer)
        return [instance, later], instance.replace(doubt=doubt)
    scenarios = tuple(
        Scenario(0.1, tuple(Factor(k.tail, k.head, draw.choice(_RATES)) for k in instance.links))
        for _ in range(10)
    )
    doubt = Doubt(scenarios=scenarios, inference_confidence=0.9, fine_tuning_confidence=0.9)
    return [instance], instance.replace(doubt=doubt)


def _seconds(every: Sequence[CiftInstance], limit_s: float) -> tuple[list[float], list[str]]:
    """Return the least processor time of each, run in turn, and how each ended."""
    method = load("jqodi", "cift")
    best, ended = [float("inf")] * len(every), [""] * len(every)
    for _ in range(ROUNDS):
        for k, instance in enumerate(every):
            if best[k] > ENOUGH_S and ended[k]:
                continue
            began = time.process_time()
            found = method.solve(instance, Budget(limit_s), 0, {})
            best[k] = min(best[k], time.process_time() - began)
            ended[k] = found.status if found.termination == "solved" else f"{found.status}, time"
    return best, ended


def _rows(numbers: Sequence[int], kind: str, limit_s: float) -> Iterator[tuple[float, list[str]]]:
    for number in numbers:
        instance = library.load(f"cift-standard-{number:03d}")
        assert isinstance(instance, CiftInstance)
        nominal, doubtful = twins(instance, kind)
        (*known, spent), (*_, ended) = _seconds([*nominal, doubtful], limit_s)
        ratio = spent / max(known)
        yield ratio, [f"{number:03d}", f"{max(known):.4f}", f"{spent:.4f}", f"{ratio:.1f}", ended]


def main(arguments: Sequence[str] | None = None, tell: Callable[[str], object] = print) -> int:
    """Measure, and print a table for each kind of doubt."""
    parser = argparse.ArgumentParser(prog="python -m splitopt.bench.studies doubt-speed")
    parser.add_argument("--kinds", default="epochs,links")
    parser.add_argument("--numbers", default=",".join(map(str, NUMBERS)))
    parser.add_argument("--time-limit", type=float, default=20.0, help="seconds a run")
    given = parser.parse_args(arguments)
    method = load("jqodi", "cift")
    if hasattr(method, "prepare"):
        method.prepare()
    for kind in given.kinds.split(","):
        found = list(_rows([int(n) for n in given.numbers.split(",")], kind, given.time_limit))
        columns = ("number", "nominal s", f"{kind} in doubt s", "ratio", "ended")
        ratios = sorted(ratio for ratio, _ in found)
        tell(markdown_table(columns, [row for _, row in found]))
        tell(
            f"median {statistics.median(ratios):.2f}, nine in ten "
            f"{ratios[len(ratios) * 9 // 10]:.2f}, worst {ratios[-1]:.2f}\n"
        )
    return 0
