"""Build, load and solve: one model through Pyomo's interfaces, the fast path and direct arrays.

``pytest tests/formulations/benchmark_build_load_solve.py --benchmark-enable`` measures all of it;
`test_benchmark_smoke` runs the smallest spec once with the suite. The specs are frozen: figures of
different days are of the same models.

=================  ==========================================================================
route              build, load, solve
=================  ==========================================================================
``appsi_highs``    Pyomo model; Pyomo's persistent interface sets it up; HiGHS runs
``contrib_highs``  Pyomo model; ``contrib.solver`` hands it over and runs (load: within solve)
``fast``           Pyomo model; one sparse matrix compiled and passed; HiGHS runs
``direct``         arrays from NumPy; passed; HiGHS runs
=================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from formulations import cift_assignment_model, cift_flow, cift_flow_arcs, pyomo_cift
from formulations.highs_tools import load, solve
from formulations.pyomo_tools import compiled
from instances.cift import CiftInstance
from instances.generators import generate

ROUTES = ("appsi_highs", "contrib_highs", "fast", "direct")
PHASES = ("build", "load", "solve")


class Spec(NamedTuple):
    """One frozen model."""

    name: str
    formulation: str
    stages: int
    width: int
    blocks: int

    def instance(self) -> CiftInstance:
        found = generate(
            "cift-tiers",
            7,
            stages=self.stages,
            width=self.width,
            blocks=self.blocks,
            sources=1,
            levels=4,
            compressions=2,
            models=("resnet18-imagenet",),
            tightness=0.8,
        )
        assert isinstance(found, CiftInstance)
        return found


SPECS = (
    Spec("assignment-small", "assignment", 3, 1, 4),
    Spec("flow-small", "flow", 3, 1, 4),
    Spec("assignment-large", "assignment", 5, 4, 12),
    Spec("flow-large", "flow", 5, 4, 12),
)


def build(spec: Spec, instance: CiftInstance, route: str) -> Any:
    if route != "direct":
        return pyomo_cift.model(instance, spec.formulation)
    if spec.formulation == "assignment":
        return cift_assignment_model.build_model(instance).sparse(1.0)
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
    arrays = compiled(model)[0] if route == "fast" else model
    highs = load(arrays)

    def run() -> float:
        outcome = solve(highs, time_limit_s=None, relative_gap=1e-6, support=0)
        assert outcome.objective is not None
        return outcome.objective

    return run


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("phase", PHASES)
def test_phase(benchmark: Any, spec: Spec, route: str, phase: str) -> None:
    """Time one phase; what comes before it is made anew for each round."""
    instance = spec.instance()
    before: dict[str, Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]] = {
        "build": lambda: ((spec, instance, route), {}),
        "load": lambda: ((build(spec, instance, route), route), {}),
        "solve": lambda: ((), {"run": load_into(build(spec, instance, route), route)}),
    }
    timed: dict[str, Callable[..., Any]] = {
        "build": build,
        "load": load_into,
        "solve": lambda run: run(),
    }
    benchmark.group = f"{spec.name} {phase}"
    benchmark.pedantic(timed[phase], setup=before[phase], rounds=3, iterations=1)
