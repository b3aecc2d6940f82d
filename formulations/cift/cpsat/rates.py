"""What a throughput asks of the CP-SAT model: no host and no link is busy for too long.

At R' requests a second, of configuration g::

    sum_b w_gbn serve_gbnf <= f / R'      each node n and level f
    sum_t a_gt hop_gtl     <= B_l / R'    each link, of a graph; of a chain such hops are left out

with the judge's tolerance, in integers with the same feasible sums (`figures.packing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from splitopt.formulations.cift.cpsat.figures import Offer, packing
from splitopt.formulations.cift.cpsat.model import IntegerModel, Literal
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES

if TYPE_CHECKING:
    from fractions import Fraction


def limit_rates(model: IntegerModel, k: int, offer: Offer, instance: CiftInstance) -> None:
    """State that hosts and links of an offer keep up, if the instance asks for a throughput."""
    if instance.throughput_per_s is None:
        return
    # Figures as given: a decimal in other units is another one.
    flop, bit, second = instance.in_units
    period = (1 + rational(TOLERANCES.deadline)) / rational(instance.throughput_per_s / second)
    g = instance.configurations[offer.index]
    network = instance.models[instance.model_index[g.model]]
    level = instance.compressions[instance.compression_index[g.compression]]
    works = [rational(b.flops * flop) * rational(level.flops_factor) for b in network.blocks]
    for n in offer.nodes:
        weights = instance.factors(instance.nodes[n], network)
        work = works
        if weights is not None:
            work = [w * rational(factor) for w, factor in zip(works, weights, strict=True)]
        for run in offer.serve[0, n]:
            literals = [model.serve.get((k, b, n, run.level)) for b in range(offer.blocks)]
            _limit(model, literals, work, rational(run.level * (flop / second)) * period)
    if offer.graph is None:
        return
    factor = rational(level.activation_factor)
    bits = [
        rational(t.bits * bit) * (1 if t.producer is None else factor) for t in offer.graph.tensors
    ]
    for link in instance.links:
        ends = instance.node_index[link.tail], instance.node_index[link.head]
        literals = [model.hop.get((k, t, *ends)) for t in range(len(bits))]
        _limit(model, literals, bits, rational(link.rate_bit_per_s * (bit / second)) * period)


def _limit(
    model: IntegerModel, literals: list[Literal | None], sizes: list[Fraction], room: Fraction
) -> None:
    there = [(x, size) for x, size in zip(literals, sizes, strict=True) if x is not None]
    if sum(size for _, size in there) <= room:
        return
    whole, most = packing([size for _, size in there], room)
    model.cp.add(sum(size * x for (x, _), size in zip(there, whole, strict=True)) <= most)
