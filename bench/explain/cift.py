"""CIFT explained: deadlines, configurations, hosts; and for the infeasible, what must give."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

from splitopt.bench.explain import graphs
from splitopt.bench.explain.doubt import in_doubt
from splitopt.bench.explain.findings import Answer, Finding, Solver, percent, rounded_up
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Termination
from splitopt.instances.contract.supports import supported

_DEADLINES = {
    "inference": "inference_deadline_s",
    "fine-tuning": "fine_tuning_deadline_s",
}
_NEAR = 0.05  # how far a deadline is moved to price it
_STEPS = 200  # of bisection
_CLOSE = 1e-6  # relative distance at which bisection ends
_TIGHT = 0.999  # share of a deadline from which its plan is held back by nothing else
_ROOM_BYTES = 2.0**60  # more than any network takes


def _times(instance: CiftInstance, plan: CiftPlan) -> dict[str, float]:
    cost = evaluate_cift(instance, plan)
    return {"inference": cost.inference_latency_s, "fine-tuning": cost.fine_tuning_time_s}


def _deadlines(
    instance: CiftInstance, plan: CiftPlan, base: Answer, s: Solver
) -> Iterator[Finding]:
    times = _times(instance, plan)
    for name, field in _DEADLINES.items():
        limit, taken = getattr(instance, field), times[name]
        if limit is None:
            continue
        without = s.answer(instance.replace(**{field: None}))
        share = f" ({100 * taken / limit:.1f} % of it)" if limit else ""
        figures: dict[str, float | int | str | None] = {
            "deadline": name,
            "deadline_s": limit,
            "taken_s": taken,
            "energy_without_j": without.high,
            "energy_without_at_least_j": without.low,
        }
        if without.at_least(base.high):
            yield Finding(
                "slack",
                f"The {name} deadline of {limit:.6g} s costs nothing: the plan takes "
                f"{taken:.6g} s{share} and would be best without it too.",
                figures,
            )
            continue
        change = without.against(base, " J", sign=-1)
        if not without.below(base):
            yield Finding(
                "open",
                f"Whether the {name} deadline of {limit:.6g} s costs anything is not proved: the "
                f"plan takes {taken:.6g} s{share}; what the optimum would be without it: {change}.",
                figures,
            )
            continue
        assert isinstance(without.plan, CiftPlan)
        assert without.high is not None
        freely = _times(instance, without.plan)[name]
        figures["taken_without_s"] = freely
        what = "binds" if taken >= _TIGHT * limit else "rules out cheaper plans"
        text = (
            f"The {name} deadline {what}: the plan takes {taken:.6g} s of {limit:.6g} s{share}; "
            f"without it {'the optimum is' if without.closed else 'a plan takes'} "
            f"{without.high:.6g} J ({change}), in {freely:.6g} s."
        )
        for word, factor, sign in (("more", 1 + _NEAR, -1), ("less", 1 - _NEAR, 1)):
            if limit:
                moved = s.answer(instance.replace(**{field: limit * factor}))
                text += f" {100 * _NEAR:g} % {word} time: {moved.against(base, ' J', sign=sign)}."
                figures[f"energy_at_{100 * factor:.0f}_percent_j"] = moved.high
        yield Finding("binding", text, figures)


def _next_best(
    instance: CiftInstance, plan: CiftPlan, base: Answer, s: Solver
) -> Iterator[Finding]:
    chosen = plan.configuration(instance)
    rivals = [
        (g, s.answer(instance.replace(configurations=(g,))))
        for g in instance.configurations
        if g != chosen
    ]
    total = len(instance.configurations)
    without = sum(answer.impossible for _, answer in rivals)
    priced = [(answer.high, answer, g) for g, answer in rivals if answer.high is not None]
    undecided = [answer for _, answer in rivals if not answer.decided]
    figures: dict[str, float | int | str | None] = {
        "configurations": total,
        "without_plan": without,
        "undecided": len(undecided),
    }
    doubt = f"; {len(undecided)} were not decided: {undecided[0].ended}" if undecided else ""
    if not priced:
        if total == 1:
            text = "It is the only configuration."
        elif undecided:
            text = f"Of {total} configurations no other is known to have a plan{doubt}."
        else:
            text = "No other configuration has a plan."
        yield Finding("next", text, figures)
        return
    value, best, g = min(priced, key=lambda entry: entry[0])
    proved = all(answer.at_least(value) for _, answer in rivals)
    change = best.against(base, " J", sign=int(base.closed))
    if not base.closed and base.high is not None and value < base.high:
        change += ", cheaper than the plan above, which is not proved to be best"
    yield Finding(
        "next",
        f"{'Next best' if proved else 'The best found'} of {total - 1} other configurations: "
        f"{g.model} at compression {g.compression} from {g.source} with {100 * g.fraction:g} % of "
        f"its data, {value:.6g} J ({change}); "
        f"{without} have no plan within the deadlines and memories{doubt}.",
        {
            "energy_j": value,
            "model": g.model,
            "compression": g.compression,
            "source": g.source,
            "proved": proved,
            **figures,
        },
    )


def _hosts(instance: CiftInstance, plan: CiftPlan) -> Iterator[Finding]:
    cost = evaluate_cift(instance, plan)
    hosts = [stage for stage in cost.stages if stage.kind == "host" and stage.blocks]
    parts = ", ".join(
        f"{stage.blocks} block{'s' * (stage.blocks > 1)} on {stage.where}" for stage in hosts
    )
    energy = cost.objective
    share = cost.inference_energy_j / energy if energy else 0.0
    heaviest = max(
        cost.stages, key=lambda stage: stage.inference_energy_j + stage.fine_tuning_energy_j
    )
    joules = heaviest.inference_energy_j + heaviest.fine_tuning_energy_j
    if not energy:
        split = "It takes no energy."
    else:
        split = (
            f"Serving takes {100 * share:.1f} % of the energy, fine-tuning the rest; the dearest "
            f"stage is {heaviest.where} with {100 * joules / energy:.1f} %."
        )
    yield Finding(
        "plan",
        f"{plan.model}, compression {plan.compression}, from {plan.source}: {parts}. {split}",
        {"hosts": len(hosts), "serving_share": share, "dearest": heaviest.where},
    )


def _one_host(instance: CiftInstance, plan: CiftPlan, base: Answer, s: Solver) -> Iterator[Finding]:
    """Say what the best plan on a single node costs, which shows what partitioning brings."""
    from splitopt.bench.methods.registry import load

    if len(plan.hosts) <= 1:
        yield Finding(
            "partition",
            "One node hosts everything: "
            + ("cutting brings nothing." if base.closed else "no better cut was found."),
            {"hosts": 1},
        )
        return
    if instance.beyond:
        return  # those that follow do not take it
    # Each of them goes through every node, route and speed, if it is not stopped.
    results = [
        s.solve(instance, name)
        for name in ("device-only", "edge-only", "cloud-only")
        if supported(load(name, "cift"), instance)
    ]
    complete = all(result.termination is Termination.SOLVED for result in results)
    found = [a.high for a in map(Answer.of, results) if a.high is not None]
    best = min(found, default=None)
    if best is None:
        text = (
            "No single node can host everything within memory and deadlines: the network has to "
            "be cut."
            if complete
            else "No plan on a single node was found; the time limit ended the search for one."
        )
    else:
        assert base.high is not None
        which = "The best plan" if complete else "The best plan found"
        text = (
            f"{which} on a single node takes {best:.6g} J "
            f"({percent(best - base.high, base.high, ' J')}): that is what cutting over "
            f"{len(plan.hosts)} hosts brings."
        )
    yield Finding(
        "partition",
        text,
        {"hosts": len(plan.hosts), "energy_one_node_j": best, "complete": complete},
    )


def explain_plan(
    instance: CiftInstance, plan: CiftPlan, base: Answer, solver: Solver
) -> tuple[Finding, ...]:
    """Return findings on the best plan of a feasible instance."""
    return (
        *_hosts(instance, plan),
        *graphs.cuts(instance, plan),
        *_deadlines(instance, plan, base, solver),
        *graphs.throughput(instance, plan, base, solver),
        *_next_best(instance, plan, base, solver),
        *_one_host(instance, plan, base, solver),
        *in_doubt(instance, plan, base, solver),
    )


def _least(
    change: Callable[[float], CiftInstance], low: float, high: float, solver: Solver
) -> tuple[float, str]:
    """Return about the least value in (low, high] at which a changed instance has a plan.

    It has one at `high` and none at `low`. The text is empty where both is proved of a value and
    one that is relatively 1e-6 lower, else it says what was not decided.
    """
    for _ in range(_STEPS):
        if high - low <= _CLOSE * high:
            break
        middle = math.sqrt(low) * math.sqrt(high) if low > 0 else high / 2
        if not low < middle < high:
            break
        answer = solver.answer(change(middle))
        if answer.impossible:
            low = middle
        elif answer.high is not None:
            high = middle
        else:
            return high, f"less may do: {answer.ended} at {middle:.6g}"
    return high, ""


def _give_deadlines(instance: CiftInstance, names: tuple[str, ...], solver: Solver) -> Finding:
    """Say how much later deadlines would have to be, in one proportion where none of them is 0."""
    limits: dict[str, float] = {
        _DEADLINES[name]: getattr(instance, _DEADLINES[name]) for name in names
    }
    who = " and ".join(f"the {name} deadline" for name in names)
    figures: dict[str, float | int | str | None] = {"change": " + ".join(names), "factor": None}
    freely = solver.answer(instance.replace(**dict.fromkeys(limits)))
    if not isinstance(freely.plan, CiftPlan):
        if freely.impossible:
            it = "it" if len(names) == 1 else "them"
            text = f"Loosening {who} alone does not help: there is no plan without {it} either."
        else:
            text = f"Whether loosening {who} alone helps is not known: {freely.ended}."
        return Finding("give", text, figures)
    times = _times(instance, freely.plan)
    enough = {_DEADLINES[name]: times[name] * (1 + _CLOSE) for name in names}
    by_factor = all(limits.values())

    def later(t: float) -> CiftInstance:
        if by_factor:
            return instance.replace(**{field: limit * t for field, limit in limits.items()})
        return instance.replace(
            **{
                field: limit + t * max(enough[field] - limit, 0.0)
                for field, limit in limits.items()
            }
        )

    if by_factor:
        low, high = 1.0, max(enough[field] / limit for field, limit in limits.items())
    else:
        low, high = 0.0, 1.0
    t, doubt = _least(later, low, high, solver)
    figures["factor"] = t if by_factor else None
    loosened = later(t)
    values = {field: getattr(loosened, field) for field in limits}
    figures |= values
    amount = f" by {rounded_up(100 * (t - 1), 3)} %" if by_factor else ""
    told = " and ".join(f"{rounded_up(value)} s" for value in values.values())
    text = f"Loosening {who}{amount} suffices ({told}{'; ' + doubt if doubt else ''})."
    return Finding("give", text, figures)


def _give_memory(instance: CiftInstance, solver: Solver) -> Finding:
    """Say how much memory would suffice: a factor of every node's, or a least one in bytes."""
    figures: dict[str, float | int | str | None] = {"change": "memory", "factor": None}

    def with_memory(memory: Callable[[float], float]) -> CiftInstance:
        nodes = tuple(
            dataclasses.replace(node, memory_bytes=memory(node.memory_bytes))
            for node in instance.nodes
        )
        return instance.replace(nodes=nodes)

    freely = solver.answer(with_memory(lambda _: _ROOM_BYTES))
    if not freely.decided:
        text = f"Whether more memory alone helps is not known: {freely.ended}."
        return Finding("give", text, figures)
    if freely.impossible:
        text = "More memory on every node alone does not help, however much."
        return Finding("give", text, figures)
    least = min(node.memory_bytes for node in instance.nodes)
    if least > 0:
        t, doubt = _least(lambda t: with_memory(lambda m: m * t), 1.0, _ROOM_BYTES / least, solver)
        figures["factor"] = t
        text = f"Memory of every node times {rounded_up(t, 4)} suffices"
    else:
        t, doubt = _least(lambda t: with_memory(lambda m: max(m, t)), 0.0, _ROOM_BYTES, solver)
        figures["memory_bytes"] = t
        text = f"At least {rounded_up(t)} bytes of memory on every node suffice"
    return Finding("give", f"{text}{' (' + doubt + ')' if doubt else ''}.", figures)


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
    present = [name for name, field in _DEADLINES.items() if getattr(instance, field) is not None]
    groups = [(name,) for name in present] + ([tuple(present)] if len(present) == 2 else [])
    return (
        *graphs.give_throughput(instance, solver),
        *(_give_deadlines(instance, group, solver) for group in groups),
        _give_memory(instance, solver),
    )
