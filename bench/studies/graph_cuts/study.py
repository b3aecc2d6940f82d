"""What cuts through several tensors save over cuts through one, by architecture.

Run ``python -m splitopt.bench.studies graph-cuts``. Each graph that comes with the suite is drawn
on generated topologies (seeds 1 to `--seeds`, of three and of four columns), under an inference
deadline: with room on each node; with room, where energy rises towards the cloud; and with memory
that calls for two hosts. Each instance is solved to a proven optimum, and once more with the
network merged to the chain of its cuts through one tensor; with two hosts so is its highest
throughput, without the deadline. Printed is the table of docs/graphs.md; ``--figure`` draws the
throughputs; ``--networks`` and ``--cases`` name some of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from splitopt.bench.methods.registry import load
from splitopt.heuristics.jqodi.cift.throughput import highest_throughput
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, states_of
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.generators.cift import build_cift
from splitopt.instances.generators.draws import draws_for
from splitopt.instances.generators.graphs import graph, graph_names
from splitopt.instances.generators.knobs import CiftKnobs
from splitopt.instances.library.networks import with_network
from splitopt.instances.networks.downsets import downsets_of
from splitopt.instances.networks.merging import merged_to_chain
from splitopt.instances.networks.profiles import Profile

_SHAPES = ({"stages": 3, "width": 2}, {"stages": 4, "width": 1})
# What memory and energy are like: knobs, and whether throughputs are compared as well.
_CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "room": ({"tightness": 0.9}, False),
    "room, rising energy": ({"tightness": 0.3, "hardware": "fin"}, False),
    "two hosts": ({"tightness": 0.9, "hosts": 2}, True),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One instance, its network as a graph and as a chain.

    Attributes
    ----------
    energy_j, chain_j
        Optima; None where there is no plan.
    tensors
        The most tensors that a cut of the graph's optimum goes through.
    faster
        The highest throughput of the graph over that of the chain, without the deadline; None where
        one has no plan.
    """

    energy_j: float | None
    chain_j: float | None
    tensors: int
    faster: float | None

    @property
    def saving(self) -> float | None:
        """The share of the chain's energy that is saved; None where one has no plan."""
        if self.energy_j is None or not self.chain_j:
            return None
        return 1.0 - self.energy_j / self.chain_j


def _instances(network: Profile, case: str, seeds: int) -> Iterator[CiftInstance]:
    for shape in _SHAPES:
        for seed in range(1, seeds + 1):
            access = draws_for("graph-cuts", seed, "access").choice(("wifi", "5g", "lte"))
            knobs = CiftKnobs(
                **shape,  # type: ignore[arg-type]
                **_CASES[case][0],
                sources=1,
                compressions=1,
                levels=4,
                lateral_links=0.5,
                epochs=(0, 0),
                deadlines="inference",
                access=access,
            )
            yield build_cift("cift-graph-cuts", seed, knobs, "drawn", "", [network])


def _optimum(instance: CiftInstance) -> tuple[float | None, CiftPlan | None]:
    found = load("jqodi-exact", "cift").solve(instance, Budget(60.0), 0, {})
    if found.status is SolutionStatus.INFEASIBLE:
        return None, None
    if found.status is not SolutionStatus.OPTIMAL or not isinstance(found.plan, CiftPlan):
        raise RuntimeError(f"{instance.name}: nothing proved within a minute")
    return found.objective, found.plan


def compared(instance: CiftInstance, *, rates: bool = False) -> Outcome:
    """Return the optima of an instance with its graph, and with the chain of single cuts.

    Parameters
    ----------
    rates
        Whether to compare the highest throughputs.
    """
    (model,) = instance.models
    energy, plan = _optimum(instance)
    merged = with_network(instance, merged_to_chain(model))
    chain, _ = _optimum(merged)
    tensors = 0
    if plan is not None:
        crossing = downsets_of(model).crossing.sum(axis=1)
        tensors = max((int(crossing[s]) for s in states_of(model, plan)[:-1]), default=0)
    faster = None
    if rates:
        first, second = (
            highest_throughput(one.replace(inference_deadline_s=None)) for one in (instance, merged)
        )
        faster = first / second if first and second else None
    return Outcome(energy, chain, tensors, faster)


def _row(name: str, memory: str, found: Sequence[Outcome]) -> str:
    network = graph(name)
    sets = downsets_of(network)
    several = sum(one.tensors > 1 for one in found if one.energy_j is not None)
    plans = sum(one.energy_j is not None for one in found)
    alone = sum(one.energy_j is not None and one.chain_j is None for one in found)
    saved = [100 * s for one in found if (s := one.saving) is not None]
    shown = (
        f"{np.median(saved):.1f} | {np.mean(saved):.1f} | {max(saved):.1f}"
        if saved
        else "- | - | -"
    )
    faster = [one.faster for one in found if one.faster is not None]
    rates = f"{np.median(faster):.2f} | {max(faster):.2f}" if faster else "- | -"
    return (
        f"| {name} | {len(network.blocks)} | {len(sets)} | {len(merged_to_chain(network).blocks)} "
        f"| {int(sets.crossing.sum(axis=1).max())} | {memory} | {plans} | {several} | {alone} "
        f"| {len(saved)} | {shown} | {rates} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and draw the figure where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--networks", nargs="*", default=list(graph_names()))
    parser.add_argument("--cases", nargs="*", default=list(_CASES), choices=list(_CASES))
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args(arguments)
    out = sys.stdout
    out.write(
        "| network | blocks | downsets | chain | most tensors | case | plans | several tensors "
        "| graph alone | both | median % | mean % | most % | median x | most x |\n"
        + "|---" * 15
        + "|\n"
    )
    faster: dict[str, list[float]] = {}
    for name in given.networks:
        for memory in given.cases:
            rates = _CASES[memory][1]
            drawn = _instances(graph(name).bare(), memory, given.seeds)
            found = [compared(one, rates=rates) for one in drawn]
            faster.setdefault(name, []).extend(o.faster for o in found if o.faster is not None)
            out.write(_row(name, memory, found) + "\n")
            out.flush()
    if given.figure is not None:
        _draw(faster, given.figure)


def _draw(faster: dict[str, list[float]], path: Path) -> None:
    from splitopt.bench.report.figures import write_chart
    from splitopt.bench.report.svg import Chart, Scale

    shown = {name: sorted(found, reverse=True) for name, found in faster.items() if found}
    most = max((values[0] for values in shown.values()), default=1.0)
    chart = Chart(
        "What cuts through several tensors bring to throughput",
        "The highest throughput over that with cuts through one tensor, instances by that ratio.",
        Scale.over([0.0, 100.0], unit="%"),
        Scale.over([1.0, most]),
        "instances with both plans (%)",
        "throughput, times",
    )
    for name, values in shown.items():
        step = 100.0 / len(values)
        chart.line(name, [(k * step, v) for k, v in enumerate([values[0], *values])])
    write_chart(chart, path, named=True)
