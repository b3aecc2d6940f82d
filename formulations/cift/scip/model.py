"""The nonlinear model of CIFT (see `method`): its variables, by what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from splitopt.formulations.cift.chances import Chance
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
)
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.profiles import Profile

TOLERANCE = 1e-9
# Rows of deadlines and memory are so much wider, relatively: SCIP may cut off what lies within
# its tolerance of a limit. What then passes wrongly is rejected by the judge.
WIDER = 10 * TOLERANCE
PHASES = ("serve", "tune")

Variable = Any


class Host(NamedTuple):
    """Seconds that a variable's unit is on a node."""

    variable: Variable
    node: int
    seconds: float


class Hop(NamedTuple):
    """Seconds that a variable's unit is on a link, those of its rate and those of its delay."""

    variable: Variable
    link: Link
    wire: float
    delay: float


@dataclass
class Crossing:
    """Variables of the path: u by ends of the link, e by node."""

    u: dict[tuple[int, int], Any] = field(default_factory=dict)
    e: dict[int, Any] = field(default_factory=dict)


@dataclass
class Model:
    """SCIP's model with its variables; k numbers `kept` configurations.

    Attributes
    ----------
    instance
        With a certain network, whose busy powers are the expected ones.
    chances
        The deadlines over what is in doubt of the network; None where nothing is.
    work
        FLOP a sample of each block on each node, by k, node and block.
    hosts, hops
        What takes time, by phase; of fine-tuning, all the passes that energy counts.
    late
        By phase and atom.
    """

    scip: Any
    instance: CiftInstance
    chances: tuple[Chance, Chance] | None
    kept: list[Configuration]
    scale: float
    work: list[list[list[float]]] = field(default_factory=list)
    y: list[Variable] = field(default_factory=list)
    x: dict[tuple[int, int, int], Variable] = field(default_factory=dict)
    h: dict[tuple[int, int, int, int], Variable] = field(default_factory=dict)
    crossing: dict[int, Crossing] = field(default_factory=dict)
    z: dict[tuple[str, int, float], Variable] = field(default_factory=dict)
    energy: list[tuple[Variable, float]] = field(default_factory=list)
    hosts: dict[str, list[Host]] = field(default_factory=lambda: {p: [] for p in PHASES})
    hops: dict[str, list[Hop]] = field(default_factory=lambda: {p: [] for p in PHASES})
    late: dict[tuple[str, int], Variable] = field(default_factory=dict)

    def binary(self) -> Variable:
        """Add a 0-1 variable."""
        return self.scip.addVar(vtype="B")

    def profile(self, k: int) -> Profile:
        """Return the network of a configuration."""
        return self.instance.models[self.instance.model_index[self.kept[k].model]]

    def level(self, k: int) -> Compression:
        """Return the compression of a configuration."""
        return self.instance.compressions[self.instance.compression_index[self.kept[k].compression]]

    def passes(self, k: int) -> float:
        """Return the sample passes that energy counts."""
        return float(self.instance.expected_passes(self.kept[k]))

    @property
    def period(self) -> float | None:
        """How long a host or a link may be busy for a request; None without a throughput."""
        rate = self.instance.throughput_per_s
        return None if rate is None else (1 + TOLERANCES.deadline) / rate

    def wire(self, link: Link, bits: float) -> float:
        """Return how long bits keep a link busy."""
        return bits / link.rate_bit_per_s

    def crosses(self, variable: Variable, k: int, link: Link, bits: float, delays: float) -> None:
        """Say what a variable sends over a link: bits, and how many delays."""
        training, passes = self.instance.training, self.passes(k)
        sent = training.communication_factor * passes
        wire, delay = self.wire(link, bits), delays * link.delay_s
        self.energy.append(
            (variable, (self.instance.requests + sent) * bits * link.energy_j_per_bit)
        )
        self.hops["serve"].append(Hop(variable, link, wire, delay))
        self.hops["tune"].append(
            Hop(variable, link, sent * wire, sent * delay / training.batch_size)
        )


def total(variables: Any) -> Any:
    """Return the sum of those that are there, as an expression also when none is."""
    from pyscipopt import Expr, quicksum

    return Expr() + quicksum(v for v in variables if v is not None)


def kept(instance: CiftInstance) -> list[Configuration]:
    """Return the configurations; of those alike but for q, one of least S_g."""
    best: dict[tuple[object, ...], Configuration] = {}
    for g in instance.configurations:
        key = instance.rival(g)
        if key not in best or instance.expected_passes(g) < instance.expected_passes(best[key]):
            best[key] = g
    return list(best.values())
