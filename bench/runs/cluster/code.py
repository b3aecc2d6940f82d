"""Whether two installations are of the same code, whatever their version says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_ROOMS = ("instances", "formulations", "heuristics", "bench")
# The package itself; a folder of a room in a checkout.
_FACE = "bench/face/"


@cache
def own_code() -> dict[str, str]:
    """Return a digest of each Python file of this package, as found when first asked."""
    found = {}
    for name in ("", *_ROOMS):
        spec = find_spec(f"splitopt.{name}" if name else "splitopt")
        places = [] if spec is None else list(spec.submodule_search_locations or ())
        if spec is not None and not name and spec.origin:
            places = [str(Path(spec.origin).resolve().parent)]
        for place in map(Path, places):
            for path in place.rglob("*.py") if name else place.glob("*.py"):
                key = f"{name or 'face'}/{path.relative_to(place).as_posix()}"
                if not key.startswith(_FACE):
                    found[key] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return found


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    """Say in which files two installations differ; None where they do not."""
    other = sorted(name for name in here.keys() & there.keys() if here[name] != there[name])
    ours, theirs = sorted(here.keys() - there.keys()), sorted(there.keys() - here.keys())
    said = [
        f"{what}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        for names, what in ((other, "different"), (ours, "here alone"), (theirs, "there alone"))
        if names
    ]
    return "; ".join(said) or None
