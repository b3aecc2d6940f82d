"""Checks of single fields: each returns the clean value or raises one clear line."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence

from splitopt.instances.core.documents import survives
from splitopt.instances.core.errors import InputError

Scalar = str | int | float | bool | None

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,119}")
# No product or quotient of a handful of such numbers leaves the range of doubles.
LARGEST = 1e50
SMALLEST = 1e-50
_MAGNITUDE = f"that is 0 or of a magnitude from {SMALLEST:g} to {LARGEST:g}"
_TEXT_LIMIT = 4000


def _range(minimum: float | None, above: float | None, maximum: float | None) -> str:
    parts = []
    if minimum is not None:
        parts.append(f">= {minimum:g}")
    if above is not None:
        parts.append(f"> {above:g}")
    if maximum is not None:
        parts.append(f"<= {maximum:g}")
    return " and ".join(parts)


def number(
    field: str,
    value: object,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    remedy: str = "correct the figure",
) -> float:
    """Return a finite float within the range.

    It must be 0 or of a magnitude from 1e-50 to 1e50.
    """

    def wrong(allowed: str) -> InputError:
        allowed = f"a finite number {allowed or _range(minimum, above, maximum)}".rstrip()
        return InputError(field, value, allowed, remedy)

    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong("")
    try:
        result = float(value)
    except OverflowError:
        raise wrong(_MAGNITUDE) from None
    if not math.isfinite(result):
        raise wrong("")
    if minimum is not None and result < minimum:
        raise wrong("")
    if above is not None and result <= above:
        raise wrong("")
    if maximum is not None and result > maximum:
        raise wrong("")
    if isinstance(value, int) and not survives(value):
        raise wrong("that a double holds")
    if result != 0.0 and not SMALLEST <= abs(result) <= LARGEST:
        raise wrong(_MAGNITUDE)
    return result + 0.0  # a negative zero becomes zero


def integer(
    field: str,
    value: object,
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    remedy: str = "give a whole number",
) -> int:
    """Return an int within the range; a float is taken when it is whole."""
    top = 2**53 if maximum is None else maximum
    bottom = -(2**53) if minimum is None else minimum
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (isinstance(value, float) and not value.is_integer())
        or not bottom <= value <= top
    ):
        allowed = f"an integer from {bottom} to {top}"
        raise InputError(field, value, allowed, remedy)
    return int(value)


def text(field: str, value: object, *, remedy: str = "give a text") -> str:
    """Return a text without control characters, of moderate length."""
    if (
        not isinstance(value, str)
        or len(value) > _TEXT_LIMIT
        or not value.replace("\n", " ").isprintable()
    ):
        raise InputError(field, value, f"a printable text of at most {_TEXT_LIMIT}", remedy)
    return value


def name(field: str, value: object) -> str:
    """Return a name that is safe in paths, tables and HTML."""
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise InputError(
            field,
            value,
            "1 to 120 letters, digits, '.', '_', '+' or '-', a letter or digit first",
            "rename it",
        )
    return value


def method_name(field: str, value: object) -> str:
    """Return the name of a method: a name, or two around ``@``, the last one with a version."""
    parts = value.split("@") if isinstance(value, str) else [""]
    solver, equals, version = parts[-1].partition("==")
    plain = [*parts[:-1], solver, *([version] if equals else [])]
    if len(parts) == 2 and all(map(_NAME.fullmatch, plain)):
        return str(value)
    return name(field, value)


def one_of(field: str, value: object, choices: Collection[str]) -> str:
    """Return `value` if it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(field, value, "one of " + ", ".join(choices), "choose one of them")
    return value


def mapping(
    field: str, value: object, required: Collection[str], optional: Collection[str] = ()
) -> Mapping[str, object]:
    """Return an object with all the required fields and no unknown one."""
    if not isinstance(value, dict):
        raise InputError(field, value, "an object", "write {...} with named fields")
    for key in required:
        if key not in value:
            raise InputError(f"{field}.{key}" if field else key, "nothing", "this field", "add it")
    for key in value:
        if key not in required and key not in optional:
            raise InputError(
                f"{field}.{key}" if field else str(key),
                value[key],
                "fields " + ", ".join((*required, *optional)),
                "remove it or correct its name",
            )
    return value


def sequence(field: str, value: object, *, minimum: int = 0) -> Sequence[object]:
    """Return a list or tuple of at least `minimum` entries."""
    if not isinstance(value, list | tuple):
        raise InputError(field, value, "a list", "write [...]")
    if len(value) < minimum:
        raise InputError(field, value, f"at least {minimum} entries", "add the missing ones")
    return value


def names_differ(field: str, names: Sequence[str]) -> None:
    """Raise when a name stands twice."""
    seen: set[str] = set()
    for index, entry in enumerate(names):
        if entry in seen:
            raise InputError(
                f"{field}[{index}].name", entry, "a name used once", "rename one of the two"
            )
        seen.add(entry)


def read_lines(found: Mapping[str, object], name: str) -> tuple[str, ...]:
    """Return an optional list of texts."""
    lines = sequence(name, found.get(name, ()))
    return tuple(text(f"{name}[{i}]", line) for i, line in enumerate(lines))


def read_origin(found: Mapping[str, object]) -> dict[str, Scalar]:
    """Return the optional object that says how an instance was made."""
    given = found.get("origin", {})
    if not isinstance(given, dict):
        raise InputError("origin", given, "an object", "write {...} with named fields")
    origin: dict[str, Scalar] = {}
    for key, value in given.items():
        name(f"origin.{key}", key)
        if isinstance(value, str):
            origin[key] = text(f"origin.{key}", value)
        elif value is None or isinstance(value, bool):
            origin[key] = value
        elif isinstance(value, int):
            origin[key] = integer(f"origin.{key}", value)
        else:
            origin[key] = number(f"origin.{key}", value)
    return origin
