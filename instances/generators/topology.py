"""Nodes and links of generated CIFT instances: columns from the end nodes to the cloud."""

from __future__ import annotations

from splitopt.instances.cift.parts import Link, Node, SpeedInterval, Speeds, Tier
from splitopt.instances.generators.draws import Draws, round_digits
from splitopt.instances.generators.hardware import LinkClass, NodeClass, link_class, node_class
from splitopt.instances.generators.knobs import CiftKnobs

_CLASSES: dict[str, dict[str, tuple[str, ...]]] = {
    "data-sheet": {
        "end": ("single-board", "phone", "jetson"),
        "edge": ("jetson", "edge-gpu"),
        "cloud": ("datacentre-gpu",),
    },
    "fin": {"end": ("fin-end",), "edge": ("fin-edge",), "cloud": ("fin-cloud",)},
}


def columns(knobs: CiftKnobs) -> list[list[str]]:
    """Return the names of the nodes column by column."""
    between = [
        [f"edge{stage}-{k}" for k in range(1, knobs.width + 1)]
        for stage in range(1, knobs.stages - 1)
    ]
    return [
        [f"end-{k}" for k in range(1, knobs.sources + 1)],
        *between,
        [f"cloud-{k}" for k in range(1, knobs.clouds + 1)],
    ]


def _speeds(knobs: CiftKnobs, highest: float, slowest_share: float) -> Speeds:
    low = round_digits(highest * slowest_share, knobs.digits)
    if knobs.speeds == "continuous":
        return SpeedInterval(low, highest)
    if knobs.levels == 1:
        return (highest,)
    step = (highest - low) / (knobs.levels - 1)
    levels = {round_digits(low + step * k, knobs.digits) for k in range(knobs.levels - 1)}
    return tuple(sorted({level for level in levels if level < highest} | {highest}))


def _node(
    draws: Draws, knobs: CiftKnobs, name: str, tier: Tier, kind: NodeClass, samples: int
) -> Node:
    spread, digits = knobs.heterogeneity, knobs.digits
    speed = round_digits(draws.log_uniform(*kind.speed_flop_per_s, spread), digits)
    power = draws.log_uniform(*kind.power_w, spread)
    low, high = kind.dynamic_share
    dynamic = low + (high - low) * (0.5 + spread * (draws.unit() - 0.5))
    memory = draws.log_uniform(*kind.memory_bytes, spread)
    return Node(
        name,
        tier,
        _speeds(knobs, speed, kind.slowest_share),
        round_digits(dynamic * power / (speed * speed * speed), digits),
        round_digits((1.0 - dynamic) * power, digits),
        round_digits(memory, digits),
        samples,
    )


def draw_nodes(draws: Draws, knobs: CiftKnobs) -> list[Node]:
    """Return the nodes, the end nodes with their data sets.

    At heterogeneity 0 all nodes of a column have the same class.
    """
    table = _CLASSES[knobs.hardware]
    grid = columns(knobs)
    nodes = []
    for stage, names in enumerate(grid):
        tier: Tier = "end" if stage == 0 else "cloud" if stage == len(grid) - 1 else "edge"
        common = draws.choice(table[tier])
        for name in names:
            drawn = draws.choice(table[tier])
            kind = node_class(common if knobs.heterogeneity == 0 else drawn)
            low, high = knobs.samples
            samples = 0
            if stage == 0:
                samples = int(round_digits(draws.log_uniform(low, high), 2)) if low < high else low
            nodes.append(_node(draws, knobs, name, tier, kind, samples))
    return nodes


def _link(draws: Draws, knobs: CiftKnobs, tail: str, head: str, kind: LinkClass) -> Link:
    spread, digits = knobs.heterogeneity, knobs.digits
    rate = draws.log_uniform(*kind.rate_bit_per_s, spread)
    delay = draws.log_uniform(*kind.delay_s, spread)
    energy = draws.log_uniform(*kind.energy_j_per_bit, spread)
    return Link(
        tail,
        head,
        round_digits(rate * knobs.bandwidth, digits),
        round_digits(delay, digits),
        round_digits(energy * knobs.bit_energy, digits),
    )


def draw_links(draws: Draws, knobs: CiftKnobs) -> list[Link]:
    """Return the links: all to the next column, some over one column, some within a column."""
    grid = columns(knobs)
    last = len(grid) - 1
    links = []
    for stage, names in enumerate(grid):
        for position, tail in enumerate(names):
            if stage < last:
                kind = knobs.access if stage == 0 else "wide-area" if stage + 1 == last else "wired"
                for head in grid[stage + 1]:
                    links.append(_link(draws, knobs, tail, head, link_class(kind)))
            if stage + 2 <= last:
                # A skipped column leaves the access link, or the wide-area link, in the way.
                kind = knobs.access if stage == 0 else "wide-area" if stage + 2 == last else "wired"
                for head in grid[stage + 2]:
                    drawn = _link(draws, knobs, tail, head, link_class(kind))
                    if draws.chance(knobs.skip_links):
                        links.append(drawn)
            kind = knobs.access if stage == 0 else "wired"
            for head in names[position + 1 :]:
                drawn = _link(draws, knobs, tail, head, link_class(kind))
                if draws.chance(knobs.lateral_links):
                    links.append(drawn)
    return links
