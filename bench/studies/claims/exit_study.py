"""How far each way to set exits is from the exact one.

Two yardsticks on instances with exits free:

even shares
    The best exits and splits at the share 1/n for every device, by dynamic programming
    (`even-shares`), against the same with exits by a rule. What a rule is made for.
joint
    The proven optimum over exits, splits and shares, against the proven optimum over splits and
    shares for the exits that a rule chose. What a rule costs where all else is done well.

Rules: the ant colony (our reading of "ACO"), SPINN's, all exits on, and none but the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from splitopt.bench.methods.registry import load
from splitopt.bench.verdicts.optimum import require_optimum
from splitopt.heuristics.baselines.mepra.data import all_exits, device_chunks
from splitopt.instances import sources
from splitopt.instances.contract.method import Budget
from splitopt.instances.generators import generate
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

Integers = npt.NDArray[np.int64]
RULES = ("ant colony", "SPINN's rule", "all exits on", "last exit only")
#: Instances of the sources' tables, by variant and bandwidth in Mbit/s.
SOURCE_VARIANTS = ("free", "compressed-free")
SOURCE_MBPS = (1, 5, 10, 20, 30, 60)
FAMILY = "mepra-free"
FAMILY_DEVICES = 12
#: An excess below this is none: the same optimum.
EXACT = 1e-9
TIME_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Excess:
    """What a rule costs on one instance: value / exact - 1, at even shares and jointly."""

    group: str
    instance: str
    rule: str
    even_shares: float
    joint: float


def exit_study(
    generated: int, seed: int, on_instance: Callable[[str], None] | None = None
) -> list[Excess]:
    """Measure every rule on the sources' instances and on generated ones.

    Parameters
    ----------
    generated
        How many instances of the family with free exits.
    seed
        Of the colonies; generated instances have the seeds 0, 1, ...
    """
    found = []
    for group, instance in _instances(generated):
        if on_instance is not None:
            on_instance(instance.name)
        found += _excesses(group, instance, seed)
    return found


def instances_of_study(generated: int) -> int:
    """Return how many instances the study has."""
    return len(SOURCE_VARIANTS) * len(sources.TABLES) * len(SOURCE_MBPS) + generated


def _instances(generated: int) -> Iterator[tuple[str, MepraInstance]]:
    for variant in SOURCE_VARIANTS:
        for table in sources.TABLES:
            for bandwidth in SOURCE_MBPS:
                name = f"mepra-{table}-{variant}-{bandwidth}mbps"
                yield f"sources, {variant}", sources.load(name)
    for k in range(generated):
        made = generate(FAMILY, k, devices=FAMILY_DEVICES)
        assert isinstance(made, MepraInstance)
        yield "generated", made


def _excesses(group: str, instance: MepraInstance, seed: int) -> list[Excess]:
    even = _solve("even-shares", instance, seed).objective
    joint = require_optimum(instance)
    found = []
    for rule in RULES:
        exits = _exits(rule, instance, seed)
        fixed = instance.replace(exit_set=exits)
        found.append(
            Excess(
                group,
                instance.name,
                rule,
                _excess(_solve("even-shares", fixed, seed).objective, even),
                _excess(require_optimum(fixed), joint),
            )
        )
    return found


def _exits(rule: str, instance: MepraInstance, seed: int) -> Integers:
    if rule in ("ant colony", "SPINN's rule"):
        method = "aco-ear" if rule == "ant colony" else "spinn-ear"
        exits = _solve(method, instance, seed).exit_set
        assert exits is not None
        return exits
    chunks = list(device_chunks(instance))
    if rule == "all exits on":
        return np.concatenate([all_exits(devices) for devices in chunks])
    return np.concatenate([np.int64(1) << (devices.layers - 1) for devices in chunks])


@dataclass(frozen=True, eq=False, slots=True)
class _Solved:
    objective: float
    exit_set: Integers | None


def _solve(method: str, instance: MepraInstance, seed: int) -> _Solved:
    result = load(method, "mepra").solve(instance, Budget(), seed, {})
    assert isinstance(result.plan, MepraPlan)  # a baseline without a limit always has a plan
    assert result.objective is not None
    return _Solved(result.objective, result.plan.exit_set)


def _excess(value: float, exact: float) -> float:
    return value / exact - 1.0


def rows(excesses: Sequence[Excess]) -> list[dict[str, str | float | int]]:
    """Return a row for each group and rule: mean and worst excess, and how often there is none."""
    found: list[dict[str, str | float | int]] = []
    for group, rule in dict.fromkeys((e.group, e.rule) for e in excesses):
        mine = [e for e in excesses if (e.group, e.rule) == (group, rule)]
        row: dict[str, str | float | int] = {
            "group": group,
            "rule": rule,
            "instances": len(mine),
        }
        for yardstick in ("even_shares", "joint"):
            values = np.array([getattr(e, yardstick) for e in mine])
            row |= {
                f"{yardstick}_mean": float(values.mean()),
                f"{yardstick}_worst": float(values.max()),
                f"{yardstick}_exact": float((values <= EXACT).mean()),
            }
        found.append(row)
    return found
