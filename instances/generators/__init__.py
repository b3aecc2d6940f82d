"""Seeded generators of instances around real hardware and measured networks.

``generate("cift-tiers", 7)`` gives the same instance on any machine; ``generate("cift-tiers", 7,
tightness=0.9)`` turns a knob. `families` lists what there is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from splitopt.instances.core import fields
from splitopt.instances.generators.families import FAMILIES, Family, find
from splitopt.instances.generators.knobs import CiftKnobs, MepraKnobs, change

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

__all__ = ["CiftKnobs", "Family", "MepraKnobs", "families", "generate", "instance_name"]

_LARGEST_SEED = 2**53


def families() -> tuple[Family, ...]:
    """Return the families, CIFT first."""
    return tuple(FAMILIES.values())


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def instance_name(family: str, seed: int, knobs: Mapping[str, object]) -> str:
    """Return ``family-sSEED``, and eight hexadecimal digits of the knobs where some are turned."""
    name = f"{family}-s{seed}"
    if knobs:
        text = json.dumps({key: _plain(knobs[key]) for key in sorted(knobs)}, sort_keys=True)
        name += "-" + hashlib.sha256(text.encode()).hexdigest()[:8]
    return name


def _origin(family: str, seed: int, turned: Mapping[str, object]) -> dict[str, object]:
    origin: dict[str, object] = {"family": family, "seed": seed}
    for key, value in turned.items():
        origin[key] = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return origin


def generate(family: str, seed: int, *, name: str | None = None, **knobs: object) -> Instance:
    """Return the instance of a family and a seed.

    Parameters
    ----------
    family
        One of `families`.
    seed
        0 to 2^53.
    name
        Name of the instance; by default made from family, seed and knobs.
    **knobs
        Knobs to turn from where the family has them.

    Raises
    ------
    InputError
        When there is no such family or knob, or a value is not allowed.
    """
    found = find(family)
    seed = fields.integer("seed", seed, minimum=0, maximum=_LARGEST_SEED)
    set_to = change(found.knobs, knobs)
    turned = {
        column.name: getattr(set_to, column.name)
        for column in dataclasses.fields(set_to)
        if getattr(set_to, column.name) != getattr(found.knobs, column.name)
    }
    module, _, function = found.builder.partition(":")
    build = getattr(importlib.import_module(module), function)
    title = instance_name(family, seed, turned) if name is None else name
    instance: Instance = build(family, seed, set_to, title, found.purpose)
    return instance.replace(origin=_origin(family, seed, turned))
