"""Load JQODI's compiled kernels for CIFT."""

from __future__ import annotations

_KERNELS = ("dual", "graph", "placements")


def warm_up() -> float:
    """Load the kernels, or compile them; return the seconds it took (0 when done before)."""
    from splitopt.heuristics.labels.api import KERNELS
    from splitopt.instances.core.kernels import load

    return load(*(f"splitopt.heuristics.jqodi.cift.{name}" for name in _KERNELS), *KERNELS)
