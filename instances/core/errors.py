"""The error that bad input raises, alone or with others of its file."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence

from splitopt.instances.core.printable import printable

_SHOWN = 80
_LINE = 400

# Looks at a few entries and levels only, so that a huge or deep value costs nothing.
_brief = reprlib.Repr()
_brief.maxlevel = 3
_brief.maxstring = _brief.maxother = _brief.maxlong = _SHOWN


def _show(value: object) -> str:
    """Return `value` for one line of text: escaped, shortened."""
    try:
        text = _brief.repr(value)
    except ValueError:
        # Python writes no integer of more than some thousand digits.
        text = f"a huge {type(value).__name__}"
    text = text.encode("ascii", "backslashreplace").decode("ascii")
    return _line(text, _SHOWN)


def _line(text: str, most: int = _LINE) -> str:
    """Return `text` in one line of at most `most` characters that can be printed."""
    return printable(text if len(text) <= most else text[: most - 3] + "...")


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the remedy for a name that is not known: the nearest there are, else `otherwise`."""
    import difflib

    near = difflib.get_close_matches(name, known, n=2)
    return f"did you mean {' or '.join(near)}?" if near else otherwise


class InputError(ValueError):
    """Bad input, told in one line: the field, its value, what was expected, what to do.

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
        super().__init__(
            f"{_line(field)}: {_show(value)}, expected {_line(allowed)}; {_line(remedy)}"
        )

    def within(self, prefix: str) -> InputError:
        """Return the same error seen from the outer field `prefix`."""
        joint = "" if self.field.startswith("[") or not self.field else "."
        return InputError(f"{prefix}{joint}{self.field}", self.value, self.allowed, self.remedy)

    def named(self, field: str) -> InputError:
        """Return the same error under what its reader calls the field."""
        return InputError(field, self.value, self.allowed, self.remedy)


class InputErrors(InputError):  # noqa: N818 - the plural of the one above
    """All that is wrong with a file; it reads as the first of `errors`, one at least."""

    def __init__(self, errors: Sequence[InputError]) -> None:
        first = errors[0]
        super().__init__(first.field, first.value, first.allowed, first.remedy)
        self.errors = tuple(errors)
