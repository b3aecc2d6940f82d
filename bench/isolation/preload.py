"""Import a method's module, and the solvers it will import while it solves, ahead of time.

Imports take up to a second; a run forked from a process that has them pays nothing, and the
first run of a method is not slower than the second. What a method needs is read from its
source; nothing is imported to find out.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

from splitopt.bench.isolation.targets import BY_FILE, load_target

# `instances` imports no solver, and comes along by itself.
_OURS = ("splitopt.formulations", "splitopt.heuristics")
# Packages that start no thread when imported, so that forking afterwards is safe. JAX and
# PyTorch do start some: a run imports those itself.
_SAFE = ("didppy", "highspy", "numba", "numpy", "ortools", "pyomo", "pyscipopt", "scipy")


_IMPORT = re.compile(
    r"^[ \t]*(?:from[ ]([\w.]+)[ ]import[ ](\([^)]*\)|[^\n#]*)|import[ ]([\w.]+))", re.MULTILINE
)


@functools.cache
def _imports(name: str) -> tuple[str, ...] | None:
    """Return the names that one of our modules imports anywhere, inside functions too.

    None where the name is no module.
    """
    package, room, *rest = name.split(".")
    spec = importlib.util.find_spec(f"{package}.{room}")
    if spec is None or spec.origin is None:
        return None
    # Below that a look for the module's file: asking for its spec would import its parents.
    path = Path(spec.origin).parent.joinpath(*rest)
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        return None
    found: list[str] = []
    # By pattern: to parse the modules takes longer than to import them.
    for package, names, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
        if plain:
            found.append(plain)
            continue
        # `from ortools.sat.python import cp_model` names a module in the second half.
        words = [name.split(" as ")[0].strip() for name in names.strip("()").split(",")]
        found += (package, *(f"{package}.{word}" for word in words if word.isidentifier()))
    return tuple(dict.fromkeys(found))


@functools.cache
def needed_modules(target: str) -> tuple[str, ...]:
    """Return the names that the method at ``module:object`` imports, through our own modules.

    Some are names in a module and not modules; whoever imports them finds out.
    """
    waiting = [target.partition(":")[0]]
    seen: dict[str, None] = {}
    while waiting:
        name = waiting.pop()
        ours = ".".join(name.split(".")[:2]) in _OURS
        if name in seen or not (ours or name.partition(".")[0] in _SAFE):
            continue
        imports = _imports(name) if ours else ()
        if imports is None:
            continue
        seen[name] = None
        waiting += imports
    return tuple(sorted(seen))


def _load(name: str) -> None:
    parent, _, attribute = name.rpartition(".")
    if parent in sys.modules and hasattr(sys.modules[parent], attribute):
        return
    try:
        importlib.import_module(name)
    except Exception:  # the run that needs it will meet the error and name it
        return


def preload(targets: list[str], *, trial: bool = False) -> list[str]:
    """Import what the methods at ``module:object`` targets need; return the modules imported.

    A method with a `prepare` function has it called, to compile kernels and load tables; for a
    `trial` not where its `prepare_when_wanted` says that small instances do without.
    """
    names = sorted({name for target in targets for name in needed_modules(target)})
    for name in names:
        _load(name)
    for target in targets:
        module, _, attribute = target.partition(":")
        try:
            method: Any = load_target(target) if module == BY_FILE else None
        except Exception:  # as above
            continue
        method = method or getattr(sys.modules.get(module), attribute, None)
        if trial and getattr(method, "prepare_when_wanted", False):
            continue
        if callable(getattr(method, "prepare", None)):
            try:
                method.prepare()
            except Exception:  # as above
                continue
    return [name for name in names if name in sys.modules]
