"""``python -m splitopt.bench.studies rehearsals``: plans of ONNX files, predicted and rehearsed.

Each file is measured, then three plans of it over each of three links are rehearsed. The table has
the deviation of medians from predictions in percent, as measured, and without what other programs
took at the speed the machine had meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from splitopt.bench.rehearse.rehearsal import Rehearsal, rehearse
from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
)
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.networks.modelfiles.profiles import import_onnx, with_times
from splitopt.instances.networks.modelfiles.timing import measure
from splitopt.instances.networks.profiles import Profile

COLUMNS = (
    "network",
    "predicted, ms",
    "as measured: median, least to most",
    "at the machine's speed of that time: median, least to most",
)
# Bit/s and seconds of the first hop; the second is four times as fast and twice as far.
LINKS = {"50 Mbit/s": (5e7, 3e-3), "200 Mbit/s": (2e8, 1e-2), "1 Gbit/s": (1e9, 5e-4)}
NODES = (("board", "end"), ("box", "edge"), ("server", "cloud"))


def row(profile: Profile, rate: float, delay: float) -> CiftInstance:
    """Return three nodes in a row, at a quarter, a half and all of this machine's speed."""
    speed = float(profile.origin["measured_speed_flop_per_s"] or 0)
    speeds = (speed / 4, speed / 2, speed)
    return CiftInstance(
        name="row",
        nodes=tuple(Node(name, tier, speeds, 0, 1, 1e12) for name, tier in NODES),  # type: ignore[arg-type]
        links=(
            Link("board", "box", rate, delay, 0),
            Link("box", "server", 4 * rate, 2 * delay, 0),
        ),
        models=(profile,),
        compressions=(Compression("none", 1, 1, 1),),
        configurations=(Configuration(profile.name, "none", "board", 1.0, 0),),
        requests=1,
        origin={f"{profile.name}.{key}": value for key, value in profile.origin.items()},
    )


def plans(instance: CiftInstance) -> Iterator[CiftPlan]:
    """Yield three plans: ship the raw input, two hosts, three hosts; cut where least crosses."""
    profile = instance.models[0]
    speeds = instance.nodes[0].speeds_flop_per_s
    assert isinstance(speeds, tuple)
    count = len(profile.blocks)

    def least(first: int, last: int) -> int:
        return min(range(first, last), key=lambda k: profile.blocks[k - 1].activation_bits)

    one, two = least(max(1, count // 4), count // 2 + 1), least(count // 2 + 1, count)
    for blocks, chosen in (
        ((0, count), (None, speeds[2])),
        ((one, count - one), (speeds[0], speeds[2])),
        ((one, two - one, count - two), speeds),
    ):
        stops = tuple(
            Stop(name, hosted, speed)
            for (name, _), hosted, speed in zip(NODES, blocks, chosen, strict=False)
        )
        yield CiftPlan(profile.name, "none", "board", 1.0, stops)


def table(seen: Mapping[str, Sequence[Rehearsal]]) -> str:
    """Return the table of what was seen of each network."""
    rows = []
    every = [one for found in seen.values() for one in found]
    for name, found in [*seen.items(), (f"all {len(every)} plans", every)]:
        predicted = [1e3 * one.total.predicted_s for one in found]
        plain = [100 * (one.total.median_s / one.total.predicted_s - 1) for one in found]
        held = [100 * (one.total.undisturbed_s / one.predicted_now_s - 1) for one in found]
        within = sum(abs(x) <= 10 for x in held)
        rows.append(
            [
                name,
                f"{min(predicted):.0f} to {max(predicted):.0f}",
                _range(plain),
                f"{_range(held)}; {within} of {len(found)} within 10",
            ]
        )
    return markdown_table(COLUMNS, rows)


def _range(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f}, {min(values):.1f} to {max(values):.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, rehearse, and print the table."""
    parser = argparse.ArgumentParser(prog="rehearsals", description=__doc__)
    parser.add_argument("models", nargs="+", type=Path, metavar="ONNX", help="files to rehearse")
    parser.add_argument("--requests", type=int, default=20, help="of each plan (default: 20)")
    parser.add_argument("--repeat", type=int, default=30, help="rounds of measuring (default: 30)")
    parser.add_argument("--page", type=Path, help="put the table into this page")
    asked = parser.parse_args(arguments)
    seen: dict[str, list[Rehearsal]] = {}
    for path in asked.models:
        name = path.stem
        made = import_onnx(path, name)
        timing = measure(made.network, made.blocks, repeat=asked.repeat, chained=True)
        profile = with_times(made, timing, "this-machine").profile
        assert isinstance(profile, Profile)
        for rate, delay in LINKS.values():
            instance = row(profile, rate, delay)
            for plan in plans(instance):
                one = rehearse(instance, plan, path, requests=asked.requests)
                seen.setdefault(name, []).append(one)
                sys.stderr.write(
                    f"{name}, {rate / 1e6:g} Mbit/s, {len(plan.hosts)} hosts: "
                    f"{1e3 * one.total.predicted_s:.4g} ms predicted, "
                    f"{1e3 * one.total.median_s:.4g} measured\n"
                )
    text = table(seen)
    sys.stdout.write(text + "\n")
    if asked.page is not None:
        replace_part(asked.page, "rehearsals", text)
    return 0
