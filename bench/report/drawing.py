"""An instance and a plan at a glance, as one SVG: network, blocks on hosts, time and energy."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from splitopt.bench.report.cuts import draw_graph
from splitopt.bench.report.style import HOSTS
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.judge import require_match
from splitopt.instances.mepra.judge import evaluate_mepra
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan

# Colours that also differ in print (Okabe and Ito).
_TIER = {"end": "#009e73", "edge": "#0072b2", "cloud": "#cc79a7"}
_QUIET, _PATH = "#bbbbbb", "#d55e00"
_MOST_NODES, _MOST_DEVICES = 60, 40


def _places(instance: CiftInstance) -> dict[str, tuple[float, float]]:
    """Return a place for each node: its distance from the sources across, its rank there up."""
    depth = {node.name: 0 for node in instance.nodes}
    # Links are acyclic: as many passes as nodes settle the longest distance.
    for _ in instance.nodes:
        changed = False
        for link in instance.links:
            if depth[link.head] < depth[link.tail] + 1:
                depth[link.head] = depth[link.tail] + 1
                changed = True
        if not changed:
            break
    columns: dict[int, list[str]] = {}
    for node in instance.nodes:
        columns.setdefault(depth[node.name], []).append(node.name)
    return {
        name: (float(column), -(rank - (len(names) - 1) / 2) + 0.18 * (column % 2))
        for column, names in columns.items()
        for rank, name in enumerate(names)
    }


def _network(axes: Any, instance: CiftInstance, plan: CiftPlan | None) -> None:
    if len(instance.nodes) > _MOST_NODES:
        keep = {stop.node for stop in plan.stops} if plan is not None else set()
        axes.set_title(
            f"Network: {len(instance.nodes)} nodes, {len(instance.links)} links", loc="left"
        )
        nodes = [node for node in instance.nodes if node.name in keep]
        if not nodes:
            axes.text(0.5, 0.5, "too many nodes to draw", ha="center", transform=axes.transAxes)
            axes.axis("off")
            return
        order = [stop.node for stop in plan.stops] if plan is not None else []
        places = {name: (float(k), 0.0) for k, name in enumerate(order)}
    else:
        axes.set_title("Network", loc="left")
        nodes = list(instance.nodes)
        places = _places(instance)
    on_path = [stop.node for stop in plan.stops] if plan is not None else []
    hops = set(itertools.pairwise(on_path))
    for link in instance.links:
        if link.tail in places and link.head in places:
            chosen = (link.tail, link.head) in hops
            axes.annotate(
                "",
                places[link.head],
                places[link.tail],
                arrowprops={
                    "arrowstyle": "->",
                    "color": _PATH if chosen else _QUIET,
                    "linewidth": 2.4 if chosen else 0.7,
                    "shrinkA": 11,
                    "shrinkB": 11,
                    "connectionstyle": "arc3,rad=0.08",
                },
            )
    hosts = {stop.node: stop.blocks for stop in plan.stops} if plan is not None else {}
    for node in nodes:
        x, y = places[node.name]
        works = hosts.get(node.name, 0) > 0
        axes.scatter(
            [x],
            [y],
            s=330,
            color=_TIER[node.tier] if works or plan is None else "white",
            edgecolors=_TIER[node.tier],
            linewidths=1.6,
            zorder=3,
        )
        below = f"\n{hosts[node.name]} blocks" if works else ""
        axes.text(x, y - 0.2, node.name + below, ha="center", va="top", fontsize=7)
    for tier, colour in _TIER.items():
        axes.scatter([], [], color=colour, label=tier)
    axes.legend(loc="upper right", fontsize=7, frameon=False, ncols=3)
    axes.margins(0.12, 0.28)
    axes.axis("off")


def _chain(axes: Any, instance: CiftInstance, plan: CiftPlan) -> None:
    """Draw blocks as wide as their FLOPs, coloured by host."""
    model = instance.models[instance.model_index[plan.model]]
    if model.is_graph:
        draw_graph(axes, model, plan, HOSTS)
        return
    hosts = [stop for stop in plan.stops if stop.blocks]
    left, block = 0.0, 0
    for k, stop in enumerate(hosts):
        begin = left
        for _ in range(stop.blocks):
            width = model.blocks[block].flops / 1e6
            axes.barh(0, width, left=left, color=HOSTS[k % len(HOSTS)], edgecolor="white")
            left += width
            block += 1
        speed = (stop.inference_speed_flop_per_s or 0.0) / 1e9
        axes.text(
            (begin + left) / 2, 0.45, f"{stop.node}\n{speed:.4g} GFLOP/s", ha="center", fontsize=7
        )
    axes.set(yticks=[], xlabel="forward MFLOP of the blocks, in order", ylim=(-0.45, 1.0))
    axes.set_title(f"{plan.model}, compression {plan.compression}", loc="left")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _stages(
    axes: Any, names: list[str], parts: Mapping[str, list[float]], label: str, limit: float | None
) -> None:
    """Draw stacked bars, one a stage; the sum stands in the title, a deadline as a line."""
    bottom = [0.0] * len(names)
    for (name, values), colour in zip(parts.items(), ("#0072b2", "#e69f00"), strict=False):
        axes.barh(names, values, left=bottom, color=colour, label=name)
        bottom = [a + b for a, b in zip(bottom, values, strict=True)]
    axes.invert_yaxis()
    axes.tick_params(labelsize=7)
    total = sum(bottom)
    kept = "" if limit is None else f" of {limit:.4g} allowed"
    axes.set_title(f"{label}: {total:.4g}{kept}", loc="left", fontsize=9)
    if len(parts) > 1:
        axes.legend(fontsize=7, frameon=False)


def _cift(figure: Any, instance: CiftInstance, plan: CiftPlan | None) -> None:
    if plan is None:
        _network(figure.subplots(), instance, None)
        return
    cost = evaluate_cift(instance, plan)
    wide = 1.8 if plan.is_graph else 0.8
    grid = figure.add_gridspec(3, 3, height_ratios=(2.4, wide, 1.6))
    _network(figure.add_subplot(grid[0, :]), instance, plan)
    _chain(figure.add_subplot(grid[1, :]), instance, plan)
    names = [stage.where for stage in cost.stages]
    stages = cost.stages
    serving = [stage.inference_energy_j for stage in stages]
    tuning = [stage.fine_tuning_energy_j for stage in stages]
    _stages(
        figure.add_subplot(grid[2, 0]),
        names,
        {"serving": serving, "fine-tuning": tuning},
        "Energy, J",
        None,
    )
    times = figure.add_subplot(grid[2, 1])
    latency = {"request": [1e3 * stage.inference_latency_s for stage in stages]}
    limit = instance.inference_deadline_s
    _stages(times, names, latency, "Latency, ms", None if limit is None else 1e3 * limit)
    times.set_yticklabels([])
    training = figure.add_subplot(grid[2, 2])
    seconds = {"all": [stage.fine_tuning_time_s for stage in stages]}
    _stages(training, names, seconds, "Fine-tuning, s", instance.fine_tuning_deadline_s)
    training.set_yticklabels([])


def _mepra(figure: Any, instance: MepraInstance, plan: MepraPlan | None) -> None:
    shown = min(instance.devices, _MOST_DEVICES)
    names = [f"device {k + 1}" for k in range(shown)]
    layers = instance.layers[instance.profile][:shown]
    if plan is None:
        axes = figure.subplots()
        axes.barh(names, instance.speed_flop_per_s[:shown] / 1e9, color=_TIER["end"])
        axes.invert_yaxis()
        axes.set_title(
            f"Speed, GFLOP/s ({shown} of {instance.devices} devices); edge "
            f"{instance.edge_capacity_flop_per_s / 1e9:.4g}, "
            f"{instance.bandwidth_bit_per_s / 1e6:.4g} Mbit/s",
            loc="left",
        )
        return
    cost = evaluate_mepra(instance, plan)
    left, middle, right = figure.subplots(1, 3, sharey=True)
    splits = plan.splits[:shown]
    left.barh(names, splits, color=_TIER["end"], label="on the device")
    left.barh(names, layers - splits, left=splits, color=_TIER["edge"], label="at the edge")
    left.set_title(f"Layers ({shown} of {instance.devices} devices)", loc="left", fontsize=9)
    left.legend(fontsize=7, loc="lower right")
    left.invert_yaxis()
    middle.barh(names, 100 * plan.shares[:shown], color=_TIER["edge"])
    middle.set_title("Share of the edge, %", loc="left", fontsize=9)
    time = instance.weight_time_per_s * cost.device_latency_s[:shown]
    energy = instance.weight_energy_per_j * cost.device_energy_j[:shown]
    right.barh(names, time, color="#0072b2", label="time")
    right.barh(names, energy, left=time, color="#e69f00", label="energy")
    right.legend(fontsize=7, frameon=False)
    right.set_title(f"Cost: {cost.objective:.5g} in all", loc="left", fontsize=9)


def draw(instance: Instance, plan: Plan | None) -> bytes:
    """Return the picture of an instance, and of a plan on it, as SVG.

    Raises
    ------
    InputError
        When the plan is of another problem or does not fit.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if plan is not None:
        require_match(instance, plan)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": instance.name, "font.size": 8}):
        if isinstance(instance, CiftInstance):
            figure = Figure(figsize=(9.5, 3.2 if plan is None else 7.2), layout="constrained")
            _cift(figure, instance, cast("CiftPlan | None", plan))
        else:
            rows = min(instance.devices, _MOST_DEVICES)
            figure = Figure(figsize=(9.5, 1.4 + 0.24 * rows), layout="constrained")
            _mepra(figure, instance, cast("MepraPlan | None", plan))
        # Names come from files: no formula is read into them.
        figure.suptitle(instance.name.replace("$", r"\$"), x=0.01, ha="left", fontsize=11)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
