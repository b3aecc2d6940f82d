"""Checkpoints: arrays and one JSON text in a single ``.npz``, read without pickle.

One file, replaced atomically, so that arrays and their description never come apart. Arrays keep
their bits: training that goes on from a checkpoint is the training that was never interrupted.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from splitopt.instances.core.documents import parse_json, write_bytes
from splitopt.instances.core.errors import InputError

Tree = Any
NumpyArray = npt.NDArray[Any]
_DOCUMENT = "document.json"
_LARGEST_BYTES = 1 << 30


def write_arrays(
    path: Path, arrays: Mapping[str, NumpyArray], document: Mapping[str, object]
) -> None:
    """Write named arrays and a JSON object to `path`, all or nothing.

    Equal arrays and documents give equal bytes.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(document, sort_keys=True, allow_nan=False).encode("ascii")
        archive.writestr(zipfile.ZipInfo(_DOCUMENT), text, zipfile.ZIP_DEFLATED)
        for name in sorted(arrays):
            array = np.ascontiguousarray(arrays[name]) if np.ndim(arrays[name]) else arrays[name]
            body = io.BytesIO()
            np.lib.format.write_array(body, np.asarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(name + ".npy")
            archive.writestr(entry, body.getvalue(), zipfile.ZIP_DEFLATED)
    write_bytes(path, stream.getvalue())


def read_arrays(path: Path) -> tuple[dict[str, NumpyArray], dict[str, object]]:
    """Return the arrays and the JSON object in a file.

    Raises
    ------
    InputError
        When it is missing, damaged, too large, or no such file.
    """
    remedy = "name a file that training wrote"
    if not path.is_file():
        raise InputError("checkpoint", str(path), "a file that exists", remedy)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST_BYTES:
                raise InputError("checkpoint", str(path), "at most 1 GiB of arrays", remedy)
            document = parse_json(archive.read(_DOCUMENT), str(path))
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(archive.read(name)), allow_pickle=False
                )
                for name in archive.namelist()
                if name != _DOCUMENT
            }
    except (OSError, zipfile.BadZipFile, zlib.error, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "checkpoint", str(path), "a whole file of arrays and one JSON text", remedy
        ) from None
    if not isinstance(document, dict):
        raise InputError("checkpoint", str(path), "a JSON object in it", remedy)
    return arrays, document


def _named(tree: Tree) -> tuple[dict[str, Any], Any]:
    """Return the leaves of a tree by where they stand in it, and its structure."""
    import jax

    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(where).strip("."): leaf for where, leaf in leaves}, structure


def save(path: Path, tree: Tree, document: Mapping[str, object]) -> None:
    """Write a pytree of arrays and a JSON object to `path`, all or nothing."""
    leaves, _ = _named(tree)
    write_arrays(path, {name: np.asarray(leaf) for name, leaf in leaves.items()}, document)


def restore(path: Path, like: Tree) -> tuple[Tree, dict[str, object]]:
    """Return the pytree in a file, in the structure of `like`, and the JSON object.

    Raises
    ------
    InputError
        As `read_arrays`; also when a name, shape or type differs from that of `like`: the file
        belongs to another policy, environment or configuration.
    """
    import jax

    arrays, document = read_arrays(path)
    expected, structure = _named(like)
    remedy = "resume with the configuration that it was written with"
    if set(arrays) != set(expected):
        odd = sorted(set(arrays) ^ set(expected))[0]
        raise InputError("checkpoint", odd, "the arrays of this training", remedy)
    leaves = []
    for name, leaf in expected.items():
        found = arrays[name]
        if found.shape != leaf.shape or found.dtype != leaf.dtype:
            raise InputError(
                f"checkpoint {name}",
                f"{found.dtype} {found.shape}",
                f"{leaf.dtype} {leaf.shape}",
                remedy,
            )
        leaves.append(jax.numpy.asarray(found))
    return jax.tree_util.tree_unflatten(structure, leaves), document
