"""The journal of a verification: what is done, line by line, so that a run can be taken up again.

``verdicts.jsonl`` holds one JSON object a line, written as soon as it is known: the truth about an
instance, or a verdict. A line stands under a key: content hash of the instance, the figures that
decide the outcome, and a hash of the code verified; with other code everything is done anew. A last
line that a crash has torn counts for nothing.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from splitopt.bench.verdicts.optimum import Truth

__all__ = ["NAME", "Journal", "code_hash"]

NAME = "verdicts.jsonl"
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


class Journal:
    """What is known already; `folder` None keeps it in memory alone."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / NAME
        self._known: dict[str, dict[str, Any]] = {}
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._read(self._path)

    def _read(self, path: Path) -> None:
        if not path.is_file():
            return
        whole = []
        for line in path.read_text().splitlines(keepends=True):
            try:
                entry = json.loads(line)
                key, value = entry["key"], entry["value"]
            except (ValueError, KeyError, TypeError):
                continue
            if isinstance(key, str) and isinstance(value, dict) and line.endswith("\n"):
                self._known[key] = value
                whole.append(line)
        if "".join(whole) != path.read_text():
            from splitopt.instances.core.documents import write_bytes

            write_bytes(path, "".join(whole).encode())

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
                file.write(json.dumps({"key": key, "value": value}) + "\n")

    def truth(self, key: str) -> Truth | None:
        """Return the truth that stands under a key."""
        found = self.find(key)
        return None if found is None else Truth(**found)

    def note_truth(self, key: str, truth: Truth) -> None:
        """Put down what is proven of an instance."""
        self.note(key, asdict(truth))
