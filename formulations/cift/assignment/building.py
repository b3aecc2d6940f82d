"""Write the columns and rows of the assignment model of CIFT."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from splitopt.formulations.cift.assignment.choices import choices_of, efficient
from splitopt.formulations.cift.assignment.graphs import add_crossing, add_path
from splitopt.formulations.cift.assignment.limits import (
    PHASES,
    Seconds,
    add_limits,
    busy,
    hosting,
    narrow,
    sending,
)
from splitopt.formulations.cift.assignment.model import AssignmentModel
from splitopt.formulations.cift.chances import chances, expected
from splitopt.formulations.solvers.highs import WIDE
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.exact import rational


def floor_j(model: AssignmentModel) -> float:
    """Return a bound: each block where and as fast as it is cheapest, hops for nothing."""
    instance = model.instance
    cheapest = [min(joules for _, joules in efficient(n)) for n in instance.nodes]
    found = []
    for choice in model.choices:
        joules = choice.work * np.array(cheapest)[choice.reach.nodes][:, None]
        runs = instance.requests + instance.training.compute_factor * choice.passes
        found.append(float(runs * joules.min(axis=0).sum()))
    return min(found, default=0.0)


def build_model(instance: CiftInstance) -> AssignmentModel:
    """Return the assignment model of an instance with listed speeds."""
    in_doubt = chances(instance)
    if in_doubt is not None:
        instance = expected(instance)
    model = AssignmentModel(instance, choices_of(instance), in_doubt)
    seconds: Seconds = {phase: [] for phase in PHASES}
    levels = [efficient(node) for node in instance.nodes]
    rooms = [rational(node.memory_bytes) for node in instance.nodes]
    # Variables, with their energy and their seconds in either phase.
    for k, choice in enumerate(model.choices):
        model.y += model.new([0.0]).tolist()
        fits = np.ones((len(choice.reach.nodes), choice.blocks), dtype=np.bool_)
        largest = max(choice.held)
        for place, n in enumerate(choice.reach.nodes):
            if largest > (room := choice.room(rooms[n])):
                fits[place] = [held <= room for held in choice.held]
        hosted = np.full(fits.shape, -1)
        hosted[fits] = model.new(np.zeros(fits.sum()))
        model.x.append(hosted.T)
        network = model.network(k)
        if network.is_graph:
            factor = model.level(k).activation_factor
            model.crossing[k] = add_crossing(model, k, network, factor, seconds)
            model.h.append(np.empty((0, 0), np.int64))
        else:
            _hops(model, k, seconds)
        _work(model, k, levels, seconds)
    # Constraints.
    y = np.array(model.y)
    model.add_rows(np.zeros_like(y), y, np.ones(len(y)), 1.0, 1.0)
    for k in range(len(model.choices)):
        if k in model.crossing:
            add_path(model, k, model.crossing[k])
        else:
            _path(model, k)
        _memory(model, k, rooms)
        _shares(model, k, levels)
    _levels(model)
    add_limits(model, seconds)
    return model


def _hops(model: AssignmentModel, k: int, seconds: Seconds) -> None:
    """Add h: both phases send the same bits the same way."""
    choice, training = model.choices[k], model.instance.training
    reach = choice.reach
    sent = training.communication_factor * choice.passes
    joules: Floats = reach.energy[:, None] * choice.bits
    columns = model.new((model.instance.requests * joules + sent * joules).ravel())
    model.h.append(columns.reshape(joules.shape).T)
    narrow(model, k, columns.reshape(joules.shape))
    wire = choice.bits / reach.rate[:, None]
    delay = np.broadcast_to(reach.delay[:, None], wire.shape)
    link = np.repeat(np.arange(len(reach.tail)), wire.shape[1])
    sending(model, k, columns, (wire.ravel(), delay.ravel(), link), seconds)


def _work(
    model: AssignmentModel, k: int, levels: list[list[tuple[float, float]]], seconds: Seconds
) -> None:
    """Add v, in shares of the chain, and z where it is not there yet."""
    instance, choice = model.instance, model.choices[k]
    # How often the chain runs, for energy.
    runs = {"serve": float(instance.requests)}
    if choice.passes > 0:
        runs["tune"] = instance.training.compute_factor * choice.passes
    first = column = model.columns
    energy, shares = [], []
    for phase, charged in runs.items():
        columns, taken, hosts = [], [], []
        for n, total in zip(choice.reach.nodes, choice.work.sum(axis=1).tolist(), strict=True):
            for f, joules in levels[n]:
                if (phase, n, f) not in model.z:
                    model.z[phase, n, f] = column
                    energy.append(0.0)
                    column += 1
                model.v[phase, k, n, f] = column
                columns.append(column)
                energy.append(charged * total * joules)
                taken.append(total / f)
                hosts.append(n)
                column += 1
        figures = np.array(taken), np.array(hosts)
        hosting(model, k, phase, np.array(columns), figures, seconds)
        shares += columns
    assert model.new(energy)[0] == first
    model.relax(np.array(shares))


def _path(model: AssignmentModel, k: int) -> None:
    """State that the blocks of a choice follow a path of links from its source."""
    choice, x, h, y = model.choices[k], model.x[k], model.h[k], model.y[k]
    nodes = len(choice.reach.nodes)
    # Of each block: the row of its host, then one a node.
    host = (nodes + 1) * np.arange(choice.blocks)[:, None]
    at = host + 1 + np.arange(nodes)
    pieces: list[tuple[Ints, Ints, float]] = [
        (np.broadcast_to(host, x.shape), x, 1.0),
        (host, np.full(host.shape, y), -1.0),
        (at[:1, :1], np.full((1, 1), y), 1.0),
        (host + 1 + choice.reach.head, h, 1.0),
        (host + 1 + choice.reach.tail, h, -1.0),
        (at[1:], x[:-1], 1.0),
        (at, x, -1.0),
    ]
    row = np.concatenate([piece[0].ravel() for piece in pieces])
    column = np.concatenate([piece[1].ravel() for piece in pieces])
    value = np.repeat([piece[2] for piece in pieces], [piece[0].size for piece in pieces])
    there = column >= 0
    model.add_rows(row[there], column[there], value[there], 0.0, 0.0)


def _memory(model: AssignmentModel, k: int, rooms: list[Fraction]) -> None:
    """State that what a node hosts fits it, as shares of its memory."""
    choice, x = model.choices[k], model.x[k]
    everything = sum(choice.held)
    for place, n in enumerate(choice.reach.nodes):
        room = choice.room(rooms[n])
        if everything <= room:
            continue
        hosted = [b for b, column in enumerate(x[:, place].tolist()) if column >= 0]
        if sum(choice.held[b] for b in hosted) <= room:
            continue
        # Of whole numbers Python divides to the nearest double.
        above, below = rooms[n].denominator, rooms[n].numerator * choice.parts
        shares = [choice.held[b] * above / below for b in hosted]
        column = np.append(x[hosted, place], model.y[k])
        model.add_rows(np.zeros_like(column), column, np.array([*shares, -WIDE]), -math.inf, 0.0)


def _shares(model: AssignmentModel, k: int, levels: list[list[tuple[float, float]]]) -> None:
    """State that a node computes what it hosts, in either phase."""
    choice, x = model.choices[k], model.x[k]
    phases = PHASES if choice.passes > 0 else PHASES[:1]
    nodes = choice.reach.nodes
    done = [
        (p * len(nodes) + place, model.v[phase, k, n, f])
        for p, phase in enumerate(phases)
        for place, n in enumerate(nodes)
        for f, _ in levels[n]
    ]
    work = choice.work.T
    b, place = np.nonzero((x >= 0) & (work > 0))
    share = -work[b, place] / work.sum(axis=0)[place]
    at, column = np.array(done).T
    model.add_rows(
        np.concatenate([at, *(place + p * len(nodes) for p in range(len(phases)))]),
        np.concatenate([column, *(x[b, place] for _ in phases)]),
        np.concatenate([np.ones(len(at)), *(share for _ in phases)]),
        0.0,
        0.0,
    )


def _levels(model: AssignmentModel) -> None:
    """State that a node computes at one level in each phase."""
    row = {level: position for position, level in enumerate(model.z)}
    z = np.array(list(model.z.values()))
    at = np.array([row[phase, n, f] for phase, _, n, f in model.v])
    shares = np.array([busy(model, *key) for key in model.v])
    model.add_rows(
        np.concatenate([at, np.arange(len(z))]),
        np.concatenate([list(model.v.values()), z]),
        np.concatenate([shares, -np.ones(len(z))]),
        -math.inf,
        0.0,
    )
    first: dict[tuple[str, int], int] = {}
    node = np.array([first.setdefault((phase, n), len(first)) for phase, n, _ in model.z])
    model.add_rows(node, z, np.ones(len(z)), -math.inf, 1.0)
