"""Optimal splits of the sources' instances: how many cut inside the network.

Run ``python -m splitopt.bench.studies interior`` (a few minutes). For each variant it solves
all 120 instances to proven optimality and prints, for people and for docs/instances.md, the share
of splits that lie inside the network and the share of instances with at least one such split; for
the article's own instances also the optima at six bandwidths.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from splitopt.bench.verdicts.optimum import solved_truth
from splitopt.instances import sources
from splitopt.instances.mepra.plan import MepraPlan

if TYPE_CHECKING:
    from splitopt.instances.mepra.model import MepraInstance

SHOWN_MBPS = (1, 5, 10, 20, 30, 60)


def optimum(instance: MepraInstance) -> tuple[float, list[int]]:
    """Return the proven optimal cost of an instance and its splits."""
    truth = solved_truth(instance, 60.0)
    if not truth.proven or truth.optimum is None or not isinstance(truth.plan, MepraPlan):
        raise RuntimeError(f"{instance.name}: nothing proved within a minute")
    return truth.optimum, truth.plan.splits.tolist()


def _shares(variant: str, table: str) -> str:
    inside, instances = [], []
    for name in sources.names(variant):
        if not name.startswith(f"mepra-{table}"):
            continue
        instance = sources.load(name)
        layers = int(instance.layers[0])
        _, splits = optimum(instance)
        cuts = [0 < split < layers for split in splits]
        inside += cuts
        instances.append(any(cuts))
    return f"{np.mean(inside):.2f} | {np.mean(instances):.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    out = sys.stdout
    out.write("| variant | image: splits inside | image: instances | video: splits | instances |\n")
    out.write("|---|---|---|---|---|\n")
    for variant in sources.VARIANTS:
        row = " | ".join(_shares(variant, table) for table in sources.TABLES)
        out.write(f"| {variant or '(none)'} | {row} |\n")
        out.flush()
    out.write("\n| instance | optimal cost | splits |\n|---|---|---|\n")
    for table in sources.TABLES:
        for bandwidth in SHOWN_MBPS:
            name = f"mepra-{table}-{bandwidth}mbps"
            cost, splits = optimum(sources.load(name))
            out.write(f"| {name} | {cost:.6f} | {', '.join(map(str, splits))} |\n")
