"""Deadlines and throughput of the assignment model: what columns take, and the rows of it.

Where the network is in doubt seconds are those of each atom, and the rows those of
`splitopt.formulations.cift.doubtful`. A throughput R' asks of v, with w FLOP in the chain there,
``(w R' / f) v <= z``, and rules out what no link is wide enough for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from splitopt.formulations.cift.chances import SERVE, TUNE
from splitopt.formulations.cift.doubtful import Deadline, Spent
from splitopt.formulations.solvers.highs import WIDE
from splitopt.instances.cift.rates import open_hops
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.downsets import downsets_of

if TYPE_CHECKING:
    from splitopt.formulations.cift.assignment.model import AssignmentModel

__all__ = ["PHASES", "Seconds", "add_limits", "busy", "hosting", "narrow", "sending"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
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
    choice, training = model.choices[k], model.instance.training
    wire, delay, link = figures
    size = len(model.instance.nodes)
    ends = [choice.reach.links[place] for place in link.tolist()]
    element = np.array([size * (1 + tail) + head for tail, head in ends], dtype=np.int64)
    names = [(model.instance.nodes[t].name, model.instance.nodes[h].name) for t, h in ends]
    for position, phase in enumerate(PHASES):
        often = np.ones(1)
        once = delay
        if position == TUNE:
            often = training.communication_factor * _passes(model, k)
            once = delay / training.batch_size
        slow, deviation = _slowness(model, position, names)
        times = often[:, None] * (wire * slow + once)
        spread = often[0] * wire * deviation
        seconds[phase].append(Spent(columns, times, spread, element, np.ones(len(columns))))


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
    position = PHASES.index(phase)
    often = np.ones(1)
    if position == TUNE:
        often = model.instance.training.compute_factor * _passes(model, k)
    names = [(model.instance.nodes[n].name, None) for n in nodes.tolist()]
    slow, deviation = _slowness(model, position, names)
    spread = often[0] * taken * deviation
    times = often[:, None] * (taken * slow)
    seconds[phase].append(Spent(columns, times, spread, nodes, np.ones(len(columns))))


def _passes(model: AssignmentModel, k: int) -> Floats:
    """Return the sample passes that the fine-tuning deadline counts, in each atom."""
    choice = model.choices[k]
    if model.chances is None:
        return np.array([choice.timed])
    passes: Floats = model.chances[TUNE].passes[:, choice.index]
    return passes


def _slowness(
    model: AssignmentModel, position: int, ends: list[tuple[str, str | None]]
) -> tuple[Floats, Floats]:
    """Return slowness in each atom, shape (atoms, ends), and the deviations."""
    if model.chances is None:
        return np.ones((1, len(ends))), np.zeros(len(ends))
    chance = model.chances[position]
    known = {pair: (chance.slowness(*pair), chance.deviation(*pair)) for pair in set(ends)}
    slow = np.array([known[pair][0] for pair in ends]).reshape(len(ends), len(chance.draws)).T
    return slow, np.array([known[pair][1] for pair in ends])


def add_limits(model: AssignmentModel, seconds: Seconds) -> None:
    """State both deadlines."""
    instance = model.instance
    deadlines = (instance.inference_deadline_s, instance.fine_tuning_deadline_s)
    for position, deadline in enumerate(deadlines):
        spent = seconds[PHASES[position]]
        if deadline is None or not spent:
            continue
        if model.chances is None:
            _deadline(model, Spent.joined(spent), deadline * _LIMIT)
            continue
        chance, limit = model.chances[position], deadline * _LIMIT
        found = Deadline(chance, Spent.joined(spent), limit, lambda: int(model.new([0.0])[0]))
        model.deadlines.append(found)
        for row in found.rows:
            model.add_rows(
                np.zeros(len(row.columns), np.int64), row.columns, row.values, row.lower, row.upper
            )


def _deadline(model: AssignmentModel, spent: Spent, limit: float) -> None:
    """State that the seconds stay within the limit; what alone exceeds it is ruled out."""
    column, value = spent.columns, spent.seconds[0]
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
