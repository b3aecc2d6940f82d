"""What the rows of a store refer to: machines, instances, what is known of them, calls."""

from __future__ import annotations

import abc
import contextlib
import json
import math
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from splitopt.bench.store import records
from splitopt.bench.store.checksums import checksum
from splitopt.bench.store.rows import check_name
from splitopt.instances.core.documents import content_hash
from splitopt.instances.core.errors import InputError

# Instances whose packed JSON is larger stay where they are; the store names their source.
_LARGEST_INSTANCE_BYTES = 8 << 20
_LARGEST_DOCUMENT_BYTES = 256 << 20
_HALF = 8
_RESTORE = "restore a backup"


@dataclass(frozen=True, slots=True)
class BestKnown:
    """What is known of an instance from elsewhere.

    Attributes
    ----------
    objective
        Objective of the best plan known.
    bound
        Best proven lower bound.
    infeasible
        Whether it is proven that there is no plan.
    source
        Where the figures come from.
    """

    objective: float | None = None
    bound: float | None = None
    infeasible: bool = False
    source: str = "registry"


class Around(abc.ABC):
    """The part of a store that holds them."""

    @property
    @abc.abstractmethod
    def _where(self) -> str: ...

    @abc.abstractmethod
    def _transaction(self) -> contextlib.AbstractContextManager[sqlite3.Connection]: ...

    @abc.abstractmethod
    def _query(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]: ...

    def _document(self, table: str, key: str, text: object) -> dict[str, Any]:
        """Return the JSON object of an entry."""
        try:
            found = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InputError(f"{self._where}{table}: {key[:12]}", text, "a JSON object", _RESTORE)
        return found

    def _check(self, table: str, key: object, found: object, right: bytes) -> None:
        """Raise unless an entry is as it was stored; those of earlier versions have no checksum."""
        if found is not None and found != right:
            where = f"{self._where}{table}: {str(key)[:12]}"
            raise InputError(where, "other values", records.STORED, _RESTORE)

    def put_environment(self, document: Mapping[str, Any]) -> str:
        """Store the description of a machine and its software; return its hash."""
        key = content_hash(dict(document))
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO environments VALUES (?, ?)", (key, json.dumps(document))
            )
        return key

    def environments(self) -> dict[str, dict[str, Any]]:
        """Return the descriptions of the machines that rows were measured on, by hash."""
        found = {}
        for record in self._query("SELECT hash, document FROM environments"):
            key = str(record["hash"])
            found[key] = self._document("environments", key, record["document"])
            if content_hash(found[key]) != key:
                where = f"{self._where}environments: {key[:12]}"
                allowed = "what its name is the hash of"
                raise InputError(where, "another document", allowed, _RESTORE)
        return found

    def put_instance(
        self, instance_hash: str, name: str, problem: str, source: str, document: bytes | None
    ) -> None:
        """Store what an instance is called, and its JSON unless that is large."""
        packed = None
        if document is not None and len(document) <= _LARGEST_DOCUMENT_BYTES:
            packed = zlib.compress(document, 6)
            if len(packed) > _LARGEST_INSTANCE_BYTES:
                packed = None
        entry = (instance_hash, name, problem, source)
        checksums = checksum(*entry)[:_HALF] + checksum(instance_hash, packed)[:_HALF]
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO instances (hash, name, problem, source, document, checksum) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (*entry, packed, checksums),
            )

    def has_instance(self, instance_hash: str) -> bool:
        """Return whether the instance is in the store."""
        return bool(self._query("SELECT 1 FROM instances WHERE hash = ?", (instance_hash,)))

    def instances(self) -> list[dict[str, str]]:
        """Return hash, name, problem and source of every instance."""
        found = self._query(
            "SELECT hash, name, problem, source, substr(checksum, 1, 8) AS found FROM instances "
            "ORDER BY rowid"
        )
        entries = []
        for *entry, checksum_ in map(tuple, found):
            for field, name in zip(("hash", "name", "problem"), entry, strict=False):
                check_name(field, name, f"{self._where}instances: ")
            self._check("instances", entry[0], checksum_, checksum(*entry)[:_HALF])
            entries.append(dict(zip(("hash", "name", "problem", "source"), entry, strict=True)))
            if not isinstance(entry[3], str):
                where = f"{self._where}instances: {entry[0][:12]}: source"
                raise InputError(where, entry[3], "a text", _RESTORE)
        return entries

    def instance_document(self, instance_hash: str) -> bytes | None:
        """Return the JSON of an instance; None where the store does not hold it."""
        found = self._query(
            "SELECT document, substr(checksum, 9) AS found FROM instances WHERE hash = ?",
            (instance_hash,),
        )
        if not found or found[0]["document"] is None:
            return None
        packed, checksum_ = found[0]
        try:
            self._check(
                "instances", instance_hash, checksum_, checksum(instance_hash, packed)[:_HALF]
            )
            return records.inflate(packed, _LARGEST_DOCUMENT_BYTES)
        except InputError:
            raise
        except (ValueError, TypeError) as error:
            where = f"{self._where}instances: {instance_hash[:12]}: document"
            raise InputError(where, str(error), "an instance, packed", _RESTORE) from None

    def put_best_known(self, instance_hash: str, known: BestKnown) -> None:
        """Store what is known of an instance from elsewhere, in place of what was."""
        entry = (instance_hash, known.objective, known.bound, int(known.infeasible), known.source)
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO best_known (instance_hash, objective, bound, infeasible, "
                "source, checksum) VALUES (?, ?, ?, ?, ?, ?)",
                (*entry, checksum(*entry)),
            )

    def best_known(self) -> dict[str, BestKnown]:
        """Return what is known of instances from elsewhere, by hash."""
        found = {}
        for *entry, checksum_ in map(
            tuple,
            self._query(
                "SELECT instance_hash, objective, bound, infeasible, source, checksum "
                "FROM best_known"
            ),
        ):
            key, objective, bound, infeasible, source = entry
            check_name("instance_hash", key, f"{self._where}best_known: ")
            self._check("best_known", key, checksum_, checksum(*entry))
            for name, value in (("objective", objective), ("bound", bound)):
                if value is not None and not (isinstance(value, float) and math.isfinite(value)):
                    where = f"{self._where}best_known: {key[:12]}: {name}"
                    raise InputError(where, value, "a finite number", _RESTORE)
            found[key] = BestKnown(objective, bound, bool(infeasible), str(source))
        return found

    def put_call(
        self, started_at: str, document: Mapping[str, Any], planned: Sequence[str] = ()
    ) -> None:
        """Store what a runner was asked to do, for the report's "how to reproduce".

        Parameters
        ----------
        planned
            Keys of the runs it was asked for; `progress` counts them.
        """
        entry = (started_at, json.dumps(document))
        with self._transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO calls (started_at, document, checksum) VALUES (?, ?, ?)",
                (*entry, checksum(*entry)),
            )
            # A run that several calls asked for is counted with the last of them.
            connection.executemany(
                "INSERT OR REPLACE INTO planned VALUES (?, ?)",
                [(key, cursor.lastrowid) for key in planned],
            )

    def progress(self) -> tuple[int, int]:
        """Return how many of the runs that the last call asked for are stored, and their number."""
        found = self._query(
            "SELECT COUNT(runs.key) AS done, COUNT(*) AS planned FROM planned "
            "LEFT JOIN runs USING (key) WHERE call = (SELECT MAX(call) FROM planned)"
        )
        return int(found[0]["done"]), int(found[0]["planned"])

    def calls(self) -> list[dict[str, Any]]:
        """Return what runners were asked to do, oldest first."""
        found = []
        lost = "SELECT call FROM planned WHERE call NOT IN (SELECT id FROM calls) LIMIT 1"
        for (call,) in self._query(lost):
            raise InputError(f"{self._where}calls", "none", f"call {call}, as planned", _RESTORE)
        entries = "SELECT id, started_at, document, checksum FROM calls ORDER BY id"
        for number, started, text, checksum_ in self._query(entries):
            self._check("calls", number, checksum_, checksum(started, text))
            document = self._document("calls", str(number), text)
            command = document.get("command") or []
            if not isinstance(started, str) or not isinstance(command, list):
                where = f"{self._where}calls: {number}"
                raise InputError(where, command, "a time and a command", _RESTORE)
            if command:
                document["command"] = [str(part) for part in command]
            found.append({"started_at": started, **document})
        return found
