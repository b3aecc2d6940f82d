"""``splitopt sweep --over throughput``: the least energy at each rate, and the highest rate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.bench.commands.fronts import hosts, steps, thinned
from splitopt.bench.commands.output import echo_json, echo_table, note, say

if TYPE_CHECKING:
    from splitopt.heuristics.jqodi.cift.throughput import ThroughputFront
    from splitopt.instances.cift.model import CiftInstance


def sweep_throughput(
    instance: CiftInstance,
    epsilon: float,
    time_limit: float,
    most: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Print what a throughput costs, and draw it where that is asked for."""
    from splitopt.heuristics.jqodi.cift.throughput import throughput_front

    front = throughput_front(instance, epsilon, time_limit)
    if plot is not None:
        _draw(instance, front, plot)
    if as_json:
        echo_json({"instance": instance.name, **front.to_document()})
        return
    _tell(instance, front, most)
    if plot is not None:
        note(f"plot: {plot}")


def _tell(instance: CiftInstance, front: ThroughputFront, most: int) -> None:
    points = front.points
    if not points:
        say("no plan, whatever the throughput" if front.complete else "no plan in that time")
        return
    least = points[0].energy_j
    rows = [
        {
            "rate": point.throughput_per_s,
            "energy": point.energy_j,
            "more": 100.0 * (point.energy_j / least - 1.0) if least > 0 else None,
            "busiest": point.busiest,
            "hosts": hosts(point.plan),
        }
        for point in thinned(points, most)
    ]
    echo_table(
        {
            "rate": "up to requests/s",
            "energy": "energy J",
            "more": "% above least",
            "busiest": "busiest",
            "hosts": "hosts and blocks",
        },
        rows,
        f"{instance.name}: energy against throughput",
    )
    say(f"{steps(front)}, {front.runtime_s:.2f} s")
    if front.highest_per_s is not None:
        say(f"highest throughput: {front.highest_per_s:.6g} requests a second")
    elif math.isinf(points[-1].throughput_per_s):
        say("nothing bounds the throughput")
    else:
        say("the highest throughput was not found in that time")


def _draw(instance: CiftInstance, front: ThroughputFront, path: Path) -> None:
    from splitopt.bench.report.figures import write_chart
    from splitopt.bench.report.svg import Chart, Scale

    finite = [p for p in front.points if math.isfinite(p.throughput_per_s)]
    rates, energies = [p.throughput_per_s for p in finite], [p.energy_j for p in finite]
    x, y = Scale.over(rates, unit="1/s"), Scale.over(energies, unit="J")
    chart = Chart(
        f"{instance.name}: energy against throughput",
        "The least energy at which so many requests a second are served.",
        x,
        y,
        "throughput (1/s)",
        "energy (J)",
    )
    corners: list[tuple[float, float]] = []
    for rate, energy in zip(rates, energies, strict=True):
        corners.append((corners[-1][0] if corners else x.low, energy))
        corners.append((rate, energy))
    if corners:
        chart.line("least energy", corners)
    write_chart(chart, path, named=True)
