"""Everything on one node: ``device-only``, ``edge-only`` and ``cloud-only`` for CIFT.

The raw input goes from the source to one node of the tier, over relays where there is no direct
link; that node hosts all blocks. Configuration, node, route and both speeds are the cheapest that
keep the deadlines, by going through all of them. For ``device-only`` the node may be the source
itself, which ships nothing. What it cannot represent: any cut.
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
    Support,
)


class OneTier(Framed[CiftInstance, CiftPlan]):
    """All blocks on one node of a tier."""

    takes = BEYOND
    doubt = KINDS

    def __init__(self, name: str, tier: str) -> None:
        self.name = name
        self.tier = tier

    def supports(self, instance: CiftInstance) -> Support:
        """Take every instance that has a node of the tier."""
        if any(node.tier == self.tier for node in instance.nodes):
            return super().supports(instance)
        return Support(f"the instance has no node of tier {self.tier}")

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the cheapest plan of this kind, or the least violating one."""
        return exhaust(instance, self._placements, run.budget, run.recorder)

    def _placements(
        self,
        instance: CiftInstance,
        network: Network,
        chain: Chain,
        energy_limit_j: Callable[[], float],
        stop: Callable[[], bool],
        *,
        strict: bool,
    ) -> Iterator[Placement]:
        source = chain.configuration.source
        start = Route(0.0, 0.0, 0.0, (source,))
        ways = {source: [start]} | dict(
            network.routes(chain, start, chain.bits[0], energy_limit_j(), strict=strict, stop=stop)
        )
        for name, routes in ways.items():
            if instance.nodes[instance.node_index[name]].tier != self.tier:
                continue
            for route in routes:
                segment = Segment(len(route.nodes) - 1, 0, chain.length)
                yield Placement(chain, route, (segment,))


DEVICE_ONLY = OneTier("device-only", "end")
EDGE_ONLY = OneTier("edge-only", "edge")
CLOUD_ONLY = OneTier("cloud-only", "cloud")
