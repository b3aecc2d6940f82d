"""The one error that bad input raises."""

from __future__ import annotations

__all__ = ["InputError"]

_SHOWN = 80


def _show(value: object) -> str:
    """Return `value` for one line of text: escaped, shortened."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


class InputError(ValueError):
    """Bad input, told in one line: the field, its value, what is allowed, the remedy.

    Parameters
    ----------
    field
        Path of the field, such as ``nodes[2].memory_bytes``.
    value
        What was found; shown shortened and escaped.
    allowed
        What the field may hold.
    remedy
        What the user can do about it.
    """

    def __init__(self, field: str, value: object, allowed: str, remedy: str) -> None:
        self.field = field
        self.value = value
        self.allowed = allowed
        self.remedy = remedy
        super().__init__(f"{field}: got {_show(value)}; allowed: {allowed}; remedy: {remedy}")

    def within(self, prefix: str) -> InputError:
        """Return the same error seen from the outer field `prefix`."""
        joint = "" if self.field.startswith("[") or not self.field else "."
        return InputError(f"{prefix}{joint}{self.field}", self.value, self.allowed, self.remedy)
