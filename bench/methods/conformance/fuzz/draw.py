"""Random small instances: figures of real hardware, plain ones, and ones that are odd but legal.

Instance i of a seed is the same on every machine. A third of CIFT's have figures of real hardware,
a third mix lists and intervals of speeds; the rest are plain or odd (zeros, ties, figures over 4 to
24 orders of magnitude). Deadlines lie at the times of a plan, often the fastest, exactly or times a
factor next to one. Two in five of those that mix have one placement: speeds alone decide them.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Literal

import numpy as np

from splitopt.bench.methods.conformance.fuzz.enumeration import fastest, some_plans
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
    Training,
)
from splitopt.instances.core.fields import LARGEST, SMALLEST
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.networks.profiles import (
    Block,
    Layer,
    MultiExitProfile,
    Profile,
    load_profile,
)

Tier = Literal["end", "edge", "cloud"]
Reading = Literal["proportional", "leftover-to-last"]
KINDS = ("real", "mixed", "plain", "odd")
# Of a plan's own time: exact, at the judge's tolerance and beside it, near, far.
_EDGES = (1.0, 1.0, 1 - 1e-9, 1 + 1e-9, 1 - 2e-9, 1 + 1e-12, 1 - 1e-12, 1 - 1e-6)
_FACTORS = (*_EDGES, 1.1, 0.9, 0.5, 2.0)
_NETWORKS = ("alexnet-cifar10", "mobilenetv2-imagenet", "resnet18-cifar10", "vgg16-imagenet")


def _kind(index: int) -> str:
    return ("real", "mixed", ("plain", "odd")[index // 3 % 2])[index % 3]


class _Figures:
    """Figures of one kind."""

    def __init__(self, draw: random.Random, kind: str) -> None:
        self.draw = draw
        odd = kind == "odd" or (kind == "mixed" and draw.random() < 0.3)
        self.spread = draw.choice((2, 8, 12)) if odd else 0

    def any(self) -> float:
        """Return a figure >= 0."""
        draw = self.draw
        if not self.spread:
            return float(draw.choice((0, 1, 1, 2, 3, 5, 10, 20, 50, 100)))
        if draw.random() < 0.15:
            return 0.0
        if draw.random() < 0.4:
            return float(draw.choice((1, 2, 3, 10, 0.5, 5)))
        return float(f"{draw.uniform(1, 10):.2g}e{draw.randint(-self.spread, self.spread)}")

    def positive(self) -> float:
        """Return a figure > 0."""
        return self.any() or 1.0


def _factor(draw: random.Random) -> float:
    """Return a factor for a deadline: every third above one by 1e-9 to a tenth."""
    return 1 + 10 ** draw.uniform(-9, -1) if draw.random() < 0.3 else draw.choice(_FACTORS)


def _three(value: float) -> float:
    return float(f"{value:.3g}")


def _node(
    draw: random.Random, kind: str, figures: _Figures, n: int, interval: bool, samples: int
) -> Node:
    tier: Tier = "end" if n == 0 or draw.random() < 0.25 else draw.choice(("edge", "cloud"))
    hard = kind == "mixed" and not figures.spread
    if kind == "real" or hard:
        top = 10 ** draw.uniform(9, 14)
        steps = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0) if hard else (0.25, 0.5, 0.75, 1.0)
        levels = {_three(top * x) for x in draw.sample(steps, draw.randint(1, 4 if hard else 3))}
        # Watts at the top speed, split over both terms.
        watts = draw.choice((0.0, draw.uniform(1, 400), draw.uniform(1, 400)))
        share = draw.choice((0.0, 1.0, draw.random()))
        kappa, rho = _three(watts * share / top**3), _three(watts * (1 - share))
        memory = draw.choice((1e12, 1e12, 1e9, 1e6, 0.0) if hard else (1e9, 4e6, 1e6, 0.0))
    else:
        levels = {figures.positive() for _ in range(draw.randint(1, 3))}
        kappa, rho = figures.any(), figures.any()
        memory = draw.choice((figures.any(), 1e12, 1e12))
    ordered = tuple(sorted(levels))
    speeds: tuple[float, ...] | SpeedInterval = ordered
    if interval:
        high = ordered[-1] * draw.choice((1, 2, 10, 1000))
        speeds = SpeedInterval(ordered[0] / draw.choice((1, 1, 1e3, 1e9)), high)
    return Node(f"n{n}", tier, speeds, kappa, rho, memory, samples)


def _link(draw: random.Random, kind: str, figures: _Figures, tail: int, head: int) -> Link:
    ends = f"n{tail}", f"n{head}"
    if kind == "real" or (kind == "mixed" and not figures.spread):
        rate = _three(10 ** draw.uniform(6, 9))
        return Link(*ends, rate, draw.choice((0, 0.005, 0.02)), draw.choice((0, 3e-8, 1.2e-8)))
    delay = figures.any() if draw.random() < 0.5 else 0.0
    return Link(*ends, figures.positive(), delay, figures.any())


def _model(draw: random.Random, kind: str, figures: _Figures, blocks: int, name: str) -> Profile:
    if kind == "real":
        # Blocks as measured, some of one network in their order.
        network = load_profile(draw.choice(_NETWORKS))
        kept = sorted(draw.sample(range(len(network.blocks)), blocks))
        return Profile(name, network.input_bits, tuple(network.blocks[k] for k in kept))
    made = tuple(Block(f"b{k}", figures.any(), figures.any(), figures.any()) for k in range(blocks))
    return Profile(name, figures.any(), made)


def draw_cift(seed: int, index: int) -> CiftInstance:
    """Return instance `index` of a seed."""
    draw = random.Random(f"fuzz-cift-{seed}-{index}")
    kind = _kind(index)
    if kind == "mixed" and draw.random() < 0.4:
        return _forced(draw, f"fuzz-{seed}-{index}")
    figures = _Figures(draw, kind)
    count = draw.randint(1 if kind != "mixed" or draw.random() < 0.1 else 2, 4)
    # Both sorts of speeds where they are to be mixed.
    sorts = [kind == "mixed" and draw.random() < 0.5 for _ in range(count)]
    if kind == "mixed":
        for n, sort in zip(draw.sample(range(count), min(count, 2)), (True, False), strict=False):
            sorts[n] = sort
    samples = draw.choice((1, 5, 2000 if kind == "real" else 3))
    nodes = [_node(draw, kind, figures, n, sorts[n], samples) for n in range(count)]
    if count > 2 and draw.random() < 0.2:
        nodes[2] = dataclasses.replace(nodes[1], name="n2")  # equal nodes
    links = [
        _link(draw, kind, figures, tail, head)
        for tail in range(count)
        for head in range(tail + 1, count)
        if draw.random() < 0.7
    ]
    levels = [Compression("c0", 1, 1, 1)]
    if draw.random() < 0.3:
        levels.append(Compression("c1", draw.choice((0.5, 0.3)), 0.5, draw.choice((0.5, 0.25))))
    models = [
        _model(draw, kind, figures, draw.randint(1, 4 if k else 5), f"m{k}")
        for k in range(1 if draw.random() < 0.8 else 2)
    ]
    instance = CiftInstance(
        f"fuzz-{seed}-{index}",
        tuple(nodes),
        tuple(links),
        tuple(models),
        tuple(levels),
        tuple(
            Configuration(
                model.name, level.name, node.name, fraction, draw.choice((0, 0, 1, 3, 20))
            )
            for node in nodes
            if node.tier == "end"
            for model in models
            for level in levels
            for fraction in (draw.choice((1.0, 0.5)),)
        )[:3],
        0 if draw.random() < 0.1 else draw.choice((1, 1, 5, 1000, 10**6)),
        training=draw.choice((Training(), Training(), Training(1, 1, 1, 1), Training(3, 0.5, 3))),
    )
    return _full_memory(draw, _with_deadlines(draw, instance))


def _forced(draw: random.Random, name: str) -> CiftInstance:
    """Return a chain of hosts of a block each, lists and intervals of speeds, and a deadline.

    Memory leaves nearly one placement, so that all is decided by speeds. The deadline is what some
    levels take with the intervals at their highest speeds, and 1e-9 to a tenth more: whether the
    slow levels can stay is then a matter of the intervals, which prices alone do not see.
    """
    count = draw.randint(2, 4)
    time, unit = 10.0 ** draw.randint(-3, 3), 10.0 ** draw.randint(0, 12)  # s, FLOP
    sorts = [n % 2 == 0 for n in range(count)]
    draw.shuffle(sorts)
    nodes, blocks, taken = [], [], 0.0
    for n, listed in enumerate(sorts):
        levels = sorted({_three(unit / time * 10 ** draw.uniform(0, 2)) for _ in range(3)})
        top = unit / time * 100
        # In joules: what the block takes at the middle of the scale.
        joules = [draw.choice((0.0, 1.0, 10 ** draw.uniform(-2, 2))) for _ in range(2)]
        flops = _three(unit * 10 ** draw.uniform(0, 2))
        kappa, rho = joules[0] / unit / (top / 10) ** 2, joules[1] * (top / 10) / unit
        if listed:
            speeds: tuple[float, ...] | SpeedInterval = tuple(levels)
            pace = draw.choice(levels)
        else:
            low = levels[0] / draw.choice((1, 10, 1e6, 1e9))
            speeds = SpeedInterval(low, levels[-1])
            pace = levels[-1]
        taken += flops / pace
        memory = draw.choice((1, 1, 1, 1, 2))
        tier: Tier = "end" if n == 0 else "edge"
        nodes.append(Node(f"n{n}", tier, speeds, _three(kappa), _three(rho), memory, 1))
        blocks.append(Block(f"b{n}", flops, 1, 0))
    tuned = draw.random() < 0.3
    deadline = taken * (1 + 10 ** draw.uniform(-9, -1))
    return CiftInstance(
        name,
        tuple(nodes),
        tuple(Link(f"n{n}", f"n{n + 1}", 1e6, 0, 0) for n in range(count - 1)),
        (Profile("m", 0, tuple(blocks)),),
        (Compression("c0", 1, 1, 1),),
        (Configuration("m", "c0", "n0", 1.0, int(tuned)),),
        0 if tuned else 1,
        inference_deadline_s=None if tuned else deadline,
        fine_tuning_deadline_s=deadline if tuned else None,
        training=Training(1, 1, 1, 1),
    )


def _with_deadlines(draw: random.Random, instance: CiftInstance) -> CiftInstance:
    which = draw.choice(("none", "inference", "fine-tuning", "both", "both"))
    if which == "none":
        return instance
    plans = some_plans(instance, draw)
    if not plans:
        return instance
    cost = evaluate_cift(instance, draw.choice(plans))
    other = evaluate_cift(instance, draw.choice(plans))
    if draw.random() < 0.4:
        costs = [evaluate_cift(instance, plan) for plan in plans]
        cost = min(costs, key=lambda one: one.inference_latency_s)
        other = min(costs, key=lambda one: one.fine_tuning_time_s)
    changes: dict[str, object] = {}
    if draw.random() < 0.3:
        # Between the fastest plan and slower ones, where speeds are traded against each other.
        times = fastest(instance)
        names = ("inference_deadline_s", "fine_tuning_deadline_s")
        for name, least in zip(names, times, strict=True):
            if which == "both" or name.startswith(which.replace("-", "_")):
                changes[name] = least * draw.uniform(1, 2.5)
        return instance.replace(**changes)
    if which in ("inference", "both"):
        changes["inference_deadline_s"] = _legal(cost.inference_latency_s * _factor(draw))
    if which in ("fine-tuning", "both"):
        same = cost if draw.random() < 0.6 else other
        changes["fine_tuning_deadline_s"] = _legal(same.fine_tuning_time_s * _factor(draw))
    if draw.random() < 0.03:
        changes = dict.fromkeys(changes, 0.0)
    return instance.replace(**changes)


def _legal(seconds: float) -> float:
    return seconds if SMALLEST <= seconds <= LARGEST else 0.0


def _full_memory(draw: random.Random, instance: CiftInstance) -> CiftInstance:
    """Sometimes let a node hold a run of blocks to the byte."""
    if draw.random() > 0.2:
        return instance
    blocks = draw.choice(instance.models).blocks
    first = draw.randrange(len(blocks))
    held = sum(block.param_bytes for block in blocks[first : draw.randint(first, len(blocks))])
    held *= draw.choice(instance.compressions).param_factor
    n = draw.randrange(len(instance.nodes))
    nodes = list(instance.nodes)
    nodes[n] = Node(
        nodes[n].name,
        nodes[n].tier,
        nodes[n].speeds_flop_per_s,
        nodes[n].kappa_j_s2_per_flop3,
        nodes[n].busy_power_w,
        held * draw.choice((1.0, instance.training.memory_factor)),
        nodes[n].samples,
    )
    return instance.replace(nodes=tuple(nodes))


def draw_mepra(seed: int, index: int) -> MepraInstance:
    """Return instance `index` of a seed."""
    draw = random.Random(f"fuzz-mepra-{seed}-{index}")
    kind = ("real", "plain", "odd")[index % 3]
    figures = _Figures(draw, kind)
    n = draw.randint(1, 4)
    depths = [draw.randint(1, 4) for _ in range(draw.randint(1, 2))]

    def figure(low: float, high: float) -> float:
        return _three(10 ** draw.uniform(low, high)) if kind == "real" else figures.any()

    networks = tuple(
        MultiExitProfile(
            f"net{k}",
            figure(5, 7),
            tuple(
                Layer(f"l{j}", figure(6, 9), draw.choice((0.0, figure(4, 6))), figure(4, 7))
                for j in range(depth)
            ),
        )
        for k, depth in enumerate(depths)
    )
    left = draw.random() < 0.5
    reading: Reading = "leftover-to-last" if left else "proportional"
    total = 100.0 if left else 1.0
    rows = []
    for depth in depths * 2:
        row = [float(draw.choice((0, 0, 1, 2, 3, 100))) for _ in range(depth)]
        rows.append(row if sum(row) > 0 else [1.0] * depth)
    profile = [draw.randrange(len(networks)) for _ in range(n)]

    def positive(low: float, high: float) -> float:
        return figure(low, high) or 1.0

    def per_device(make: object) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        values = [make() for _ in range(n)]  # type: ignore[operator]
        return np.array([values[0]] * n if draw.random() < 0.2 else values, dtype=np.float64)

    tops = [1 << (depths[k] - 1) for k in profile]
    fixed = np.array([top | draw.randrange(top) for top in tops], dtype=np.int64)
    return MepraInstance(
        f"fuzz-{seed}-{index}",
        positive(9, 12),
        positive(6, 8),
        draw.choice((1.0, 1.0, 0.0, 0.3)),
        draw.choice((1.0, 1.0, 0.0, 0.1)),
        networks,
        ExitFractions.of(rows, total, reading),
        per_device(lambda: positive(8, 11)),
        per_device(lambda: figure(0, 1)),
        per_device(lambda: figure(-1, 0)),
        np.array(profile, dtype=np.int64),
        np.array([k + len(depths) * draw.randrange(2) for k in profile], dtype=np.int64),
        fixed if draw.random() < 0.5 else None,
    )
