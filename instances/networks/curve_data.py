"""The measured learning curves and their fits that come with the suite."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splitopt.instances.core.documents import canonical, parse_json, write_bytes
from splitopt.instances.core.errors import InputError

Floats = NDArray[np.float64]


@functools.cache
def learning_data(name: str) -> dict[str, Any]:
    """Return a committed document: ``digits`` (curves), ``digits-fits`` or ``digits-calibration``.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    folder = resources.files("splitopt.instances") / "data" / "learning_curves"
    known = sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".json"))
    if name not in known:
        raise InputError(
            "learning_curves", name, "one of " + ", ".join(known), "choose one of them"
        )
    found = parse_json((folder / f"{name}.json").read_bytes(), f"{name}.json")
    if not isinstance(found, dict):
        raise InputError(f"{name}.json", found, "an object", "restore the committed file")
    return found


def curve_errors(document: Mapping[str, Any], model: str, compression: str) -> dict[int, Floats]:
    """Return the measured errors of one pair: for each N an array ``(seeds, epochs + 1)``.

    Parameters
    ----------
    document
        A document ``splitopt-learning-curves``.
    model, compression
        The pair.

    Raises
    ------
    InputError
        When the pair was not measured.
    """
    rows: dict[int, list[tuple[int, list[int]]]] = {}
    for curve in document["curves"]:
        if curve["model"] == model and curve["compression"] == compression:
            rows.setdefault(curve["samples"], []).append((curve["seed"], curve["wrong"]))
    if not rows:
        raise InputError(
            "model, compression",
            (model, compression),
            "a measured pair",
            "choose one of those listed in the curves",
        )
    scale = float(document["test_samples"])
    return {
        n: np.array([wrong for _, wrong in sorted(rows[n])], dtype=float) / scale
        for n in sorted(rows)
    }


def write_learning_data(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document with one line a field and a list element, so that differences read well."""
    lines = []
    for key, value in document.items():
        text = canonical(value)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = b"[\n" + b",\n".join(canonical(item) for item in value) + b"\n]"
        lines.append(canonical(key) + b":" + text)
    write_bytes(path, b"{\n" + b",\n".join(lines) + b"\n}\n")
