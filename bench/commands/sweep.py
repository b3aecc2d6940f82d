"""``splitopt sweep``: the trade-off of energy against a deadline or a throughput, in one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from splitopt.bench.commands.arguments import PATH, Figure, InstanceName, Whole, open_instance
from splitopt.bench.commands.fronts import hosts, steps, thinned
from splitopt.bench.commands.output import (
    check_writable,
    echo_json,
    echo_table,
    json_option,
    note,
    say,
)

if TYPE_CHECKING:
    from splitopt.heuristics.jqodi.cift.front import Axis, EnergyFront
    from splitopt.instances.cift.model import CiftInstance


@click.command(
    epilog="""\b
Examples:
  splitopt sweep cift-quick-tiers
  splitopt sweep cift-quick-mesh --epsilon 0.01 --plot front.svg
  splitopt sweep my.json --axis fine-tuning --json
  splitopt sweep cift-networks-004 --over throughput
\b
An instance in doubt is swept over the confidence of the deadline instead: expected energy with one
plan, with speeds set late (RP), with everything seen first (WS), and the value of the stochastic
solution. RP and WS keep both deadlines in the same outcomes, with the larger confidence; a dash is
where no plan does.
\b
Energy is the least within a deadline; each row is a step: from this deadline on, this plan. The
instance's own value of the deadline swept is left out of account, the other one is kept.
"""
)
@click.argument("instance", type=InstanceName())
@click.option(
    "--axis",
    "--over",
    type=click.Choice(["inference", "fine-tuning", "throughput"]),
    default="inference",
    help="The deadline to sweep, or the requests a second.",
)
@click.option(
    "--epsilon",
    type=Figure(most=1e30),
    default=0.0,
    metavar="E",
    help="Relative error allowed; 0 gives every step (listed speeds).",
)
@click.option("--time-limit", type=Figure(), default=60.0, metavar="S", help="Seconds.")
@click.option("--most", type=Whole(), default=30, help="Rows of the table.")
@click.option("--plot", type=PATH, metavar="FILE", help="Draw the front (SVG).")
@json_option
def sweep(
    instance: str,
    axis: str,
    epsilon: float,
    time_limit: float,
    most: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Show how much energy a deadline costs, from the tightest to one that costs nothing.

    Or a throughput, from one that costs nothing to the highest there is.
    """
    from splitopt.instances.core.errors import InputError

    problem_instance = open_instance(instance)
    if problem_instance.problem != "cift":
        raise InputError("instance", instance, "an instance of CIFT", "MEPRA has no deadlines")
    if most < 2:
        raise InputError("--most", most, "a number >= 2", "leave it out for 30")
    if not time_limit > 0:
        raise InputError("--time-limit", time_limit, "seconds > 0", "leave it out for 60")
    if plot is not None:
        check_writable("--plot", plot)
    from splitopt.heuristics.jqodi.cift.front import energy_front
    from splitopt.heuristics.jqodi.cift.warm import warm_up

    cift = cast("CiftInstance", problem_instance)
    if cift.doubt is not None:
        if plot is not None:
            raise InputError("--plot", str(plot), "an instance without doubt", "leave it out")
        _confidence(cift, axis, time_limit, as_json)
        return
    warm_up()  # before the clock starts: the first run on a machine compiles
    if axis == "throughput":
        from splitopt.bench.commands.sweep_throughput import sweep_throughput

        sweep_throughput(cift, epsilon, time_limit, most, plot, as_json)
        return
    front = energy_front(cift, cast("Axis", axis), epsilon, time_limit)
    if plot is not None:
        _draw(cift, front, plot)
    if as_json:
        echo_json({"instance": cift.name, **front.to_document()})
        return
    _tell(cift, front, most)
    if plot is not None:
        note(f"plot: {plot}")


def _confidence(instance: CiftInstance, axis: str, time_limit: float, as_json: bool) -> None:
    """Tell what a confidence costs."""
    from dataclasses import asdict

    from splitopt.bench.explain.doubt import sweep_confidence
    from splitopt.instances.core.errors import InputError

    if axis == "throughput":
        wanted = "a deadline, inference or fine-tuning, of an instance in doubt"
        raise InputError("--over", axis, wanted, "sweep its confidence")
    deadlines = {
        "inference": instance.inference_deadline_s,
        "fine-tuning": instance.fine_tuning_deadline_s,
    }
    if deadlines[axis] is None:
        others = [name for name, limit in deadlines.items() if limit is not None]
        remedy = f"choose {others[0]}" if others else "give it one"
        raise InputError("--over", axis, "a deadline that the instance has", remedy)
    rows = sweep_confidence(instance, axis, time_limit)
    if as_json:
        echo_json(
            {"instance": instance.name, "axis": axis, "confidences": [asdict(row) for row in rows]}
        )
        return
    names = {
        "confidence": "confidence",
        "energy_j": "energy J",
        "recourse_j": "recourse J",
        "wait_and_see_j": "wait and see J",
        "stochastic_solution_j": "VSS J",
    }
    title = f"{instance.name}: energy against the confidence of the {axis} deadline"
    echo_table(names, [asdict(row) for row in rows], title)


def _tell(instance: CiftInstance, front: EnergyFront, most: int) -> None:
    if not front.points:
        say("no plan, whatever the deadline" if front.complete else "no plan in that time")
        return
    rows = [
        {
            "deadline": point.deadline_s,
            "energy": point.energy_j,
            "more": 100.0 * (point.energy_j / front.points[-1].energy_j - 1.0)
            if front.points[-1].energy_j > 0
            else None,
            "model": f"{point.plan.model}, {point.plan.compression}",
            "hosts": hosts(point.plan),
        }
        for point in thinned(front.points, most)
    ]
    echo_table(
        {
            "deadline": f"{front.axis} s",
            "energy": "energy J",
            "more": "% above least",
            "model": "network",
            "hosts": "hosts and blocks",
        },
        rows,
        f"{instance.name}: energy against the {front.axis} deadline",
    )
    say(f"{steps(front)}, {front.labels} labels, {front.runtime_s:.2f} s")


def _draw(instance: CiftInstance, front: EnergyFront, path: Path) -> None:
    """Write the front as a chart, with the instance's own deadline as a wall."""
    from splitopt.bench.report.figures import write_chart
    from splitopt.bench.report.svg import Chart, Scale

    own = (
        instance.inference_deadline_s
        if front.axis == "inference"
        else instance.fine_tuning_deadline_s
    )
    times = [point.deadline_s for point in front.points]
    energies = [point.energy_j for point in front.points]
    shown = times + ([own] if own is not None else [])
    x, y = Scale.over(shown, unit="s"), Scale.over(energies, unit="J")
    chart = Chart(
        f"{instance.name}: energy against the {front.axis} deadline",
        "The least energy within a deadline, and the deadline the instance has.",
        x,
        y,
        f"{front.axis} deadline (s)",
        "energy (J)",
    )
    corners: list[tuple[float, float]] = []
    for time, energy in zip(times, energies, strict=True):
        if corners:
            corners.append((time, corners[-1][1]))
        corners.append((time, energy))
    if corners:
        corners.append((x.high, corners[-1][1]))
    chart.line("least energy", corners)
    if own is not None:
        chart.line("deadline", [(own, y.low), (own, y.high)])
        chart.labels([(own, y.high - 0.05 * (y.high - y.low), "the instance's deadline")])
    if corners:
        # Above the front's last step, where nothing else is.
        chart.labels([(times[-1], energies[-1] + 0.05 * (y.high - y.low), "least energy")])
    write_chart(chart, path, named=True)
