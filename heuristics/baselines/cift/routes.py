"""Routes over relays that no other route dominates, for one load of bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from splitopt.heuristics.baselines.cift.chances import Times, plus
from splitopt.heuristics.baselines.cift.data import SLACK, Chain, Hop
from splitopt.instances.cift.model import CiftInstance


class Route(NamedTuple):
    """A way to a node: joules in all, seconds a request, seconds of fine-tuning, nodes passed.

    Then by what share its narrowest link is too slow for the throughput, and of a network in doubt
    its times in each draw (`splitopt.heuristics.baselines.cift.chances`).
    """

    energy_j: float
    latency_s: float
    time_s: float
    nodes: tuple[str, ...]
    narrow: float = 0.0
    times: Times = ()

    def further(self, hop: Hop, head: str) -> Route:
        """Return the way with one more hop."""
        return Route(
            self.energy_j + hop.energy_j,
            self.latency_s + hop.latency_s,
            self.time_s + hop.time_s,
            (*self.nodes, head),
            max(self.narrow, hop.narrow),
            plus(self.times, hop.times) if hop.times else self.times,
        )


class Network:
    """The links of an instance; `order` lists the nodes so that none leads back."""

    def __init__(self, instance: CiftInstance) -> None:
        self._instance = instance
        self.order = tuple(self._sorted())
        self._position = {name: k for k, name in enumerate(self.order)}

    def _sorted(self) -> list[str]:
        entering = {node.name: 0 for node in self._instance.nodes}
        for link in self._instance.links:
            entering[link.head] += 1
        order = [name for name, count in entering.items() if count == 0]
        for name in order:  # grows while it is read
            for link in self._instance.links_from[name]:
                entering[link.head] -= 1
                if entering[link.head] == 0:
                    order.append(link.head)
        return order

    def routes(
        self,
        chain: Chain,
        start: Route,
        bits: float,
        energy_limit_j: float = math.inf,
        *,
        strict: bool = True,
        stop: Callable[[], bool] = lambda: False,
    ) -> Mapping[str, list[Route]]:
        """Return for each node that `start` leads on to the routes none other dominates.

        A route is dominated when another takes no more energy and no more of each time that has
        a deadline, in each draw, and is no narrower. The start's own node is left out.

        Parameters
        ----------
        start
            Where the bits are, and what it took to bring them there.
        bits
            What each hop carries.
        energy_limit_j
            Routes that take as much are dropped.
        strict
            Drop routes that break a deadline on the way, or are too narrow.
        stop
            Asked between nodes; True ends the search with what there is.
        """
        instance = self._instance
        inference, tuning = instance.inference_deadline_s, instance.fine_tuning_deadline_s
        here = start.nodes[-1]
        found: dict[str, list[Route]] = {here: [start]}
        waiting = {here}
        while waiting and not stop():
            name = min(waiting, key=self._position.__getitem__)
            waiting.remove(name)
            for link in instance.links_from[name]:
                hop = chain.hop(link, bits)
                grown = []
                for route in found[name]:
                    longer = route.further(hop, link.head)
                    if longer.energy_j >= energy_limit_j:
                        continue
                    if strict and (
                        _late(longer.latency_s, inference)
                        or _late(longer.time_s, tuning)
                        or longer.narrow > 0
                    ):
                        continue
                    grown.append(longer)
                if grown:
                    found[link.head] = _undominated(
                        [*found.get(link.head, ()), *grown], inference is None, tuning is None
                    )
                    waiting.add(link.head)
        return {name: routes for name, routes in found.items() if name != here}


def _late(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit * (1 + SLACK)


def _undominated(routes: Iterable[Route], any_latency: bool, any_time: bool) -> list[Route]:
    kept: list[Route] = []
    for route in sorted(routes):
        if not any(
            (any_latency or other.latency_s <= route.latency_s)
            and (any_time or other.time_s <= route.time_s)
            and other.narrow <= route.narrow
            and (
                not route.times
                or all(a <= b for a, b in zip(other.times, route.times, strict=True))
            )
            for other in kept
        ):
            kept.append(route)
    return kept
