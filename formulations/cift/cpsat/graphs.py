"""Literals and rows of the CP-SAT model where the network is a graph.

Beside the blocks' places a configuration g has, with L links and T tensors,

- ``take_gl``: the path crosses link l;        ``end_gn``: it ends on node n;
- ``done_gbl``: block b is done where l is crossed;
- ``hop_gtl``: tensor t crosses l.

::

    [n = source] y_g + sum_{l into n} take = sum_{l out of n} take + end
    sum_{l into n} done_b + host_bn = sum_{l out of n} done_b + end
    done_b -> take,    done_b -> done_a where b needs a,    end -> some host_bn
    done_a and not done_b -> hop_t      for tensor t of a that b needs   (raw: take and not done_b)

Done at a time is so closed under predecessors: a downset, written block by block. A literal a
downset, or a pair of them, would be a path with no rows of precedence; but there may be 2000
downsets and two million pairs a node, where this has (B + T) L literals in clauses of two and
three, from which CP-SAT learns.
"""

from __future__ import annotations

from typing import Any

from splitopt.formulations.cift.cpsat.figures import Offer
from splitopt.formulations.cift.cpsat.model import IntegerModel, Literal
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import Stop
from splitopt.instances.networks.profiles import Profile


def _needs(graph: Profile) -> list[tuple[int, int]]:
    """Return the pairs (a, b) of blocks where b needs a."""
    return sorted(
        {(t.producer, b) for t in graph.tensors if t.producer is not None for b in t.consumers}
    )


def follow(
    model: IntegerModel,
    k: int,
    offer: Offer,
    graph: Profile,
    host: dict[tuple[int, int], list[Literal]],
) -> None:
    """State that the blocks of an offer follow a path of links, each behind what it needs.

    Parameters
    ----------
    host
        The literals of each block on each node, of which at most one is true.
    """
    cp, y = model.cp, model.chosen[k]
    blocks = range(offer.blocks)
    links = [(h.tail, h.head) for h in offer.delays if (k, h.tail, h.head) in model.take]
    for link in links:
        for b in blocks:
            model.done[(k, b, *link)] = cp.new_bool_var("")
    for n in offer.nodes:
        into = [link for link in links if link[1] == n]
        out = [link for link in links if link[0] == n]
        end = cp.new_bool_var("")
        arrived = [model.take[(k, *link)] for link in into] + [y] * (n == offer.source)
        cp.add(sum(arrived) == sum(model.take[(k, *link)] for link in out) + end)
        cp.add_bool_or([~end, *(x for b in blocks for x in host[b, n])])
        for b in blocks:
            before = [model.done[(k, b, *link)] for link in into] + host[b, n]
            cp.add(sum(before) == sum(model.done[(k, b, *link)] for link in out) + end)
    for b in blocks:
        # Implied by the flow above; helps propagation.
        cp.add(sum(x for n in offer.nodes for x in host[b, n]) == y)
    for link in links:
        _carry(model, k, graph, link)


def _carry(model: IntegerModel, k: int, graph: Profile, link: tuple[int, int]) -> None:
    """State what is done, and what is carried, where a link is crossed."""
    cp, take = model.cp, model.take[(k, *link)]
    done = [model.done[(k, b, *link)] for b in range(len(graph.blocks))]
    for b in done:
        cp.add_implication(b, take)
    for a, b in _needs(graph):
        cp.add_implication(done[b], done[a])
    for t, tensor in enumerate(graph.tensors):
        made = take if tensor.producer is None else done[tensor.producer]
        carried = model.hop.get((k, t, *link))
        for b in tensor.consumers:
            # Without a literal the tensor is too much for the link.
            cp.add_bool_or([~made, done[b]] + ([] if carried is None else [carried]))


def crossed(
    model: IntegerModel, k: int, graph: Profile, done: set[int], link: tuple[int, int]
) -> list[Literal | None]:
    """Return the literals that are true where a link is crossed; None for those left out."""
    found: list[Literal | None] = [model.take.get((k, *link))]
    found += [model.done.get((k, b, *link)) for b in sorted(done)]
    for t, tensor in enumerate(graph.tensors):
        made = tensor.producer is None or tensor.producer in done
        if made and not done.issuperset(tensor.consumers):
            found.append(model.hop.get((k, t, *link)))
    return found


def stops_of(
    model: IntegerModel, k: int, offer: Offer, instance: CiftInstance, value: Any
) -> tuple[Stop, ...]:
    """Return the stops of a solution; `value` gives that of a literal."""
    graph = offer.graph
    assert graph is not None
    stops, n = [], offer.source
    while True:
        speeds: list[float | None] = [None, None]
        names = []
        for b in range(offer.blocks):
            for phase, (part, runs) in enumerate(
                ((model.serve, offer.serve), (model.tune, offer.tune))
            ):
                for run in runs.get((b, n), ()):
                    if value(part.get((k, b, n, run.level), 0)):
                        speeds[phase] = run.level
                        if phase == 0:
                            names.append(graph.blocks[b].name)
        stops.append(Stop(instance.nodes[n].name, len(names), speeds[0], speeds[1], tuple(names)))
        ahead = (h.head for h in offer.delays if h.tail == n)
        n = next((m for m in ahead if value(model.take.get((k, n, m), 0))), -1)
        if n < 0:
            return tuple(stops)
