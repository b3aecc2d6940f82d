"""MEPRA explained: who goes where, the price of congestion, what more of a resource is worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from splitopt.bench.explain.findings import Finding, Solver, percent
from splitopt.instances.mepra.judge import evaluate_mepra
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

__all__ = ["explain_plan"]

_MORE = 1.1  # what more of a resource means


def _places(instance: MepraInstance, plan: MepraPlan) -> Iterator[Finding]:
    layers = instance.layers[instance.profile]
    edge = int((plan.splits == 0).sum())
    device = int((plan.splits == layers).sum())
    inside = instance.devices - edge - device
    yield Finding(
        "plan",
        f"{edge} of {instance.devices} devices send the raw input, {device} keep everything, "
        f"{inside} cut "
        "inside their network.",
        {"edge": edge, "device": device, "inside": inside},
    )


def _congestion(
    instance: MepraInstance, plan: MepraPlan, cost: float, solver: Solver
) -> Iterator[Finding]:
    # With the best shares alpha_i = r_i / R, R^2 is the cost of computing at the edge and one more
    # unit of root costs 2 R: what each device's work makes all others wait.
    evaluation = evaluate_mepra(instance, plan)
    busy = plan.shares > 0
    if not busy.any():
        yield Finding("congestion", "The edge is not used at all.", {"devices_at_edge": 0})
    else:
        largest = int(np.argmax(plan.shares))
        yield Finding(
            "congestion",
            f"{int(busy.sum())} devices share the edge; the largest share, "
            f"{100 * plan.shares[largest]:.1f} %, "
            f"goes to device {largest + 1}. Shares follow the square root of the work left to "
            "the edge.",
            {
                "devices_at_edge": int(busy.sum()),
                "largest_share": float(plan.shares[largest]),
                "latency_s": evaluation.latency_s,
                "energy_j": evaluation.energy_j,
            },
        )
    for name, field in (
        ("bandwidth", "bandwidth_bit_per_s"),
        ("edge capacity", "edge_capacity_flop_per_s"),
    ):
        value = solver.value(instance.replace(**{field: getattr(instance, field) * _MORE}))
        if value is not None:
            yield Finding(
                "price",
                f"10 % more {name} would lower the cost to {value:.6g} "
                f"({percent(value - cost, cost)}).",
                {"resource": name, "cost": value},
            )


def _even(instance: MepraInstance, cost: float) -> Iterator[Finding]:
    from splitopt.bench.methods.registry import load
    from splitopt.instances.contract.method import Budget

    method = load("even-shares", "mepra")
    if not method.supports(instance):
        return
    result = method.solve(instance, Budget(), 0, {})
    if result.objective is not None:
        yield Finding(
            "sharing",
            f"With even shares and each device's own best split the cost is {result.objective:.6g} "
            f"({percent(result.objective - cost, cost)}): that is what joint decisions bring.",
            {"cost_even_shares": result.objective},
        )


def _next_best(
    instance: MepraInstance, plan: MepraPlan, cost: float, solver: Solver
) -> Iterator[Finding]:
    """Name the single change of one device that costs least, shares worked out anew."""
    from splitopt.formulations.mepra.options import option_table

    table = option_table(instance)
    if table.devices > 100_000:
        return
    # Position of each device's chosen option on its hull; a plan may hold one that is not on it.
    roots = np.zeros(table.devices)
    own = np.zeros(table.devices)
    picked = np.full(table.devices, -1)
    for i in range(table.devices):
        for k in range(int(table.start[i]), int(table.start[i + 1])):
            if table.split[k] == plan.splits[i] and (
                plan.exit_set is None or table.exit_set[k] == plan.exit_set[i]
            ):
                roots[i], own[i], picked[i] = table.root[k], table.own_cost[k], k
    if (picked < 0).any():
        return
    total = float(roots.sum())
    best: tuple[float, int, int] | None = None
    for i in range(table.devices):
        for k in range(int(table.start[i]), int(table.start[i + 1])):
            if k != picked[i]:
                changed = total - roots[i] + table.root[k]
                extra = table.own_cost[k] - own[i] + changed**2 - total**2
                if best is None or extra < best[0]:
                    best = (float(extra), i, int(table.split[k]))
    if best is not None:
        yield Finding(
            "next",
            f"The cheapest change: device {best[1] + 1} splits behind layer {best[2]} instead of "
            f"{int(plan.splits[best[1]])}, for {best[0]:+.4g} ({percent(best[0], cost)}).",
            {"device": best[1] + 1, "split": best[2], "extra_cost": best[0]},
        )


def explain_plan(
    instance: MepraInstance, plan: MepraPlan, cost: float, solver: Solver
) -> tuple[Finding, ...]:
    """Return findings on the best plan."""
    return (
        *_places(instance, plan),
        *_congestion(instance, plan, cost, solver),
        *_next_best(instance, plan, cost, solver),
        *_even(instance, cost),
    )
