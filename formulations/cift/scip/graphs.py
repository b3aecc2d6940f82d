"""What a path carries where the network is a graph, as SCIP's variables.

Of a configuration ``u_l`` in {0, 1}: the path takes link l; ``e_n``: it ends on node n; ``d_bl``:
block b is done when link l is crossed; ``c_kl`` in [0, 1]: tensor k crosses link l. ::

    [n = source] y + sum_{l into n} u_l = sum_{l out of n} u_l + e_n            a path
    sum_{l into n} d_bl + x_bn = sum_{l out of n} d_bl + e_n                    all done at its end
    d_bl <= u_l,    d_bl <= d_al where b needs a,    e_n <= sum_b x_bn
    c_kl >= d_al - d_bl    for tensor k of block a and each b that needs it     (raw: u_l - d_bl)

A throughput leaves a link ``sum_k bits_k c_kl <= B / R'``.
"""

from __future__ import annotations

from typing import Any

from splitopt.formulations.cift.scip.model import WIDER, Crossing, Model, total


def cross(model: Model, k: int) -> Crossing:
    """Add the path of a configuration, and what it carries."""
    from pyscipopt import quicksum

    instance, scip, profile = model.instance, model.scip, model.profile(k)
    factor, y = model.level(k).activation_factor, model.y[k]
    found = Crossing()
    blocks, nodes = range(len(profile.blocks)), range(len(instance.nodes))
    done: dict[tuple[int, tuple[int, int]], Any] = {}
    for link in instance.links:
        ends = instance.node_index[link.tail], instance.node_index[link.head]
        u = found.u[ends] = model.binary()
        model.crosses(u, k, link, 0.0, 1.0)
        for b in blocks:
            done[b, ends] = model.binary()
            scip.addCons(done[b, ends] <= u)
        carried = []
        for tensor in profile.tensors:
            made = u if tensor.producer is None else done[tensor.producer, ends]
            bits = tensor.bits if tensor.producer is None else tensor.bits * factor
            busy = 0.0 if model.period is None else model.wire(link, bits) / model.period
            c = scip.addVar(ub=float(busy <= 1 + WIDER))
            for b in tensor.consumers:
                scip.addCons(c >= made - done[b, ends])
                if tensor.producer is not None:
                    scip.addCons(done[b, ends] <= made)
            model.crosses(c, k, link, bits, 0.0)
            if 0 < busy <= 1 + WIDER:
                carried.append(busy * c)
        if carried:
            scip.addCons(quicksum(carried) <= 1 + WIDER)
    source = instance.node_index[model.kept[k].source]
    for n in nodes:
        e = found.e[n] = model.binary()
        into, out = [p for p in found.u if p[1] == n], [p for p in found.u if p[0] == n]
        arriving = total([*(found.u[p] for p in into), y if n == source else None])
        scip.addCons(arriving == total([*(found.u[p] for p in out), e]))
        scip.addCons(total(model.x.get((k, b, n)) for b in blocks) >= e)
        for b in blocks:
            before = total([*(done[b, p] for p in into), model.x.get((k, b, n))])
            scip.addCons(before == total([*(done[b, p] for p in out), e]))
    return found
