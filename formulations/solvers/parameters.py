"""All parameters of a solver, for methods that call it in their own process.

They come as options ``solver.NAME`` of the method. What the suite sets itself, because limits or
what is claimed rest on it, is refused.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from splitopt.formulations.solvers.drivers.common import ParameterError, refuse_held
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.instances.contract.method import OptionValue

_RESTS = "the method's bound rests on it; FORMULATION@SOLVER leaves it to you"


class SolverParameters:
    """Parameters of a solver, by the driver that sets them.

    Parameters
    ----------
    held
        Names of those that a method's claims rest on, beside the driver's own.
    """

    def __init__(self, driver: str, held: tuple[str, ...]) -> None:
        self._name = driver
        self._held = dict.fromkeys(held, _RESTS)

    @property
    def _driver(self) -> ModuleType:
        # By name: no process imports a solver for the sake of another one.
        return importlib.import_module(f"splitopt.formulations.solvers.drivers.{self._name}")

    def read(self, given: Mapping[str, object]) -> Mapping[str, OptionValue]:
        """Return parameters as the solver holds them.

        Raises
        ------
        InputError
            For one that it does not have, or that the method sets itself.
        """
        if self._name == "highs":
            importlib.import_module("splitopt.formulations.solvers.highs").silence()
        try:
            refuse_held(given, self._held)
            found: Mapping[str, OptionValue] = self._driver.check(given)
        except ParameterError as error:
            name = f"option solver.{error.name}"
            raise InputError(name, given[error.name], error.allowed, error.remedy) from None
        return found

    def set(self, solver: Any, given: Mapping[str, object]) -> None:
        """Set parameters that were read on a solver's object."""
        if given:
            self._driver.set_parameters(solver, given)


HIGHS = SolverParameters(
    "highs",
    ("small_matrix_value", "primal_feasibility_tolerance", "mip_feasibility_tolerance",
     "dual_feasibility_tolerance", "mip_abs_gap"),
)  # fmt: skip
SCIP = SolverParameters("scip", ("numerics/feastol", "numerics/dualfeastol", "limits/absgap"))
CPSAT = SolverParameters("cpsat", ("absolute_gap_limit",))
