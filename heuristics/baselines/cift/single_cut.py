"""``single-cut`` for CIFT: at most two hosts, the best of all such plans.

What Neurosurgeon (Kang et al., ASPLOS 2017) would do with full knowledge of this problem: one cut,
anywhere, between any two nodes, with the best configuration, routes and speeds; both deadlines are
seen. Optimal among plans with at most two hosts; what it cannot represent is a second cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from splitopt.heuristics.baselines.cift.data import Chain
from splitopt.heuristics.baselines.cift.routes import Network, Route
from splitopt.heuristics.baselines.cift.search import Placement, Segment, exhaust
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND, CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Result,
)


def single_cuts(
    instance: CiftInstance,
    network: Network,
    chain: Chain,
    energy_limit_j: Callable[[], float],
    stop: Callable[[], bool],
    *,
    strict: bool,
) -> Iterator[Placement]:
    """Yield every placement with one or two hosts over routes none other dominates."""
    source = chain.configuration.source
    start = Route(0.0, 0.0, 0.0, (source,))
    ways = {source: [start]} | dict(
        network.routes(chain, start, chain.bits[0], energy_limit_j(), strict=strict, stop=stop)
    )
    passes = chain.requests + chain.compute_passes
    least = {node.name: passes * chain.least_flop_j(node) for node in instance.nodes}
    floor = min(least.values())
    length = chain.length
    for name, routes in ways.items():
        if stop():
            return
        node = instance.nodes[instance.node_index[name]]
        for route in routes:
            at = len(route.nodes) - 1
            yield Placement(chain, route, (Segment(at, 0, length),))
            if not instance.links_from[name]:
                continue
            for cut in range(1, length):
                if strict and chain.memory_excess(node, 0, cut) > 0:
                    if chain.model.is_graph:
                        continue  # a later cut may hold less
                    break
                hosting = least[name] * chain.work(0, cut)
                rest = chain.work(cut, length)
                room = energy_limit_j() - hosting - floor * rest
                if room <= route.energy_j:
                    continue
                onward = network.routes(
                    chain, route, chain.bits[cut], room, strict=strict, stop=stop
                )
                for other, longer in onward.items():
                    far = instance.nodes[instance.node_index[other]]
                    if strict and chain.memory_excess(far, cut, length) > 0:
                        continue
                    for whole in longer:
                        if whole.energy_j + hosting + least[other] * rest >= energy_limit_j():
                            continue
                        end = Segment(len(whole.nodes) - 1, cut, length)
                        yield Placement(chain, whole, (Segment(at, 0, cut), end))


class SingleCut(Framed[CiftInstance, CiftPlan]):
    """The best plan with at most one cut."""

    name = "single-cut"
    takes = BEYOND
    doubt = KINDS

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the cheapest plan with at most two hosts, or the least violating one."""
        return exhaust(instance, single_cuts, run.budget, run.recorder)


METHOD = SingleCut()
