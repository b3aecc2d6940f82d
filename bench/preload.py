"""Import a method's module, and the solvers it will import while it solves, ahead of time.

Imports take up to a second; a run forked from a process that has them pays nothing, and the
first run of a method is not slower than the second.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

__all__ = ["preload"]

_OURS = ("instances", "formulations", "heuristics")
# Packages that start no thread when imported, so that forking afterwards is safe. JAX and
# PyTorch do start some: a run imports those itself.
_SAFE = ("highspy", "numba", "numpy", "ortools", "pyomo", "pyscipopt", "scipy")


def _imports(module: ModuleType) -> Iterator[str]:
    """Return the names of modules that `module` imports anywhere, inside functions too."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            # `from ortools.sat.python import cp_model` names a module in the second half.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _load(name: str) -> ModuleType | None:
    parent, _, attribute = name.rpartition(".")
    if parent in sys.modules and hasattr(sys.modules[parent], attribute):
        return sys.modules.get(name)
    try:
        return importlib.import_module(name)
    except Exception:  # the run that needs it will meet the error and name it
        return None


def preload(targets: list[str]) -> list[str]:
    """Import what the methods at ``module:object`` targets need; return the modules imported.

    A method with a `prepare` function has it called, to compile kernels and load tables.
    """
    waiting = [target.partition(":")[0] for target in targets]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in seen or top not in (*_OURS, *_SAFE):
            continue
        seen.add(name)
        module = _load(name)
        if module is not None and top in _OURS:
            waiting += _imports(module)
    for target in targets:
        name, _, attribute = target.partition(":")
        method: Any = getattr(sys.modules.get(name), attribute, None)
        if callable(getattr(method, "prepare", None)):
            try:
                method.prepare()
            except Exception:  # as above
                continue
    return sorted(name for name in seen if name in sys.modules)
