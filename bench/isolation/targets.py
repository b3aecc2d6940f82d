"""Methods and functions by the names they go by between processes: ``module:object``."""

from __future__ import annotations

import importlib
from typing import Any

from splitopt.instances.core.errors import InputError

# Its methods, in which a solver reads a file, are too many to stand in it: as the object comes
# their name, such as ``flow@highs==1.16.0``.
BY_FILE = "splitopt.bench.methods.byfile.method"


def load_target(target: str) -> Any:
    """Return the object at ``module:object``.

    Raises
    ------
    InputError
        When there is no such module or object.
    """
    module, _, attribute = target.partition(":")
    if module == BY_FILE:
        # Its methods are too many to stand in the module: they are made of their names.
        made: Any = importlib.import_module(module).method(attribute)
        return made
    remedy = "check the spelling, and that the module can be imported from here"
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(error.name + ".")):
            raise InputError("method", target, "module:object", remedy) from None
        raise
    for part in attribute.split("."):
        if not part or not hasattr(found, part):
            raise InputError("method", target, "module:object", remedy)
        found = getattr(found, part)
    return found


def pick(target: str, name: str | None) -> Any:
    """Return the method at `target`; where that is a list, the one called `name`."""
    found = load_target(target)
    if isinstance(found, list | tuple):
        for entry in found:
            if entry.name == name:
                return entry
        raise InputError("method", name, f"methods in {target}", "check its name")
    return found
