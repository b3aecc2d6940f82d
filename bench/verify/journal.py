"""The journal of a verification: what is done, line by line, so that a run can be taken up again.

``verdicts.jsonl`` holds one JSON object a line, written as soon as it is known: the truth about an
instance, or a verdict. A line stands under a key: content hash of the instance, the figures that
decide the outcome, and a hash of the code verified; with other code everything is done anew. Lines
have checksums: a last one that a crash has torn counts for nothing, and so does a damaged one.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from splitopt.bench.verdicts.optimum import Truth
from splitopt.instances.core.documents import content_hash, read_bytes, write_bytes
from splitopt.instances.core.errors import InputError

NAME = "verdicts.jsonl"
_LARGEST_BYTES = 1 << 30
_ROOM = Path(__file__).resolve().parents[2]


@functools.cache
def code_hash() -> str:
    """Return a hash of the code whose guarantee is verified: `heuristics` and the judge."""
    digest = hashlib.sha256()
    for folder in ("heuristics/labels", "heuristics/jqodi", "instances"):
        for path in sorted((_ROOM / folder).rglob("*.py")):
            digest.update(path.relative_to(_ROOM).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _checksum(key: str, value: object) -> str:
    return content_hash([key, value])[:16]


class Journal:
    """What is known already; `folder` None keeps it in memory alone.

    Attributes
    ----------
    damaged : int
        Lines that are not as they were written: they are left out, and what they were of is done
        again.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / NAME
        self._known: dict[str, dict[str, Any]] = {}
        self.damaged = 0
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._read(self._path)

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        if not path.is_file():
            raise InputError("journal", str(path), "a file", "remove it")
        data = read_bytes(path, _LARGEST_BYTES)
        whole = []
        lines = data.decode("utf-8", "replace").splitlines(keepends=True)
        for line in lines:
            try:
                entry = json.loads(line)
                key, value = entry["key"], entry["value"]
                fits = entry["checksum"] == _checksum(key, value)
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if fits and isinstance(value, dict) and line.endswith("\n"):
                self._known[key] = value
                whole.append(line)
        kept = "".join(whole).encode()
        # A crash tears the last line alone, and without its end.
        torn = bool(lines) and not lines[-1].endswith("\n")
        self.damaged = len(lines) - len(whole) - torn
        if kept != data:
            write_bytes(path, kept)

    @staticmethod
    def key(instance_hash: str, *parts: object) -> str:
        """Return the key of a line."""
        return " ".join([code_hash(), instance_hash, *(str(part) for part in parts)])

    def find(self, key: str) -> dict[str, Any] | None:
        """Return what stands under a key."""
        return self._known.get(key)

    def note(self, key: str, value: dict[str, Any]) -> None:
        """Put down what was found, unless it stands there already."""
        if self._known.get(key) == value:
            return
        self._known[key] = value
        if self._path is not None:
            with self._path.open("a") as file:
                entry = {"key": key, "value": value, "checksum": _checksum(key, value)}
                file.write(json.dumps(entry) + "\n")

    def truth(self, key: str) -> Truth | None:
        """Return the truth that stands under a key."""
        found = self.find(key)
        return None if found is None else Truth(**found)

    def note_truth(self, key: str, truth: Truth) -> None:
        """Put down what is proven of an instance."""
        self.note(key, asdict(truth))
