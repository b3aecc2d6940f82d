"""How far every baseline is from the proven optimum.

``python -m splitopt.bench.studies baselines [SET ...] [--problem P] [--methods M,...] [--store
DIR] [--out FILE]`` runs every heuristic of the registry at its defaults on each instance of the
sets (`tiny` and `quick` unless told otherwise), in a store as `splitopt run` does, and prints the
tables of docs/baselines.md from its rows; runs that are there already are not done again. Optima
are those of `splitopt.bench.verdicts.optimum`; instances without a plan, and those of which no
optimum is proven, are left out. Times are processor time, which does not depend on what else the
machine does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from splitopt.bench.compare.summary import is_right
from splitopt.bench.methods.registry import entries_for
from splitopt.bench.runs.spec import RunSpec
from splitopt.bench.store.rows import Limits, Row
from splitopt.bench.studies.runs import RESULTS, rows_of
from splitopt.bench.verdicts.optimum import proven_optimum
from splitopt.instances import library
from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.tolerances import TOLERANCES, not_above

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


def spec(
    sets: Sequence[str], problems: Sequence[str], methods: Sequence[str] | None = None
) -> RunSpec:
    """Return the runs: every heuristic, or the methods named, on every instance of the sets."""
    names = [n for s in sets for n in library.names(s) if n.startswith(tuple(problems))]
    entries = [entry for problem in problems for entry in entries_for(problem)]
    chosen = [
        entry.name
        for entry in entries
        if (entry.kind == "heuristic" if methods is None else entry.name in methods)
    ]
    return RunSpec(
        instances=list(dict.fromkeys(names)),
        methods=list(dict.fromkeys(chosen)),
        limits=Limits.of(_LIMIT_S),
    )


def gaps_of(rows: Sequence[Row]) -> Iterator[Gap]:
    """Yield the gap of every run on an instance that has a plan and a proven optimum."""
    optima: dict[str, float | None] = {}
    for row in rows:
        name = row.instance_name
        if name not in optima:
            optima[name] = proven_optimum(library.load(name), _LIMIT_S)
        optimum = optima[name]
        if optimum is None:
            continue
        if row.termination == "unsupported":
            yield Gap(row.problem, row.method, name, False, None, 0.0)
            continue
        gap = None
        if is_right(row, frozenset()) and row.objective is not None:
            gap = _gap(row.method, name, row.objective, optimum)
        yield Gap(row.problem, row.method, name, True, gap, row.cpu_time_s or 0.0)


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
    parser.add_argument("--store", type=Path, default=RESULTS / "baselines")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    problems = (options.problem,) if options.problem else ("cift", "mepra")
    methods = options.methods.split(",") if options.methods else None
    rows = rows_of(spec(options.sets, problems, methods), options.store, jobs=options.jobs)
    gaps = list(gaps_of(rows))
    text = "\n".join(table(gaps, problem) for problem in problems)
    if options.out:
        write_bytes(options.out, text.encode())
    sys.stdout.write(text)
    return 0
