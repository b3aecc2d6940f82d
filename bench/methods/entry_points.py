"""Methods that installed packages offer, beside those of the registry."""

from __future__ import annotations

import importlib.metadata

GROUP = "splitopt.methods"


def installed() -> list[str]:
    """Return the ``module:object`` of every method that an installed package offers."""
    return sorted({entry.value for entry in importlib.metadata.entry_points(group=GROUP)})
