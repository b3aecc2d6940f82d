"""How the compiled kernels are compiled: one decorator, so that all are alike.

Numba keeps machine code beside each source file and renews it when *that* file changes. A kernel
that calls one of another file is not renewed when the other changes: delete ``__pycache__`` after
editing a kernel that others call.
"""

from __future__ import annotations

from typing import TypeVar

from numba import njit

__all__ = ["kernel"]

F = TypeVar("F")


def kernel(function: F) -> F:
    """Compile `function` with Numba: cached on disk, without the interpreter lock, IEEE floats."""
    compiled: F = njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled
