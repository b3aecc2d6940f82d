"""Make an instance that fails smaller while it fails in the same way."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import instance_from_document

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

_MOST = 1000  # smaller instances tried
Document = dict[str, Any]


def shrunk(instance: Instance, fails: Callable[[Instance], bool]) -> Instance:
    """Return a smaller or plainer instance for which `fails` holds too.

    Greedy, over and over until nothing helps: parts go first, then figures become 0, 1, or one of
    fewer digits. What is then no instance is passed over.
    """
    tried, helped = 0, True
    while helped and tried < _MOST:
        helped, at = False, 0
        candidates = list(_smaller(instance.to_document()))
        while at < len(candidates) and tried < _MOST:
            try:
                candidate = instance_from_document(candidates[at])
            except InputError:
                at += 1
                continue
            tried += 1
            if fails(candidate):
                # Go on from here: what stands before has just been tried.
                instance, helped = candidate, True
                candidates = list(_smaller(instance.to_document()))
            else:
                at += 1
    return instance


def _smaller(document: Document) -> Iterator[Document]:
    """Yield copies of an instance without a part or with a plainer figure."""
    yield from (_cift if "nodes" in document else _mepra)(document)
    for path, value in _figures(document):
        for plain in _plainer(value):
            yield _with(document, path, plain)


def _cift(document: Document) -> Iterator[Document]:
    for k in range(len(document["configurations"])):
        yield _without(document, "configurations", k)
    for node in document["nodes"]:
        yield _without_node(document, node["name"], led_on=False)
        yield _without_node(document, node["name"], led_on=True)
    for m, model in enumerate(document["models"]):
        for k in range(len(model["blocks"])):
            yield _without(document, "models", m, "blocks", k)
            if k < len(document["nodes"]):
                # Where memories leave a block a node, one of each.
                name = document["nodes"][k]["name"]
                fewer = _without(document, "models", m, "blocks", k)
                yield _without_node(fewer, name, led_on=True)
    for group in ("models", "compressions", "links"):
        for k in range(len(document[group])):
            yield _without(document, group, k)
    for n, node in enumerate(document["nodes"]):
        if isinstance(node["speeds_flop_per_s"], list):
            for k in range(len(node["speeds_flop_per_s"])):
                yield _without(document, "nodes", n, "speeds_flop_per_s", k)
    for name in ("inference_deadline_s", "fine_tuning_deadline_s"):
        if document[name] is not None:
            yield _with(document, (name,), None)


def _without_node(document: Document, name: str, *, led_on: bool) -> Document:
    """Return a copy without a node; its links go too, or lead on to where it led."""
    changed = copy.deepcopy(document)
    links = changed["links"]
    changed["nodes"] = [node for node in changed["nodes"] if node["name"] != name]
    changed["links"] = [link for link in links if name not in (link["tail"], link["head"])]
    if led_on:
        ahead = [link["head"] for link in links if link["tail"] == name]
        into = [link for link in links if link["head"] == name]
        changed["links"] += [{**link, "head": head} for link in into for head in ahead]
    if not led_on or len(changed["nodes"]) == 0:
        kept = [g for g in changed["configurations"] if g["source"] != name]
        changed["configurations"] = kept
        return changed
    for g in changed["configurations"]:
        if g["source"] == name:
            g["source"] = changed["nodes"][0]["name"]
    changed["nodes"][0]["tier"] = "end"
    return changed


def _mepra(document: Document) -> Iterator[Document]:
    columns = document["devices"]
    each = [name for name in columns if name != "exit_sets"]
    for k in range(len(columns["profile"])):
        changed = copy.deepcopy(document)
        for name in each:
            del changed["devices"][name][k]
        yield changed
    for depth in {len(profile["layers"]) for profile in document["profiles"]}:
        for j in range(1, depth + 1):
            yield _without_layer(document, depth, j)
    for k in range(len(document["profiles"])):
        yield _without(document, "profiles", k)


def _without_layer(document: Document, depth: int, j: int) -> Document:
    """Return a copy without layer j of the networks of `depth` layers, its exit and fraction."""
    changed = copy.deepcopy(document)
    for rows in (
        *(profile["layers"] for profile in changed["profiles"]),
        *changed["exit_fractions"]["rows"],
    ):
        if len(rows) == depth:
            del rows[j - 1]
    devices = changed["devices"]
    if "exit_sets" in devices:
        sets = []
        for k, profile in enumerate(devices["profile"]):
            exits = devices["exit_sets"][devices["exit_set"][k]]
            layers = len(changed["profiles"][profile]["layers"])
            if len(document["profiles"][profile]["layers"]) == depth:
                left = {i - (i > j) for i in exits if i != j} | {layers}
                exits = sorted(i for i in left if i > 0)
            sets.append(exits)
        devices["exit_sets"], devices["exit_set"] = sets, list(range(len(sets)))
    return changed


def _without(document: Document, *path: str | int) -> Document:
    changed = copy.deepcopy(document)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    return changed


def _with(document: Document, path: tuple[str | int, ...], value: object) -> Document:
    changed = copy.deepcopy(document)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return changed


def _figures(
    part: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], int | float]]:
    """Yield every number in a document with the way to it."""
    if isinstance(part, dict):
        for key, inner in part.items():
            if key not in ("version", "origin", "exit_sets", "exit_set"):
                yield from _figures(inner, (*path, key))
    elif isinstance(part, list):
        for k, inner in enumerate(part):
            yield from _figures(inner, (*path, k))
    elif isinstance(part, int | float) and not isinstance(part, bool):
        yield path, part


def _plainer(value: int | float) -> Iterator[int | float]:
    """Yield plainer figures, the plainest first; none is less plain than `value`."""
    for plain in (0, 1, float(f"{value:.0e}"), float(f"{value:.1e}")):
        if plain == value:
            return
        yield int(plain) if isinstance(value, int) else plain
