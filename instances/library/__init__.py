"""The instances that come with the suite, by name, in sets.

`names` and `sets` read a committed index and build nothing. `load` makes an instance: a stored
file for `standard-v1`, a generated one (the same on any machine) for the other sets, a printed
table for the sources. ``family-sSEED`` gives any generated instance, such as ``cift-tiers-s7``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from splitopt.instances.core.errors import InputError
from splitopt.instances.library.index import SETS, Entry, find, folder, rows

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

__all__ = ["Entry", "entry", "knows", "load", "names", "sets"]

_GENERATED = re.compile(r"((?:cift|mepra)-[a-z0-9-]+?)-s(0|[1-9][0-9]{0,15})")


def sets() -> tuple[str, ...]:
    """Return the names of the sets."""
    return SETS


def names(set_name: str | None = None) -> tuple[str, ...]:
    """Return the names of one set, or of all.

    Raises
    ------
    InputError
        When there is no such set.
    """
    from splitopt.instances import sources

    if set_name is None:
        everything = [name for member in SETS for name in names(member)]
        return tuple(dict.fromkeys(everything))
    if set_name not in SETS:
        raise InputError("set", set_name, "one of " + ", ".join(SETS), "choose one of them")
    if set_name == "sources":
        return sources.names()
    if set_name == "source-variants":
        return tuple(name for v in sources.VARIANTS if v for name in sources.names(v))
    return tuple(found.name for found in rows().values() if set_name in found.sets)


def _generated(name: str) -> tuple[str, int] | None:
    found = _GENERATED.fullmatch(name)
    if found is None:
        return None
    from splitopt.instances.generators.families import FAMILIES

    return (found[1], int(found[2])) if found[1] in FAMILIES else None


def knows(name: str) -> bool:
    """Return whether `load` can make an instance of that name."""
    return find(name) is not None or _generated(name) is not None


def entry(name: str) -> Entry:
    """Return what the index says about an instance.

    Raises
    ------
    InputError
        When it is in no set.
    """
    found = find(name)
    if found is None:
        raise _unknown(name)
    return found


def load(name: str) -> Instance:
    """Return the instance of that name.

    Raises
    ------
    InputError
        When there is none, with names alike.
    """
    found = find(name)
    if found is None:
        generated = _generated(name)
        if generated is None:
            raise _unknown(name)
        from splitopt.instances.generators import generate

        return generate(*generated)
    from splitopt.instances.library.make import make

    return make(found, folder())


def _unknown(name: str) -> InputError:
    if name in sets():
        return InputError(
            "instance",
            name,
            "one instance, and this is a set of them",
            f"splitopt list {name} shows its instances; splitopt run takes a whole set",
        )
    import difflib

    near = [
        *difflib.get_close_matches(name, names(), n=2),
        *(f"the set {one}" for one in difflib.get_close_matches(name, sets(), n=1)),
    ]
    remedy = f"did you mean {' or '.join(near)}?" if near else "see splitopt list --all"
    return InputError("instance", name, "a name in the library or a .json file", remedy)
