"""Methods ``FORMULATION@SOLVER``: the model written to a file, which a solver reads and solves.

The file is what ``splitopt export`` writes. What the solver says of bound and optimum is a proposal
like that of any solver (`splitopt.instances.cift.claims`), and the plan is for the judge to judge.
Times for building, writing, reading and solving are told apart in the statistics: they are no times
of methods that hand arrays to a solver in their own process.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.isolation.kept import KEPT
from splitopt.bench.isolation.machine import OurShortageError
from splitopt.bench.methods.byfile.environments import Environment, find
from splitopt.bench.methods.byfile.names import MethodName, parse
from splitopt.bench.methods.byfile.process import ask, warm
from splitopt.bench.methods.exporting import Formulated, formulate
from splitopt.bench.methods.solution_files import SolutionFile, plan_of_values
from splitopt.bench.store.temporary import temporary
from splitopt.formulations.cift.pyomo.takes import TAKES
from splitopt.instances import library
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    SOLVER,
    Recorder,
    Support,
    Termination,
    UnsupportedError,
    read_options,
    solver_parameters,
)
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import check

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Budget, OnProgress, OptionValue, Result

_TINY = {"cift": "cift-tiny-both", "mepra": "mepra-tiny-fleet"}
_MARGIN = 1e-7  # relative, off a solver's bound: reduced costs to 1e-7, an optimum of 64 or more
_TERMINATIONS = {"optimal": Termination.SOLVED, "time": Termination.TIME}


class _Parameters:
    """A solver's parameters, read by the solver itself in a process of its own."""

    def __init__(self, driver: str, environment: Environment) -> None:
        self._driver = driver
        self._environment = environment

    def read(self, given: Mapping[str, object]) -> Mapping[str, OptionValue]:
        """Return parameters as the solver holds them."""
        request = {"op": "check", "parameters": dict(given)}
        with temporary("solver") as folder:
            try:
                found = ask(self._driver, self._environment, request, Path(folder))
            except (UnsupportedError, RuntimeError) as error:
                said = " ".join(str(error).split())
                raise InputError("solver", str(self._environment), "one that works", said) from None
        known: Mapping[str, OptionValue] = found["parameters"]
        return known


