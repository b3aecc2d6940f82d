"""What recourse is about: outcomes, and the best speeds of a placement in each of them.

An outcome is one way the network turns out together with one K (for each configuration its own, at
the same band of probability). Once it is seen, all figures are certain: it is a nominal instance,
in which a node of speed factor phi has speeds ``f phi`` and ``kappa / phi^2``, so that seconds and
joules are those of the node in doubt.

A plan with recourse is a placement, and speeds for every outcome. Outcomes of a weight of at most
``1 - p`` may be given up: they run at the cheapest speeds, whatever the deadlines; p is the larger
of the confidences asked for.

At a fixed placement outcomes and phases are independent. Hosts are few: the undominated (seconds,
joules) of the choices of levels are enumerated, host by host.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from splitopt.instances.cift.doubt import Draw, quantile
from splitopt.instances.cift.model import CiftInstance, Configuration, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.core.tolerances import TOLERANCES

# The judge's tolerance, less what sums of doubles can be off by: what passes here passes there.
GROWN = (1 + TOLERANCES.deadline) * (1 - 1e-13)
Segment = tuple[int, int, int]  # node, blocks done before, blocks done after


@dataclass(frozen=True)
class Outcome:
    """An outcome: its weight, and the nominal instance that it is."""

    weight: Fraction
    instance: CiftInstance


@dataclass(frozen=True, slots=True)
class Placement:
    """A configuration (by position) and the segments along its path; empty ones are relays."""

    configuration: int
    segments: tuple[Segment, ...]


def keep_share(instance: CiftInstance) -> Fraction:
    """Return p, the larger confidence of the deadlines that are in doubt."""
    doubt = instance.doubt
    if doubt is None:
        return Fraction(1)
    pairs = zip(
        doubt.confidences(),
        (instance.inference_deadline_s, instance.fine_tuning_deadline_s),
        strict=True,
    )
    asked = [p if deadline is not None else None for p, deadline in pairs]
    if serves_surely(instance):
        asked[0] = None
    return max((p for p in asked if p is not None), default=Fraction(1))


def serves_surely(instance: CiftInstance) -> bool:
    """Return whether nothing that the inference deadline counts is in doubt: it always holds."""
    return instance.doubt is None or not instance.doubt.scenarios


def seen(instance: CiftInstance, draw: Draw, epochs: Sequence[int]) -> CiftInstance:
    """Return the nominal instance of a draw and of a number of epochs a configuration."""
    nodes = []
    for node in instance.nodes:
        phi = float(draw.speed(node.name))
        speeds = node.speeds_flop_per_s
        if isinstance(speeds, SpeedInterval):
            raise InputError("speeds", node.name, "listed speeds for recourse", "list them")
        nodes.append(
            replace(
                node,
                speeds_flop_per_s=tuple(f * phi for f in speeds),
                kappa_j_s2_per_flop3=node.kappa_j_s2_per_flop3 / phi**2,
            )
        )
    return instance.replace(
        nodes=tuple(nodes),
        links=tuple(
            replace(k, rate_bit_per_s=k.rate_bit_per_s * float(draw.rate(k.tail, k.head)))
            for k in instance.links
        ),
        configurations=tuple(
            replace(g, epochs=k) for g, k in zip(instance.configurations, epochs, strict=True)
        ),
        error_target=None,
        curves=(),
        doubt=None,
    )


def outcomes(instance: CiftInstance) -> list[Outcome]:
    """Return the outcomes, equal ones together.

    Raises
    ------
    InputError
        For means and variances, which have no outcomes, for continuous speeds, and for what
        segments of a chain cannot say.
    """
    instance.require_plain("recourse")
    doubt = instance.doubt
    if doubt is None or doubt.spread:
        raise InputError(
            "doubt", "none" if doubt is None else "spread", "epochs or scenarios", "add scenarios"
        )
    spread = [instance.epochs_in_doubt(g) for g in instance.configurations]
    ends = sorted({Fraction(1)}.union(*(itertools.accumulate(e.values()) for e in spread)))
    bands: dict[tuple[int, ...], Fraction] = {}
    before = Fraction(0)
    for end in ends:
        key = tuple(quantile(e.items(), end) for e in spread)
        bands[key] = bands.get(key, Fraction(0)) + end - before
        before = end
    return [
        Outcome(draw.weight * weight, seen(instance, draw, epochs))
        for draw in doubt.draws
        for epochs, weight in bands.items()
    ]


def placement_of(instance: CiftInstance, plan: CiftPlan) -> Placement:
    """Return the placement of a plan."""
    done, segments = 0, []
    for stop in plan.stops:
        segments.append((instance.node_index[stop.node], done, done + stop.blocks))
        done += stop.blocks
    keys = [g.key for g in instance.configurations]
    chosen = (plan.model, plan.compression, plan.source, plan.fraction)
    return Placement(keys.index(chosen), tuple(segments))


def _front(choices: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Return the undominated (seconds, joules) of one choice each, seconds ascending."""
    front = [(0.0, 0.0)]
    for mine in choices:
        every = sorted((t + s, e + j) for t, e in front for s, j in mine)
        front, least = [], math.inf
        for seconds, joules in every:
            if joules < least:
                front.append((seconds, joules))
                least = joules
    return front


