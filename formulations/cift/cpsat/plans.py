"""From solutions of the CP-SAT model to plans, and from plans to literals."""

from __future__ import annotations

from typing import Any

from splitopt.formulations.cift.cpsat.figures import Offer
from splitopt.formulations.cift.cpsat.graphs import crossed, stops_of
from splitopt.formulations.cift.cpsat.model import IntegerModel, Literal
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, Stop, hosted_by


def read_plan(
    model: IntegerModel, choices: list[Offer], instance: CiftInstance, value: Any
) -> CiftPlan:
    """Return the plan of a solution; `value` gives that of a literal."""
    k = next(k for k, y in enumerate(model.chosen) if value(y))
    offer = choices[k]
    if offer.graph is not None:
        found = stops_of(model, k, offer, instance, value)
        return CiftPlan.of(instance.configurations[offer.index], found)
    stops: list[Stop] = []
    n, done = offer.source, 0
    while True:
        speeds: list[float | None] = [None, None]
        first = done
        while done < offer.blocks and any(
            value(model.serve.get((k, done, n, run.level), 0)) for run in offer.serve[done, n]
        ):
            done += 1
        if done > first:
            for position, (part, runs) in enumerate(
                ((model.serve, offer.serve), (model.tune, offer.tune))
            ):
                for run in runs.get((first, n), ()):
                    if value(part.get((k, first, n, run.level), 0)):
                        speeds[position] = run.level
        stops.append(Stop(instance.nodes[n].name, done - first, speeds[0], speeds[1]))
        if done == offer.blocks:
            return CiftPlan.of(instance.configurations[offer.index], tuple(stops))
        n = next(
            hop.head
            for hop in offer.hops[done]
            if hop.tail == n and value(model.hop.get((k, done, n, hop.head), 0))
        )


def literals_of(
    model: IntegerModel, choices: list[Offer], instance: CiftInstance, plan: CiftPlan
) -> list[Literal] | None:
    """Return the literals that a plan makes true, None when some were left out."""
    g = plan.configuration(instance)
    k = next((k for k, o in enumerate(choices) if instance.configurations[o.index] == g), None)
    if k is None:
        return None
    offer = choices[k]
    if (offer.graph is not None) != plan.is_graph:
        return None
    found: list[Literal] = [model.chosen[k]]
    network = instance.models[instance.model_index[plan.model]]
    done: set[int] = set()
    last = -1
    for stop, hosted in zip(plan.stops, hosted_by(network, plan), strict=True):
        n = instance.node_index[stop.node]
        if last >= 0 and offer.graph is not None:
            found += crossed(model, k, offer.graph, done, (last, n))
        elif last >= 0:
            found.append(model.hop.get((k, len(done), last, n)))
        for b in hosted:
            found.append(model.serve.get((k, b, n, stop.inference_speed_flop_per_s or 0.0)))
            if stop.fine_tuning_speed_flop_per_s is not None:
                found.append(model.tune.get((k, b, n, stop.fine_tuning_speed_flop_per_s)))
        done.update(hosted)
        last = n
    # Literals overload ==, so `in` will not do.
    return None if any(literal is None for literal in found) else found
