"""The instances of the sources: their printed figures, and what we had to assume around them."""

from __future__ import annotations

from splitopt.instances.sources.names import (
    BANDWIDTHS_MBPS,
    TABLES,
    VARIANTS,
    describe,
    is_source_name,
    load,
    names,
)

__all__ = [
    "BANDWIDTHS_MBPS",
    "TABLES",
    "VARIANTS",
    "describe",
    "is_source_name",
    "load",
    "names",
]
