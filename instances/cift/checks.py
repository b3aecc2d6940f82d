"""What makes a CIFT instance whole: names that exist, links without cycles, epochs that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from splitopt.instances.cift.parts import Factors
from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.networks.downsets import downsets_of

if TYPE_CHECKING:
    from splitopt.instances.cift.doubt import Doubt
    from splitopt.instances.cift.model import CiftInstance


def check_whole(instance: CiftInstance) -> None:
    """Raise unless the parts of an instance, each right by itself, go together.

    Raises
    ------
    InputError
        Naming the field, the value, what is allowed and the remedy.
    """
    for group in ("nodes", "models", "compressions"):
        fields.names_differ(group, [part.name for part in getattr(instance, group)])
    if not instance.nodes:
        raise InputError("nodes", [], "at least one node", "add the nodes")
    for model in instance.models:
        if model.is_graph:
            downsets_of(model)
    check_factors(instance, [node.factors for node in instance.nodes])
    _check_links(instance)
    _check_curves(instance)
    _check_configurations(instance)
    if instance.doubt is not None:
        _check_doubt(instance, instance.doubt)


def check_factors(instance: CiftInstance, given: Sequence[Factors]) -> None:
    """Raise where factors name a model or a block that there is not."""
    for index, factors in enumerate(given):
        for model, blocks in factors:
            where = f"nodes[{index}].factors"
            _check_known(where, model, instance.model_index)
            profile = instance.models[instance.model_index[model]]
            names = {block.name: k for k, block in enumerate(profile.blocks)}
            for block, _ in blocks:
                _check_known(f"{where}.{model}", block, names)


def _check_links(instance: CiftInstance) -> None:
    known = set(instance.node_index)
    pairs: set[tuple[str, str]] = set()
    for index, link in enumerate(instance.links):
        for end in ("tail", "head"):
            if getattr(link, end) not in known:
                raise InputError(
                    f"links[{index}].{end}",
                    getattr(link, end),
                    "the name of a node",
                    "add the node or correct the name",
                )
        if (link.tail, link.head) in pairs:
            raise InputError(
                f"links[{index}]",
                f"{link.tail} -> {link.head}",
                "at most one link an ordered pair",
                "remove one of the two",
            )
        pairs.add((link.tail, link.head))
    _check_acyclic(instance)


def _check_acyclic(instance: CiftInstance) -> None:
    waiting = {node.name: 0 for node in instance.nodes}
    for link in instance.links:
        waiting[link.head] += 1
    ready = [name for name, count in waiting.items() if count == 0]
    order = []
    while ready:
        name = ready.pop()
        order.append(name)
        for link in instance.links_from[name]:
            waiting[link.head] -= 1
            if waiting[link.head] == 0:
                ready.append(link.head)
    if len(order) == len(instance.nodes):
        return
    # Each node that is left has a link from another one: going back runs into the cycle.
    back = {
        link.head: (index, link)
        for index, link in enumerate(instance.links)
        if waiting[link.tail] > 0 and waiting[link.head] > 0
    }
    node = next(iter(back))
    met: set[str] = set()
    while node not in met:
        met.add(node)
        node = back[node][1].tail
    index, link = back[node]
    raise InputError(
        f"links[{index}]",
        f"{link.tail} -> {link.head}",
        "links without a cycle",
        "remove a link of the cycle",
    )


def _check_curves(instance: CiftInstance) -> None:
    seen: set[tuple[str, str]] = set()
    for index, curve in enumerate(instance.curves):
        where = f"curves[{index}]"
        _check_known(f"{where}.model", curve.model, instance.model_index)
        _check_known(f"{where}.compression", curve.compression, instance.compression_index)
        if (curve.model, curve.compression) in seen:
            raise InputError(
                where,
                f"{curve.model}, {curve.compression}",
                "one curve a model and compression",
                "remove one of the two",
            )
        seen.add((curve.model, curve.compression))


def _check_known(where: str, name: str, known: Mapping[str, int]) -> None:
    if name not in known:
        raise InputError(
            where, name, "one of " + ", ".join(known), "correct the name or add what it names"
        )


def _check_configurations(instance: CiftInstance) -> None:
    curves = {(curve.model, curve.compression): curve for curve in instance.curves}
    seen: set[tuple[str, str, str, float]] = set()
    for index, g in enumerate(instance.configurations):
        where = f"configurations[{index}]"
        _check_known(f"{where}.model", g.model, instance.model_index)
        _check_known(f"{where}.compression", g.compression, instance.compression_index)
        _check_known(f"{where}.source", g.source, instance.node_index)
        node = instance.nodes[instance.node_index[g.source]]
        if node.tier != "end":
            raise InputError(
                f"{where}.source", g.source, "an end node", "choose a node of tier end"
            )
        key = (g.model, g.compression, g.source, g.fraction)
        if key in seen:
            raise InputError(
                where, ", ".join(map(str, key)), "each configuration once", "remove one"
            )
        seen.add(key)
        samples = instance.samples_per_epoch(g)
        if instance.error_target is None:
            if g.epochs > 0 and samples < 1:
                raise InputError(
                    f"{where}.epochs", g.epochs, "0 for a source without data", "give it data"
                )
            continue
        curve = curves.get((g.model, g.compression))
        if curve is None:
            raise InputError(
                f"{where}",
                f"{g.model}, {g.compression}",
                "pairs with a learning curve",
                "add the curve, or set error_target to null",
            )
        if samples < 1:
            raise InputError(
                f"{where}.source", g.source, "a node with samples >= 1", "give it data"
            )
        if not curve.follows(g.epochs, samples, instance.error_target):
            due = curve.epochs(samples, instance.error_target)
            raise InputError(
                f"{where}.epochs",
                g.epochs,
                "nothing, since the target is out of reach"
                if due is None
                else f"{due}, as it follows from the curve",
                "remove the configuration" if due is None else f"write {due}",
            )


def _check_doubt(instance: CiftInstance, doubt: Doubt) -> None:
    doubt.check_names(
        [g.key for g in instance.configurations],
        [(link.tail, link.head) for link in instance.links],
        [node.name for node in instance.nodes],
    )
    for index, entry in enumerate(doubt.epochs):
        node = instance.nodes[instance.node_index[entry.source]]
        if max(entry.values) > 0 and math.ceil(rational(entry.fraction) * node.samples) < 1:
            raise InputError(
                f"doubt.epochs[{index}]", entry.source, "a source with data", "give it data"
            )
    if doubt.network and instance.beyond:
        raise InputError(
            "doubt",
            " and ".join(sorted(doubt.kinds)),
            f"epochs alone, with {instance.beyond[0]}",
            "leave the doubt of the network out, or what it does not go with",
        )
