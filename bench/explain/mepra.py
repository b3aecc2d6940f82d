"""MEPRA explained: who goes where, the price of congestion, what more of a resource is worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from splitopt.bench.explain.findings import Answer, Finding, Solver, percent
from splitopt.instances.mepra.judge import evaluate_mepra
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

_MORE = 1.1  # what more of a resource means
_MOST_OPTIONS = 5_000_000  # of all devices, above which single changes are not gone through


def _places(instance: MepraInstance, plan: MepraPlan) -> Iterator[Finding]:
    layers = instance.layers[instance.profile]
    edge = int((plan.splits == 0).sum())
    device = int((plan.splits == layers).sum())
    inside = instance.devices - edge - device
    yield Finding(
        "plan",
        f"{edge} of {instance.devices} devices send the raw input, {device} keep everything, "
        f"{inside} cut inside their network.",
        {"edge": edge, "device": device, "inside": inside},
    )


def _congestion(
    instance: MepraInstance, plan: MepraPlan, base: Answer, solver: Solver
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
            f"{100 * plan.shares[largest]:.1f} %, goes to device {largest + 1}. Shares follow the "
            "square root of the work left to the edge.",
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
        more = solver.answer(instance.replace(**{field: getattr(instance, field) * _MORE}))
        change = more.against(base, sign=-1)
        if change == "no change":
            text = f"10 % more {name} changes nothing."
        elif more.closed and base.closed:
            text = f"10 % more {name} lowers the cost to {more.high:.6g} ({change})."
        else:
            text = f"What 10 % more {name} brings: {change}."
        yield Finding(
            "price",
            text,
            {"resource": name, "cost": more.high, "cost_at_least": more.low},
        )


def _even(instance: MepraInstance, base: Answer, solver: Solver) -> Iterator[Finding]:
    from splitopt.bench.methods.registry import load

    if not load("even-shares", "mepra").supports(instance):
        return
    even = Answer.of(solver.solve(instance, "even-shares"))
    if even.high is None or base.high is None:
        return
    text = f"With even shares and each device's own best split the cost is {even.high:.6g}"
    if base.at_least(even.high):
        text += ", no more than the optimum: joint decisions bring nothing here."
    else:
        more = percent(even.high - base.high, base.high)
        text += f" ({more}): that is what joint decisions bring."
    yield Finding("sharing", text, {"cost_even_shares": even.high})


def _next_best(instance: MepraInstance, plan: MepraPlan, base: Answer) -> Iterator[Finding]:
    """Name the other split of one device that costs least, exits and shares worked out anew."""
    from splitopt.formulations.mepra.options import option_table

    widest = int(instance.layers.max()) + 1
    options = widest if instance.exit_set is not None else widest * (widest + 1) // 2
    if base.high is None or instance.devices * options > _MOST_OPTIONS:
        return
    table = option_table(instance, reduced=False)
    choice = table.choice_of(plan)
    if choice is None:
        return
    device = table.device
    total = float(table.root[choice].sum())
    changed = total - table.root[choice][device] + table.root
    extra = table.own_cost - table.own_cost[choice][device] + changed**2 - total**2
    extra[table.split == plan.splits[device]] = np.inf
    at = int(np.argmin(extra))
    moved = choice.copy()
    moved[device[at]] = at
    cost = evaluate_mepra(instance, table.plan(instance, moved)).objective
    more, who, split = cost - base.high, int(device[at]), int(table.split[at])
    share = f" ({percent(more, base.high)})" if base.high else ""
    yield Finding(
        "next",
        f"The cheapest other split of one device: device {who + 1} behind layer {split} instead of "
        f"{int(plan.splits[who])}, for {more:+.4g}{share}.",
        {"device": who + 1, "split": split, "extra_cost": more},
    )


def explain_plan(
    instance: MepraInstance, plan: MepraPlan, base: Answer, solver: Solver
) -> tuple[Finding, ...]:
    """Return findings on the best plan."""
    return (
        *_places(instance, plan),
        *_congestion(instance, plan, base, solver),
        *_next_best(instance, plan, base),
        *_even(instance, base, solver),
    )
