"""Solvers on one MPS file: what they report, and what their parameters promise.

Each is a function of the file and of whether a gap of 0 is asked for. Solvers are imported where
they are called, each in a process of its own (`splitopt.bench.isolation.apart`).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from splitopt.instances.core.errors import InputError

LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a solver said.

    Attributes
    ----------
    status
        In its own words, or its number.
    objective, bound
        None where it has none.
    promised
        Its tolerances as they stood, by its own names for them.
    """

    status: str
    objective: float | None
    bound: float | None
    promised: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Solver:
    """A solver: the package it comes in, and the function that calls it."""

    name: str
    package: str
    call: Callable[[str, bool], Said]
    module: str

    @property
    def version(self) -> str | None:
        """The version installed; None where there is none."""
        if importlib.util.find_spec(self.module.partition(".")[0]) is None:
            return None
        return importlib.metadata.version(self.package)


def _refused() -> InputError:
    return InputError("file", "refused", "a file that the solver reads", "leave it out")


def _highs(path: str, exact: bool) -> Said:
    import highspy

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    gaps = ("mip_rel_gap", "mip_abs_gap")
    names = (*gaps, "mip_feasibility_tolerance", "primal_feasibility_tolerance")
    promised = {name: highs.getOptionValue(name)[1] for name in names}
    if highs.readModel(path) == highspy.HighsStatus.kError:
        raise _refused()
    for name in gaps if exact else ():
        highs.setOptionValue(name, 0.0)
    highs.setOptionValue("time_limit", LIMIT_S)
    highs.run()
    info = highs.getInfo()
    status = highs.modelStatusToString(highs.getModelStatus())
    return Said(status, info.objective_function_value, info.mip_dual_bound, promised)


def _scip(path: str, exact: bool) -> Said:
    from pyscipopt import Model

    model = Model()
    model.hideOutput()
    names = ("limits/gap", "limits/absgap", "numerics/feastol", "numerics/epsilon")
    promised = {name: model.getParam(name) for name in names}  # both gaps are 0 already
    model.readProblem(path)
    model.setParam("limits/time", LIMIT_S)
    model.optimize()
    objective = model.getObjVal() if model.getNSols() else None
    return Said(model.getStatus(), objective, model.getDualbound(), promised)


def _cbc(path: str, exact: bool) -> Said:
    import pulp

    program = pulp.PULP_CBC_CMD().path

    def run(*arguments: str, text: str = "") -> str:
        done = subprocess.run(
            [program, *arguments], input=text, capture_output=True, text=True, check=False
        )
        return done.stdout

    names = ("ratioGap", "allowableGap", "integerTolerance", "primalTolerance")
    shown = run("-", text="\n".join([*names, "quit", ""]))
    promised = {name: float(v) for name, v in re.findall(r"(\w+) has value (\S+)", shown)}
    gaps = ("-ratioGap", "0", "-allowableGap", "0") if exact else ()
    told = run(path, *gaps, "-seconds", str(LIMIT_S), "-solve", "-quit")
    status = re.search(r"Result - (.*)", told)
    value = re.search(r"Objective value:\s*(\S+)", told)
    if status is None:
        raise _refused()
    return Said(status[1].strip(), float(value[1]) if value else None, None, promised)


def _glpk(path: str, exact: bool) -> Said:
    import swiglpk as glpk

    glpk.glp_term_out(glpk.GLP_OFF)
    problem = glpk.glp_create_prob()
    if glpk.glp_read_mps(problem, glpk.GLP_MPS_FILE, None, path):
        raise _refused()
    controls, simplex = glpk.glp_iocp(), glpk.glp_smcp()
    glpk.glp_init_iocp(controls)
    glpk.glp_init_smcp(simplex)
    promised = {name: getattr(controls, name) for name in ("mip_gap", "tol_int", "tol_obj")}
    promised["tol_bnd"] = simplex.tol_bnd
    controls.presolve, controls.tm_lim = glpk.GLP_ON, int(1000 * LIMIT_S)  # mip_gap is 0 already
    code = glpk.glp_intopt(problem, controls)
    states = {glpk.GLP_OPT: "optimal", glpk.GLP_FEAS: "feasible", glpk.GLP_NOFEAS: "infeasible"}
    status = glpk.glp_mip_status(problem)
    found = status in (glpk.GLP_OPT, glpk.GLP_FEAS)
    objective = glpk.glp_mip_obj_val(problem) if found else None
    return Said(states.get(status, f"return code {code}"), objective, None, promised)


def _cpsat(path: str, exact: bool, more: str = "") -> Said:
    from ortools.linear_solver.python import model_builder
    from ortools.sat import sat_parameters_pb2

    defaults = sat_parameters_pb2.SatParameters()
    names = ("relative_gap_limit", "absolute_gap_limit", "mip_var_scaling", "mip_wanted_precision")
    promised = {name: getattr(defaults, name) for name in names}
    model = model_builder.Model()
    if not model.import_from_mps_file(path):
        raise _refused()
    solver = model_builder.Solver("sat")
    solver.set_time_limit_in_seconds(LIMIT_S)
    gaps = "relative_gap_limit: 0 absolute_gap_limit: 0 " if exact else ""
    solver.set_solver_specific_parameters(gaps + more)
    status = solver.solve(model).name
    if status not in ("OPTIMAL", "FEASIBLE"):
        return Said(status, None, None, promised)
    return Said(status, solver.objective_value, solver.best_objective_bound, promised)


