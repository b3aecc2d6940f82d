"""Deadlines and throughput of the assignment model: what columns take, and the rows of it.

Where the network is in doubt seconds are those of each atom, and the rows those of
`splitopt.formulations.cift.doubtful`. A throughput R' asks of v, with w FLOP in the chain there,
``(w R' / f) v <= z``, and rules out what no link is wide enough for.
"""

from __future__ import annotations

import math

import numpy as np

from splitopt.formulations.cift.assignment.model import AssignmentModel
from splitopt.formulations.cift.chances import SERVE, TUNE, elements
from splitopt.formulations.cift.doubtful import Deadline, Spent
from splitopt.formulations.solvers.highs import WIDE
from splitopt.instances.cift.rates import open_hops
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import downsets_of

Seconds = dict[str, list[Spent]]

PHASES = ("serve", "tune")
_LIMIT = (1 + TOLERANCES.deadline) * (1 + 1e-12)  # of a deadline, as the judge takes it


def sending(
    model: AssignmentModel,
    k: int,
    columns: Ints,
    figures: tuple[Floats, Floats, Ints],
    seconds: Seconds,
) -> None:
    """Say what sending takes: seconds of the rate, of the delay, and the place of the link."""
    choice, training, nodes = model.choices[k], model.instance.training, model.instance.nodes
    wire, delay, link = figures
    number = {(a.tail, a.head): len(nodes) + i for i, a in enumerate(model.instance.links)}
    places = [number[nodes[tail].name, nodes[head].name] for tail, head in choice.reach.links]
    element, ones = np.array(places, dtype=np.int64)[link], np.ones(len(columns))
    for phase in PHASES:
        often, once = 1.0, delay
        if phase == PHASES[TUNE]:
            often, once = training.communication_factor, delay / training.batch_size
        index = np.full(len(columns), choice.index)
        seconds[phase].append(Spent(columns, index, element, often * once, often * wire, ones))


def hosting(
    model: AssignmentModel,
    k: int,
    phase: str,
    columns: Ints,
    figures: tuple[Floats, Ints],
    seconds: Seconds,
) -> None:
    """Say what computing takes: nominal seconds a sample, and the node."""
    taken, nodes = figures
    often = 1.0 if phase == PHASES[SERVE] else model.instance.training.compute_factor
    index, ones = np.full(len(columns), model.choices[k].index), np.ones(len(columns))
    seconds[phase].append(Spent(columns, index, nodes, np.zeros(len(columns)), often * taken, ones))


def add_limits(model: AssignmentModel, seconds: Seconds) -> None:
    """State both deadlines."""
    instance = model.instance
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    for position, deadline in enumerate(deadlines):
        spent = seconds[PHASES[position]]
        if deadline is None or not spent:
            continue
        limit, all_spent = deadline * _LIMIT, Spent.joined(spent)
        if model.chances is None:
            _deadline(model, position, all_spent, limit)
            continue
        chance, ends = model.chances[position], elements(instance)
        found = Deadline(chance, ends, all_spent, limit, model.share)
        model.deadlines.append(found)
        for row in found.rows:
            where = np.zeros(len(row.columns), np.int64)
            columns = row.columns.astype(np.int64)
            model.add_rows(where, columns, row.values, row.lower, row.upper)


def _deadline(model: AssignmentModel, position: int, spent: Spent, limit: float) -> None:
    """State that the seconds stay within the limit; what alone exceeds it is ruled out."""
    timed = np.ones(len(model.instance.configurations))
    for choice in model.choices:
        timed[choice.index] = choice.timed if position == TUNE else 1.0
    column, value = spent.columns, timed[spent.configuration] * (spent.certain + spent.doubtful)
    beyond = value > limit
    if limit > 0:
        beyond &= model.binary[column]
    model.rule_out(column[beyond])
    kept = ~beyond & (value > 0)
    if kept.any():
        share = value[kept] / limit
        model.add_rows(np.zeros(len(share), np.int64), column[kept], share, -math.inf, WIDE)


def narrow(model: AssignmentModel, k: int, columns: Ints) -> None:
    """Rule out the loads of a chain, by link and cut, that a throughput leaves no link for."""
    instance, choice = model.instance, model.choices[k]
    if instance.throughput_per_s is None:
        return
    network, level = model.network(k), model.level(k)
    sets, links = downsets_of(network), {(a.tail, a.head): a for a in instance.links}
    for place, (tail, head) in enumerate(choice.reach.links):
        link = links[instance.nodes[tail].name, instance.nodes[head].name]
        wide = open_hops(instance, link, network, level, sets, choice.bits)
        model.rule_out(columns[place][~wide])


def busy(model: AssignmentModel, phase: str, k: int, n: int, f: float) -> float:
    """Return the coefficient of v in its row with z: one, or more where a throughput asks for it.

    A share that no block of the chain is as small as, is none: the column is ruled out.
    """
    rate, choice = model.instance.throughput_per_s, model.choices[k]
    if rate is None or phase != PHASES[SERVE]:
        return 1.0
    work = choice.work[choice.reach.nodes.index(n)]
    there = work[work > 0]
    if not len(there):
        return 1.0
    least, needed = float(there.min()), rate / (1 + TOLERANCES.deadline) / WIDE / f
    if least * needed > 1:
        model.rule_out(np.array([model.v[phase, k, n, f]]))
        return 1.0
    return max(1.0, float(work.sum()) * needed)
