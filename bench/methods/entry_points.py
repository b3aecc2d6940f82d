"""Methods that installed packages offer, beside those of the registry."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

from splitopt.bench.methods.registry import METHODS, Entry

__all__ = ["GROUP", "all_entries", "installed"]

GROUP = "splitopt.methods"


def installed() -> list[str]:
    """Return the ``module:object`` of every method that an installed package offers."""
    return sorted({entry.value for entry in importlib.metadata.entry_points(group=GROUP)})


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
    from splitopt.bench.methods.plugins import Catalogue

    zygote = Zygote()
    try:
        catalogue = Catalogue.build(plugins, zygote)
    finally:
        zygote.close()
    return catalogue.entries, catalogue.broken
