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

import numpy as np

from splitopt.heuristics.jqodi.cift.branching import fastest_mean
from splitopt.instances.cift.doubt import Doubt
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Floats


def _least(doubt: Doubt, slow: Floats) -> Floats:
    """Return what the slowness of each link or node counts at least, of shape (draws, columns)."""
    found: Floats
    if doubt.epochs:
        found = slow.min(axis=0)
    else:
        weights = np.array([float(draw.weight) for draw in doubt.draws])
        shares = set(map(float, doubt.confidences()))
        found = np.min([fastest_mean(slow, weights, share) for share in shares], axis=0)
    # Outward: the twin's times stay below.
    return found * (1.0 - 1e-15)


def twin(instance: CiftInstance) -> CiftInstance:
    """Return an instance without doubt of the network whose plans are no slower."""
    doubt = instance.doubt
    assert doubt is not None
    wires = np.array(
        [[float(1 / d.rate(k.tail, k.head)) for k in instance.links] for d in doubt.draws]
    )
    hosts = np.array([[float(1 / d.speed(n.name)) for n in instance.nodes] for d in doubt.draws])
    links = tuple(
        replace(link, rate_bit_per_s=link.rate_bit_per_s / slowness)
        for link, slowness in zip(instance.links, _least(doubt, wires).tolist(), strict=True)
    )
    room = 1.0 / min(1.0, float(_least(doubt, hosts).min()))

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
