"""What a set of runs says of a problem, in a few sentences."""

from __future__ import annotations

from collections import Counter, defaultdict

from splitopt.bench.compare.data import ReportData
from splitopt.bench.compare.summary import MethodSummary
from splitopt.bench.report.html import Markup, tag, text
from splitopt.bench.report.method_tables import kind_of
from splitopt.bench.report.numbers import gap_text, time_text
from splitopt.bench.report.tables import instance_link, method_link

_NAMED = 4
Parts = list[str | Markup]


def _link(s: MethodSummary, root: str) -> Markup:
    return method_link(s.problem, s.method, s.variant, root)


def _of(count: int, total: int) -> str:
    return f"all {total}" if count == total else f"{count} of {total}"


def _proofs(data: ReportData, problem: str, root: str) -> Parts:
    """Return how many instances are settled, and which are not."""
    hashes = list(dict.fromkeys(row.instance_hash for row in data.of_problem(problem)))
    states = Counter(data.state(key) for key in hashes)
    settled = states["optimal"] + states["infeasible"]
    counted = _of(settled, len(hashes)).capitalize()
    line: Parts = [f"{counted} instances are settled by a proof"]
    if states["infeasible"]:
        count = states["infeasible"]
        line.append(f" ({count} of them {'has' if count == 1 else 'have'} no plan)")
    still = [key for key in hashes if data.state(key) == "open"]
    if still:
        line.append("; open: ")
        for k, key in enumerate(still[:_NAMED]):
            line += [", " if k else "", instance_link(data.instances[key], root)]
        if len(still) > _NAMED:
            line.append(f" and {len(still) - _NAMED} more")
    return [*line, "."]


def _provers(data: ReportData, problem: str, root: str) -> Parts:
    """Return which methods settle most instances."""
    settled: dict[str, set[str]] = defaultdict(set)
    for row in data.of_problem(problem):
        if data.figures.of(row).proved:
            settled[data.name(row)].add(row.instance_hash)
    if not settled:
        return ["No method proves anything."]
    total = len({row.instance_hash for row in data.of_problem(problem)})
    provers = sorted(
        (s for s in data.of(problem) if s.variant in settled),
        key=lambda s: (-len(settled[s.variant]), s.time_s or 0.0),
    )
    first, *others = provers
    most = len(settled[first.variant])
    line: Parts = [
        _link(first, root),
        f" settles {_of(most, total)}, in {time_text(first.time_s)} on average",
    ]
    equals = [s for s in others if len(settled[s.variant]) == most]
    if equals:
        line.append("; so do ")
        for k, s in enumerate(equals[:_NAMED]):
            line += [", " if k else "", _link(s, root), f" ({time_text(s.time_s)})"]
    elif others:
        second = len(settled[others[0].variant])
        line += ["; next ", _link(others[0], root), f", {second} in {time_text(others[0].time_s)}"]
    return [*line, "."]


def _worst(kind: str, summaries: list[MethodSummary], root: str) -> Parts | None:
    """Return which method of a kind comes closest to the best plans known."""
    mine = [
        s
        for s in summaries
        if kind_of(s.problem, s.method) == kind and s.gap_median is not None and s.gaps
    ]
    if not mine:
        return None
    # Gaps over few plans say little: first those who nearly always have one.
    best = max(mine, key=lambda s: (round(_share(s), 1), -(s.gap_worst or 0.0)))
    plural = {"approximation": "approximations", "learner": "learned methods"}.get(kind, kind + "s")
    return [
        f"Of the {plural} ",
        _link(best, root),
        f" does best: a plan in {_of(best.gaps, best.runs + best.unsupported)} runs, with a gap of "
        f"{gap_text(best.gap_median)} in the median and {gap_text(best.gap_worst)} at worst.",
    ]


def _share(s: MethodSummary) -> float:
    return s.gaps / (s.runs + s.unsupported)


def _failures(summaries: list[MethodSummary], root: str) -> Parts | None:
    failed = sorted((s for s in summaries if s.failed), key=lambda s: -s.failed)
    if not failed:
        return None
    count = sum(s.failed for s in failed)
    line: Parts = [f"{count} run{'s were' if count > 1 else ' was'} killed or crashed: "]
    for k, s in enumerate(failed[:_NAMED]):
        line += [", " if k else "", _link(s, root), f" ({s.failed})"]
    return [*line, ", and more." if len(failed) > _NAMED else "."]


def findings(data: ReportData, problem: str, root: str) -> Markup:
    """Return the sentences as a list."""
    summaries = [s for s in data.of(problem) if s.runs]
    lines = [
        _proofs(data, problem, root),
        _provers(data, problem, root),
        _worst("approximation", summaries, root),
        _worst("heuristic", summaries, root),
        _worst("learner", summaries, root),
        _failures(summaries, root),
    ]
    return tag(
        "ul",
        [tag("li", [text(part) for part in line]) for line in lines if line is not None],
        class_="findings",
    )
