"""Blocks of a network: its operators without cuts that are never better, and its chain.

An operator without FLOPs joins the one before it where it is all that reads its output and makes
no more bits of it: a cut between the two saves nothing. It joins the one behind it where nothing
else reads what it makes, of no fewer bits than it takes. Where parts of a network run side by side
the graph keeps them apart; the chain has a cut only where a single tensor crosses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from splitopt.instances.networks.modelfiles.reading import Network, Operator

_NAME_LENGTH = 120


@dataclass(frozen=True, slots=True)
class GraphBlock:
    """Operators that run on one host.

    Attributes
    ----------
    name
        The tensor that it ends with, in letters that names may have.
    operators
        Places in `Network.operators`, ascending.
    flops, param_bytes
        What all of them take; a parameter that several read counts once.
    """

    name: str
    operators: tuple[int, ...]
    flops: int
    param_bytes: int


def graph(network: Network) -> tuple[GraphBlock, ...]:
    """Return the blocks of the network as a graph, each behind those that it needs."""
    return _blocks(network, _ordered(network, _joined(network)))


def chain(network: Network) -> tuple[GraphBlock, ...]:
    """Return the blocks between the cuts that one tensor crosses.

    Any order of the operators finds all of them: what runs before such a cut is what its tensor
    needs.
    """
    operators = network.operators
    readers = _readers(network)
    left = {name: len(places) for name, places in readers.items()}
    alive = {name: network.bits[name] for name in network.inputs}
    at_first = bits = sum(alive.values())
    runs: list[list[int]] = []
    work: list[bool] = []
    run: list[int] = []
    for place, operator in enumerate(operators):
        run.append(place)
        for name in operator.inputs:
            left[name] -= 1
            if not left[name]:
                alive.pop(name, None)
        alive |= {x: network.bits[x] for x in operator.outputs if left.get(x)}
        last = place == len(operators) - 1
        if len(alive) != 1 and not last:
            continue
        after = 0 if last else sum(alive.values())
        works = any(operators[x].flops for x in run)
        if not works and runs and after <= bits:
            runs[-1] += run
        elif works or last or (not runs and after < at_first):
            runs.append(run)
            work.append(works)
        else:  # it makes more bits than it takes: part of what comes next
            continue
        run, bits = [], after
    return _blocks(network, runs)


def tensors(
    network: Network, blocks: Sequence[GraphBlock]
) -> list[tuple[str, int | None, tuple[int, ...]]]:
    """Return each tensor that leaves a block or enters the network: name, producer, consumers.

    What no block reads is left out.
    """
    home = {place: b for b, block in enumerate(blocks) for place in block.operators}
    maker = {x: home[k] for k, o in enumerate(network.operators) for x in o.outputs}
    found = []
    for name, places in _readers(network).items():
        producer = maker.get(name)
        consumers = tuple(sorted({home[place] for place in places} - {producer}))
        if consumers:
            found.append((name, producer, consumers))
    return sorted(found, key=lambda x: (-1 if x[1] is None else x[1], x[2]))


def crossing(network: Network, done: Iterable[int]) -> list[str]:
    """Return the tensors that are there once these operators have run and that others need."""
    inside = set(done)
    there = set(network.inputs) | {x for k in inside for x in network.operators[k].outputs}
    return list(
        dict.fromkeys(
            x
            for k, operator in enumerate(network.operators)
            if k not in inside
            for x in operator.inputs
            if x in there
        )
    )


def _readers(network: Network) -> dict[str, list[int]]:
    readers: dict[str, list[int]] = {}
    for place, operator in enumerate(network.operators):
        for name in operator.inputs:
            readers.setdefault(name, []).append(place)
    return readers


def _made_bits(network: Network, operator: Operator) -> int:
    return sum(network.bits.get(x, 0) for x in operator.outputs)


def _joined(network: Network) -> list[int]:
    """Return for each operator the group it belongs to, named by one of its operators."""
    operators = network.operators
    readers = _readers(network)
    maker = {x: k for k, o in enumerate(operators) for x in o.outputs}
    group = list(range(len(operators)))
    works = [bool(o.flops) for o in operators]
    for place, operator in enumerate(operators):
        name = operator.inputs[0] if operator.inputs else ""
        if (
            not operator.flops
            and len(operator.inputs) == 1
            and name in maker
            and readers[name] == [place]
            and name not in network.outputs
            and _made_bits(network, operator) <= network.bits[name]
        ):
            group[place] = group[maker[name]]
    members: dict[int, list[int]] = {}
    for place, found in enumerate(group):
        members.setdefault(found, []).append(place)
        works[found] |= bool(operators[place].flops)
    for found in sorted(members, reverse=True):
        inside = set(members[found])
        taken = {x for k in inside for x in operators[k].inputs if maker.get(x) not in inside}
        made = {
            x
            for k in inside
            for x in operators[k].outputs
            if not inside.issuperset(readers.get(x, ()))
        }
        heads = {group[k] for x in made for k in readers[x]} - {found}
        asked = any(x in network.outputs for k in inside for x in operators[k].outputs)
        if works[found] or len(taken) != 1 or len(heads) != 1 or asked:
            continue
        if sum(network.bits[x] for x in taken) <= sum(network.bits[x] for x in made):
            target = heads.pop()
            for place in inside:
                group[place] = target
            members[target] += members[found]
            works[target] |= works[found]
    return group


def _ordered(network: Network, group: Sequence[int]) -> list[list[int]]:
    """Return the operators by group, groups in an order in which each comes after its needs."""
    from graphlib import TopologicalSorter

    members: dict[int, list[int]] = {}
    for place, found in enumerate(group):
        members.setdefault(found, []).append(place)
    maker = {x: group[k] for k, o in enumerate(network.operators) for x in o.outputs}
    needs: dict[int, set[int]] = {found: set() for found in members}
    for place, operator in enumerate(network.operators):
        needs[group[place]] |= {maker[x] for x in operator.inputs if x in maker} - {group[place]}
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    order: list[int] = []
    ready: list[int] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=lambda x: min(members[x]))
        order.append(ready.pop(0))
        sorter.done(order[-1])
    return [members[found] for found in order]


def _blocks(network: Network, runs: Iterable[Sequence[int]]) -> tuple[GraphBlock, ...]:
    readers = _readers(network)
    taken: set[str] = set()
    found = []
    for run in runs:
        places = tuple(sorted(run))
        last = network.operators[places[-1]]
        ends = [x for x in last.outputs if x in readers or x in network.outputs]
        name = plain_name((ends or list(last.outputs))[0], taken)
        taken.add(name)
        constants = {x for place in places for x in network.operators[place].constants}
        found.append(
            GraphBlock(
                name,
                places,
                sum(network.operators[place].flops for place in places),
                sum(network.constant_bytes.get(x, 0) for x in constants),
            )
        )
    return tuple(found)


def plain_name(tensor: str, taken: set[str]) -> str:
    """Return a name safe in paths, made of a tensor's."""
    plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", tensor).lstrip("._+-")[: _NAME_LENGTH - 8] or "block"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}-{number}", number + 1
    return name
