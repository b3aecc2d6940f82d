"""What a paper with these results has to cite, as BibTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources

from splitopt.bench.compare.data import PROBLEMS, ReportData
from splitopt.bench.report.paper.latex import escape
from splitopt.bench.report.paper.setting import package_versions, solvers

_SOLVERS = {
    "highspy": ("highs",),
    "pyscipopt": ("scip", "pyscipopt"),
    "ortools": ("cpsat",),
}
# Methods of the registry that rebuild, or take the decisions of, something published.
_METHODS = {
    "aco": ("mepra",),
    "compression-blind": ("righttrain",),
    "fin": ("fin",),
    "gdp": ("pyomo", "gdp"),
    "jqodi": ("cift",),
    "neurosurgeon": ("neurosurgeon",),
    "partition-blind": ("pact",),
    "ppo": ("ppo",),
    "pymoo": ("pymoo",),
    "spinn": ("spinn",),
}


def _entries() -> Mapping[str, str]:
    text = (resources.files("splitopt.bench.report.paper") / "references.bib").read_text("utf-8")
    found = {}
    for entry in text.strip().split("\n\n"):
        found[entry.partition("{")[2].partition(",")[0]] = entry
    return found


def solver_keys(package: str) -> tuple[str, ...]:
    """Return the keys of what to cite for a solver."""
    return _SOLVERS.get(package, (package,))


def method_keys(data: ReportData) -> list[str]:
    """Return the keys of what methods with runs rebuild, or take the decisions of."""
    names = {row.method for row in data.rows}
    return [
        key
        for start, keys in _METHODS.items()
        for key in keys
        if any(name.startswith(start) for name in names)
    ]


def keys_of(data: ReportData) -> list[str]:
    """Return the keys of what the runs of a store rest on: suite, sources, solvers, methods."""
    called = [key for package in solvers(data.rows) for key in solver_keys(package)]
    sources = [problem for problem in data.problems if problem in PROBLEMS]
    return list(dict.fromkeys(["splitopt", *sources, *called, *method_keys(data)]))


def _software(key: str, title: str, author: str, versions: Iterable[str]) -> str:
    known = ", ".join(versions)
    lines = [f"  author = {{{{{escape(author)}}}}},", f"  title = {{{{{escape(title)}}}}},"]
    if known:
        lines.append(f"  note = {{Version {escape(known)}}},")
    return "\n".join([f"@misc{{{key},", *lines, "}"])


def bibliography(data: ReportData, keys: Iterable[str]) -> str:
    """Return the BibTeX entries of `keys`; software without an article has its version."""
    there = _entries()
    found = []
    for key in dict.fromkeys(keys):
        if key in there:
            found.append(there[key])
            continue
        title, author = key, f"The {key} authors"
        if key == "splitopt":
            title = "splitopt: exact references for split DNN inference"
        found.append(_software(key, title, author, package_versions(data, data.rows, key)))
    return "\n\n".join(found) + "\n"
