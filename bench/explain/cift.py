"""CIFT explained: deadlines, configurations, hosts; and for the infeasible, what must give."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from splitopt.bench.explain.findings import Finding, Solver, percent
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan

__all__ = ["explain_plan", "what_must_give"]

_DEADLINES = {
    "inference": "inference_deadline_s",
    "fine-tuning": "fine_tuning_deadline_s",
}
_NEAR = 0.05  # how far a deadline is moved to price it
_STEPS = 30  # halvings: factors to 1e-6 relative


def _percent(value: float, base: float) -> str:
    return percent(value - base, base, " J")


def _deadlines(
    instance: CiftInstance, plan: CiftPlan, energy: float, s: Solver
) -> Iterator[Finding]:
    cost = evaluate_cift(instance, plan)
    taken = {"inference": cost.inference_latency_s, "fine-tuning": cost.fine_tuning_time_s}
    for name, field in _DEADLINES.items():
        limit = getattr(instance, field)
        if limit is None:
            continue
        without = s.value(instance.replace(**{field: None}))
        used = taken[name] / limit if limit else 1.0
        figures: dict[str, float | int | str | None] = {
            "deadline_s": limit,
            "taken_s": taken[name],
            "energy_without_j": without,
        }
        if without is None or without >= energy * (1 - 1e-9):
            yield Finding(
                "slack",
                f"The {name} deadline of {limit:.6g} s costs nothing: the plan takes "
                f"{taken[name]:.6g} s "
                f"({100 * used:.1f} % of it) and would be best without it too.",
                {"deadline": name, **figures},
            )
            continue
        tighter = s.value(instance.replace(**{field: limit * (1 - _NEAR)}))
        looser = s.value(instance.replace(**{field: limit * (1 + _NEAR)}))
        text = (
            f"The {name} deadline binds: the plan takes {taken[name]:.6g} s of {limit:.6g} s; "
            "without it "
            f"the least energy is {without:.6g} J ({_percent(without, energy)})."
        )
        if looser is not None:
            text += f" 5 % more time: {_percent(looser, energy)}."
        if tighter is None:
            text += " 5 % less time: no plan."
        else:
            text += f" 5 % less time: {_percent(tighter, energy)}."
        figures |= {"energy_at_95_percent_j": tighter, "energy_at_105_percent_j": looser}
        yield Finding("binding", text, {"deadline": name, **figures})


def _next_best(
    instance: CiftInstance, plan: CiftPlan, energy: float, s: Solver
) -> Iterator[Finding]:
    chosen = plan.configuration(instance)
    rivals = []
    for g in instance.configurations:
        if g != chosen:
            value = s.value(instance.replace(configurations=(g,)))
            if value is not None:
                rivals.append((value, g))
    total = len(instance.configurations)
    if not rivals:
        why = "It is the only configuration" if total == 1 else "No other configuration has a plan"
        yield Finding("next", f"{why}.", {"configurations": total})
        return
    value, g = min(rivals, key=lambda pair: pair[0])
    yield Finding(
        "next",
        f"Next best of {total} configurations: {g.model} at compression {g.compression} from "
        f"{g.source} "
        f"with {100 * g.fraction:g} % of its data, {value:.6g} J ({_percent(value, energy)}); "
        f"{total - 1 - len(rivals)} have no plan within the deadlines and memories.",
        {"energy_j": value, "model": g.model, "compression": g.compression, "source": g.source},
    )


def _hosts(instance: CiftInstance, plan: CiftPlan) -> Iterator[Finding]:
    cost = evaluate_cift(instance, plan)
    hosts = [stage for stage in cost.stages if stage.kind == "host" and stage.blocks]
    parts = ", ".join(
        f"{stage.blocks} block{'s' * (stage.blocks > 1)} on {stage.where}" for stage in hosts
    )
    share = cost.inference_energy_j / cost.objective if cost.objective else 0.0
    heaviest = max(
        cost.stages, key=lambda stage: stage.inference_energy_j + stage.fine_tuning_energy_j
    )
    joules = heaviest.inference_energy_j + heaviest.fine_tuning_energy_j
    yield Finding(
        "plan",
        f"{plan.model}, compression {plan.compression}, from {plan.source}: {parts}. Serving takes "
        f"{100 * share:.1f} % of the energy, fine-tuning the rest; the dearest stage is "
        f"{heaviest.where} "
        f"with {100 * (joules / cost.objective if cost.objective else 0):.1f} %.",
        {"hosts": len(hosts), "serving_share": share, "dearest": heaviest.where},
    )


def _one_host(instance: CiftInstance, plan: CiftPlan, energy: float) -> Iterator[Finding]:
    """Say what the best plan on a single node costs, which shows what partitioning brings."""
    from splitopt.bench.methods.registry import load
    from splitopt.instances.contract.method import Budget

    if len(plan.hosts) <= 1:
        yield Finding(
            "partition", "One node hosts everything: cutting brings nothing.", {"hosts": 1}
        )
        return
    values = []
    for name in ("device-only", "edge-only", "cloud-only"):
        method = load(name, "cift")
        if method.supports(instance):
            result = method.solve(instance, Budget(), 0, {})
            if result.status == "feasible" or result.status == "optimal":
                values.append(result.objective)
    found = [value for value in values if value is not None]
    if not found:
        yield Finding(
            "partition",
            "No single node can host everything within memory and deadlines: the network has "
            "to be cut.",
            {"hosts": len(plan.hosts), "energy_one_node_j": None},
        )
        return
    best = min(found)
    yield Finding(
        "partition",
        f"The best plan on a single node takes {best:.6g} J ({_percent(best, energy)}): that "
        "is what "
        f"cutting over {len(plan.hosts)} hosts brings.",
        {"hosts": len(plan.hosts), "energy_one_node_j": best},
    )


def explain_plan(
    instance: CiftInstance, plan: CiftPlan, energy: float, solver: Solver
) -> tuple[Finding, ...]:
    """Return findings on the best plan of a feasible instance."""
    return (
        *_hosts(instance, plan),
        *_deadlines(instance, plan, energy, solver),
        *_next_best(instance, plan, energy, solver),
        *_one_host(instance, plan, energy),
    )


def _least_factor(change: Callable[[float], CiftInstance], solver: Solver) -> float | None:
    """Return the least factor >= 1 at which the changed instance has a plan, None up to 2^40."""
    high = 1.0
    while solver.value(change(high)) is None:
        high *= 2
        if high > 2.0**40:
            return None
    if high == 1.0:
        return 1.0
    low = high / 2
    for _ in range(_STEPS):
        middle = math.sqrt(low * high)
        if solver.value(change(middle)) is None:
            low = middle
        else:
            high = middle
        if high / low - 1 < 1e-6:
            break
    return high


def what_must_give(instance: CiftInstance, solver: Solver) -> tuple[Finding, ...]:
    """Return what would make an infeasible instance feasible, one change at a time."""
    if not instance.configurations:
        return (
            Finding(
                "give",
                "No configuration reaches the error target: raise it, or offer larger networks "
                "or data.",
                {"change": "error_target"},
            ),
        )
    found = []
    present = [name for name, field in _DEADLINES.items() if getattr(instance, field) is not None]
    groups = [(name,) for name in present] + ([tuple(present)] if len(present) == 2 else [])
    for group in groups:

        def looser(factor: float, group: tuple[str, ...] = group) -> CiftInstance:
            fields = {
                _DEADLINES[name]: getattr(instance, _DEADLINES[name]) * factor for name in group
            }
            return instance.replace(**fields)

        factor = _least_factor(looser, solver)
        who = " and ".join(f"the {name} deadline" for name in group)
        if factor is None:
            text = f"Loosening {who} alone does not help."
        else:
            limits = ", ".join(
                f"{getattr(instance, _DEADLINES[name]) * factor:.6g} s" for name in group
            )
            text = f"Loosening {who} by {100 * (factor - 1):.3g} % suffices ({limits})."
        found.append(Finding("give", text, {"change": " + ".join(group), "factor": factor}))

    def roomier(factor: float) -> CiftInstance:
        import dataclasses

        nodes = tuple(
            dataclasses.replace(node, memory_bytes=node.memory_bytes * factor)
            for node in instance.nodes
        )
        return instance.replace(nodes=nodes)

    factor = _least_factor(roomier, solver)
    text = (
        "More memory on every node alone does not help."
        if factor is None
        else f"Memory of every node times {factor:.4g} suffices."
    )
    found.append(Finding("give", text, {"change": "memory", "factor": factor}))
    return tuple(found)
