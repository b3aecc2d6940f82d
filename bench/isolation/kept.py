"""Processes that a zygote starts and keeps from run to run: they are no part of any run."""

from __future__ import annotations

# Their numbers, in the process of the zygote.
KEPT: set[int] = set()
