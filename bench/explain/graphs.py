"""What an explanation says of tensors and of a throughput."""

from __future__ import annotations

import math
from collections.abc import Iterator

from splitopt.bench.explain.findings import Answer, Finding, Solver
from splitopt.bench.report.cuts import cuts_of
from splitopt.instances.cift.judge import evaluate_cift, highest_throughput_per_s
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan

_HALVINGS = 40
_CLOSE = 1e-6


def cuts(instance: CiftInstance, plan: CiftPlan) -> Iterator[Finding]:
    """Say what the hops carry, where the network is a graph."""
    for cut in cuts_of(instance, plan):
        yield Finding(
            "cut", f"Over {cut}.", {"hop": cut.where, "tensors": len(cut.tensors), "bits": cut.bits}
        )


def _busiest(instance: CiftInstance, plan: CiftPlan) -> tuple[str, float]:
    """Return the host or link that is busy longest for one request, and how long."""
    delays = {f"{link.tail} -> {link.head}": link.delay_s for link in instance.links}
    stages = evaluate_cift(instance, plan).stages
    busy = {s.where: s.inference_latency_s - delays.get(s.where, 0.0) for s in stages}
    where = max(busy, key=lambda name: busy[name])
    return where, busy[where]


def throughput(
    instance: CiftInstance, plan: CiftPlan, base: Answer, s: Solver
) -> Iterator[Finding]:
    """Say what the throughput costs, and what would hold a higher one back."""
    rate = instance.throughput_per_s
    if rate is None:
        return
    where, busy = _busiest(instance, plan)
    without = s.answer(instance.replace(throughput_per_s=None))
    figures: dict[str, float | int | str | None] = {
        "throughput_per_s": rate,
        "sustained_per_s": highest_throughput_per_s(instance, plan),
        "busiest": where,
        "busy_s": busy,
        "energy_without_j": without.high,
    }
    text = (
        f"Of the {1 / rate:.6g} s that {rate:.6g} requests a second leave for one, {where} is "
        f"busy {busy:.6g} s, the most of all stages"
    )
    if without.at_least(base.high):
        yield Finding("slack", f"{text}: the throughput costs nothing.", figures)
    elif without.below(base):
        change = without.against(base, " J", sign=-1)
        yield Finding("binding", f"{text}; without the throughput: {change}.", figures)
    else:
        yield Finding("open", f"{text}; what it costs is not proved.", figures)


def give_throughput(instance: CiftInstance, solver: Solver) -> Iterator[Finding]:
    """Say which throughput there is a plan for, and which stage is too slow for the one asked."""
    rate = instance.throughput_per_s
    if rate is None:
        return
    figures: dict[str, float | int | str | None] = {
        "change": "throughput",
        "throughput_per_s": None,
    }
    freely = solver.answer(instance.replace(throughput_per_s=None))
    if not isinstance(freely.plan, CiftPlan):
        known = "does not help" if freely.impossible else f"may help: {freely.ended}"
        yield Finding("give", f"A lower throughput alone {known}.", figures)
        return
    best = freely.plan
    low, high = highest_throughput_per_s(instance.replace(throughput_per_s=None), best), rate
    for _ in range(_HALVINGS):
        if high - low <= _CLOSE * high:
            break
        middle = math.sqrt(low) * math.sqrt(high)
        answer = solver.answer(instance.replace(throughput_per_s=middle))
        if isinstance(answer.plan, CiftPlan):
            best = answer.plan
            low = max(middle, highest_throughput_per_s(instance, best))
        elif answer.impossible:
            high = middle
        else:
            break
    where, busy = _busiest(instance, best)
    yield Finding(
        "give",
        f"A throughput of {low:.6g} requests a second instead of {rate:.6g} suffices; there "
        f"{where} is busy {busy:.6g} s a request, and {1 / rate:.6g} s were left.",
        figures | {"throughput_per_s": low, "slowest": where, "busy_s": busy},
    )
