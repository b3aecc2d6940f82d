"""Two stores against each other: what got faster, slower, right, wrong, better, worse."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splitopt.bench.compare.data import ReportData, load
from splitopt.bench.compare.metrics import Interval, gap_to_best, paired_difference, paired_ratio
from splitopt.bench.compare.paired import CLOCK_S, time_statement
from splitopt.bench.compare.summary import is_right
from splitopt.bench.methods.byfile.names import is_by_file
from splitopt.bench.store.rows import Row

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
        Of those, right in both.
    timed
        Of those, measured in like circumstances: what the time ratio rests on.
    right
        Share of runs that are right in B less that in A.
    better, worse
        Pairs with a plan in both whose objective fell or rose by more than 1e-6 relative.
    ratio
        Time in B over time in A; None without a pair to time.
    """

    problem: str
    method: str
    pairs: int
    both_right: int
    timed: int
    right_before: int
    right_after: int
    wrong_before: int
    wrong_after: int
    right: Interval
    better: int
    worse: int
    ratio: Interval | None

    @property
    def statement(self) -> str:
        """What the interval says of the time."""
        if self.ratio is None and self.both_right:
            return "not comparable"
        return time_statement(self.ratio)

    @property
    def regressed(self) -> bool:
        """Whether it got slower beyond doubt, less often right, or more often wrong."""
        return (
            self.statement == "slower"
            or self.right_after < self.right_before
            or self.wrong_after > self.wrong_before
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two stores, A before and B after."""

    methods: tuple[MethodComparison, ...]
    changes: tuple[Change, ...]
    only_before: int
    only_after: int
    caveats: tuple[str, ...]

    @property
    def regressed(self) -> list[str]:
        """Methods that got slower, less often right or more often wrong."""
        return [f"{m.problem} {m.method}" for m in self.methods if m.regressed]


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
        row.relative_gap,
    )


def _outcome(data: ReportData, row: Row) -> str:
    return f"{row.termination}, {row.status}, {data.verdict(row)}"


def _circumstances(data: ReportData, row: Row) -> tuple[object, ...]:
    return (row.parallelism, data.machines[row.environment_hash])


def _caveats(before: ReportData, after: ReportData, *, across: bool) -> list[str]:
    notes = []
    remedy = "Times were compared all the same." if across else "Such times are not compared."
    for what, values in (
        ("runs at a time", [{row.parallelism for row in data.rows} for data in (before, after)]),
        (
            "machines",
            [set(data.machines.values()) for data in (before, after)],
        ),
    ):
        if values[0] != values[1]:
            first, second = ("; ".join(sorted(map(str, side))) for side in values)
            notes.append(f"Different {what}: A has {first}; B has {second}. {remedy}")
    codes = [
        {(row.method, row.method_source or row.method_version) for row in data.rows}
        for data in (before, after)
    ]
    shared = {name for name, _ in codes[0]} & {name for name, _ in codes[1]}
    if changed := sorted(shared & {name for name, _ in codes[0] ^ codes[1]}):
        notes.append(f"Other code in A than in B under one name: {', '.join(changed)}.")
    if any(is_by_file(name) for name in shared):
        notes.append("Times of methods by file are of building, writing and reading it, too.")
    for name, data in (("A", before), ("B", after)):
        if any(e.get("commit_changed") for e in data.environments.values()):
            notes.append(f"{name} was measured with uncommitted changes.")
    return notes


def compare(
    before: Path, after: Path, *, seed: int = 0, level: float = 0.95, across: bool = False
) -> Comparison:
    """Compare two stores by the runs they share.

    A pair is a run of the same instance, method, options, seed, repetition, time limit,
    threads and gap. Times are compared where both are right and both were measured on the
    same kind of machine with as many runs at a time, by the geometric mean of ratios with a
    bootstrap interval over seeds (over instances where there is one seed).

    Parameters
    ----------
    before, after
        Folders of the stores A and B.
    seed
        Of the bootstrap's resamples.
    level
        Of the intervals.
    across
        Compare times across machines and numbers of runs at a time too.

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
    methods, changes = [], []
    for k, ((problem, method), found) in enumerate(sorted(pairs.items())):
        rng = np.random.default_rng([seed, k])
        methods.append(_method(problem, method, found, (first, second), rng, level, across))
        for a, b in found:
            said = _outcome(first, a), _outcome(second, b)
            if said[0] != said[1]:
                changes.append(Change(a.instance_name, method, a.seed, *said))
    return Comparison(
        tuple(methods),
        tuple(changes),
        len(mine.keys() - theirs.keys()),
        len(theirs.keys() - mine.keys()),
        tuple(_caveats(first, second, across=across)),
    )


Columns = Mapping[str, tuple[list[float], list[float]]]


def _sides(columns: Columns) -> tuple[list[list[float]], list[list[float]]]:
    return [one for one, _ in columns.values()], [other for _, other in columns.values()]


def _method(
    problem: str,
    method: str,
    pairs: Sequence[tuple[Row, Row]],
    stores: tuple[ReportData, ReportData],
    rng: np.random.Generator,
    level: float,
    across: bool,
) -> MethodComparison:
    first, second = stores
    verdicts = Counter(first.verdict(a) for a, _ in pairs)
    later = Counter(second.verdict(b) for _, b in pairs)
    times: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    right: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    both = timed = better = worse = 0
    for a, b in pairs:
        rights = [is_right(a, first.refuted), is_right(b, second.refuted)]
        right[a.instance_hash][0].append(float(rights[0]))
        right[a.instance_hash][1].append(float(rights[1]))
        both += all(rights)
        if all(rights) and (across or _circumstances(first, a) == _circumstances(second, b)):
            timed += 1
            times[a.instance_hash][0].append(max(a.solve_time_s or 0.0, CLOCK_S))
            times[a.instance_hash][1].append(max(b.solve_time_s or 0.0, CLOCK_S))
        if not a.violations and not b.violations:
            change = gap_to_best(b.objective, a.objective)
            better += change is not None and change < -_SAME_OBJECTIVE
            worse += change is not None and change > _SAME_OBJECTIVE
    return MethodComparison(
        problem,
        method,
        len(pairs),
        both,
        timed,
        sum(is_right(a, first.refuted) for a, _ in pairs),
        sum(is_right(b, second.refuted) for _, b in pairs),
        verdicts["wrong"],
        later["wrong"],
        paired_difference(*_sides(right), rng, level=level),
        better,
        worse,
        paired_ratio(*_sides(times), rng, level=level) if times else None,
    )
