"""Text for people about a CIFT instance and a plan on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from splitopt.bench.commands.output import echo_table, figure, say, say_all
from splitopt.bench.report.cuts import cuts_of, span
from splitopt.instances.cift.doubt import Doubt
from splitopt.instances.cift.judge import (
    CiftEvaluation,
    StageCost,
    evaluate_cift,
    highest_throughput_per_s,
)
from splitopt.instances.cift.model import CiftInstance, Link, Node, SpeedInterval, Speeds
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import check
from splitopt.instances.networks.downsets import downsets_of

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Plan
    from splitopt.instances.networks.profiles import Profile

_MOST_ROWS = 30
_Line = dict[str, str | int | float | bool | None]


def _speeds(speeds: Speeds) -> str:
    if isinstance(speeds, SpeedInterval):
        return f"{speeds.low / 1e9:.6g}..{speeds.high / 1e9:.6g}"
    if len(speeds) > 4:
        return f"{speeds[0] / 1e9:.6g}..{speeds[-1] / 1e9:.6g} ({len(speeds)} levels)"
    return " ".join(f"{speed / 1e9:.6g}" for speed in speeds)


def _rest(total: int) -> None:
    if total > _MOST_ROWS:
        say(f"... and {total - _MOST_ROWS} more")


def _deadline(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g} s"


def _in_doubt(doubt: Doubt) -> str:
    """Return what is in doubt, and what is asked, in a line."""
    groups = {
        "epochs of {} configurations": doubt.epochs,
        "{} scenarios": doubt.scenarios,
        "spreads of {} links and nodes": doubt.spread,
    }
    named = ", ".join(text.format(len(group)) for text, group in groups.items() if group)
    return (
        f"in doubt: {named}; deadlines hold with probability {doubt.inference_confidence} "
        f"(inference) and {doubt.fine_tuning_confidence} (fine-tuning)"
    )


def show_instance(instance: CiftInstance) -> None:
    """Print nodes, links, models and configurations."""
    say_all(
        f"\n{len(instance.nodes)} nodes, {len(instance.links)} links, {len(instance.models)} "
        f"models, {len(instance.compressions)} compression levels, "
        f"{len(instance.configurations)} configurations"
    )
    target = instance.error_target
    say_all(
        f"{instance.requests} requests; deadlines: inference "
        f"{_deadline(instance.inference_deadline_s)} a request, fine-tuning "
        f"{_deadline(instance.fine_tuning_deadline_s)} in all; error target "
        f"{'none, epochs are given' if target is None else figure(target)}"
    )
    if instance.throughput_per_s is not None:
        say(f"throughput: {instance.throughput_per_s:.6g} requests a second")
    measured = [node.name for node in instance.nodes if node.factors]
    if measured:
        say(f"factors of single blocks on {', '.join(measured)}")
    if instance.doubt is not None:
        say(_in_doubt(instance.doubt))
    say("")
    _show_nodes(instance.nodes)
    if instance.links:
        _show_links(instance.links)
    _show_models(instance.models)
    _show_configurations(instance)


def _show_nodes(nodes: Sequence[Node]) -> None:
    echo_table(
        {
            "name": "node",
            "tier": "tier",
            "speeds": "GFLOP/s",
            "efficiency": "pJ/FLOP at top",
            "power": "busy W",
            "memory": "memory MiB",
            "samples": "samples",
        },
        [
            {
                "name": node.name,
                "tier": node.tier,
                "speeds": _speeds(node.speeds_flop_per_s),
                "efficiency": _joules_per_flop(node.speeds_flop_per_s, node.kappa_j_s2_per_flop3)
                * 1e12,
                "power": node.busy_power_w,
                "memory": node.memory_bytes / 2**20,
                "samples": node.samples,
            }
            for node in nodes[:_MOST_ROWS]
        ],
    )
    _rest(len(nodes))
    say("")


def _show_links(links: Sequence[Link]) -> None:
    echo_table(
        {
            "link": "link",
            "rate": "Mbit/s",
            "delay": "delay ms",
            "energy": "nJ/bit",
        },
        [
            {
                "link": f"{link.tail} -> {link.head}",
                "rate": link.rate_bit_per_s / 1e6,
                "delay": link.delay_s * 1e3,
                "energy": link.energy_j_per_bit * 1e9,
            }
            for link in links[:_MOST_ROWS]
        ],
    )
    _rest(len(links))
    say("")


def _show_models(models: Sequence[Profile]) -> None:
    echo_table(
        {
            "model": "model",
            "blocks": "blocks",
            "flops": "GFLOP",
            "params": "parameters MiB",
            "input": "input Mbit",
        },
        [
            {
                "model": model.name,
                "blocks": f"{len(model.blocks)}, a graph of {len(downsets_of(model))} downsets"
                if model.is_graph
                else len(model.blocks),
                "flops": model.flops / 1e9,
                "params": model.param_bytes / 2**20,
                "input": model.input_bits / 1e6,
            }
            for model in models[:_MOST_ROWS]
        ],
    )
    _rest(len(models))
    say("")


def _show_configurations(instance: CiftInstance) -> None:
    echo_table(
        {
            "model": "configuration",
            "compression": "compression",
            "source": "source",
            "fraction": "data",
            "epochs": "epochs",
            "passes": "sample passes",
        },
        [
            {
                "model": g.model,
                "compression": g.compression,
                "source": g.source,
                "fraction": g.fraction,
                "epochs": g.epochs,
                "passes": instance.sample_passes(g),
            }
            for g in instance.configurations[:_MOST_ROWS]
        ],
    )
    _rest(len(instance.configurations))


def _joules_per_flop(speeds: Speeds, kappa: float) -> float:
    top = speeds.high if isinstance(speeds, SpeedInterval) else speeds[-1]
    return kappa * top * top


def show_plan(instance: CiftInstance, plan: Plan) -> None:
    """Print what a plan decides and costs, stage by stage."""
    if not isinstance(plan, CiftPlan):
        raise InputError("plan", type(plan).__name__, "a plan of cift", "give another plan")
    result = evaluate_cift(instance, plan)
    say(
        f"plan: {plan.model}, {plan.compression}, data of {plan.source} ({plan.fraction:g}), "
        f"{len(plan.hosts)} host{'s' if len(plan.hosts) != 1 else ''}"
    )
    rows = [*_stages(result, plan), {"stage": "total", "blocks": "", **_costs(result)}]
    echo_table(
        {
            "stage": "stage",
            "blocks": "blocks",
            "serve": "serving GFLOP/s",
            "tune": "tuning GFLOP/s",
            "latency": "latency ms",
            "time": "tuning s",
            "e_inf": "serving J",
            "e_ft": "tuning J",
        },
        rows,
    )
    for cut in cuts_of(instance, plan):
        say(f"cut {cut}")
    if instance.throughput_per_s is not None:
        sustained = highest_throughput_per_s(instance, plan)
        say(f"throughput {sustained:.6g} requests/s of {instance.throughput_per_s:.6g} asked")
    say(f"objective {result.objective:.10g} J")
    for violation in check(instance, plan):
        say(f"violation {violation.constraint}: {violation.statement}")


def _stages(result: CiftEvaluation, plan: CiftPlan) -> Iterator[_Line]:
    """Yield a line a host and hop: its blocks, speeds, seconds and joules."""
    stops = {stop.node: stop for stop in plan.stops}
    first = 1
    for stage in result.stages:
        line: _Line = {"stage": stage.where, "blocks": ""}
        if stage.kind != "hop":
            stop = stops[stage.where]
            line["blocks"] = span(stop.names) or f"{first}..{first + stage.blocks - 1}"
            serve, tune = stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s
            line["serve"] = None if serve is None else serve / 1e9
            line["tune"] = None if tune is None else tune / 1e9
        first += stage.blocks
        yield {**line, **_costs(stage)}


def _costs(of: CiftEvaluation | StageCost) -> _Line:
    """Return the cells that stages and their total have in common."""
    return {
        "latency": of.inference_latency_s * 1e3,
        "time": of.fine_tuning_time_s,
        "e_inf": of.inference_energy_j,
        "e_ft": of.fine_tuning_energy_j,
    }
