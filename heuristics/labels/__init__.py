"""Resource-constrained shortest paths by labels."""

from heuristics.labels.api import constrained_shortest_path, warm_up
from heuristics.labels.result import (
    Front,
    Guarantee,
    LabelLog,
    PathResult,
    Statistics,
    Termination,
)

__all__ = [
    "Front",
    "Guarantee",
    "LabelLog",
    "PathResult",
    "Statistics",
    "Termination",
    "constrained_shortest_path",
    "warm_up",
]
