"""The tables of docs/campaign.md, made from the campaign's rows and the registry."""

from __future__ import annotations

import functools
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.compare.metrics import shifted_geometric_mean
from splitopt.bench.compare.summary import is_proved
from splitopt.bench.store.rows import Row
from splitopt.bench.store.store import FILE_NAME, Store
from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.bench.verdicts.crosscheck import cross_check
from splitopt.instances import library
from splitopt.instances.library.best_known import LABEL_ENGINE, KnownInstance, registry

if TYPE_CHECKING:
    from splitopt.bench.studies.campaign.passes import Pass

SET = "standard-v1"
# Most runs take a fraction of a second: the usual shift of 10 s would hide all differences.
SHIFT_S = 1.0
_MOST = 12
# Dynamic programs; what they alone settle no MILP, CP or MINLP got through.
_PROGRAMS = ("fronts", LABEL_ENGINE)
_FAILED = ("killed", "crashed", "memory")


@functools.cache
def kind_of(name: str) -> str:
    """Return what kind of instance it is: its family, and speeds or exits."""
    instance = library.load(name)
    family = str(instance.origin.get("family", "crafted"))
    if instance.problem == "cift":
        if getattr(instance, "has_continuous_speeds", False):
            family += ", continuous"
    elif getattr(instance, "exits", "fixed") == "free":
        family += ", exits free"
    return family


@dataclass(frozen=True, slots=True)
class _Runs:
    """Rows of the campaign, with what refutes them."""

    rows: Sequence[tuple[str, Row]]  # name of the pass
    refuted: frozenset[str]

    def proves(self, row: Row) -> bool:
        """Return whether a row proves something in time, and nothing speaks against it."""
        return is_proved(row, self.refuted)

    def charged_s(self, row: Row) -> float:
        """Return processor seconds; of a run without a proof its limit."""
        return (row.cpu_time_s or 0.0) if self.proves(row) else row.time_limit_s


def _read(passes: Iterable[tuple[Pass, Path]], also: Iterable[Path]) -> _Runs:
    found: list[tuple[str, Row]] = []
    names = set(library.names(SET))
    folders = [(one.name, folder) for one, folder in passes]
    folders += [(folder.name, folder) for folder in also]
    for name, folder in folders:
        if (folder / FILE_NAME).is_file():
            with Store(folder, readonly=True) as store:
                found += [(name, r) for r in store.rows(heavy=False) if r.instance_name in names]
    contradictions = cross_check([row for _, row in found])
    return _Runs(
        [(name, row) for name, row in found if row.termination != "unsupported"],
        frozenset(one.refuted for one in contradictions if one.refuted is not None),
    )


def _methods_table(runs: _Runs, problem: str) -> str:
    groups: dict[tuple[str, str, float], list[Row]] = defaultdict(list)
    for name, row in runs.rows:
        if row.problem == problem:
            groups[name, row.method, row.time_limit_s].append(row)
    lines = []
    for (name, method, limit), rows in groups.items():
        proved = [row for row in rows if runs.proves(row)]
        wrong = sum(row.verdict == "wrong" or row.key in runs.refuted for row in rows)
        lines.append(
            [
                f"`{method}`",
                name,
                f"{limit:g}",
                str(len(rows)),
                str(len(proved)),
                f"{100 * len(proved) / len(rows):.0f} %",
                str(wrong),
                str(sum(row.termination in _FAILED for row in rows)),
                f"{shifted_geometric_mean(map(runs.charged_s, rows), SHIFT_S):.2f}",
                f"{statistics.median(row.cpu_time_s or 0.0 for row in rows):.2f}",
                f"{statistics.median(row.wall_time_s for row in rows):.2f}",
            ]
        )
    columns = (
        "method", "pass", "limit (s)", "instances taken", "proven", "share", "wrong", "failed",
        "mean CPU (s)", "median CPU (s)", "median wall (s)",
    )  # fmt: skip
    return markdown_table(columns, lines)


def _kinds_table(runs: _Runs, problem: str) -> str:
    """Return how many of each kind each method proved."""
    names = [name for name in library.names(SET) if library.entry(name).problem == problem]
    kinds = sorted({kind_of(name) for name in names})
    sizes = {kind: sum(kind_of(name) == kind for name in names) for kind in kinds}
    columns: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for name, row in runs.rows:
        if row.problem == problem:
            limit = f"{row.time_limit_s:g} s"
            columns[f"`{row.method}`, {name}, {limit}"][kind_of(row.instance_name)].append(row)
    lines = []
    for label, by_kind in columns.items():
        cells = []
        for kind in kinds:
            mine = by_kind.get(kind, [])
            cells.append(f"{sum(map(runs.proves, mine))} of {len(mine)}" if mine else "")
        lines.append([label, *cells])
    heads = [f"{kind} ({sizes[kind]})" for kind in kinds]
    return markdown_table(["method, pass, limit", *heads], lines)


