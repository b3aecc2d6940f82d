"""How far every baseline is from the proven optimum.

``python -m splitopt.bench.studies baselines [SET ...] [--problem P] [--methods M,...] [--out
FILE]`` solves each instance of the sets (`tiny` and `quick` unless told otherwise) with every
heuristic of the registry at its defaults, in this process, and prints the tables of
docs/baselines.md. Optima are those of `splitopt.bench.verdicts.optimum`; instances without a plan,
and those of which no optimum is proven, are left out. Times are processor time, which does not
depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from splitopt.bench.methods.registry import entries_for, load
from splitopt.bench.verdicts.optimum import proven_optimum
from splitopt.instances import library
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.tolerances import TOLERANCES, not_above

if TYPE_CHECKING:
    pass

__all__ = ["Gap", "main", "measure", "table"]

_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Gap:
    """One baseline on one instance.

    Attributes
    ----------
    gap
        value / optimum - 1; None where it found no feasible plan.
    supported
        Whether it takes the instance at all.
    cpu_s
        Processor seconds.
    """

    problem: str
    method: str
    instance: str
    supported: bool
    gap: float | None
    cpu_s: float


def measure(
    sets: Sequence[str], problems: Sequence[str], methods: Sequence[str] | None = None
) -> Iterator[Gap]:
    """Yield the gap of every heuristic on every instance that has a plan."""
    for problem in problems:
        entries = [
            entry
            for entry in entries_for(problem)
            if (entry.kind == "heuristic" if methods is None else entry.name in methods)
        ]
        names = [n for s in sets for n in library.names(s) if n.startswith(problem)]
        for name in dict.fromkeys(names):
            instance = library.load(name)
            optimum = proven_optimum(instance, _LIMIT_S)
            if optimum is None:
                continue
            for entry in entries:
                method = load(entry.name, problem)
                if not method.supports(instance):
                    yield Gap(problem, entry.name, name, False, None, 0.0)
                    continue
                began = time.process_time()
                found = method.solve(instance, Budget(_LIMIT_S), 0, {})
                spent = time.process_time() - began
                gap = None
                if found.status in (SolutionStatus.FEASIBLE, SolutionStatus.OPTIMAL):
                    assert found.objective is not None
                    gap = _gap(entry.name, name, found.objective, optimum)
                yield Gap(problem, entry.name, name, True, gap, spent)


def _gap(method: str, instance: str, value: float, optimum: float) -> float:
    """Return value / optimum - 1, or the value itself over an optimum of 0.

    Raises
    ------
    RuntimeError
        When a plan is better than the proven optimum: one of the two is wrong.
    """
    if not not_above(optimum, value, TOLERANCES.optimality):
        raise RuntimeError(f"{instance}: {method} has {value!r}, below the optimum {optimum!r}")
    over = max(0.0, value - optimum)
    return over / optimum if optimum > 0 else over


def _percent(gap: float) -> str:
    if gap <= TOLERANCES.optimality:
        return "0"
    return f"{100 * gap:.3g} %" if gap < 10 else f"{1 + gap:.3g}x"


def table(gaps: Sequence[Gap], problem: str) -> str:
    """Return the Markdown table of one problem: a row a method, best first."""
    mine = [g for g in gaps if g.problem == problem]
    count = len({g.instance for g in mine})
    rows = []
    for name in dict.fromkeys(g.method for g in mine):
        group = [g for g in mine if g.method == name and g.supported]
        found = [g.gap for g in group if g.gap is not None]
        optimal = sum(gap <= TOLERANCES.optimality for gap in found)
        close = sum(gap <= 0.01 for gap in found)
        cells = [
            f"`{name}`",
            str(len(group)),
            str(len(group) - len(found)),
            str(optimal),
            str(close),
            _percent(median(found)) if found else "-",
            _percent(max(found)) if found else "-",
            f"{1e3 * median(g.cpu_s for g in group):.0f}" if group else "-",
        ]
        rows.append((-optimal, -close, name, "| " + " | ".join(cells) + " |"))
    head = (
        f"| {problem}, {count} instances | takes | no feasible plan | optimal | within 1 % "
        "| gap, median | worst | CPU ms, median |\n|---|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(row[-1] for row in sorted(rows)) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description="gaps of the baselines to proven optima")
    parser.add_argument("sets", nargs="*", default=["tiny", "quick"])
    parser.add_argument("--problem", choices=("cift", "mepra"))
    parser.add_argument("--methods", help="names with commas; all heuristics unless given")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    problems = (options.problem,) if options.problem else ("cift", "mepra")
    methods = options.methods.split(",") if options.methods else None
    gaps = []
    for gap in measure(options.sets, problems, methods):
        gaps.append(gap)
        shown = "unsupported" if not gap.supported else "none" if gap.gap is None else gap.gap
        sys.stderr.write(f"{gap.instance} {gap.method} {shown} {gap.cpu_s:.2f} s\n")
    text = "\n".join(table(gaps, problem) for problem in problems)
    if options.out:
        write_bytes(options.out, text.encode())
    sys.stdout.write(text)
    return 0
