"""Run pymoo's genetic algorithm within a budget, seeded, on vectors in [0, 1]^d.

What was tried before its operators were chosen stands in docs/baselines.md.

J. Blank, K. Deb, *pymoo: multi-objective optimization in Python*, IEEE Access 8, 2020.

pymoo is imported inside the functions: it is slow to start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from splitopt.instances.contract.method import Option, OptionValue

Floats = npt.NDArray[np.float64]
Score = Callable[[Floats], tuple[float, float]]

# Worse than anything: what a vector gets when time is up before it is looked at.
_UNSEEN = 1e30

OPTIONS = (
    Option("population", 60, "vectors in a generation", minimum=8, maximum=100_000),
    Option("generations", 300, "generations, unless time ends them", minimum=1, maximum=10**9),
    Option("patience", 40, "generations without a better vector that end it", minimum=1),
)


def preload() -> None:
    """Import pymoo."""
    import pymoo.algorithms.soo.nonconvex.ga
    import pymoo.operators.crossover.ux
    import pymoo.operators.mutation.pm  # noqa: F401


def _algorithm(population: int, start: Floats) -> Any:
    """Return pymoo's genetic algorithm, with the operators that did best on training instances.

    Uniform crossover, since genes stand for unlike things; polynomial mutation with eta = 1, since
    small steps decode to the same plan; two genes a vector on average.
    """
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.operators.crossover.ux import UniformCrossover
    from pymoo.operators.mutation.pm import PM

    return GA(
        pop_size=population,
        sampling=start,
        crossover=UniformCrossover(),
        mutation=PM(eta=1, prob_var=min(0.5, 2 / start.shape[1])),
    )


def evolve(
    score: Score,
    dimension: int,
    options: Mapping[str, OptionValue],
    seed: int,
    stop: Callable[[], bool],
    given: Floats | None = None,
) -> int:
    """Minimise over [0, 1]^dimension and return the number of generations completed.

    Parameters
    ----------
    score
        Called with one vector; returns (excess, value). Vectors with excess 0 are feasible; others
        are handed to pymoo as violating one constraint by that much. It keeps the best by itself.
    dimension
        d.
    options
        Values of `OPTIONS`.
    seed
        Of pymoo's generator and of the first population.
    stop
        Asked before each vector; True ends the run.
    given
        Vectors for the first population, shape (m, d) with m at most its size; the rest is drawn.
    """
    from pymoo.core.problem import ElementwiseProblem

    best = (math.inf, math.inf)

    class Search(ElementwiseProblem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=dimension, n_obj=1, n_ieq_constr=1, xl=0.0, xu=1.0)

        def _evaluate(self, x: Floats, out: dict[str, object], *_: object, **__: object) -> None:
            nonlocal best
            excess, value = _UNSEEN, _UNSEEN
            if not stop():
                excess, value = score(x)
                best = min(best, (excess, value))
            out["F"] = [min(value, _UNSEEN)]
            out["G"] = [min(excess, _UNSEEN)]

    population = int(options["population"])
    start = np.random.default_rng([seed, 1]).random((population, dimension))
    if given is not None:
        start[: len(given)] = given[:population]
    algorithm = _algorithm(population, start)
    algorithm.setup(
        Search(), termination=("n_gen", int(options["generations"])), seed=seed, verbose=False
    )
    done = idle = 0
    while algorithm.has_next() and idle < int(options["patience"]) and not stop():
        before = best
        algorithm.next()
        done += not stop()
        idle = 0 if best < before else idle + 1
    return done
