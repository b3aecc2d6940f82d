"""Arguments that several commands share: instances, methods, options, and their completion."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem
from click.types import FloatParamType, IntParamType

from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

    TextParam = click.ParamType[str]
    TextsParam = click.ParamType[tuple[str, ...]]
else:  # older releases of click have no generic parameter types
    TextParam = TextsParam = click.ParamType

SUFFIXES = (".json", ".json.gz")


class Figure(FloatParamType):
    """A finite number within bounds; by default seconds, up to ten years."""

    def __init__(self, least: float = 0.0, most: float = 3.2e8) -> None:
        self._least, self._most = least, most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; nan is in no range, and infinity in none of ours."""
        found = float(super().convert(value, param, ctx))
        return _within(found, (self._least, self._most), "a number from {:g} to {:g}", value, param)


class Whole(IntParamType):
    """A whole number within bounds; by default a count of what is done one after another."""

    def __init__(self, least: int = 0, most: int = 1_000_000) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            found = int(super().convert(value, param, ctx))
        except ValueError:  # thousands of digits
            found = self._least - 1
        return _within(
            found, (self._least, self._most), "a whole number from {} to {}", value, param
        )


_N = TypeVar("_N", int, float)


def _within(
    found: _N, bounds: tuple[_N, _N], allowed: str, value: object, param: click.Parameter | None
) -> _N:
    least, most = bounds
    if not least <= found <= most:
        option = "number" if param is None or not param.opts else param.opts[-1]
        raise InputError(option, value, allowed.format(least, most), "correct it")
    return found


def is_file_name(reference: str) -> bool:
    """Return whether `reference` can only be a file: it has a folder or ends in ``.json``."""
    return "/" in reference or reference.endswith(SUFFIXES)


def instance_source(reference: str) -> Path | str:
    """Return what INSTANCE means: the path of a file, or a name in the library.

    A name in the library wins over a file of the same name without ``.json``.
    """
    path = Path(reference)
    if is_file_name(reference):
        return path
    from splitopt.instances import library

    if library.knows(reference) or not path.is_file():
        return reference  # where there is no such name, loading says which are alike
    return path


def open_instance(reference: str) -> Instance:
    """Return the instance that a file holds or that the library has under this name."""
    source = instance_source(reference)
    if isinstance(source, str):
        from splitopt.instances import library

        return library.load(source)
    from splitopt.instances.judge import read_instance

    return read_instance(source)


def read_assignments(option: str, given: Sequence[str]) -> dict[str, str]:
    """Return ``k=v`` texts as a mapping; values stay texts, their reader converts them.

    Raises
    ------
    InputError
        For a text without ``=`` or a name given twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InputError(option, text, "name=value", "write name=value without spaces")
        if name in found:
            raise InputError(option, text, "each name once", "remove one of the two")
        found[name] = value.strip()
    return found


def _matching(names: Sequence[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
SEED = Whole(most=2**63 - 1)


class InstanceName(TextParam):
    """A file or a library name; completes both."""

    name = "instance"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return library names, and let the shell complete files."""
        from splitopt.instances import library

        if "/" in incomplete or incomplete.startswith((".", "~")):
            return [CompletionItem(incomplete, type="file")]
        names = _matching(library.names(), incomplete)
        return names or [CompletionItem(incomplete, type="file")]


class SetOrInstance(InstanceName):
    """A set of the library, or an instance."""

    name = "set|instance"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names of sets and of instances."""
        from splitopt.instances import library

        return _matching(library.sets(), incomplete) + super().shell_complete(
            ctx, param, incomplete
        )


def _method_names() -> list[str]:
    from splitopt.bench.methods.registry import METHODS

    return list(dict.fromkeys(entry.name for entry in METHODS))


class MethodName(TextParam):
    """The name of a method."""

    name = "method"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the methods whose names begin so."""
        return _matching(_method_names(), incomplete)


class MethodNames(TextsParam):
    """Names of methods with commas between them."""

    name = "methods"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names, each once, in the order given."""
        if isinstance(value, tuple):
            return value
        names = [name.strip() for name in str(value).split(",")]
        return tuple(dict.fromkeys(name for name in names if name))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the name behind the last comma."""
        done, comma, last = incomplete.rpartition(",")
        return [
            CompletionItem(done + comma + name) for name in _method_names() if name.startswith(last)
        ]


def _find_plugins(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """Let modules in the current folder be found, behind all that is installed."""
    here = str(Path.cwd())
    if value and here not in sys.path:
        sys.path.append(here)
    return value


plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="MODULE:OBJECT",
    callback=_find_plugins,
    help="A method of your own, or a list of some; may be repeated.",
)
