"""Find an instance by what the user calls it: a name in the library, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.instances.judge import read_instance

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance


def is_file(name: str) -> bool:
    """Return whether `name` is that of a file and not of the library."""
    return "/" in name or "\\" in name or name.endswith((".json", ".json.gz"))


def resolve(name: str) -> str:
    """Return a name that means the same from any folder: files become absolute paths."""
    return str(Path(name).absolute()) if is_file(name) else name


def load_instance(name: str) -> Instance:
    """Return the instance of that name in the library, or in the file of that name.

    Raises
    ------
    InputError
        When there is none, or it is damaged.
    """
    if is_file(name):
        return read_instance(Path(name))
    from splitopt.instances import library

    return library.load(name)
