"""Makes `uncertain-v1`: plans under doubt, from measured learning curves and measured links.

Run ``python -m splitopt.instances.library.uncertain`` to write its files anew; they are frozen,
and a test holds what it makes against them. Nothing is solved here but shortest paths.

K: the epochs in which nine of the ten measured runs of a network, level and N reached the error
target; the tenth run is held out, a different one from instance to instance (`origin`), for plans
to be tried on. With nine samples, the largest is what a tenth exceeds with probability 1/10 at
most. Configurations that one of the nine never brought to the target are left out. The nominal K
is their median.

Links: the ten deciles of what ten seconds of a download had in the 5G traces of Raca, Leahy,
Sreenan and Quinlan (MMSys 2020), over the median: `STANDING` (1552 intervals of 5 traces) and
`DRIVING` (2668 of 16). Access links of a scenario get deciles drawn without repetition, so that
each link has the measured distribution. A spread has the moments of time over the deciles.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from splitopt.instances.cift.distributions import EpochsInDoubt, Factor, Scenario, Spread
from splitopt.instances.cift.doubt import Doubt
from splitopt.instances.cift.judge import CiftEvaluation
from splitopt.instances.cift.model import CiftInstance, Configuration
from splitopt.instances.core.documents import canonical, write_bytes
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import generate
from splitopt.instances.generators.witness import Prices, least
from splitopt.instances.judge import evaluate
from splitopt.instances.library.build import FOLDER, UNCERTAIN
from splitopt.instances.networks.curve_data import curve_errors, learning_data

SET = UNCERTAIN
STANDING = (0.069, 0.304, 0.427, 0.631, 0.844, 1.168, 1.641, 2.442, 3.164, 3.846)
DRIVING = (0.157, 0.378, 0.562, 0.728, 0.897, 1.174, 1.597, 2.611, 6.544, 14.778)
SEEDS = 10
_FAMILIES = ("cift-tiers", "cift-chain", "cift-mesh", "cift-menu", "cift-relay", "cift-rising")
_MODELS = ("digits-small", "digits-medium", "digits-large")
_KINDS = ("epochs",) * 6 + ("both",) * 3 + ("links",) * 2 + ("spread",)
_SAID = {
    "epochs": "its epochs",
    "both": "its epochs and its access links",
    "links": "its access links",
    "spread": "its access links, by mean and variance",
}
_TARGETS = (0.2, 0.15, 0.25, 0.3)
# Where deadlines lie between a fast plan and a cheap one; where links alone are in doubt.
_ROOM = ((0.05, 0.5), (0.005, 0.08))
COUNT = 72


def epochs_measured(model: str, compression: str, samples: int, target: float) -> list[int | None]:
    """Return the epochs in which each measured run reached a target, None where it never did."""
    errors = curve_errors(learning_data("digits"), model, compression)[samples]
    found: list[int | None] = []
    for run in errors:
        reached = np.flatnonzero(run <= target)
        found.append(int(reached[0]) if len(reached) else None)
    return found


def _configurations(
    base: CiftInstance, target: float, held_out: int
) -> Iterator[tuple[Configuration, list[int]]]:
    document = learning_data("digits")
    measured = document["samples_per_epoch"]
    for source in (node.name for node in base.nodes if node.tier == "end" and node.samples):
        for model in base.models:
            for level in base.compressions:
                for samples in measured[2:]:
                    runs = epochs_measured(model.name, level.name, samples, target)
                    kept = [k for seed, k in enumerate(runs) if seed != held_out and k is not None]
                    if len(kept) < SEEDS - 1:
                        continue
                    share = samples / document["local_samples"]
                    nominal = sorted(kept)[len(kept) // 2]
                    yield Configuration(model.name, level.name, source, share, nominal), kept


def _doubt(
    base: CiftInstance, kind: str, epochs: tuple[EpochsInDoubt, ...], draw: random.Random
) -> Doubt:
    tier = {node.name: node.tier for node in base.nodes}
    access = [k for k in base.links if tier[k.tail] == "end"]
    if kind == "epochs":
        return Doubt(epochs, fine_tuning_confidence=0.9)
    if kind == "spread":
        times = [1 / Fraction(str(x)) for x in DRIVING]
        mean = sum(times, Fraction(0)) / 10
        variance = sum(((t - mean) ** 2 for t in times), Fraction(0)) / 10
        shown = float(f"{float(mean):.3g}"), float(f"{float(variance):.3g}")
        spread = tuple(Spread(k.tail, k.head, *shown) for k in access)
        return Doubt((), (), spread, inference_confidence=0.8, fine_tuning_confidence=0.8)
    deciles = [draw.sample(STANDING if kind == "both" else DRIVING, 10) for _ in access]
    scenarios = tuple(
        Scenario(
            0.1,
            tuple(
                Factor(link.tail, link.head, mine[s])
                for link, mine in zip(access, deciles, strict=True)
            ),
        )
        for s in range(10)
    )
    doubtful = epochs if kind == "both" else ()
    return Doubt(doubtful, scenarios, inference_confidence=0.9, fine_tuning_confidence=0.8)


def with_held_out(instance: CiftInstance, held_out: int) -> CiftInstance:
    """Return a member whose epochs are in doubt with another run held out; deadlines stay."""
    doubt = instance.doubt
    assert doubt is not None
    assert doubt.epochs
    target = float(instance.origin["target"])  # type: ignore[arg-type]
    found = list(_configurations(instance, target, held_out))
    epochs = tuple(EpochsInDoubt(*g.key, tuple(kept)) for g, kept in found)
    return instance.replace(
        configurations=tuple(g for g, _ in found),
        doubt=replace(doubt, epochs=epochs),
        origin={**instance.origin, "held_out_seed": held_out},
    )


def uncertain(number: int) -> CiftInstance:
    """Return a member of the set, numbered from 1."""
    draw = random.Random(f"{SET}-{number}")
    kind = _KINDS[number % len(_KINDS)]
    target = _TARGETS[number // 3 % len(_TARGETS)]
    held_out = number % SEEDS
    family = _FAMILIES[number % len(_FAMILIES)]
    generated = generate(
        family,
        number,
        models=tuple(draw.sample(_MODELS, 1 + number % 2)),
        deadlines="none",
        hosts=1 if kind == "epochs" else 2,
        access="5g" if kind == "epochs" else "lte",
    )
    assert isinstance(generated, CiftInstance)
    local = learning_data("digits")["local_samples"]
    bare = generated.replace(
        error_target=None,
        curves=(),
        configurations=(),
        nodes=tuple(
            replace(node, samples=local if node.tier == "end" else 0) for node in generated.nodes
        ),
    )
    found = list(_configurations(bare, target, held_out))
    if not found:
        raise InputError("target", target, "one that runs reach", "raise it")
    epochs = tuple(EpochsInDoubt(*g.key, tuple(kept)) for g, kept in found)
    instance = bare.replace(
        name=f"cift-uncertain-{number:03d}",
        configurations=tuple(g for g, _ in found),
        description=f"A network of family {family} in doubt of {_SAID[kind]}.",
        origin={
            "set": SET,
            "kind": kind,
            "target": target,
            "held_out_seed": held_out,
            "curves": "digits",
        },
    )
    doubt = _doubt(bare, kind, epochs, draw)
    return _with_deadlines(instance.replace(doubt=doubt), draw)


def _with_deadlines(instance: CiftInstance, draw: random.Random) -> CiftInstance:
    """Return the instance with deadlines between those of a fast plan and of a cheap one."""
    longest = {g.key: max(instance.epochs_in_doubt(g)) for g in instance.configurations}
    slow = instance.replace(
        doubt=None,
        configurations=tuple(replace(g, epochs=longest[g.key]) for g in instance.configurations),
    )

    def times(prices: Prices) -> tuple[float, float]:
        plan = least(slow, prices)
        if plan is None:
            raise InputError("instance", instance.name, "a plan", "choose another seed")
        found = evaluate(instance, plan)  # in doubt: what holds with the confidence asked for
        assert isinstance(found, CiftEvaluation)
        return found.inference_latency_s, found.fine_tuning_time_s

    unit = times(Prices(inference=1.0))[0], times(Prices(fine_tuning=1.0))[1]
    # One plan that is fast in both, so that it keeps both.
    fast = times(Prices(inference=1.0 / unit[0], fine_tuning=1.0 / unit[1] if unit[1] else 0.0))
    cheap = times(Prices(energy=1.0))
    limits = []
    kinds = set() if instance.doubt is None else instance.doubt.kinds
    for low, high in zip(fast, cheap, strict=True):
        room = draw.uniform(*_ROOM[len(kinds) == 1 and kinds != {"epochs"}])
        limits.append(float(f"{low + room * max(high - low, 0.1 * low):.3g}") or None)
    return instance.replace(inference_deadline_s=limits[0], fine_tuning_deadline_s=limits[1])


def _documents() -> Mapping[str, bytes]:
    found = {}
    for number in range(1, COUNT + 1):
        instance = uncertain(number)
        text = canonical(instance.to_document()) + b"\n"
        found[f"{instance.name}.json.gz"] = gzip.compress(text, compresslevel=9, mtime=0)
    return found


def main(folder: Path = FOLDER / SET) -> None:
    """Write the set."""
    folder.mkdir(exist_ok=True)
    for name, text in _documents().items():
        write_bytes(folder / name, text)


if __name__ == "__main__":
    main()
