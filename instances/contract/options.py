"""Options of methods, and the parameters of the solvers that they call."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.instances.cift.model import CiftInstance
    from splitopt.instances.cift.plan import CiftPlan
    from splitopt.instances.mepra.model import MepraInstance
    from splitopt.instances.mepra.plan import MepraPlan

    Instance = CiftInstance | MepraInstance
    Plan = CiftPlan | MepraPlan

OptionValue = bool | int | float | str
_ValueT = TypeVar("_ValueT")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a method.

    Attributes
    ----------
    name, default, description
        As the user sees them; the default's type is the option's type.
    minimum, maximum
        Closed range of a number; None for no limit.
    choices
        Values a text may take; empty for any.
    """

    name: str
    default: OptionValue
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def allowed(self) -> str:
        """Return in words what the option may hold."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return "a text"
        kind = "an integer" if isinstance(self.default, int) else "a number"
        if self.minimum is not None:
            kind += f" >= {self.minimum:g}"
        if self.maximum is not None:
            kind += f" <= {self.maximum:g}" if self.minimum is None else f" and <= {self.maximum:g}"
        return kind

    def read(self, value: object) -> OptionValue:
        """Return `value` as this option's type; a text is converted.

        Raises
        ------
        InputError
            When it does not fit.
        """
        wrong = InputError(
            f"option {self.name}", value, self.allowed(), f"leave it out for {self.default!r}"
        )
        if isinstance(self.default, bool):
            if isinstance(value, bool):
                return value
            if value in ("true", "false"):
                return value == "true"
            raise wrong
        if isinstance(self.default, str):
            if not isinstance(value, str) or (self.choices and value not in self.choices):
                raise wrong
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise wrong
        number: int | float
        try:
            number = int(value) if isinstance(self.default, int) else float(value)
        except (ValueError, OverflowError):
            raise wrong from None
        if isinstance(value, float) and number != value:
            raise wrong
        if isinstance(number, float) and not math.isfinite(number):
            raise wrong
        if self.minimum is not None and number < self.minimum:
            raise wrong
        if self.maximum is not None and number > self.maximum:
            raise wrong
        return number


class Parameters(Protocol):
    """What a solver can be told beside the options of a method: all its own parameters."""

    def read(self, given: Mapping[str, object]) -> Mapping[str, OptionValue]:
        """Return parameters as the solver holds them; raise InputError for what it does not."""


SOLVER = "solver."  # what options begin with that are the solver's own parameters


def solver_parameters(options: Mapping[str, _ValueT]) -> dict[str, _ValueT]:
    """Return what of a method's options is for its solver, by the solver's own names."""
    return {n.removeprefix(SOLVER): v for n, v in options.items() if n.startswith(SOLVER)}


def read_options(
    method: str,
    known: tuple[Option, ...],
    given: Mapping[str, object],
    parameters: Parameters | None = None,
) -> dict[str, OptionValue]:
    """Return every option of a method: those given, checked, and the defaults.

    Parameters
    ----------
    parameters
        Of the solver that the method calls: options named ``solver.NAME`` are handed on to it.

    Raises
    ------
    InputError
        For an option the method does not have, or a value that does not fit.
    """
    theirs = solver_parameters(given)
    if parameters is not None and theirs:
        own = {name: value for name, value in given.items() if not name.startswith(SOLVER)}
        found = parameters.read(theirs)
        return read_options(method, known, own) | {SOLVER + n: v for n, v in found.items()}
    names = [option.name for option in known]
    for name in given:
        if name not in names:
            raise InputError(
                f"option {name}",
                given[name],
                "options of " + method + ": " + (", ".join(names) or "none"),
                "leave it out or correct its name",
            )
    return {o.name: o.read(given[o.name]) if o.name in given else o.default for o in known}
