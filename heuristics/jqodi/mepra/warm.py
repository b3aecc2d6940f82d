"""Load JQODI's compiled kernels for MEPRA by solving instances of a few devices."""

from __future__ import annotations

from time import perf_counter

import numpy as np

__all__ = ["warm_up"]

_ready = False


def warm_up() -> float:
    """Load the kernels, or compile them; return the seconds it took (0 when done before)."""
    global _ready
    if _ready:
        return 0.0
    began = perf_counter()
    from splitopt.heuristics.jqodi.mepra.search import EXACT_RATIO, MepraSearch
    from splitopt.instances.contract.method import Budget, Recorder
    from splitopt.instances.mepra.model import ExitFractions, MepraInstance
    from splitopt.instances.networks.profiles import Layer, MultiExitProfile

    layers = tuple(Layer(f"l{k}", 1.0 + k, 1.0, 0.5) for k in range(3))
    network = MultiExitProfile("m", 2.0, layers)
    for exits in (None, np.array([5, 7, 4])):
        instance = MepraInstance(
            "warm",
            10.0,
            10.0,
            1.0,
            1.0,
            (network,),
            ExitFractions.of([[0.3, 0.3, 0.4]]),
            np.array([1.0, 2.0, 3.0]),
            np.ones(3),
            np.ones(3),
            np.zeros(3, np.int64),
            np.zeros(3, np.int64),
            exits,
        )
        for ratio, trim in ((EXACT_RATIO, False), (1.1, True)):
            MepraSearch(instance, ratio, trim, False, Budget(), Recorder()).go()
    _ready = True
    return perf_counter() - began
