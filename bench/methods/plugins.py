"""Methods of the user's own: named as ``module:object``, or installed as an entry point.

The object is a method, or a list of methods. It may say for which problem it is
(``problem = "cift"``); without that it is offered instances of both, and `supports` decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from splitopt.bench.methods.byfile.names import Problem, is_by_file
from splitopt.bench.methods.entry_points import installed
from splitopt.bench.methods.registry import METHODS, Entry, Kind, by_file
from splitopt.instances.contract.method import OptionValue
from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.printable import printable

if TYPE_CHECKING:
    from splitopt.bench.isolation.client import Zygote
    from splitopt.bench.isolation.streams import Outcome

_PROBLEMS: tuple[Problem, ...] = ("cift", "mepra")
_MOST_METHODS = 1000
_SUMMARY = 500
_KINDS = ("exact", "approximation", "heuristic", "learner")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All methods a set of runs can choose from, and a process to ask them questions in.

    User code is imported in a process of its own: one that hangs or crashes on import is an
    error in one line.

    Attributes
    ----------
    broken
        Of installed packages whose methods cannot be had, a line each: one of them stops
        nobody who does not ask for it.
    """

    entries: tuple[Entry, ...]
    zygote: Zygote
    broken: tuple[str, ...] = ()

    @staticmethod
    def build(plugins: Sequence[str], zygote: Zygote) -> Catalogue:
        """Return the registry's methods, installed ones, and those at `plugins`.

        Raises
        ------
        InputError
            When a plugin cannot be loaded or takes a name that is taken.
        """
        entries = list(METHODS)
        broken = []
        for target in dict.fromkeys([*installed(), *plugins]):
            found: list[Entry] = []
            try:
                for described in _probe(zygote, {"target": target})["methods"]:
                    found += _entries(target, described, [*entries, *found])
            except InputError as error:
                if target in plugins:
                    raise
                broken.append(f"entry point {target} is left out: {error}")
            else:
                entries += found
        return Catalogue(tuple(entries), zygote, tuple(broken))

    def find(self, name: str, problem: str) -> Entry | None:
        """Return a method for a problem, None where there is none of that name."""
        if is_by_file(name):
            entry = by_file(name)
            return entry if entry.problem == problem else None
        for entry in self.entries:
            if entry.name == name and entry.problem == problem:
                return entry
        return None

    def require(self, name: str) -> None:
        """Raise unless some problem has a method of that name."""
        if is_by_file(name):
            by_file(name)
            return
        if name not in {entry.name for entry in self.entries}:
            remedy = "; ".join(self.broken) or "splitopt methods lists them"
            raise InputError("method", name, "a method there is", remedy)

    def options(self, entry: Entry, given: Mapping[str, object]) -> dict[str, OptionValue]:
        """Return every option of a method with its value.

        Raises
        ------
        InputError
            For an option the method does not have, or a value that does not fit.
        """
        if is_by_file(entry.name) and not given:
            return {}  # they have none but their solvers', which are asked where one is given
        request = {"target": entry.target, "name": entry.name, "options": dict(given)}
        for described in _probe(self.zygote, request)["methods"]:
            if described["name"] == entry.name and "options" in described:
                return cast(dict[str, OptionValue], described["options"])
        raise InputError("method", entry.name, f"a method in {entry.target}", "check the registry")


def all_entries(plugins: Sequence[str] = ()) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Return every method there is, and a line on each installed one that cannot be had.

    Without plugins and installed methods that is the registry, and no process is started.

    Raises
    ------
    InputError
        When a plugin cannot be loaded or takes a name that is taken.
    """
    if not plugins and not installed():
        return METHODS, ()
    from splitopt.bench.isolation.client import Zygote

    zygote = Zygote()
    try:
        catalogue = Catalogue.build(plugins, zygote)
    finally:
        zygote.close()
    return catalogue.entries, catalogue.broken


def _probe(zygote: Zygote, request: Mapping[str, Any]) -> dict[str, Any]:
    from splitopt.bench.isolation.endings import classify, input_error
    from splitopt.bench.isolation.machine import ZygoteLostError
    from splitopt.bench.isolation.streams import Watch

    target = request["target"]
    try:
        outcome: Outcome = zygote.run({"op": "probe", **request}, Watch())
    except ZygoteLostError as error:
        raise InputError("method", target, "a module that can be imported", str(error)) from None
    message = outcome.message or {}
    if message.get("kind") == "description":
        return _described(target, message)
    if message.get("kind") == "input":
        raise input_error(message)
    zygote.look()
    _, detail = classify(outcome, limited=False)
    raise InputError("method", target, "a module that can be imported", str(detail))


def _described(target: str, message: dict[str, Any]) -> dict[str, Any]:
    """Return the description of methods that the process of a plugin sent, checked."""
    methods = message.get("methods")
    if (
        not isinstance(methods, list)
        or not all(isinstance(entry, dict) for entry in methods)
        or len(methods) > _MOST_METHODS
    ):
        raise InputError("method", target, f"at most {_MOST_METHODS} methods", "check it")
    for entry in methods:
        texts = [entry.get(name) for name in ("name", "kind", "summary")]
        others = [entry.get(name) for name in ("problem", "source", "version")]
        if (
            not all(isinstance(text, str) for text in texts)
            or not all(isinstance(text, str | None) for text in others)
            or not isinstance(entry.get("options", {}), dict)
        ):
            raise InputError("method", target, "methods with names and summaries", "check it")
        entry["summary"] = printable(entry["summary"][:_SUMMARY])
    return message


def _entries(target: str, described: Mapping[str, Any], known: list[Entry]) -> list[Entry]:
    problem, kind = described["problem"], described["kind"]
    name = fields.name("method", described["name"])  # it becomes part of file names
    if problem is not None and problem not in _PROBLEMS:
        raise InputError("problem", problem, "cift or mepra", f"correct it in {target}")
    kind = kind if kind in _KINDS else "heuristic"
    found = []
    for each in _PROBLEMS if problem is None else (problem,):
        for entry in known:
            if (entry.name, entry.problem) == (name, each) and entry.target != target:
                raise InputError(
                    "method", name, f"a name other than that of {entry.target}", "rename it"
                )
        found.append(
            Entry(
                name,
                each,
                cast(Kind, kind),
                target,
                described["summary"],
                source=described["source"],
                version=described["version"],
            )
        )
    return found
