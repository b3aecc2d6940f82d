"""What is wrong with the shape of a plan of CIFT, before anything is worked out."""

from __future__ import annotations

import itertools

from splitopt.instances.cift.model import CiftInstance, Configuration, Link
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.violations import Violation
from splitopt.instances.networks.profiles import Profile


def _counted_wrongly(model: Profile, plan: CiftPlan) -> tuple[str, str] | None:
    """Return where and what is wrong with the blocks of a plan of a chain; None for nothing."""
    for stop in plan.stops:
        if stop.names:
            return stop.node, "blocks of a chain are counted, not named"
    due = len(model.blocks)
    placed = sum(stop.blocks for stop in plan.stops)
    return None if placed == due else (plan.model, f"{placed} blocks are placed of {due}")


def _named_wrongly(model: Profile, plan: CiftPlan) -> tuple[str, str] | None:
    """Return where and what is wrong with the blocks of a plan of a graph; None for nothing.

    What is done after each stop must be closed under predecessors.
    """
    known = {block.name: b for b, block in enumerate(model.blocks)}
    done: set[int] = set()
    for stop in plan.stops:
        if stop.blocks and not stop.names:
            return stop.node, "blocks of a graph are named, not counted"
        for name in stop.names:
            if name not in known:
                return stop.node, f"{plan.model} has no block {name}"
            if known[name] in done:
                return stop.node, f"{name} is placed twice"
            done.add(known[name])
        for tensor in model.tensors:
            late = [b for b in tensor.consumers if b in done]
            if late and tensor.producer is not None and tensor.producer not in done:
                needing = model.blocks[late[0]].name
                made = model.blocks[tensor.producer].name
                return stop.node, f"{needing} needs {tensor.name} of {made}, which runs later"
    if len(done) < len(model.blocks):
        return plan.model, f"{len(done)} blocks are placed of {len(model.blocks)}"
    return None


def structure_of(
    instance: CiftInstance, plan: CiftPlan
) -> tuple[Configuration | None, list[Link], list[Violation]]:
    """Return the configuration, the links of the path, and what is broken about them."""
    broken: list[Violation] = []

    def breaks(constraint: str, where: str, statement: str) -> None:
        broken.append(Violation(constraint, where, None, None, statement))

    chosen = plan.configuration(instance)
    if chosen is None:
        breaks(
            "configuration",
            f"{plan.model}, {plan.compression}, {plan.source}, {plan.fraction:g}",
            "the instance offers no such configuration",
        )
    links: list[Link] = []
    if plan.stops[0].node != plan.source:
        breaks("path", plan.stops[0].node, f"the path starts at its source {plan.source}")
    for here, there in itertools.pairwise(plan.stops):
        for link in instance.links_from.get(here.node, ()):
            if link.head == there.node:
                links.append(link)
                break
        else:
            breaks("path", f"{here.node} -> {there.node}", "there is no such link")
    for stop in plan.stops:
        if stop.node not in instance.node_index:
            breaks("path", stop.node, "there is no such node")
    if len({stop.node for stop in plan.stops}) < len(plan.stops):
        breaks("path", "stops", "a node stands on a path at most once")
    if plan.stops[-1].blocks == 0:
        breaks("path", plan.stops[-1].node, "the path ends at the last block's host")
    if plan.model in instance.model_index:
        model = instance.models[instance.model_index[plan.model]]
        wrong = _named_wrongly(model, plan) if model.is_graph else _counted_wrongly(model, plan)
        if wrong is not None:
            breaks("blocks", *wrong)
    if chosen is not None:
        trained = instance.expected_passes(chosen) > 0
        for stop in plan.stops:
            has = (
                stop.inference_speed_flop_per_s is not None,
                stop.fine_tuning_speed_flop_per_s is not None,
            )
            due_speeds = (stop.blocks > 0, stop.blocks > 0 and trained)
            if has != due_speeds:
                breaks(
                    "speed",
                    stop.node,
                    "a host has an inference speed and, if there is fine-tuning, a second one; "
                    "a relay has none",
                )
    return chosen, links, broken
