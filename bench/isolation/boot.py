"""How processes of ours start: nothing of the current folder comes in unless it was asked for."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

# Editable installs are found last of all: a splitopt.py of the current folder would come before.
_BOOT = """
import importlib, json, sys
ours, last = json.loads(sys.argv.pop(1))
sys.path[:] = ours
try:
    import splitopt
except ImportError:
    pass
sys.path += last
importlib.import_module(sys.argv.pop(1)).main()
"""


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls ``main()`` of a module of ours in a process of its own.

    There `sys.argv` holds the arguments alone, and `sys.path` is `module_path`.
    """
    path = module_path()
    last = [path.pop()] if path and _is_here(path[-1]) else []
    # -P: nothing of the current folder is imported before the path is set.
    return [sys.executable, "-P", "-c", _BOOT, json.dumps([path, last]), module, *arguments]


def module_path() -> list[str]:
    """Return where runs look for modules: where this process does, the current folder last.

    It is there where a plugin was asked for, or where Python was started so as to look there. A
    file called json.py in it takes nobody's place; one named in PYTHONPATH stays where it is.
    """
    # '' is the current folder; what import hooks put there need not be a path.
    entries = [
        os.path.abspath(entry) if entry == "" or Path(entry).exists() else entry  # noqa: PTH100
        for entry in sys.path
    ]
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if any(_is_here(entry) for entry in named if entry):
        return entries
    return sorted(entries, key=_is_here)


def _is_here(entry: str) -> bool:
    return Path(entry).resolve() == Path.cwd()
