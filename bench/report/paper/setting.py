"""How a set of runs was measured, in words: limits, machine, versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from splitopt.bench.compare.data import ReportData
from splitopt.bench.methods.byfile.names import SOLVERS, is_by_file
from splitopt.bench.methods.registry import METHODS
from splitopt.bench.report.numbers import memory_text, time_text
from splitopt.bench.store.rows import Row

# What a library is called by those who cite it.
_NAMES = {
    "coptpy": "COPT",
    "gurobipy": "Gurobi",
    "highspy": "HiGHS",
    "numpy": "NumPy",
    "ortools": "OR-Tools",
    "pulp": "PuLP (CBC)",
    "pyscipopt": "PySCIPOpt",
    "swiglpk": "swiglpk (GLPK)",
}
_BASE = ("splitopt", "numpy")


def _joined(values: Iterable[object]) -> str:
    found = list(dict.fromkeys(map(str, values)))
    if len(found) > 6:
        return f"{found[0]} to {found[-1]}"
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


def _counted(values: Sequence[int], one: str) -> str:
    numbers = sorted(set(values))
    return f"{_joined(numbers)} {one}{'' if numbers == [1] else 's'}"


def limits(rows: Sequence[Row]) -> str:
    """Return under what limits the runs were made."""
    parts = [
        f"time limit {_joined(map(time_text, sorted({row.time_limit_s for row in rows})))} a run",
        _counted([row.threads for row in rows], "thread"),
        f"{_joined(sorted({row.jobs for row in rows}))} at a time",
        f"seeds {_joined(sorted({row.seed for row in rows}))}",
        f"relative gap {_joined(f'{g:g}' for g in sorted({row.relative_gap for row in rows}))}",
    ]
    memory = sorted({row.memory_limit_bytes for row in rows if row.memory_limit_bytes is not None})
    if memory:
        parts.append(f"memory limit {_joined(map(memory_text, memory))}")
    if any(row.repetition for row in rows):
        parts.append(f"{max(row.repetition for row in rows) + 1} repetitions")
    return ", ".join(parts)


def _environments(data: ReportData, rows: Sequence[Row]) -> list[dict[str, object]]:
    used = dict.fromkeys(row.environment_hash for row in rows)
    return [data.environments[key] for key in used if key in data.environments]


def machines(data: ReportData, rows: Sequence[Row]) -> str:
    """Return on what processors, with how many cores and how much memory."""
    found = []
    for environment in _environments(data, rows):
        memory = environment.get("memory_bytes")
        held = f", {memory / 2**30:.0f} GiB" if isinstance(memory, int) else ""
        found.append(
            f"{environment.get('processor') or 'an unknown processor'} "
            f"({environment.get('cores_usable') or '?'} cores{held})"
        )
    return _joined(found) if found else "a machine not recorded"


def _called(rows: Iterable[Row]) -> dict[str, list[str | None]]:
    """Return the native libraries that the methods with runs call.

    By package, the versions that read files; None for the one beside splitopt.
    """
    own = {(entry.name, str(entry.problem)): entry.solver for entry in METHODS}
    found: dict[str, list[str | None]] = {}
    for name, problem, said in dict.fromkeys(
        (row.method, row.problem, row.method_version) for row in rows
    ):
        package, version = own.get((name, problem)), None
        if is_by_file(name):
            solver = SOLVERS.get(name.partition("@")[2].partition("==")[0])
            package = None if solver is None else solver.package
            version = (said or "").partition("==")[2] or None
        if package is not None:
            found.setdefault(package, []).append(version)
    return found


def solvers(rows: Iterable[Row]) -> list[str]:
    """Return the native libraries that the methods with runs call, by package."""
    return sorted(_called(rows))


def package_versions(data: ReportData, rows: Sequence[Row], package: str) -> list[str]:
    """Return in what versions a package had its part in runs, where that is known."""
    asked = _called(rows).get(package, [None])
    there = [environment.get("versions") for environment in _environments(data, rows)]
    beside = [v.get(package) for v in there if isinstance(v, dict)] if None in asked else []
    return list(dict.fromkeys(str(version) for version in (*beside, *asked) if version))


def versions(data: ReportData, rows: Sequence[Row]) -> str:
    """Return the versions of the suite and of what its methods called."""
    parts = []
    environments = _environments(data, rows)
    for package in (*_BASE, *solvers(rows)):
        if known := package_versions(data, rows, package):
            parts.append(f"{_NAMES.get(package, package)} {_joined(known)}")
    commits = [str(e["commit"])[:12] for e in environments if e.get("commit")]
    if commits:
        changed = ", with changes" if any(e.get("commit_changed") for e in environments) else ""
        parts[0:1] = [f"{parts[0] if parts else 'splitopt'} (commit {_joined(commits)}{changed})"]
    pythons = [e["python"] for e in environments if e.get("python")]
    if pythons:
        parts.append(f"Python {_joined(pythons)}")
    return ", ".join(parts)


def setting(data: ReportData, problem: str) -> str:
    """Return how the runs of a problem were measured, for a caption."""
    rows = data.of_problem(problem)
    return f"Measured with {limits(rows)}, on {machines(data, rows)}; {versions(data, rows)}."
