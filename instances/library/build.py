"""Writes the index of the library from the recipes and the stored instances.

Run ``python -m splitopt.instances.library.build`` after a change of recipes, generators or stored
files; a test tells when that was forgotten. `standard-v1` is frozen: its files are chosen once, by
``python -m splitopt.instances.library.standard``, and only listed here; so are `networks-v1`
(``python -m splitopt.instances.library.networks``) and `uncertain-v1`
(``python -m splitopt.instances.library.uncertain``).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.instances import sources
from splitopt.instances.core.documents import parse_json, write_bytes
from splitopt.instances.generators import generate
from splitopt.instances.judge import instance_from_document
from splitopt.instances.library.crafted_cift import CRAFTED_CIFT
from splitopt.instances.library.crafted_mepra import CRAFTED_MEPRA
from splitopt.instances.library.recipes import LARGE, QUICK, QUICK_SOURCES, TINY
from splitopt.instances.problems import problem_of

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

FOLDER = Path(__file__).parent.parent / "data" / "library"
STANDARD, NETWORKS, UNCERTAIN = "standard-v1", "networks-v1", "uncertain-v1"


def _row(
    instance: Instance, sets: list[str], made: dict[str, object], *, digest: bool = True
) -> dict[str, object]:
    return {
        "name": instance.name,
        "problem": instance.problem,
        "sets": sets,
        "size": problem_of(instance).size(instance),
        "description": instance.description,
        "made": made,
        "content_hash": instance.content_hash if digest else "",
    }


def _rows(folder: Path) -> Iterator[dict[str, object]]:
    for crafted in (CRAFTED_CIFT, CRAFTED_MEPRA):
        for name, build in crafted.items():
            yield _row(build(name), ["tiny"], {"crafted": True})
    for member, recipes in (("tiny", TINY), ("quick", QUICK), ("large", LARGE)):
        for recipe in recipes:
            knobs = {k: list(v) if isinstance(v, tuple) else v for k, v in recipe.knobs.items()}
            made = {"family": recipe.family, "seed": recipe.seed, "knobs": knobs}
            instance = generate(recipe.family, recipe.seed, name=recipe.name, **recipe.knobs)
            yield _row(instance, [member], made)
    for name in QUICK_SOURCES:
        member = "sources" if name in sources.names() else "source-variants"
        yield _row(sources.load(name), ["quick", member], {"source": True})
    for member in (STANDARD, NETWORKS, UNCERTAIN):
        for path in sorted((folder / member).glob("*.json.gz")):
            read = parse_json(gzip.decompress(path.read_bytes()), path.name)
            made = {"file": f"{member}/{path.name}"}
            yield _row(instance_from_document(read), [member], made)


def main(folder: Path = FOLDER) -> None:
    """Write ``index.json``, one row a line."""
    import json

    lines = [json.dumps(row, separators=(", ", ": ")) for row in _rows(folder)]
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    write_bytes(folder / "index.json", text.encode("ascii"))


if __name__ == "__main__":
    main()
