"""What solvers there are, and methods named ``FORMULATION@SOLVER`` or with ``==VERSION``.

Read without importing any solver.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from splitopt.instances.core.errors import InputError, did_you_mean

Problem = Literal["cift", "mepra"]
# By problem; a test holds them to the formulations' own lists.
FORMULATIONS: Mapping[str, tuple[str, ...]] = {
    "cift": ("flow", "assignment", "gdp-bigm", "gdp-hull"),
    "mepra": ("natural", "conic", "tangent"),
}
# What of a formulation's files a solver takes.
Takes = Literal["integers", "linear", "convex", "quadratic"]
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!-]{0,39}")


@dataclass(frozen=True, slots=True)
class Solver:
    """A solver that reads our files.

    Attributes
    ----------
    package
        Of the package index; versions are its versions.
    driver
        Module of `splitopt.formulations.solvers.drivers` that runs it.
    engine
        What proves its optima: two methods confirm each other where engines differ.
    takes
        Pure integer programs, linear ones, with convex or with any quadratic rows.
    """

    name: str
    package: str
    driver: str
    engine: str
    takes: Takes
    summary: str


SOLVERS: Mapping[str, Solver] = {
    solver.name: solver
    for solver in (
        Solver("highs", "highspy", "highs", "HiGHS", "linear", "HiGHS"),
        Solver("scip", "pyscipopt", "scip", "SCIP", "quadratic", "SCIP by PySCIPOpt"),
        Solver(
            "cpsat", "ortools", "cpsat", "CP-SAT", "integers", "CP-SAT by OR-tools' ModelBuilder"
        ),
        Solver("ortools", "ortools", "ortools", "SCIP", "linear", "SCIP within OR-tools"),
        Solver("cbc", "pulp", "cbc", "CBC", "linear", "CBC, the program in PuLP's wheel"),
        Solver("glpk", "swiglpk", "glpk", "GLPK", "linear", "GLPK by swiglpk"),
        Solver("gurobi", "gurobipy", "gurobi", "Gurobi", "quadratic", "Gurobi"),
        Solver("xpress", "xpress", "xpress", "Xpress", "quadratic", "FICO Xpress"),
        Solver("cplex", "cplex", "cplex", "CPLEX", "convex", "IBM CPLEX"),
        Solver("copt", "coptpy", "copt", "COPT", "quadratic", "COPT"),
    )
}
PACKAGES = tuple(dict.fromkeys(solver.package for solver in SOLVERS.values()))


@dataclass(frozen=True, slots=True)
class MethodName:
    """The parts of ``FORMULATION@SOLVER==VERSION``; the version is None where none was asked."""

    formulation: str
    solver: Solver
    version: str | None

    @property
    def problem(self) -> Problem:
        """The problem that the formulation is of."""
        return "cift" if self.formulation in FORMULATIONS["cift"] else "mepra"

    def __str__(self) -> str:
        version = "" if self.version is None else f"=={self.version}"
        return f"{self.formulation}@{self.solver.name}{version}"


def is_by_file(name: str) -> bool:
    """Return whether a method's name says that a solver is to read a file."""
    return "@" in name


def parse(name: str) -> MethodName:
    """Return the parts of a method's name.

    Raises
    ------
    InputError
        For a formulation, a solver or a version that there cannot be.
    """
    formulation, _, rest = name.partition("@")
    solver, equals, version = rest.partition("==")
    formulations = [f for known in FORMULATIONS.values() for f in known]
    for part, known in ((formulation, formulations), (solver, list(SOLVERS))):
        if part not in known:
            raise InputError(
                "method",
                name,
                "FORMULATION@SOLVER or FORMULATION@SOLVER==VERSION, FORMULATION one of "
                f"{', '.join(formulations)}, SOLVER one of {', '.join(SOLVERS)}",
                did_you_mean(part, known, "correct the name"),
            )
    if equals and not is_version(version):
        raise InputError("method", name, "a version such as 1.16.0 behind ==", "correct it")
    return MethodName(formulation, SOLVERS[solver], version if equals else None)


def is_version(text: str) -> bool:
    """Return whether a text is a version, as packages write it."""
    if _VERSION.fullmatch(text) is None:
        return False
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(text)) == text
    except InvalidVersion:
        return False
