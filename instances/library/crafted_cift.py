"""Small CIFT instances made by hand, each with one property that methods trip over.

Their networks are made up and tiny; the property is what they are for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
    Speeds,
)
from splitopt.instances.cift.parts import Tier
from splitopt.instances.networks.profiles import Block, Profile

_MADE_UP = ("Made up: a small network and small figures, for the property alone.",)
_NONE = Compression("none", 1.0, 1.0, 1.0)


def _profile(
    *rows: tuple[float, float, float], name: str = "net", input_bits: float = 1e6
) -> Profile:
    """Return a chain of blocks (FLOPs, parameter bytes, activation bits)."""
    return Profile(
        name, input_bits, tuple(Block(f"b{k}", *row) for k, row in enumerate(rows, start=1))
    )


# Activations shrink, so that each hop is cheaper the later it comes.
_FOUR = _profile((1e9, 1e6, 3e5), (3e9, 2e6, 2e5), (4e9, 4e6, 5e4), (1e9, 8e6, 1e4))


def _node(
    name: str,
    tier: Tier = "edge",
    speeds: Speeds = (1e10, 2e10),
    kappa: float = 1e-30,
    rho: float = 1.0,
    memory: float = 1e9,
    samples: int = 0,
) -> Node:
    return Node(name, tier, speeds, kappa, rho, memory, samples)


_END = _node("end", "end", (5e9, 1e10), 2e-29, 0.5, 1e9, 100)
_EDGE = _node("edge")
# Joules a GFLOP at its best speed: end 0.6, edge 0.2, cloud 0.7; the cloud is fastest.
_CLOUD = _node("cloud", "cloud", (1e11, 2e11), 1.2e-32, 60.0)
_UP = Link("end", "edge", 1e8, 0.002, 1e-6)
_ON = Link("edge", "cloud", 1e9, 0.01, 5e-7)


def _instance(
    name: str,
    purpose: str,
    *,
    nodes: tuple[Node, ...] = (_END, _EDGE, _CLOUD),
    links: tuple[Link, ...] = (_UP, _ON),
    models: tuple[Profile, ...] = (_FOUR,),
    compressions: tuple[Compression, ...] = (_NONE,),
    configurations: tuple[Configuration, ...] | None = None,
    requests: int = 1000,
    inference: float | None = None,
    fine_tuning: float | None = None,
) -> CiftInstance:
    if configurations is None:
        configurations = (Configuration(models[0].name, "none", nodes[0].name, 1.0, 2),)
    return CiftInstance(
        name=name,
        nodes=nodes,
        links=links,
        models=models,
        compressions=compressions,
        configurations=configurations,
        requests=requests,
        inference_deadline_s=inference,
        fine_tuning_deadline_s=fine_tuning,
        description=purpose,
        assumptions=_MADE_UP,
        origin={"crafted": name},
    )


def _one_block(name: str) -> CiftInstance:
    return _instance(
        name, "one block: it goes somewhere whole", models=(_profile((5e9, 1e6, 1e4)),)
    )


def _zero_energy(name: str) -> CiftInstance:
    free = tuple(
        _node(n.name, n.tier, n.speeds_flop_per_s, 0.0, 0.0, 1e9, n.samples)
        for n in (_END, _EDGE, _CLOUD)
    )
    links = (Link("end", "edge", 1e8, 0.002, 0.0), Link("edge", "cloud", 1e9, 0.01, 0.0))
    return _instance(
        name, "nothing costs energy: the optimum is 0 and time breaks ties", nodes=free, links=links
    )


def _zero_times(name: str) -> CiftInstance:
    # The first block has no FLOPs and the last sends nothing of note: zero-length segments.
    chain = _profile((0.0, 1e6, 5e5), (3e9, 1e6, 0.0), (0.0, 1e6, 0.0), (2e9, 1e6, 1e3))
    return _instance(name, "blocks without work and activations without bits", models=(chain,))


def _equal_plans(name: str) -> CiftInstance:
    return _instance(
        name,
        "two edge nodes alike in all but the name: plans tie to the last digit",
        nodes=(_END, _node("edge-a"), _node("edge-b")),
        links=(Link("end", "edge-a", 1e8, 0.002, 1e-6), Link("end", "edge-b", 1e8, 0.002, 1e-6)),
    )


def _relay(name: str) -> CiftInstance:
    return _instance(
        name,
        "the only way to the cloud leads over a router without memory",
        nodes=(_END, _node("router", memory=0.0), _CLOUD),
        links=(Link("end", "router", 1e8, 0.002, 1e-6), Link("router", "cloud", 1e9, 0.01, 5e-7)),
        inference=0.35,
    )


def _raw_input(name: str) -> CiftInstance:
    end = _node("end", "end", (5e9, 1e10), 2e-29, 0.5, 0.0, 100)
    return _instance(
        name, "the source has no memory: the raw input is shipped", nodes=(end, _EDGE, _CLOUD)
    )


def _no_requests(name: str) -> CiftInstance:
    return _instance(name, "fine-tuning alone, no request is served", requests=0, inference=0.5)


def _no_training(name: str) -> CiftInstance:
    untrained = (Configuration("net", "none", "end", 1.0, 0),)
    return _instance(
        name,
        "no epoch is needed: no fine-tuning speeds, and memory without the training factor",
        nodes=(_node("end", "end", (5e9, 1e10), 2e-29, 0.5, 3e6, 100), _EDGE, _CLOUD),
        configurations=untrained,
        fine_tuning=0.0,
    )


def _exact_deadline(name: str) -> CiftInstance:
    # All four blocks on the end node at 1e10 FLOP/s take 9e9 / 1e10 = 0.9 s, to the last digit.
    return _instance(
        name,
        "the deadline is exactly the time of a plan: only there does it hold",
        nodes=(_END,),
        links=(),
        inference=0.9,
    )


def _speed_traps(name: str) -> CiftInstance:
    # kappa f^2 + rho / f: 5e9 costs more than 1e10 here, and 2e10 more than both.
    end = _node("end", "end", (5e9, 1e10, 2e10), 1e-29, 10.0, 1e9, 100)
    return _instance(
        name,
        "the slowest speed takes more energy than the next, the fastest most",
        nodes=(end, _EDGE),
        links=(_UP,),
        inference=0.7,
        fine_tuning=600.0,
    )


def _interval_ends(name: str) -> CiftInstance:
    end = _node("end", "end", SpeedInterval(5e9, 1e10), 0.0, 2.0, 1e9, 100)
    edge = _node("edge", "edge", SpeedInterval(1e10, 2e10), 1e-30, 0.0)
    point = _node("cloud", "cloud", SpeedInterval(1e11, 1e11), 1.2e-32, 60.0)
    return _instance(
        name,
        "critical speeds at both ends of intervals, and an interval of one point",
        nodes=(end, edge, point),
        inference=0.4,
    )


def _critical_speed(name: str) -> CiftInstance:
    # (rho / (2 kappa))^(1/3) = 1e10 inside [2e9, 3e10].
    end = _node("end", "end", SpeedInterval(2e9, 3e10), 1e-30, 2.0, 1e9, 100)
    return _instance(
        name,
        "one node and one interval: the optimum runs at the critical speed",
        nodes=(end,),
        links=(),
    )


def _two_deadlines(name: str) -> CiftInstance:
    return _instance(
        name,
        "fine-tuning wants the edge, inference the end node; both deadlines bind",
        nodes=(
            _node("end", "end", SpeedInterval(5e9, 2e10), 2e-29, 0.5, 1e9, 100),
            _node("edge", "edge", SpeedInterval(1e10, 4e10), 1e-30, 1.0),
        ),
        links=(Link("end", "edge", 1e8, 0.2, 1e-6),),
        inference=0.7,
        fine_tuning=300.0,
    )


def _fractions(name: str) -> CiftInstance:
    small = _profile((1e9, 1e6, 5e5), (1e9, 1e6, 1e4), name="small")
    light = Compression("light", 0.5, 0.25, 0.5)
    names = [("net", "none"), ("net", "light"), ("small", "none"), ("small", "light")]
    return _instance(
        name,
        "a menu: two models, two levels, half or all of the data, epochs that differ",
        models=(_FOUR, small),
        compressions=(_NONE, light),
        configurations=tuple(
            Configuration(model, level, "end", fraction, epochs)
            for k, (model, level) in enumerate(names)
            for fraction, epochs in ((1.0, 2 + 3 * k), (0.5, 3 + 6 * k))
        ),
        fine_tuning=1500.0,
    )


def _skip(name: str) -> CiftInstance:
    return _instance(
        name,
        "a direct link and a way over two hops compete",
        links=(_UP, _ON, Link("end", "cloud", 2e7, 0.03, 1.2e-6)),
        inference=0.35,
    )


def _no_configuration(name: str) -> CiftInstance:
    return _instance(name, "infeasible: the target is out of reach of all", configurations=())


def _no_memory(name: str) -> CiftInstance:
    nodes = tuple(
        _node(n.name, n.tier, n.speeds_flop_per_s, 1e-30, 1.0, 7e6, n.samples)
        for n in (_END, _EDGE, _CLOUD)
    )
    return _instance(name, "infeasible: the last block fits nowhere", nodes=nodes)


def _no_time(name: str) -> CiftInstance:
    return _instance(
        name, "infeasible: the deadline lies just below the least latency", inference=0.0679
    )


def _no_way(name: str) -> CiftInstance:
    end = _node("end", "end", (5e9, 1e10), 2e-29, 0.5, 1e6, 100)
    return _instance(
        name,
        "infeasible: the source fits nothing and no link leaves it",
        nodes=(end, _EDGE, _CLOUD),
        links=(_ON,),
    )


CRAFTED_CIFT: Mapping[str, Callable[[str], CiftInstance]] = {
    f"cift-crafted-{name}": build
    for name, build in (
        ("one-block", _one_block),
        ("zero-energy", _zero_energy),
        ("zero-times", _zero_times),
        ("equal-plans", _equal_plans),
        ("relay", _relay),
        ("raw-input", _raw_input),
        ("no-requests", _no_requests),
        ("no-training", _no_training),
        ("exact-deadline", _exact_deadline),
        ("speed-traps", _speed_traps),
        ("interval-ends", _interval_ends),
        ("critical-speed", _critical_speed),
        ("two-deadlines", _two_deadlines),
        ("menu", _fractions),
        ("skip", _skip),
        ("no-configuration", _no_configuration),
        ("no-memory", _no_memory),
        ("no-time", _no_time),
        ("no-way", _no_way),
    )
}
