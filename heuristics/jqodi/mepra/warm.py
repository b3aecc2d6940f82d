"""Load JQODI's compiled kernels for MEPRA."""

from __future__ import annotations

_KERNELS = ("kernels", "labels")


def warm_up() -> float:
    """Load the kernels, or compile them; return the seconds it took (0 when done before)."""
    from splitopt.instances.core.kernels import load

    return load(*(f"splitopt.heuristics.jqodi.mepra.{name}" for name in _KERNELS))