class ByFile(Framed[Any, Any]):
    """A formulation solved by a solver that reads files."""

    def __init__(self, name: MethodName) -> None:
        self.name, self.problem = str(name), name.problem
        self.formulation, self.solver = name.formulation, name.solver
        if name.problem == "cift":
            takes = TAKES[name.formulation]
            self.takes, self.doubt = takes.beyond, takes.doubt
        self.environment = find(name.solver, name.version)
        self.version = str(self.environment)
        self.parameters = _Parameters(self.solver.driver, self.environment)

    def prepare(self) -> None:
        """Import what building needs, and start a process that has the solver imported."""
        # What is imported on the way is imported once, and not by every run on its clock.
        cones = self.formulation.startswith("gdp") and self.solver.takes in ("convex", "quadratic")
        # Of these Pyomo writes the files, others are written without it.
        instance = library.load("cift-tiny-continuous" if cones else _TINY[self.problem])
        with temporary("file") as folder:
            model = formulate(instance, self.formulation)
            model.write(Path(folder) / "model.mps", "mps")
            importlib.import_module(f"splitopt.formulations.{instance.problem}.incumbent")
        number = warm(self.solver.driver, self.environment)
        if number is not None:
            KEPT.add(number)

    def supports(self, instance: Any) -> Support:
        """Take what the formulation states in rows that the solver reads."""
        known = super().supports(instance)
        if not known:
            return known
        cones = self.formulation in ("natural", "conic")
        if isinstance(instance, CiftInstance) and instance.has_continuous_speeds:
            if not self.formulation.startswith("gdp"):
                known_there = set(instance.beyond) <= TAKES["gdp-hull"].beyond
                other = "gdp-hull" if known_there else "highs-oa"
                return Support(
                    f"{self.formulation} needs listed speeds; {other} takes continuous ones"
                )
            cones = True
        takes = self.solver.takes
        linear = takes not in ("convex", "quadratic")
        doubt = getattr(instance, "doubt", None)
        if linear and doubt is not None and doubt.spread:
            return Support(
                f"{self.solver.engine} reads no quadratic rows, as means and variances need; "
                "highs-flow and pyomo-flow cut the cone by planes"
            )
        if linear and cones:
            return Support(f"{self.solver.engine} reads no quadratic rows")
        if self.formulation == "natural" and takes == "convex":
            return Support(f"{self.solver.engine} takes convex rows only; conic has some")
        return Support()

    def solve(
        self,
        instance: Any,
        budget: Budget,
        seed: int,
        options: Mapping[str, object],
        warm_start: Any = None,
        on_progress: OnProgress | None = None,
    ) -> Result:
        """Solve as `Method.solve` says; the solver reads its parameters when it solves."""
        own = {name: value for name, value in options.items() if not name.startswith(SOLVER)}
        chosen = read_options(self.name, self.options, own) | dict(options)
        return self.answer(instance, Run(budget, seed, chosen, warm_start, Recorder(on_progress)))  # type: ignore[arg-type]

    def answer(self, instance: Any, run: Run[Any]) -> Result:
        """Build, write, have it solved, and make a plan of the solution."""
        best = self.open(instance, run)
        if run.start is not None:
            best.start(run.start)
        if isinstance(instance, CiftInstance) and not instance.configurations:
            return self.end(best, Termination.SOLVED, infeasible=True)
        clock, times = run.recorder, dict[str, float]()
        with temporary("file") as folder:
            try:
                model = formulate(instance, self.formulation)
            except InputError as error:
                raise UnsupportedError(str(error)) from None
            times["build_s"] = clock.elapsed_s
            path = Path(folder) / "model.mps"
            try:
                size = model.write(path, "mps", lasting=False)
            except OSError as error:
                raise OurShortageError(error.errno, f"the model: {error.strerror}") from error
            times["write_s"] = clock.elapsed_s - times["build_s"]
            best.statistics |= {k: v for k, v in size.items() if k != "linear"} | times
            best.statistics |= {"package": self.version, "file_bytes": path.stat().st_size}
            if self.solver.takes == "integers" and size["integers"] < size["columns"]:
                raise UnsupportedError(
                    f"{self.solver.engine} takes whole columns only; {self.formulation} has others"
                )
            if best.remaining_s == 0:
                return self.end(best, Termination.TIME)
            asked = clock.elapsed_s
            found = ask(
                self.solver.driver,
                self.environment,
                self._request(run, path),
                path.parent,
                lambda values: self._improve(best, model, values),
            )
            times["asked_s"] = clock.elapsed_s - asked
        return self._conclude(best, model, found, times, run)

    def _improve(self, best: Any, model: Formulated, values: Mapping[str, float]) -> None:
        """Take a better plan while the solver goes on; what is none is for its last word to say."""
        with contextlib.suppress(InputError):
            solution = SolutionFile(self.solver.engine, values, None)
            best.start(plan_of_values(model, solution, "a solution on the way"))

    def _request(self, run: Run[Any], path: Path) -> dict[str, Any]:
        return {
            "op": "solve",
            "file": str(path),
            "time_limit_s": run.recorder.remaining_s(run.budget),
            "threads": run.budget.threads,
            "seed": run.seed % 2**31,
            # Half of the gap is for the search, the rest for the margins taken off the bound.
            "relative_gap": run.budget.relative_gap / 2,
            "memory_bytes": run.budget.memory_limit_bytes,
            "parameters": solver_parameters(run.options),
            "log": run.budget.log,
        }

    def _conclude(
        self,
        best: Any,
        model: Formulated,
        found: Mapping[str, Any],
        times: Mapping[str, float],
        run: Run[Any],
    ) -> Result:
        ended, values, began = found["ended"], found["values"], run.recorder.elapsed_s
        best.statistics |= {
            "solver": found["solver"],
            "said": str(found.get("said") or ended),
            "nodes": found["nodes"],
            "read_s": found["read_s"],
            "solve_s": found["solve_s"],
            # Waiting for the process, the answer written and read.
            "handed_s": times["asked_s"] - (found["read_s"] or 0.0) - (found["solve_s"] or 0.0),
        }
        rejected = False
        if values is not None:
            solution = SolutionFile(self.solver.engine, values, found["objective"])
            try:
                plan = plan_of_values(model, solution, f"the solution of {found['solver']}")
            except InputError as error:
                best.statistics["refused"] = str(error)
                rejected = True
            else:
                rejected = not best.start(plan)
                if rejected:
                    broken = check(model.instance, plan)[0]
                    best.statistics["rejected"] = f"{broken.constraint}: {broken.statement}"
        best.statistics["plan_s"] = run.recorder.elapsed_s - began
        bound = found["bound"]
        if bound is not None:
            if values is not None and found["objective"] is not None:
                bound = min(bound, found["objective"] * (1 - run.budget.relative_gap / 2))
            self.propose(best, (bound - _MARGIN * max(1.0, abs(bound))) * model.unit)
        termination = _TERMINATIONS.get(ended, Termination.LIMIT)
        if rejected and termination is Termination.SOLVED:
            termination = Termination.LIMIT
        return self.end(best, termination, infeasible=ended == "infeasible")

    @abstractmethod
    def open(self, instance: Any, run: Run[Any]) -> Any:
        """Return what holds the best plan and bound."""

    @abstractmethod
    def propose(self, best: Any, bound: float) -> None:
        """Take a bound of the solver, J for CIFT."""

    @abstractmethod
    def end(self, best: Any, termination: Termination, *, infeasible: bool = False) -> Result:
        """Return the result, through the gate of claims."""


class _Cift(ByFile):
    def open(self, instance: Any, run: Run[Any]) -> Any:
        from splitopt.formulations.cift.incumbent import Incumbent

        return Incumbent(instance, run.budget, run.recorder)

    def propose(self, best: Any, bound: float) -> None:
        best.propose_bound(bound / best.units.joule)

    def end(self, best: Any, termination: Termination, *, infeasible: bool = False) -> Result:
        if infeasible:
            found: Result = best.claim(Termination.SOLVED, exhausted=math.inf)
        else:
            found = best.claim(termination)
        return found


class _Mepra(ByFile):
    def open(self, instance: Any, run: Run[Any]) -> Any:
        from splitopt.formulations.mepra.incumbent import Incumbent

        return Incumbent(instance, run.budget, run.recorder)

    def propose(self, best: Any, bound: float) -> None:
        best.raise_bound(bound)

    def end(self, best: Any, termination: Termination, *, infeasible: bool = False) -> Result:
        if infeasible:
            best.statistics["refused"] = "said to be infeasible; there is always a plan"
            termination = Termination.LIMIT
        found: Result = best.result(termination)
        return found


def method(name: str) -> ByFile:
    """Return the method of that name.

    Raises
    ------
    InputError
        When there is none, or its solver is not installed.
    """
    parsed = parse(name)
    return (_Cift if parsed.problem == "cift" else _Mepra)(parsed)
