"""What a CIFT instance is made of: nodes, links, compression levels, training, configurations."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.parts import Plain, keep_names, keep_numbers, within

TIERS = ("end", "edge", "cloud")
Tier = Literal["end", "edge", "cloud"]


@dataclass(frozen=True, slots=True)
class SpeedInterval:
    """Speeds low <= f <= high in FLOP/s, low > 0."""

    low: float
    high: float

    def __post_init__(self) -> None:
        low = fields.number("min", self.low, above=0)
        high = fields.number("max", self.high, above=0)
        if low > high:
            raise InputError("max", high, f"a number >= min = {low:g}", "swap min and max")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    def admits(self, speed: float) -> bool:
        """Return whether a host may run at `speed`."""
        return self.low <= speed <= self.high


# A finite list of levels, ascending, or an interval.
Speeds = tuple[float, ...] | SpeedInterval
# By model and block.
Factors = tuple[tuple[str, tuple[tuple[str, float], ...]], ...]


def read_factors(document: object) -> Factors:
    """Return the factors in a JSON object: those of 1 say nothing."""
    if not isinstance(document, dict):
        raise InputError("factors", document, "an object", "write {model: {block: factor}}")
    for model, blocks in document.items():
        if not isinstance(blocks, dict):
            raise InputError(f"factors.{model}", blocks, "an object", "write {block: factor}")
    return tuple((model, tuple(blocks.items())) for model, blocks in document.items())


def _checked(factors: Factors) -> Factors:
    """Return the factors that are not 1, each checked, by name."""
    kept = []
    for model, blocks in factors:
        fields.name("factors", model)
        figures = [
            (
                fields.name(f"factors.{model}", block),
                fields.number(f"factors.{model}.{block}", value, minimum=0),
            )
            for block, value in blocks
        ]
        names = [name for name, _ in figures]
        if len(set(names)) < len(names):
            raise InputError(f"factors.{model}", names, "each block once", "drop the repeated one")
        kept.append((model, tuple(sorted(pair for pair in figures if pair[1] != 1.0))))
    return tuple(sorted((model, blocks) for model, blocks in kept if blocks))


@dataclass(frozen=True, slots=True)
class Node:
    """One node n.

    Attributes
    ----------
    tier
        ``end``, ``edge`` or ``cloud``.
    speeds_flop_per_s
        Admissible speeds: ascending levels, or an interval.
    kappa_j_s2_per_flop3
        w FLOP at speed f take ``kappa * w * f**2`` J.
    busy_power_w
        rho; adds ``rho * w / f`` J.
    memory_bytes
        M_n.
    samples
        D_n, the local data set of an end node.
    factors
        Of some blocks of some models: the seconds measured on this node over ``w / f``. As
        ``((model, ((block, factor), ...)), ...)``; 1 where absent.
    """

    name: str
    tier: Tier
    speeds_flop_per_s: Speeds
    kappa_j_s2_per_flop3: float
    busy_power_w: float
    memory_bytes: float
    samples: int = 0
    factors: Factors = ()

    def __post_init__(self) -> None:
        fields.name("name", self.name)
        fields.one_of("tier", self.tier, TIERS)
        keep_numbers(self, "kappa_j_s2_per_flop3", "busy_power_w", "memory_bytes", minimum=0)
        object.__setattr__(self, "samples", fields.integer("samples", self.samples, minimum=0))
        object.__setattr__(self, "factors", _checked(self.factors))
        if isinstance(self.speeds_flop_per_s, SpeedInterval):
            return
        levels = tuple(
            fields.number(f"speeds_flop_per_s[{i}]", value, above=0)
            for i, value in enumerate(
                fields.sequence("speeds_flop_per_s", self.speeds_flop_per_s, minimum=1)
            )
        )
        for index, (slow, fast) in enumerate(itertools.pairwise(levels)):
            if slow >= fast:
                raise InputError(
                    f"speeds_flop_per_s[{index + 1}]",
                    fast,
                    f"levels in ascending order, so above {slow:g}",
                    "sort the levels and drop doubles",
                )
        object.__setattr__(self, "speeds_flop_per_s", levels)

    def admits(self, speed: float) -> bool:
        """Return whether a host may run at `speed`."""
        if isinstance(self.speeds_flop_per_s, SpeedInterval):
            return self.speeds_flop_per_s.admits(speed)
        return speed in self.speeds_flop_per_s

    @staticmethod
    def from_document(document: object) -> Node:
        """Return the node in a JSON object."""
        found = dict(
            fields.mapping(
                "",
                document,
                (
                    "name",
                    "tier",
                    "speeds_flop_per_s",
                    "kappa_j_s2_per_flop3",
                    "busy_power_w",
                    "memory_bytes",
                ),
                ("samples", "factors"),
            )
        )
        if "factors" in found:
            found["factors"] = read_factors(found["factors"])
        speeds = found["speeds_flop_per_s"]
        if isinstance(speeds, dict):
            ends = fields.mapping("speeds_flop_per_s", speeds, ("min", "max"))
            with within("speeds_flop_per_s"):
                found["speeds_flop_per_s"] = SpeedInterval(ends["min"], ends["max"])  # type: ignore[arg-type]
        return Node(**found)  # type: ignore[arg-type]

    def to_document(self) -> dict[str, object]:
        """Return the node as a JSON object."""
        speeds = self.speeds_flop_per_s
        factors = {model: dict(blocks) for model, blocks in self.factors}
        return {
            "name": self.name,
            "tier": self.tier,
            "speeds_flop_per_s": {"min": speeds.low, "max": speeds.high}
            if isinstance(speeds, SpeedInterval)
            else list(speeds),
            "kappa_j_s2_per_flop3": self.kappa_j_s2_per_flop3,
            "busy_power_w": self.busy_power_w,
            "memory_bytes": self.memory_bytes,
            "samples": self.samples,
        } | ({"factors": factors} if factors else {})


@dataclass(frozen=True, slots=True)
class Link(Plain):
    """A directed link; gradients go back over it at the same figures.

    Attributes
    ----------
    tail, head
        Names of the nodes it leads from and to.
    rate_bit_per_s, delay_s, energy_j_per_bit
        B, d and e (both ends together).
    """

    tail: str
    head: str
    rate_bit_per_s: float
    delay_s: float
    energy_j_per_bit: float

    def __post_init__(self) -> None:
        keep_names(self, "tail", "head")
        keep_numbers(self, "rate_bit_per_s", above=0)
        keep_numbers(self, "delay_s", "energy_j_per_bit", minimum=0)


@dataclass(frozen=True, slots=True)
class Compression(Plain):
    """A compression level: what it leaves of FLOPs, parameters and activations (0 < x <= 1)."""

    name: str
    flops_factor: float
    param_factor: float
    activation_factor: float

    def __post_init__(self) -> None:
        fields.name("name", self.name)
        keep_numbers(self, "flops_factor", "param_factor", "activation_factor", above=0, maximum=1)


@dataclass(frozen=True, slots=True)
class Training(Plain):
    """Factors by which training costs more than a forward pass.

    Attributes
    ----------
    compute_factor
        Forward and backward FLOPs over forward FLOPs.
    communication_factor
        Activations there and gradients back, at b = 0 too.
    batch_size
        Samples that share one link delay.
    memory_factor
        Parameter memory in training over parameter memory in serving.
    """

    compute_factor: float = 3.0
    communication_factor: float = 2.0
    batch_size: int = 32
    memory_factor: float = 3.0

    def __post_init__(self) -> None:
        keep_numbers(self, "compute_factor", "communication_factor", "memory_factor", above=0)
        batch_size = fields.integer("batch_size", self.batch_size, minimum=1)
        object.__setattr__(self, "batch_size", batch_size)


@dataclass(frozen=True, slots=True)
class Configuration(Plain):
    """A configuration g = (m, c, u, q) with its number of epochs K_g.

    Attributes
    ----------
    model, compression, source
        Names of the profile, the compression level and the end node that holds the data.
    fraction
        q, the share of the local data used, 0 < q <= 1.
    epochs
        K_g >= 0, as it follows from the learning curve.
    """

    model: str
    compression: str
    source: str
    fraction: float
    epochs: int

    def __post_init__(self) -> None:
        keep_names(self, "model", "compression", "source")
        keep_numbers(self, "fraction", above=0, maximum=1)
        object.__setattr__(self, "epochs", fields.integer("epochs", self.epochs, minimum=0))

    @property
    def key(self) -> tuple[str, str, str, float]:
        """(m, c, u, q)."""
        return self.model, self.compression, self.source, self.fraction
