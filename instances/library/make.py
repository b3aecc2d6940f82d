"""Makes the instances that the index describes."""

from __future__ import annotations

import gzip
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from splitopt.instances.core.documents import parse_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.library.index import Entry

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance


def _crafted(name: str) -> Instance:
    if name.startswith("cift"):
        from splitopt.instances.library.crafted_cift import CRAFTED_CIFT

        return CRAFTED_CIFT[name](name)
    from splitopt.instances.library.crafted_mepra import CRAFTED_MEPRA

    return CRAFTED_MEPRA[name](name)


def _stored(path: Traversable) -> Instance:
    from splitopt.instances.judge import instance_from_document

    return instance_from_document(parse_json(gzip.decompress(path.read_bytes()), path.name))


def make(entry: Entry, folder: Traversable) -> Instance:
    """Return the instance of an entry; `folder` holds the stored ones."""
    made = entry.made
    if "crafted" in made:
        return _crafted(entry.name)
    if "source" in made:
        from splitopt.instances import sources

        return sources.load(entry.name)
    if "file" in made:
        path = folder
        for part in str(made["file"]).split("/"):
            path = path / part
        return _stored(path)
    from splitopt.instances.generators import generate

    knobs = made["knobs"]
    if not isinstance(knobs, dict):
        raise InputError("index.json", knobs, "an object of knobs", "restore the committed file")
    turned = {key: tuple(v) if isinstance(v, list) else v for key, v in knobs.items()}
    seed = made["seed"]
    return generate(str(made["family"]), seed, name=entry.name, **turned)  # type: ignore[arg-type]
