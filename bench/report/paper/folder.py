"""A folder whose files this program wrote: replaced one by one, what is not ours is left alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splitopt.instances.core.documents import canonical, read_json, write_bytes
from splitopt.instances.core.errors import InputError

_LIST = "paper.json"
_NAME = r"(tables/|figures/)?[A-Za-z0-9._+-]+"
_FORMAT = "splitopt-paper 1"
_REMEDY = "name another folder"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _listed(folder: Path) -> dict[str, list[str]]:
    """Return the files that an earlier call wrote into a folder, with the hashes they may have."""
    try:
        document: Any = read_json(folder / _LIST)
    except InputError:
        document = None
    files = document.get("files") if isinstance(document, dict) else None
    if (
        not isinstance(files, dict)
        or document.get("format") != _FORMAT
        or not all(isinstance(hashes, list) for hashes in files.values())
    ):
        raise InputError(
            "--paper", str(folder), "a new or empty folder, or one that it wrote", _REMEDY
        )
    # A list from elsewhere must not lead out of the folder.
    return {n: h for n, h in files.items() if re.fullmatch(_NAME, n) and ".." not in n}


def check_folder(folder: Path) -> dict[str, list[str]]:
    """Return the files in a folder that an earlier call wrote, with the hashes they may have.

    Raises
    ------
    InputError
        When the folder holds what no call wrote, a file was changed since, or a link leads away.
    """
    there = next((above for above in (folder, *folder.parents) if above.exists()), folder)
    if not folder.is_symlink() and not there.is_dir():
        raise InputError("--paper", str(folder), f"a folder; {there} is none", _REMEDY)
    if there != folder and not folder.is_symlink():
        return {}
    for path in (folder, *(folder.iterdir() if folder.is_dir() else ())):
        if path.is_symlink():
            raise InputError("--paper", str(path), "a folder of its own, no link", _REMEDY)
    before = _listed(folder) if any(folder.iterdir()) else {}
    for name, hashes in before.items():
        path = folder / name
        if path.is_file() and _sha256(path.read_bytes()) not in hashes:
            raise InputError(
                "--paper",
                str(path),
                "files as it wrote them; this one was changed since",
                "move it, or name another folder",
            )
    return before


def replace_files(folder: Path, files: Mapping[str, bytes], more: Mapping[str, str]) -> None:
    """Make a folder hold `files`, by name, and no other that an earlier call wrote.

    Parameters
    ----------
    more
        What else the list of files says.

    Raises
    ------
    InputError
        As `check_folder` does, and where a file of somebody else has one of the names.
    """
    before = check_folder(folder)
    for name in files:
        path = folder / name
        if name not in before and path.exists():
            raise InputError("--paper", str(path), "no file of that name", "move it elsewhere")
    hashes = {name: [_sha256(data)] for name, data in sorted(files.items())}
    # Killed on the way, the next call knows the old files and the new ones.
    known = {n: [*before.get(n, []), *hashes.get(n, [])] for n in {**before, **hashes}}
    _write_list(folder, known, more)
    for name, data in files.items():
        write_bytes(folder / name, data)
    for name in before.keys() - files.keys():
        (folder / name).unlink(missing_ok=True)
    _write_list(folder, hashes, more)


def _write_list(folder: Path, files: Mapping[str, list[str]], more: Mapping[str, str]) -> None:
    document = {"format": _FORMAT, **more, "files": files}
    write_bytes(folder / _LIST, canonical(document, indent=1) + b"\n")
