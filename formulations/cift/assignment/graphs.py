"""Columns and rows of the assignment model where the network is a graph.

Beside ``x_bn`` (block b on node n) a choice of a graph has

- ``u_l`` in {0, 1}: the path takes link l;
- ``e_n`` in {0, 1}: the path ends on node n;
- ``d_bl`` in {0, 1}: block b is done when link l is crossed;
- ``t_kl`` in [0, 1]: tensor k crosses link l.

::

    [n = source] y + sum_{l into n} u_l = sum_{l out of n} u_l + e_n            a path
    sum_{l into n} d_bl + x_bn = sum_{l out of n} d_bl + e_n                    all done at its end
    d_bl <= u_l,    d_bl <= d_al where b needs a,    e_n <= sum_b x_bn
    t_kl >= d_al - d_bl    for tensor k of block a and each b that needs it     (raw: u_l - d_bl)

A throughput R' leaves a link ``sum_k bits_k t_kl <= B / R'``.

A hop costs its link's delay by u, its bits by t. What a node hosts, computes and holds is as for
chains.
"""

from __future__ import annotations

import numpy as np

from splitopt.formulations.cift.assignment.limits import Seconds, sending
from splitopt.formulations.cift.assignment.model import AssignmentModel, Crossing
from splitopt.formulations.solvers.highs import WIDE
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.profiles import Profile


def add_crossing(
    assignment: AssignmentModel,
    k: int,
    model: Profile,
    activation_factor: float,
    seconds: Seconds,
) -> Crossing:
    """Add the columns of choice k, with what they cost and take."""
    choice, training = assignment.choices[k], assignment.instance.training
    reach = choice.reach
    links, blocks = len(reach.tail), len(model.blocks)
    sent = training.communication_factor * choice.passes
    u = assignment.new(np.zeros(links))
    e = assignment.new(np.zeros(len(reach.nodes)))
    d = assignment.new(np.zeros(blocks * links)).reshape(blocks, links)
    bits = np.array(
        [t.bits if t.producer is None else t.bits * activation_factor for t in model.tensors]
    )
    joules = np.outer(bits, reach.energy)
    wire = bits[:, None] / reach.rate
    t = assignment.new(((assignment.instance.requests + sent) * joules).ravel())
    assignment.relax(t)
    link, none = np.arange(links), np.zeros(len(t))
    sending(assignment, k, u, (np.zeros(links), reach.delay, link), seconds)
    sending(assignment, k, t, (wire.ravel(), none, np.tile(link, len(bits))), seconds)
    _narrow(assignment, t.reshape(wire.shape), wire)
    return Crossing(model, u, e, d, t.reshape(len(bits), links))


def _narrow(assignment: AssignmentModel, t: Ints, wire: Floats) -> None:
    """State that a load leaves a link in time for a throughput."""
    rate = assignment.instance.throughput_per_s
    if rate is None:
        return
    shares = wire * (rate / (1 + TOLERANCES.deadline))
    assignment.rule_out(t[shares > WIDE])
    for columns, share in zip(t.T, shares.T, strict=True):
        kept = (share > 0) & (share <= WIDE)
        if share[kept].sum() > 1:
            row = np.zeros(int(kept.sum()), np.int64)
            assignment.add_rows(row, columns[kept], share[kept], -np.inf, WIDE)


def add_path(assignment: AssignmentModel, k: int, crossing: Crossing) -> None:
    """State that the blocks of choice k follow a path, each behind what it needs."""
    choice, x, y = assignment.choices[k], assignment.x[k], assignment.y[k]
    model, u, e, d, t = crossing.model, crossing.u, crossing.e, crossing.d, crossing.t
    reach = choice.reach
    nodes, links, blocks = len(reach.nodes), len(reach.tail), len(model.blocks)

    def row(terms: list[tuple[int, float]], lower: float, upper: float) -> None:
        there = [(column, value) for column, value in terms if column >= 0]
        columns, values = zip(*there, strict=True)
        assignment.add_rows(
            np.zeros(len(there), np.int64), np.array(columns), np.array(values), lower, upper
        )

    into = [np.flatnonzero(reach.head == n).tolist() for n in range(nodes)]
    out = [np.flatnonzero(reach.tail == n).tolist() for n in range(nodes)]
    for n in range(nodes):
        path = [(int(u[link]), 1.0) for link in into[n]]
        path += [(int(u[link]), -1.0) for link in out[n]] + [(int(e[n]), -1.0)]
        row(path + ([(y, 1.0)] if n == 0 else []), 0.0, 0.0)
        hosted = [(int(x[b, n]), -1.0) for b in range(blocks)]
        row([(int(e[n]), 1.0), *hosted], -np.inf, 0.0)
    for b in range(blocks):
        row([*((int(x[b, n]), 1.0) for n in range(nodes)), (y, -1.0)], 0.0, 0.0)
        for n in range(nodes):
            done = [(int(d[b, link]), 1.0) for link in into[n]] + [(int(x[b, n]), 1.0)]
            done += [(int(d[b, link]), -1.0) for link in out[n]] + [(int(e[n]), -1.0)]
            row(done, 0.0, 0.0)
        for link in range(links):
            row([(int(d[b, link]), 1.0), (int(u[link]), -1.0)], -np.inf, 0.0)
    for number, tensor in enumerate(model.tensors):
        for b in tensor.consumers:
            for link in range(links):
                first = u[link] if tensor.producer is None else d[tensor.producer, link]
                made, used = int(first), int(d[b, link])
                row([(int(t[number, link]), 1.0), (made, -1.0), (used, 1.0)], 0.0, np.inf)
                if tensor.producer is not None:
                    row([(used, 1.0), (made, -1.0)], -np.inf, 0.0)
