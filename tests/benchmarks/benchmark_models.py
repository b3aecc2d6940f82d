"""Models built, loaded and solved: Pyomo's interfaces, the fast path and direct arrays.

=================  ==========================================================================
route              build, load, solve
=================  ==========================================================================
``appsi_highs``    Pyomo model; Pyomo's persistent interface sets it up; HiGHS runs
``contrib_highs``  Pyomo model; ``contrib.solver`` hands it over and runs (load: within solve)
``fast``           Pyomo model; one sparse matrix compiled and passed; HiGHS runs
``direct``         arrays from NumPy; passed; HiGHS runs
``written``        the arrays of the Pyomo model, without Pyomo; passed; HiGHS runs
=================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from benchmark_spec import Phase, Spec

from splitopt.instances.generators import generate

ROUTES = ("appsi_highs", "contrib_highs", "fast", "direct")
# The models that methods solve, in Pyomo and not.
WRITTEN = {
    "flow": ("written",),
    "gdp-bigm": ("fast", "written"),
    "gdp-hull": ("fast", "written"),
}
# Stages, width, blocks.
SIZES = {"small": (3, 1, 4), "large": (5, 4, 12)}


@cache
def cift(size: str) -> Any:
    stages, width, blocks = SIZES[size]
    return generate(
        "cift-tiers",
        7,
        stages=stages,
        width=width,
        blocks=blocks,
        sources=1,
        levels=4,
        compressions=2,
        models=("resnet18-imagenet",),
        tightness=0.8,
    )


def build_cift(formulation: str, instance: Any, route: str) -> Any:
    from splitopt.formulations.cift.assignment.building import build_model
    from splitopt.formulations.cift.flow import arcs as cift_flow_arcs
    from splitopt.formulations.cift.flow import method as cift_flow
    from splitopt.formulations.cift.pyomo import models as pyomo_cift

    if route == "written":
        return pyomo_cift.arrays(instance, formulation)[0]
    if route != "direct":
        return pyomo_cift.model(instance, formulation)
    if formulation == "assignment":
        return build_model(instance).sparse(1.0)
    graph = cift_flow_arcs.build_graph(instance)
    return cift_flow.flow_model(graph, np.arange(len(graph.arcs)), 1.0)


def load_into(model: Any, route: str) -> Callable[[], float]:
    """Hand `model` to HiGHS; return what runs it and gives the optimum."""
    if route == "appsi_highs":
        from pyomo.contrib.appsi.solvers import Highs

        solver = Highs()
        solver.config.mip_gap = 1e-6
        solver.set_instance(model)
        return lambda: float(solver.solve(model).best_feasible_objective)
    if route == "contrib_highs":
        from pyomo.contrib.solver.common.factory import SolverFactory

        options = {"mip_rel_gap": 1e-6}
        return lambda: float(
            SolverFactory("highs").solve(model, solver_options=options).incumbent_objective
        )
    from splitopt.formulations.solvers.highs import load, solve
    from splitopt.formulations.solvers.pyomo import compiled

    highs = load(compiled(model)[0] if route == "fast" else model)

    def run() -> float:
        outcome = solve(highs, time_limit_s=None, relative_gap=1e-6, support=0)
        assert outcome.objective is not None
        return outcome.objective

    return run


def run_loaded(run: Callable[[], float]) -> float:
    return run()


def cift_spec(formulation: str, size: str, route: str) -> Spec:
    def built() -> tuple[Any, ...]:
        return build_cift(formulation, cift(size), route), route

    phases = (
        Phase("build", lambda: (formulation, cift(size), route), build_cift, rounds=3),
        Phase("load", built, load_into, rounds=3),
        Phase("solve", lambda: (load_into(*built()),), run_loaded, float, rounds=3),
    )
    # Large disjunctive models take HiGHS minutes.
    solved = size == "small" or formulation in ("assignment", "flow")
    return Spec(
        f"cift-{formulation}-{size}-{route}",
        "models",
        f"cift-{formulation}-{size}",
        size == "small",
        phases if solved else phases[:2],
        lambda: cift(size).content_hash,
    )


# -- the tangent model of MEPRA ----------------------------------------------------------------


@cache
def mepra(devices: int) -> Any:
    return generate("mepra-fleet", 7, devices=devices)


def build_tangents(instance: Any) -> Any:
    """Return the MILP over all options with tangents around what the devices would choose."""
    from splitopt.formulations.mepra.incumbent import best_responses
    from splitopt.formulations.mepra.options import option_table
    from splitopt.formulations.mepra.relaxation import relax
    from splitopt.formulations.mepra.tangent import TangentModel

    table = option_table(instance)
    choice = best_responses(table, relax(table).default, rounds=100)
    total = float(table.root[choice].sum())
    # Columns as they were when this was frozen.
    model = TangentModel(table, np.arange(len(table.device)), 1.0, steps=False)
    return model.milp(total * np.linspace(0.5, 1.5, 21))


def tangent_spec(size: str, devices: int) -> Spec:
    def loaded() -> tuple[Any, ...]:
        return (load_into(build_tangents(mepra(devices)), "direct"),)

    return Spec(
        f"mepra-tangent-{size}",
        "models",
        f"mepra-tangent-{size}",
        size == "small",
        (
            Phase("build", lambda: (mepra(devices),), build_tangents),
            Phase("load", lambda: (build_tangents(mepra(devices)), "direct"), load_into),
            Phase("solve", loaded, run_loaded, float),
        ),
        lambda: mepra(devices).content_hash,
    )


SPECS = (
    *(
        cift_spec(formulation, size, route)
        for size in SIZES
        for formulation in ("assignment", "flow")
        for route in ROUTES
    ),
    *(
        cift_spec(formulation, size, route)
        for size in SIZES
        for formulation, routes in WRITTEN.items()
        for route in routes
    ),
    tangent_spec("small", 12),
    tangent_spec("large", 600),
)
