"""Two stores against each other: what got faster, slower, right, wrong, better, worse."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.metrics import Interval, gap_to_best, paired_ratio
from bench.report.data import ReportData, load
from bench.report.text import table, time_text
from bench.rows import Row, Verdict

__all__ = ["Change", "Comparison", "MethodComparison", "compare", "comparison_text"]

# Times below it are taken as it: the clock and the machine tell no more.
CLOCK_S = 1e-3
_SAME_OBJECTIVE = 1e-6


@dataclass(frozen=True, slots=True)
class Change:
    """A run whose outcome differs between the stores, in words."""

    instance_name: str
    method: str
    seed: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class MethodComparison:
    """One method in both stores.

    Attributes
    ----------
    pairs
        Runs in both.
    both_right
        Of those, right in both: what the time ratio rests on.
    ratio
        Time in B over time in A with a bootstrap interval; None without a pair.
    better, worse
        Pairs with a plan in both whose objective fell or rose by more than 1e-6 relative.
    """

    problem: str
    method: str
    pairs: int
    both_right: int
    right_before: int
    right_after: int
    wrong_before: int
    wrong_after: int
    better: int
    worse: int
    ratio: Interval | None

    @property
    def statement(self) -> str:
        """What the interval says of the time."""
        if self.ratio is None:
            return "-"
        if self.ratio.high < 1.0:
            return "faster"
        return "slower" if self.ratio.low > 1.0 else "no difference shown"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two stores, A before and B after."""

    methods: tuple[MethodComparison, ...]
    changes: tuple[Change, ...]
    only_before: int
    only_after: int
    caveats: tuple[str, ...]


def _pair_key(row: Row) -> tuple[object, ...]:
    options = tuple(sorted((k, str(v)) for k, v in row.options.items()))
    return (
        row.instance_hash,
        row.problem,
        row.method,
        options,
        row.seed,
        row.repetition,
        row.time_limit_s,
        row.threads,
    )


def _outcome(data: ReportData, row: Row) -> str:
    return f"{row.termination}, {row.status}, {data.verdict(row)}"


def _caveats(before: ReportData, after: ReportData) -> list[str]:
    notes = []
    for what, values in (
        ("runs at a time", [{row.jobs for row in data.rows} for data in (before, after)]),
        (
            "processors",
            [
                {str(e.get("processor")) for e in data.environments.values()}
                for data in (before, after)
            ],
        ),
    ):
        if values[0] != values[1]:
            first, second = (", ".join(sorted(map(str, side))) for side in values)
            notes.append(f"Different {what}: A has {first}; B has {second}. Times do not compare.")
    return notes


def compare(before: Path, after: Path, *, seed: int = 0, level: float = 0.95) -> Comparison:
    """Compare two stores by the runs they share.

    A pair is a run of the same instance, method, options, seed, repetition, time limit and
    threads. Times are compared where both are right, by the geometric mean of ratios with a
    bootstrap interval over seeds (over instances where there is one seed).

    Parameters
    ----------
    before, after
        Folders of the stores A and B.
    seed
        Of the bootstrap's resamples.
    level
        Of the intervals.

    Raises
    ------
    InputError
        When one of them is no store.
    """
    first, second = load(before, heavy=False), load(after, heavy=False)
    mine = {_pair_key(row): row for row in first.rows}
    theirs = {_pair_key(row): row for row in second.rows}
    pairs: dict[tuple[str, str], list[tuple[Row, Row]]] = defaultdict(list)
    for key, row in mine.items():
        if key in theirs:
            pairs[(row.problem, row.method)].append((row, theirs[key]))
    rng = np.random.default_rng(seed)
    methods, changes = [], []
    for (problem, method), found in sorted(pairs.items()):
        methods.append(_method(problem, method, found, first, second, rng, level))
        for a, b in found:
            said = _outcome(first, a), _outcome(second, b)
            if said[0] != said[1]:
                changes.append(Change(a.instance_name, method, a.seed, *said))
    return Comparison(
        tuple(methods),
        tuple(changes),
        len(mine.keys() - theirs.keys()),
        len(theirs.keys() - mine.keys()),
        tuple(_caveats(first, second)),
    )


def _method(
    problem: str,
    method: str,
    pairs: list[tuple[Row, Row]],
    first: ReportData,
    second: ReportData,
    rng: np.random.Generator,
    level: float,
) -> MethodComparison:
    verdicts = Counter(first.verdict(a) for a, _ in pairs)
    later = Counter(second.verdict(b) for _, b in pairs)
    times: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    both = better = worse = 0
    for a, b in pairs:
        if first.verdict(a) == second.verdict(b) == Verdict.RIGHT:
            both += 1
            times[a.instance_hash][0].append(max(a.solve_time_s or 0.0, CLOCK_S))
            times[a.instance_hash][1].append(max(b.solve_time_s or 0.0, CLOCK_S))
        if not a.violations and not b.violations:
            change = gap_to_best(b.objective, a.objective)
            better += change is not None and change < -_SAME_OBJECTIVE
            worse += change is not None and change > _SAME_OBJECTIVE
    ratio = None
    if times:
        columns = list(times.values())
        ratio = paired_ratio(
            [side[0] for side in columns], [side[1] for side in columns], rng, level=level
        )
    return MethodComparison(
        problem,
        method,
        len(pairs),
        both,
        verdicts["right"],
        later["right"],
        verdicts["wrong"],
        later["wrong"],
        better,
        worse,
        ratio,
    )


def comparison_text(found: Comparison) -> str:
    """Return a comparison as tables for people."""
    header = (
        "method",
        "pairs",
        "right A",
        "right B",
        "wrong A",
        "wrong B",
        "better",
        "worse",
        "time B / A",
        "95 % interval",
        "time",
    )
    lines = []
    for m in found.methods:
        ratio, interval = "-", "-"
        if m.ratio is not None:
            ratio = f"{m.ratio.estimate:.3g}"
            interval = f"{m.ratio.low:.3g} to {m.ratio.high:.3g}"
            if m.ratio.level != 0.95:
                interval += f" ({100 * m.ratio.level:g} %)"
        counts = (
            m.pairs,
            m.right_before,
            m.right_after,
            m.wrong_before,
            m.wrong_after,
            m.better,
            m.worse,
        )
        name = f"{m.problem} {m.method}"
        lines.append([name, *map(str, counts), ratio, interval, m.statement])
    parts = [table(header, lines) if lines else "No run is in both stores."]
    if found.changes:
        shown = [[c.instance_name, c.method, str(c.seed), c.before, c.after] for c in found.changes]
        parts.append(
            f"Outcomes that changed: {len(shown)}\n"
            + table(("instance", "method", "seed", "A", "B"), shown)
        )
    parts.append(
        "\n".join(
            [
                f"Only in A: {found.only_before} runs; only in B: {found.only_after}.",
                "Times: geometric mean of B / A over runs right in both, times below "
                f"{time_text(CLOCK_S)} taken as that;",
                "bootstrap interval over seeds, over instances where there is one seed.",
                *found.caveats,
            ]
        )
    )
    return "\n\n".join(parts)