def _differ_table(runs: _Runs, problem: str) -> str:
    """Return the instances on which the methods of 10 s are farthest apart."""
    by_name: dict[str, dict[str, Row]] = defaultdict(dict)
    for name, row in runs.rows:
        if row.problem == problem and name in ("fast", "slow", "fronts"):
            by_name[row.instance_name][row.method] = row
    ranked = []
    for name, rows in by_name.items():
        proved = {m: runs.charged_s(row) for m, row in rows.items() if runs.proves(row)}
        failed = sorted(m for m in rows if m not in proved)
        if not proved or len(rows) < 3:
            continue
        order = sorted(proved, key=lambda m: proved[m])
        slowest = max(runs.charged_s(row) for row in rows.values())
        ratio = slowest / max(proved[order[0]], 0.01)
        ranked.append((ratio, name, order, proved, failed))
    ranked.sort(key=lambda entry: (-entry[0], entry[1]))
    lines: list[list[str]] = []
    seen: dict[str, int] = defaultdict(int)
    for ratio, name, order, proved, failed in ranked:
        kind = kind_of(name)
        seen[kind] += 1
        if seen[kind] > _MOST // 3 or len(lines) >= _MOST:
            continue  # a few of each kind say more than one kind twelve times
        times = ", ".join(f"`{m}` {proved[m]:.2f}" for m in order)
        lines.append(
            [name, kind, _size(name), times, ", ".join(f"`{m}`" for m in failed), f"{ratio:.0f}"]
        )
    columns = (
        "instance", "kind", "size", "proven, CPU seconds", "not proven at the limit", "ratio",
    )  # fmt: skip
    return markdown_table(columns, lines)


def _size(name: str) -> str:
    size = library.entry(name).size
    keys = ("nodes", "configurations", "blocks", "deadlines", "devices", "layers")
    return ", ".join(f"{size[key]} {key}" for key in keys if key in size)


def _entries() -> list[KnownInstance]:
    known = registry().entries
    found = [known.get(library.entry(name).content_hash) for name in library.names(SET)]
    return [entry for entry in found if entry is not None]


def _known_text() -> str:
    """Return how much of the set is closed, by whom, and what is open."""
    entries = _entries()
    lines = []
    for problem in ("cift", "mepra"):
        mine = [entry for entry in entries if entry.problem == problem]
        closed = [entry for entry in mine if entry.closed]
        counts = [len(set(entry.engines) - {LABEL_ENGINE}) for entry in mine]
        lines.append(
            [
                problem.upper(),
                str(len(mine)),
                str(len(closed)),
                f"{100 * len(closed) / max(1, len(mine)):.1f} %",
                str(sum(entry.infeasible for entry in mine)),
                str(sum(count >= 2 for count in counts)),
                str(sum(count == 1 for count in counts)),
                str(sum(bool(set(entry.engines) - set(_PROGRAMS)) for entry in mine)),
                str(sum(LABEL_ENGINE in entry.engines for entry in mine)),
            ]
        )
    table = markdown_table(
        (
            "problem", "instances", "closed to 1e-6", "share", "of these infeasible",
            "by two solvers or more", "by one", "by a model or branch and bound",
            "confirmed by `jqodi-exact` beside",
        ),
        lines,
    )  # fmt: skip
    engines: dict[str, int] = defaultdict(int)
    for entry in entries:
        for engine in entry.engines:
            engines[engine] += 1
    by_engine = ", ".join(f"{name} {count}" for name, count in sorted(engines.items()))
    still = [entry for entry in entries if not entry.closed]
    named = "none"
    if still:
        named = ", ".join(
            f"{entry.name} ({'no bound' if entry.gap is None else f'gap {entry.gap:.1e}'}"
            f"{', a label program proves it' if LABEL_ENGINE in entry.engines else ''})"
            for entry in still
        )
    return f"{table}\n\nInstances confirmed, by solver: {by_engine}.\n\nOpen: {named}."


def _shares(runs: _Runs) -> str:
    """Return how much of the longer runs went into building and loading, by method."""
    lines = []
    for method in ("highs-flow", "highs-assignment"):
        shares = []
        for _, row in runs.rows:
            said: Mapping[str, Any] = row.statistics
            took = row.solve_time_s or 0.0
            if row.method == method and took >= 1.0 and "load_s" in said and "build_s" in said:
                shares.append((float(said["build_s"]) + float(said["load_s"])) / took)
        if shares:
            lines.append(
                [
                    f"`{method}`",
                    str(len(shares)),
                    f"{100 * statistics.median(shares):.1f} %",
                    f"{100 * max(shares):.1f} %",
                ]
            )
    return markdown_table(("method", "runs of 1 s or more", "median share", "largest"), lines)


def write_page(path: Path, passes: Sequence[tuple[Pass, Path]], also: Sequence[Path]) -> None:
    """Replace the measured parts of the page.

    Raises
    ------
    InputError
        When the page lacks a mark.
    """
    runs = _read(passes, also)
    replace_part(path, "known", _known_text())
    parts: tuple[tuple[str, Callable[[_Runs, str], str]], ...] = (
        ("methods", _methods_table),
        ("kinds", _kinds_table),
        ("differ", _differ_table),
    )
    for name, table in parts:
        text = "\n\n".join(
            f"### {problem.upper()}\n\n{table(runs, problem)}" for problem in ("cift", "mepra")
        )
        replace_part(path, name, text)
    replace_part(path, "shares", _shares(runs))
    total = sum(row.cpu_time_s or 0.0 for _, row in runs.rows)
    wall = sum(row.wall_time_s for _, row in runs.rows)
    wrong = sum(row.verdict == "wrong" or row.key in runs.refuted for _, row in runs.rows)
    loads = [row.load_average for _, row in runs.rows if row.load_average is not None]
    load = f"{min(loads):.0f} to {max(loads):.0f}" if loads else "not known"
    replace_part(
        path,
        "totals",
        f"{len(runs.rows)} runs, {wall / 60:.0f} minutes by the clock, {total / 60:.0f} of the "
        f"processor, {wrong} wrong. Load average of the machine when runs began: {load}. "
        f"Shift of the means: {SHIFT_S:g} s.",
    )
