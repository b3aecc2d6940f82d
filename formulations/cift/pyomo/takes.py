"""What each Pyomo formulation of CIFT takes beyond chains without doubt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND, FACTORS, THROUGHPUT


class Takes(NamedTuple):
    """What a formulation takes: in the words of ``instance.beyond``, kinds of doubt, intervals."""

    beyond: frozenset[str]
    doubt: frozenset[str]
    continuous: bool
    remedy: str = ""


_GDP = Takes(
    frozenset((FACTORS, THROUGHPUT)),
    frozenset(("epochs",)),
    True,
    "use flow or assignment (listed speeds), or solve it with highs-oa",
)
TAKES: Mapping[str, Takes] = {
    "flow": Takes(BEYOND, KINDS, False),
    "assignment": Takes(BEYOND, frozenset(("epochs",)), False),
    "gdp-bigm": _GDP,
    "gdp-hull": _GDP,
}