def energies(
    seen: CiftInstance, placement: Placement, *, served: bool = False
) -> tuple[float, float]:
    """Return the least energy within the deadlines (infinite: none), and given up.

    Parameters
    ----------
    served
        Whether the inference deadline holds where the outcome is given up too.
    """
    g = seen.configurations[placement.configuration]
    model = seen.models[seen.model_index[g.model]]
    level = seen.compressions[seen.compression_index[g.compression]]
    passes, training, R = seen.sample_passes(g), seen.training, float(seen.requests)
    compute, send = training.compute_factor * passes, training.communication_factor * passes
    fixed, latency, time = 0.0, 0.0, 0.0
    for (n, _, b), (m, _, _) in itertools.pairwise(placement.segments):
        head = seen.nodes[m].name
        link = next(k for k in seen.links_from[seen.nodes[n].name] if k.head == head)
        bits = model.input_bits
        if b:
            bits = model.blocks[b - 1].activation_bits * level.activation_factor
        wire = bits / link.rate_bit_per_s
        fixed += (R + send) * link.energy_j_per_bit * bits
        latency += wire + link.delay_s
        time += send * (wire + link.delay_s / training.batch_size)
    held = free = fixed
    phases = (
        (R, 1.0, latency, seen.inference_deadline_s),
        (compute, compute, time, seen.fine_tuning_deadline_s),
    )
    for phase, (charged, timed, spent, deadline) in enumerate(phases):
        choices = []
        for n, i, j in placement.segments:
            node = seen.nodes[n]
            if j == i:
                continue
            w = sum(block.flops for block in model.blocks[i:j]) * level.flops_factor
            assert not isinstance(node.speeds_flop_per_s, SpeedInterval)
            choices.append(
                [
                    (
                        timed * w / f,
                        charged * w * (node.kappa_j_s2_per_flop3 * f * f + node.busy_power_w / f),
                    )
                    for f in node.speeds_flop_per_s
                ]
            )
        front = _front(choices)
        room = math.inf if deadline is None else deadline * GROWN - spent
        best = min((joules for seconds, joules in front if seconds <= room), default=math.inf)
        held += best
        free += best if served and phase == 0 else front[-1][1]
    return held, free


def best_sum(pairs: Sequence[tuple[Fraction, float, float]], share: Fraction) -> float:
    """Return the least weighted sum of (weight, held, free) with held ones of weight >= share.

    A knapsack over what may be given up, by whole weights.
    """
    common = math.lcm(*(weight.denominator for weight, _, _ in pairs))
    room = math.floor((1 - share) * common)
    if any(free == math.inf for _, _, free in pairs):
        return math.inf
    total = sum(float(weight) * held for weight, held, _ in pairs if held < math.inf)
    must = 0
    total_free = 0.0
    items: list[tuple[int, float]] = []
    for weight, held, free in pairs:
        units = int(weight * common)
        if held == math.inf:
            must += units
            total_free += float(weight) * free
        elif held > free:
            items.append((units, float(weight) * (held - free)))
    if must > room:
        return math.inf
    # Undominated (units, saved), as few as the distinct sums of weights.
    best = {0: 0.0}
    for units, saved in items:
        for used, known in list(best.items()):
            if used + units <= room - must:
                best[used + units] = max(best.get(used + units, 0.0), known + saved)
    return total + total_free - max(best.values())


def value(instance: CiftInstance, found: Sequence[Outcome], placement: Placement) -> float:
    """Return the expected energy of a placement with recourse, infinite where it keeps too few.

    The placement must fit the memories; wherever K may be positive, those of fine-tuning.
    """
    served = serves_surely(instance)
    pairs = [(o.weight, *energies(o.instance, placement, served=served)) for o in found]
    return best_sum(pairs, keep_share(instance))


def fits(instance: CiftInstance, g: Configuration, node: int, i: int, j: int) -> bool:
    """Return whether blocks i + 1 .. j fit a node, exactly."""
    model = instance.models[instance.model_index[g.model]]
    level = instance.compressions[instance.compression_index[g.compression]]
    held = sum((rational(b.param_bytes) for b in model.blocks[i:j]), Fraction(0))
    held *= rational(level.param_factor)
    if instance.expected_passes(g) > 0:
        held *= rational(instance.training.memory_factor)
    return held <= rational(instance.nodes[node].memory_bytes)
