"""The picture that the README and the site open with.

``python -m splitopt.bench.studies front [--results results/bench]``: on the left a proven optimum
of one instance, cut over device, edge and cloud, with its time and energy; on the right how far
each method stays from the proven optimum on the benchmark set, from the store of ``make bench``.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from splitopt.bench.compare.data import load as load_results
from splitopt.bench.compare.summary import MethodSummary
from splitopt.bench.report.numbers import gap_text
from splitopt.bench.runs.solve_once import solve_once
from splitopt.instances.cift.judge import CiftEvaluation, StageCost, evaluate_cift
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.errors import InputError
from splitopt.instances.library import load

OUT = Path(__file__).resolve().parents[3] / "docs" / "figures" / "front.svg"
INSTANCE = "cift-standard-020"
# From exact to simple; a name for those who do not know ours.
METHODS = {
    "highs-oa": "exact (MILPs)",
    "jqodi": "approximation (1 %)",
    "ppo": "learned policy",
    "pymoo-ga": "genetic algorithm",
    "single-cut": "one cut",
    "partition-blind": "no cut",
    "random": "random plans",
}
_TIER = {"end": "#cfe3f1", "edge": "#fbe3c0", "cloud": "#cfe9dc"}
_INK, _HOP = "#1c2126", "#8a8a8a"
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "front", "font.size": 9}
_FLOOR = 1e-4  # gaps below it are drawn as none, in percent


def _merged(instance: CiftInstance, cost: CiftEvaluation) -> list[tuple[str, str, list[StageCost]]]:
    """Return hosts, and between them all hops to the next: tier or nothing, label, stages."""
    tiers = {node.name: node.tier for node in instance.nodes}
    found: list[tuple[str, str, list[StageCost]]] = []
    for stage in cost.stages:
        if stage.kind == "host":
            found.append((tiers[stage.where], f"{stage.blocks}", [stage]))
        elif found and not found[-1][0]:
            found[-1][2].append(stage)
        else:
            found.append(("", "", [stage]))
    return found


def _network(axes: Any, parts: Sequence[tuple[str, str, list[StageCost]]]) -> None:
    names = {"end": "device", "edge": "edge", "cloud": "cloud"}
    hosts = [part for part in parts if part[0]]
    block = 0
    for k, (tier, blocks, _) in enumerate(hosts):
        axes.add_patch(_box(k * 1.45, tier))
        axes.text(k * 1.45 + 0.5, 0.86, names[tier], ha="center", weight="bold", color=_INK)
        for b in range(int(blocks)):
            x = k * 1.45 + 0.5 + 0.24 * (b - (int(blocks) - 1) / 2)
            block += 1
            axes.text(
                x, 0.38, str(block), ha="center", va="center", fontsize=8, color=_INK,
                bbox={"boxstyle": "square,pad=0.35", "facecolor": "white", "edgecolor": _INK},
            )  # fmt: skip
        if k:
            axes.annotate(
                "", (k * 1.45 - 0.02, 0.4), (k * 1.45 - 0.43, 0.4),
                arrowprops={"arrowstyle": "-|>", "color": _INK},
            )  # fmt: skip
    axes.set(xlim=(-0.05, 1.45 * len(hosts) - 0.4), ylim=(-0.05, 1.1))
    axes.axis("off")


def _box(x: float, tier: str) -> Any:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch(
        (x, 0.02), 1, 0.75, boxstyle="round,pad=0.02", facecolor=_TIER[tier], edgecolor=_INK
    )


def _bar(axes: Any, y: float, values: Sequence[tuple[str, float]], label: str) -> None:
    left, total = 0.0, sum(value for _, value in values)
    for tier, value in values:
        axes.barh(
            y, value / total, left=left, height=0.55, color=_TIER.get(tier, "white"),
            edgecolor=_INK, linewidth=0.7, hatch="" if tier else "////",
        )  # fmt: skip
        left += value / total
    axes.text(0, y + 0.36, label, ha="left", va="bottom", color=_INK)


def _costs(axes: Any, instance: CiftInstance, cost: CiftEvaluation, parts: Any) -> None:
    def of(value: Any) -> list[tuple[str, float]]:
        return [(tier, sum(map(value, stages))) for tier, _, stages in parts]

    limit = instance.inference_deadline_s or 0.0
    _bar(
        axes, 1.4, of(lambda s: s.inference_latency_s),
        f"time of a request: {1e3 * cost.inference_latency_s:.4g} ms "
        f"(at most {1e3 * limit:.4g} ms)",
    )  # fmt: skip
    _bar(
        axes, 0.1, of(lambda s: s.inference_energy_j + s.fine_tuning_energy_j),
        f"energy of serving and fine-tuning: {cost.objective:.4g} J, the least possible",
    )  # fmt: skip
    axes.text(0, -0.55, "hatched: on the links between", fontsize=8, color=_INK, va="center")
    axes.set(xlim=(0, 1), ylim=(-0.75, 2.2))
    axes.axis("off")


def _gaps(axes: Any, summaries: dict[str, MethodSummary], instances: int) -> None:
    names = [name for name in METHODS if name in summaries]
    worst = [100.0 * (summaries[name].gap_worst or 0.0) for name in names]
    places = range(len(names))
    axes.barh(places, [max(w, _FLOOR) for w in worst], color="#0072b2", height=0.6, left=0)
    axes.set_xscale("log")
    axes.set_xlim(_FLOOR, 1e5)
    axes.set_yticks(places, [METHODS[name] for name in names])
    for y, name, value in zip(places, names, worst, strict=True):
        s = summaries[name]
        text = f" {gap_text(s.gap_worst)}; a plan for {s.gaps} of {instances}"
        axes.text(max(value, _FLOOR), y, text, va="center", fontsize=8, color=_INK)
    axes.invert_yaxis()
    axes.set_xticks([1e-2, 1, 100, 1e4], ["0.01", "1", "100", "10 000"])
    axes.set_xlabel(f"worst gap to the proven optimum (%), {instances} instances")
    axes.spines[["top", "right"]].set_visible(False)


def draw(instance: CiftInstance, plan: CiftPlan, results: Path) -> bytes:
    """Return the picture as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    data = load_results(results)
    summaries = {s.method: s for s in data.of("cift")}
    # Gaps exist where there is a plan at all.
    hashes = {row.instance_hash for row in data.of_problem("cift")}
    instances = sum(data.state(key) == "optimal" for key in hashes)
    cost = evaluate_cift(instance, plan)
    parts = _merged(instance, cost)
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(9.6, 3.3), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.05), height_ratios=(1, 1.1))
        top = figure.add_subplot(grid[0, 0])
        top.set_title("A network of six blocks, cut in the best place", loc="left", fontsize=10)
        _network(top, parts)
        _costs(figure.add_subplot(grid[1, 0]), instance, cost, parts)
        right = figure.add_subplot(grid[:, 1])
        right.set_title("How far does each method stay from the optimum?", loc="left", fontsize=10)
        _gaps(right, summaries, instances)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None}, facecolor="white")
    return stream.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Solve the instance, read the results, draw."""
    parser = argparse.ArgumentParser(prog="python -m splitopt.bench.studies front")
    parser.add_argument("--results", type=Path, default=Path("results/bench"))
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args(arguments)
    instance = load(INSTANCE)
    found = solve_once(instance, "highs-flow", time_limit_s=60.0)
    if found.status != "optimal" or not isinstance(found.plan, CiftPlan):
        raise InputError("highs-flow", str(found.status), "a proven optimum", "allow more time")
    assert isinstance(instance, CiftInstance)
    write_bytes(chosen.out, draw(instance, found.plan, chosen.results))
    return 0
