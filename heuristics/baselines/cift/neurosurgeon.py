"""``neurosurgeon``, ``neurosurgeon-latency`` for CIFT: one cut behind the source, no deadlines.

Neurosurgeon (Kang et al., ASPLOS 2017) cuts a network once, between the mobile device and a server,
where latency or energy is least. Here the device is the source node, the server any node that its
links lead to, over relays where needed; configuration, cut and server are those of least inference
latency at top speeds, or of least energy (serving and fine-tuning) at the cheapest speeds, among
those that memory allows. With the placement chosen, speeds are set as well as can be: the cheapest
that keep both deadlines, or the fastest where none do. What it cannot represent: deadlines and a
throughput when it cuts, more than one cut, a cut between two servers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from splitopt.heuristics.baselines.cift.data import Chain, ranked_chains
from splitopt.heuristics.baselines.cift.routes import Network, Route
from splitopt.heuristics.baselines.cift.search import (
    Placement,
    Segment,
    conclude_placement,
    settle,
    top_latency,
)
from splitopt.instances.cift.model import BEYOND, CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    Result,
    Termination,
)
from splitopt.instances.contract.outcome import nothing_found

# A deadline that nothing misses: routes are then kept apart by latency too.
_NEVER_S = 1e50


class Neurosurgeon(Framed[CiftInstance, CiftPlan]):
    """The best single cut after the source, for latency or for energy.

    Parameters
    ----------
    name
        Name of the method.
    objective
        What its cut minimises when nothing else is asked for.
    """

    takes = BEYOND
    doubt = frozenset({"epochs"})

    def __init__(self, name: str, objective: Literal["latency", "energy"]) -> None:
        self.name = name
        self.options = (
            Option("objective", objective, "what the cut minimises", choices=("latency", "energy")),
        )

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the plan with Neurosurgeon's cut; it may break a deadline."""
        fast = run.options["objective"] == "latency"
        blind = instance.replace(
            inference_deadline_s=_NEVER_S if fast else None,
            fine_tuning_deadline_s=None,
            throughput_per_s=None,
        )
        network = Network(blind)
        best: tuple[float, float] = (math.inf, math.inf)
        chosen: Placement | None = None
        tried = 0
        for _, chain in ranked_chains(blind):
            for placement in _cuts(blind, network, chain):
                if run.stopped:
                    break
                tried += 1
                settled = settle(blind, placement)
                if settled is None:  # a segment does not fit
                    continue
                key = (settled.energy_j, 0.0)
                if fast:
                    key = (top_latency(blind, placement), settled.energy_j)
                if chosen is None or key < best:
                    best, chosen = key, placement
        ended = Termination.TIME if run.stopped else Termination.SOLVED
        if chosen is None:
            return nothing_found(run.recorder, termination=ended)
        return conclude_placement(
            instance, chosen, run.recorder, run.budget, ended, {"placements": tried}
        )


def _cuts(instance: CiftInstance, network: Network, chain: Chain) -> Iterator[Placement]:
    """Yield every placement with blocks 1..s on the source and the rest on one other node."""
    start = Route(0.0, 0.0, 0.0, (chain.configuration.source,))
    length = chain.length
    yield Placement(chain, start, (Segment(0, 0, length),))
    for cut in range(length):
        for routes in network.routes(chain, start, chain.bits[cut]).values():
            for route in routes:
                server = Segment(len(route.nodes) - 1, cut, length)
                segments = (Segment(0, 0, cut), server) if cut else (server,)
                yield Placement(chain, route, segments)


METHOD = Neurosurgeon("neurosurgeon", "energy")
LATENCY = Neurosurgeon("neurosurgeon-latency", "latency")
