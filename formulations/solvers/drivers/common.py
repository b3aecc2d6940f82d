"""What the drivers of solvers share."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_MOST = 40  # names to list; more are only told how near they are


class UnsupportedError(Exception):
    """The solver does not take this: no licence, one too small, another kind of row."""


class ParameterError(Exception):
    """A parameter that the solver does not have, or a value that it does not take."""

    def __init__(self, name: str, value: object, allowed: str, remedy: str) -> None:
        super().__init__(f"{name} = {value!r}: {allowed}")
        self.name, self.value, self.allowed, self.remedy = name, value, allowed, remedy


def refuse(given: Mapping[str, object], held: Mapping[str, str], known: Iterable[str]) -> None:
    """Raise for a parameter that is `held` or that the solver does not have.

    Raises
    ------
    ParameterError
        With the solver's own list where that is short, else with the nearest names.
    """
    refuse_held(given, held)
    names = sorted(known)
    for name, value in given.items():
        if name in names:
            continue
        import difflib

        lower = {other.lower(): other for other in names}
        near = [lower[n] for n in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)]
        near += [other for other in names if name.lower() in other.lower()][:3]
        said = ", ".join(names if len(names) <= _MOST else dict.fromkeys(near))
        allowed = f"one of the solver's {len(names)} parameters"
        allowed += f", such as {said}" if said else ""
        raise ParameterError(name, value, allowed, "correct the name")


def refuse_held(given: Mapping[str, object], held: Mapping[str, str]) -> None:
    """Raise for a parameter that the suite sets itself; `held` says by which option."""
    for name, value in given.items():
        if name in held:
            raise ParameterError(name, value, "parameters that are not set already", held[name])


def as_kind(name: str, value: object, kind: type) -> Any:
    """Return `value`, often a text, as a bool, int, float or text.

    Raises
    ------
    ParameterError
        When it is none.
    """
    text = str(value).strip()
    try:
        if kind is bool:
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if kind is int:
            number = float(text)
            if not number.is_integer():
                raise ValueError
            return int(number)
        if kind is float:
            number = float(text)
            if math.isnan(number):
                raise ValueError
            return number
        return text
    except (KeyError, ValueError, OverflowError):
        allowed = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise ParameterError(name, value, allowed, "correct the value") from None


def remaining_s(request: Mapping[str, Any], began: float) -> float | None:
    """Return the seconds left of a run that began then, some always; None without a limit."""
    limit = request["time_limit_s"]
    return None if limit is None else max(0.01, limit - (time.perf_counter() - began))


class Improvements:
    """Where a driver puts the better solutions that its solver finds on the way: the last of them.

    Who asked looks into the file from time to time, and takes it away. Finding the values and
    writing them costs a tenth of the time at most.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.path: str | None = request.get("improved")
        self._next = 0.0

    def tell(self, values: Callable[[], Mapping[str, float]]) -> None:
        """Put the solution that `values` gives, by name of a column; zeros are left out."""
        began = time.perf_counter()
        if self.path is None or began < self._next:
            return
        # A callback of a solver's is no place to raise in: without it the run is as it was.
        with contextlib.suppress(Exception):
            found = {name: float(value) for name, value in values().items() if value != 0}
            with open(f"{self.path}.draft", "w", encoding="utf-8") as stream:  # noqa: PTH123
                json.dump(found, stream, allow_nan=False)
            os.replace(f"{self.path}.draft", self.path)  # noqa: PTH105 - as in `start`
        took = time.perf_counter() - began
        self._next = began + 10 * took


def _finite(value: object) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except TypeError:  # what pandas calls missing
        return None
    return number if math.isfinite(number) and abs(number) < 1e20 else None


def answer(
    ended: str,
    *,
    objective: object = None,
    bound: object = None,
    values: Mapping[str, float] | None = None,
    nodes: object = None,
    **more: Any,
) -> dict[str, Any]:
    """Return what a solver came back with, as JSON can hold it.

    Parameters
    ----------
    ended
        ``optimal``, ``infeasible``, ``time``, ``limit`` or ``failed``.
    values
        Of the best solution, by name of a column; what is left out is 0. None without one.
    """
    return {
        "ended": ended,
        "objective": _finite(objective),
        "bound": _finite(bound),
        "nodes": None if nodes is None else int(nodes),  # type: ignore[call-overload]
        "values": None
        if values is None
        else {name: float(value) for name, value in values.items() if value != 0},
        **more,
    }
