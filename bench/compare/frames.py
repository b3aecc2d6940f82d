"""Rows as a table: a data frame, a CSV file, a Parquet file."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import operator
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from splitopt.bench.store import records
from splitopt.bench.store.rows import Row
from splitopt.bench.store.schema import COLUMNS, HEAVY, INTEGERS, JSON, TEXTS
from splitopt.bench.store.store import Store, uncollected
from splitopt.bench.verdicts.crosscheck import cross_check
from splitopt.bench.verdicts.references import references
from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv_bytes", "export", "frame"]

_DERIVED = ("verdict_after_cross_check", "best_objective", "best_bound", "commit")
_LEFT_OUT = ("stdout", "stderr")
_PIECE = 10_000


def _csv_cell(value: Any) -> Any:
    """Return a value for a CSV file: a text that a spreadsheet would run as a formula gets a `'`.

    Only texts that others wrote begin so; numbers, and texts that are numbers, stay as they are. A
    carriage return, which the writer does not quote and readers take for the end of a row, becomes
    a line feed.
    """
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    if not value.startswith(("=", "+", "-", "@", "\t", "\n")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


class _Claim(NamedTuple):
    """What of a row is held against others."""

    key: str
    instance_hash: str
    instance_name: str
    method: str
    seed: int
    status: str
    relative_gap: float
    objective: float | None
    bound: float | None
    verdict: str
    verdict_reason: str | None
    guarantee: Any
    violations: Any


_claimed = operator.itemgetter(*map(COLUMNS.index, _Claim._fields))
_environment, _guarantee, _violations = (
    COLUMNS.index(name) for name in ("environment_hash", "guarantee", "violations")
)
_LIGHT = [field.name for field in dataclasses.fields(Row) if field.name not in HEAVY]
_HEAVY = [field.name for field in dataclasses.fields(Row) if field.name not in _LEFT_OUT]
_heavy = operator.itemgetter(*map((*COLUMNS, "plan", "trajectory").index, _HEAVY))


@dataclass
class _Table:
    """The rows of a store, a tuple each, in pieces; what follows from all of them by piece."""

    names: list[str]
    pieces: list[Any]
    derived: list[list[tuple[Any, ...]]]


def _read(out: Path, *, heavy: bool, piece: Callable[[list[tuple[Any, ...]]], Any]) -> _Table:
    """Read a store; each some thousand rows become what `piece` makes of them.

    Values are those of the tables, where what is no scalar is a JSON text already.
    """
    pieces, claims, environments = [], [], []
    lines: list[tuple[Any, ...]] = []
    with uncollected(), Store(out, readonly=True) as store:
        where = f"{out}: "
        for values, payload in store.records(heavy=heavy, order="id"):
            *claim, _, violations = _claimed(values)
            read = dict(records.json_values(where, values))  # all, so that none is forged
            held = (violations,) if read[_violations] else ()
            claims.append(_Claim._make((*claim, read.get(_guarantee), held)))
            environments.append(values[_environment])
            if heavy:
                texts = records.plan_and_trajectory(where, values[0], payload)
                lines.append(_heavy((*values[:-1], *texts)))
            else:
                lines.append(values[:-1])
            if len(lines) == _PIECE:
                pieces.append(piece(lines))
                lines = []
        pieces.append(piece(lines))
        known, machines = store.best_known(), store.environments()
    refuted = frozenset(c.refuted for c in cross_check(claims, known) if c.refuted is not None)
    best = references(claims, known, refuted)
    commits = {key: machine.get("commit") for key, machine in machines.items()}
    derived = [
        (
            "wrong" if claim.key in refuted else claim.verdict,
            best[claim.instance_hash].objective,
            best[claim.instance_hash].bound,
            commits.get(environment),
        )
        for claim, environment in zip(claims, environments, strict=True)
    ]
    by_piece = [derived[k : k + _PIECE] for k in range(0, len(pieces) * _PIECE, _PIECE)]
    return _Table(_HEAVY if heavy else _LIGHT, pieces, by_piece)


def frame(out: str | Path, *, heavy: bool = False) -> pd.DataFrame:
    """Return the rows of the store at `out` as a data frame, a column a field.

    Options, statistics and the like are JSON texts. Derived columns are added:
    ``verdict_after_cross_check``, ``best_objective`` and ``best_bound`` of the instance from
    all rows and the registry, and the ``commit`` of the code.

    Parameters
    ----------
    heavy
        Whether trajectories and plans are there too.
    """
    import pandas as pd

    found = _read(Path(out), heavy=heavy, piece=lambda lines: lines)
    lines = [
        (*line, *more)
        for piece, derived in zip(found.pieces, found.derived, strict=True)
        for line, more in zip(piece, derived, strict=True)
    ]
    return pd.DataFrame(lines, columns=[*found.names, *_DERIVED])


def csv_bytes(table: pd.DataFrame) -> bytes:
    """Return rows as a CSV file: the same rows give the same bytes."""
    return table.map(_csv_cell).to_csv(index=False, lineterminator="\n").encode()


def export(out: Path, path: Path) -> int:
    """Write the rows of the store at `out` to a ``.csv`` or ``.parquet`` file; return how many.

    Raises
    ------
    InputError
        For another ending, or for Parquet without pyarrow.
    """
    kind = path.suffix.lower()
    if kind == ".csv":
        table = frame(out)
        write_bytes(path, csv_bytes(table))
        return len(table)
    if kind != ".parquet":
        raise InputError("file", path.name, "a name that ends in .csv or .parquet", "rename it")
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            "file",
            path.name,
            "a .csv file while pyarrow is missing",
            "pip install 'splitopt[parquet]'",
        )
    return _export_parquet(out, path)


def _export_parquet(out: Path, path: Path) -> int:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    kinds = {name: pa.int64() for name in INTEGERS}
    kinds |= {name: pa.string() for name in (*TEXTS, *JSON, "trajectory", "plan")}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in _HEAVY])
    more = pa.schema(
        [(name, pa.float64() if name.startswith("best") else pa.string()) for name in _DERIVED]
    )

    def columns(lines: list[tuple[Any, ...]], of: Any) -> list[Any]:
        by_column = list(zip(*lines, strict=True)) or [()] * len(of)
        return [pa.array(found, field.type) for found, field in zip(by_column, of, strict=True)]

    table = _read(out, heavy=True, piece=lambda lines: columns(lines, schema))
    packed = io.BytesIO()
    whole = pa.schema([*schema, *more])
    with parquet.ParquetWriter(packed, whole) as writer:
        for piece, derived in zip(table.pieces, table.derived, strict=True):
            arrays = [*piece, *columns(derived, more)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=whole))
    write_bytes(path, packed.getvalue())
    return sum(map(len, table.derived))
