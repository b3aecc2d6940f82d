"""``min-cut`` for CIFT: the cheapest cut between the source and one server, by a maximum flow.

What the literature does with networks that are graphs (Hu et al., Dynamic adaptive DNN surgery,
INFOCOM 2019): blocks on the source cost one price a FLOP, blocks on the server another, and each
tensor that crosses its bits, once. A block on the source asks for all that it needs there. The
cheapest such cut is a minimum cut, so it is found without going through the downsets.

Here it runs at prices of energy and of a request's latency, over a scale of prices of time, to each
node that the source reaches, on the way that is cheapest for the raw input; with each cut found,
speeds are set as well as can be, and the cheapest plan within the deadlines is kept. What it cannot
represent: more than two hosts, the memory of either when it cuts, speeds chosen with the cut, a
plan that is no minimum at any price of time.

Capacities are integers: SciPy's maximum flow takes no others. They are scaled so that all sum to
2^30, each rounded to the nearest: the cut is the cheapest up to a relative 1e-9 times their number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from splitopt.heuristics.baselines.cift.chances import charged
from splitopt.heuristics.baselines.cift.data import Chain, cheapest_flop_j, ranked_chains
from splitopt.heuristics.baselines.cift.routes import Network, Route
from splitopt.heuristics.baselines.cift.search import (
    Placement,
    Segment,
    conclude_placement,
    settle,
)
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND, CiftInstance, Node, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import Result, Termination
from splitopt.instances.contract.outcome import nothing_found
from splitopt.instances.networks.downsets import downsets_of
from splitopt.instances.networks.profiles import Profile

# Of a plan's energy, what the inference deadline's length costs.
_PRICES = (0.0, *(4.0**k for k in range(-4, 5)), math.inf)
_SUM = 2**30


def _top(node: Node) -> float:
    speeds = node.speeds_flop_per_s
    return speeds.high if isinstance(speeds, SpeedInterval) else speeds[-1]


def smallest_cut(model: Profile, near: list[float], far: list[float], sent: list[float]) -> int:
    """Return the downset whose cut is cheapest.

    Parameters
    ----------
    near, far
        Price of each block on the source and on the server.
    sent
        Price of each tensor that crosses.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    blocks = len(model.blocks)
    source, sink = 0, 1
    tail, head, price = [], [], []

    def arc(a: int, b: int, cost: float) -> None:
        tail.append(a)
        head.append(b)
        price.append(cost)

    for b in range(blocks):
        arc(2 + b, sink, near[b])
        arc(source, 2 + b, far[b])
    for t, tensor in enumerate(model.tensors):
        here = source if tensor.producer is None else 2 + tensor.producer
        arc(here, 2 + blocks + t, sent[t])
        for b in tensor.consumers:
            arc(2 + blocks + t, 2 + b, math.inf)
            if tensor.producer is not None:
                arc(2 + b, here, math.inf)
    prices = np.array(price)
    finite = np.isfinite(prices)
    total = float(prices[finite].sum())
    # What is never cut takes more than all else together.
    scale = _SUM / total if total > 0 else 0.0
    whole = np.where(finite, np.rint(np.where(finite, prices, 0.0) * scale), 1.5 * _SUM)
    size = 2 + blocks + len(model.tensors)
    capacity = csr_array((whole.astype(np.int32), (tail, head)), shape=(size, size))
    # In 64 bits: what flows back may be added to what is never cut.
    left: Any = capacity.astype(np.int64) - maximum_flow(capacity, source, sink).flow.astype(
        np.int64
    )
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)
    done = sum(1 << (int(n) - 2) for n in reached if 2 <= n < 2 + blocks)
    return downsets_of(model).number[done]


