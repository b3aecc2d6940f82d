"""Runs of methods set against each other task by task, whatever seeds each of them ran."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from splitopt.bench.store.rows import Row


@dataclass(frozen=True, slots=True)
class Aligned:
    """Rows by method, one a task in the same order; None where a method has no run.

    Attributes
    ----------
    tasks
        Instance and limits, seed, repetition of each task.
    rows
        By what a method is called.
    """

    tasks: tuple[tuple[object, ...], ...]
    rows: Mapping[str, tuple[Row | None, ...]]


def _place(row: Row) -> tuple[object, ...]:
    return (row.instance_hash, row.time_limit_s, row.threads, row.relative_gap)


def align(rows: Iterable[Row], names: Mapping[str, str]) -> Aligned:
    """Return the runs by task: an instance under limits, a seed and a repetition.

    A method that ran an instance with fewer seeds than another stands for the others with the
    runs it has, in turn: one seed of a method that draws nothing says as much as five. It so
    neither loses nor gains by having run less often. A method without any run of an instance,
    or that does not support it, has None there.

    Parameters
    ----------
    names
        What a run's method is called, by key of the run.
    """
    places: dict[tuple[object, ...], dict[str, dict[tuple[int, int], Row]]] = {}
    order: dict[str, None] = {}
    for row in rows:
        name = names[row.key]
        order.setdefault(name)
        here = places.setdefault(_place(row), defaultdict(dict))
        if row.termination != "unsupported":
            here[name][row.seed, row.repetition] = row
    tasks: list[tuple[object, ...]] = []
    table: dict[str, list[Row | None]] = {name: [] for name in order}
    for place, here in places.items():
        slots = sorted({slot for mine in here.values() for slot in mine}) or [(0, 0)]
        tasks += [(*place, *slot) for slot in slots]
        for name, column in table.items():
            mine = here.get(name, {})
            own = [mine[slot] for slot in sorted(mine)]
            column += [
                mine.get(slot, own[k % len(own)] if own else None) for k, slot in enumerate(slots)
            ]
    return Aligned(tuple(tasks), {name: tuple(column) for name, column in table.items()})