def _cpsat_fine(path: str, exact: bool) -> Said:
    return _cpsat(path, exact, "mip_var_scaling: 1e6")


def _gurobi(path: str, exact: bool) -> Said:
    import gurobipy

    quiet = gurobipy.Env(params={"OutputFlag": 0})
    model = gurobipy.read(path, quiet)
    gaps = ("MIPGap", "MIPGapAbs")
    names = (*gaps, "IntFeasTol", "FeasibilityTol")
    promised = {name: getattr(model.Params, name) for name in names}
    for name in gaps if exact else ():
        model.setParam(name, 0.0)
    model.setParam("TimeLimit", LIMIT_S)
    model.optimize()
    words = {
        getattr(gurobipy.GRB, name): name
        for name in ("OPTIMAL", "INFEASIBLE", "TIME_LIMIT", "SUBOPTIMAL", "INF_OR_UNBD", "NUMERIC")
    }
    status = words.get(model.Status, str(model.Status))
    return Said(status, model.ObjVal if model.SolCount else None, model.ObjBound, promised)


def _cplex(path: str, exact: bool) -> Said:
    import cplex

    program = cplex.Cplex()
    for silence in (
        program.set_log_stream,
        program.set_results_stream,
        program.set_warning_stream,
        program.set_error_stream,
    ):
        silence(None)
    program.read(path)
    mip = program.parameters.mip.tolerances
    promised = {
        "mipgap": mip.mipgap.get(),
        "absmipgap": mip.absmipgap.get(),
        "integrality": mip.integrality.get(),
        "feasibility": program.parameters.simplex.tolerances.feasibility.get(),
    }
    for gap in (mip.mipgap, mip.absmipgap) if exact else ():
        gap.set(0.0)
    program.parameters.timelimit.set(LIMIT_S)
    program.solve()
    solution = program.solution
    found = solution.is_primal_feasible()
    value = solution.get_objective_value() if found else None
    bound = solution.MIP.get_best_objective() if found else None
    return Said(solution.get_status_string(), value, bound, promised)


def _xpress(path: str, exact: bool) -> Said:
    import xpress

    problem = xpress.problem()
    problem.controls.outputlog = 0
    problem.read(path)
    gaps = ("miprelstop", "mipabsstop")
    names = (*gaps, "miprelcutoff", "mipaddcutoff", "miptol", "feastol")
    promised = {name: getattr(problem.controls, name) for name in names}
    for name in gaps if exact else ():
        setattr(problem.controls, name, 0.0)
    problem.controls.timelimit = LIMIT_S
    problem.optimize()
    status = problem.attributes.solstatus.name
    found = problem.attributes.mipsols > 0
    value = problem.attributes.objval if found else None
    return Said(status, value, problem.attributes.bestbound, promised)


def _copt(path: str, exact: bool) -> Said:
    import coptpy

    model = coptpy.Envr().createModel()
    model.setParam("Logging", 0)
    model.read(path)
    gaps = ("RelGap", "AbsGap")
    promised = {name: model.getParam(name) for name in (*gaps, "IntTol", "FeasTol")}
    for name in gaps if exact else ():
        model.setParam(name, 0.0)
    model.setParam("TimeLimit", LIMIT_S)
    model.solve()
    words = {
        getattr(coptpy.COPT, name): name
        for name in ("OPTIMAL", "INFEASIBLE", "TIMEOUT", "NUMERICAL", "IMPRECISE")
    }
    value = model.objval if model.getAttr("HasMipSol") else None
    status = words.get(model.status, str(model.status))
    return Said(status, value, model.getAttr("BestBnd"), promised)


SOLVERS = (
    Solver("HiGHS", "highspy", _highs, "highspy"),
    Solver("SCIP", "pyscipopt", _scip, "pyscipopt"),
    Solver("CBC", "pulp", _cbc, "pulp"),
    Solver("GLPK", "swiglpk", _glpk, "swiglpk"),
    Solver("CP-SAT", "ortools", _cpsat, "ortools"),
    Solver("CP-SAT, scaled", "ortools", _cpsat_fine, "ortools"),
    Solver("Gurobi", "gurobipy", _gurobi, "gurobipy"),
    Solver("CPLEX", "cplex", _cplex, "cplex"),
    Solver("Xpress", "xpress", _xpress, "xpress"),
    Solver("COPT", "coptpy", _copt, "coptpy"),
)


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a solver says of a file; a request has ``solver``, ``path`` and ``exact``."""
    solver = next(one for one in SOLVERS if one.name == request["solver"])
    try:
        said = solver.call(request["path"], request["exact"])
    except InputError:
        raise
    except Exception as error:  # solvers raise types of their own
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError("file", lines[0][:80], "a file that the solver takes", "see it") from None

    def finite(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    return {
        "status": said.status,
        "objective": finite(said.objective),
        "bound": finite(said.bound),
        "promised": {name: float(value) for name, value in said.promised.items()},
    }