class MinCut(Framed[CiftInstance, CiftPlan]):
    """Minimum cuts between the source and one other node."""

    name = "min-cut"
    takes = BEYOND
    doubt = KINDS

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the best plan that a minimum cut gives; it may break a deadline."""
        priced, network = charged(instance), Network(instance)
        best = math.inf
        chosen: Placement | None = None
        fallback: Placement | None = None
        tried = 0
        for _, chain in ranked_chains(priced):
            for placement in _cuts(priced, network, chain):
                if run.stopped:
                    break
                tried += 1
                fallback = fallback or placement
                settled = settle(priced, placement)
                if settled is not None and settled.energy_j < best:
                    best, chosen = settled.energy_j, placement
        ended = Termination.TIME if run.stopped else Termination.SOLVED
        kept = chosen or fallback
        if kept is None:
            return nothing_found(run.recorder, termination=ended)
        statistics = {"placements": tried}
        return conclude_placement(instance, kept, run.recorder, run.budget, ended, statistics)


def _cuts(instance: CiftInstance, network: Network, chain: Chain) -> Iterator[Placement]:
    """Yield the placements of minimum cuts to each node in reach."""
    source = chain.configuration.source
    start = Route(0.0, 0.0, 0.0, (source,))
    yield Placement(chain, start, (Segment(0, 0, chain.length),))
    reach = network.routes(chain, start, chain.bits[0], strict=False)
    for name, routes in reach.items():
        route = min(routes, key=lambda one: one[:3])
        for cut in dict.fromkeys(_states(instance, chain, route, name)):
            whole = _along(instance, chain, route, chain.bits[cut] if cut < chain.length else 0.0)
            server = Segment(len(route.nodes) - 1, cut, chain.length)
            if cut == chain.length:
                continue
            yield Placement(chain, whole, (Segment(0, 0, cut), server) if cut else (server,))


def _states(instance: CiftInstance, chain: Chain, route: Route, name: str) -> list[int]:
    """Return the downsets of the minimum cuts at all prices of time."""
    model = _as_graph(chain)
    level = instance.compressions[instance.compression_index[chain.configuration.compression]]
    ends = [instance.nodes[instance.node_index[one]] for one in (chain.configuration.source, name)]
    links = [
        next(link for link in instance.links_from[a] if link.head == b)
        for a, b in zip(route.nodes, route.nodes[1:], strict=False)
    ]
    passes = chain.requests + chain.compute_passes
    per_bit = (chain.requests + chain.communication_passes) * sum(k.energy_j_per_bit for k in links)
    wire = sum(1.0 / k.rate_bit_per_s for k in links)
    flops = []
    for node in ends:
        factors = instance.factors(node, chain.model) or (1.0,) * len(model.blocks)
        flops.append(
            [b.flops * level.flops_factor * x for b, x in zip(model.blocks, factors, strict=True)]
        )
    bits = [
        t.bits if t.producer is None else t.bits * level.activation_factor for t in model.tensors
    ]
    joules = [passes * cheapest_flop_j(node) for node in ends]
    seconds = [1.0 / _top(node) for node in ends]
    unit = passes * chain.work_flop[-1] * min(cheapest_flop_j(node) for node in ends) or 1.0
    limit = instance.inference_deadline_s or 1.0
    found = []
    for share in _PRICES:
        e, s = (0.0, 1.0) if share == math.inf else (1.0, share * unit / limit)
        near, far = (
            [f * (e * j + s * t) for f in work]
            for work, j, t in zip(flops, joules, seconds, strict=True)
        )
        found.append(smallest_cut(model, near, far, [b * (e * per_bit + s * wire) for b in bits]))
    return found


def _as_graph(chain: Chain) -> Profile:
    """Return the network with tensors, which a chain has between its blocks."""
    from splitopt.instances.networks.tensors import Tensor

    model = chain.model
    if model.is_graph:
        return model
    last = len(model.blocks) - 1
    bits = [model.input_bits, *(block.activation_bits for block in model.blocks)]
    tensors = [
        Tensor(f"t{k}", b, None if k == 0 else k - 1, () if k > last else (k,))
        for k, b in enumerate(bits)
    ]
    return Profile.graph(model.name, model.blocks, tensors)


def _along(instance: CiftInstance, chain: Chain, route: Route, bits: float) -> Route:
    """Return a way with what so many bits cost on it."""
    found = Route(0.0, 0.0, 0.0, route.nodes[:1])
    for a, b in zip(route.nodes, route.nodes[1:], strict=False):
        link = next(link for link in instance.links_from[a] if link.head == b)
        found = found.further(chain.hop(link, bits), b)
    return found


METHOD = MinCut()
