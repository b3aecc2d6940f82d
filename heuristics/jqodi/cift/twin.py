"""A network in doubt as one that is no slower in any way it can turn out, for bounds.

Scenarios: a link's wire time is ``s`` times the nominal one, with ``s = 1 / factor`` in each
scenario. The mean of the fastest p of the weight of s bounds what the deadline counts from below,
added up along a path (``docs/uncertainty.md``); where K is in doubt too, the least s does. Spreads:
the mean. Nodes have one speed for both phases and no factor of their own: instead deadlines are
divided by the least factor of any node.

Energies are those of the instance itself: expected ones, with the busy power of the expected time.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from splitopt.instances.cift.doubt import Doubt
from splitopt.instances.cift.model import CiftInstance, Link

__all__ = ["fastest_share", "twin"]


def fastest_share(slowness: list[tuple[Fraction, Fraction]], share: Fraction) -> Fraction:
    """Return the mean of the least `share` of the weight of (value, weight)."""
    left, total = share, Fraction(0)
    for value, weight in sorted(slowness):
        part = min(weight, left)
        total += value * part
        left -= part
    return total / share


def _least(doubt: Doubt, slowness: list[tuple[Fraction, Fraction]]) -> Fraction:
    if doubt.epochs:
        return min(value for value, _ in slowness)
    return min(fastest_share(slowness, share) for share in doubt.confidences())


def twin(instance: CiftInstance) -> CiftInstance:
    """Return an instance without doubt of the network whose plans are no slower."""
    doubt = instance.doubt
    assert doubt is not None

    def slower(least: Fraction) -> float:
        # Outward: the twin's times stay below.
        return float(least) * (1.0 - 1e-15)

    def wire(link: Link) -> float:
        draws = [(1 / d.rate(link.tail, link.head), d.weight) for d in doubt.draws]
        return link.rate_bit_per_s / slower(_least(doubt, draws))

    links = tuple(replace(link, rate_bit_per_s=wire(link)) for link in instance.links)
    least = min(
        _least(doubt, [(1 / d.speed(node.name), d.weight) for d in doubt.draws])
        for node in instance.nodes
    )
    room = 1.0 / min(1.0, slower(least))

    def longer(deadline: float | None) -> float | None:
        return None if deadline is None else deadline * room

    epochs = None
    if doubt.epochs:
        epochs = Doubt(doubt.epochs, fine_tuning_confidence=doubt.fine_tuning_confidence)
    return instance.replace(
        nodes=tuple(
            replace(node, busy_power_w=float(node.busy_power_w * doubt.busy(node.name)))
            for node in instance.nodes
        ),
        links=links,
        inference_deadline_s=longer(instance.inference_deadline_s),
        fine_tuning_deadline_s=longer(instance.fine_tuning_deadline_s),
        doubt=epochs,
    )
