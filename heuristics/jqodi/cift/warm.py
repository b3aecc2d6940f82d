"""Load JQODI's compiled kernels by solving an instance with a host, a relay and two deadlines."""

from __future__ import annotations

from time import perf_counter

__all__ = ["warm_up"]

_ready = False


def warm_up() -> float:
    """Load the kernels, or compile them; return the seconds it took (0 when done before)."""
    global _ready
    if _ready:
        return 0.0
    began = perf_counter()
    from splitopt.heuristics.jqodi.cift.network import Instance
    from splitopt.heuristics.jqodi.cift.program import Rules
    from splitopt.heuristics.jqodi.cift.search import EXACT_RATIO, Search
    from splitopt.heuristics.labels import warm_up as warm_labels
    from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Link, Node
    from splitopt.instances.contract.method import Budget, Recorder
    from splitopt.instances.networks.profiles import Block, Profile

    warm_labels()
    nodes = tuple(
        Node(f"n{k}", "end" if k == 0 else "edge", (1.0, 2.0, 3.0), 1.0, 1.0, 100.0, 1)
        for k in range(3)
    )
    links = (Link("n0", "n1", 1.0, 1.0, 1.0), Link("n1", "n2", 1.0, 1.0, 1.0))
    model = Profile("m", 1, tuple(Block(f"b{k}", 1 + k, 1, 2) for k in range(3)))
    for deadlines in ({}, {"inference_deadline_s": 5.0}, {"fine_tuning_deadline_s": 9.0}):
        instance = CiftInstance(
            "warm",
            nodes,
            links,
            (model,),
            (Compression("none", 1, 1, 1),),
            (Configuration("m", "none", "n0", 1.0, 1),),
            1,
            **deadlines,  # type: ignore[arg-type]
        )
        for reduction in (True, False):
            rules = Rules(0.0, EXACT_RATIO, 0.0, "strict", reduction)
            Search(Instance(instance), rules, Budget(), Recorder()).go()
    both = instance.replace(inference_deadline_s=5.0, fine_tuning_deadline_s=9.0)
    for epsilon in (0.0, 0.1):
        for reduction in (True, False):
            rules = Rules(epsilon, max(1.0 + epsilon, EXACT_RATIO), 0.0, "strict", reduction)
            Search(Instance(both), rules, Budget(), Recorder()).go()
    _ready = True
    return perf_counter() - began
