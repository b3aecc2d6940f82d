"""Rows as a table: a data frame, a CSV file, a Parquet file."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
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

_DERIVED = ("verdict_after_cross_check", "best_objective", "best_bound", "commit")
_LEFT_OUT = ("stdout", "stderr")
_PIECE = 10_000
_PART = 500


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


_claimed = operator.itemgetter(*map(COLUMNS.index, _Claim._fields[:-2]))
_environment = COLUMNS.index("environment_hash")
_HEAVY = [field.name for field in dataclasses.fields(Row) if field.name not in _LEFT_OUT]
_LIGHT = [name for name in _HEAVY if name not in HEAVY]


@dataclass(frozen=True, slots=True)
class _Table:
    """The rows of a store in pieces of some thousand; what follows from all of them by piece.

    A piece has what was made of each of `COLUMNS`; of derived values a row a row.
    """

    pieces: list[list[Any]]
    derived: list[list[tuple[Any, ...]]]


def _read(store: Store, make: Callable[[str, list[Any]], Any]) -> _Table:
    """Read a store but for plans and trajectories; a column of a piece becomes what `make` says.

    Values are those of the tables, where what is no scalar is a JSON text already.
    """
    where = f"{store.path.parent}: "
    pieces: list[list[Any]] = []
    claims: list[_Claim] = []
    environments: list[str] = []
    batches: list[list[tuple[Any, ...]]] = []
    sizes: list[int] = []

    def finish() -> None:
        columns = list(zip(*batches, strict=True)) or [()] * len(COLUMNS)
        pieces.append([make(*named) for named in zip(COLUMNS, map(_joined, columns), strict=False)])
        sizes.append(len(claims) - sum(sizes))
        batches.clear()

    for columns in store.columns(heavy=False, order="id"):
        texts = records.json_columns(where, columns)  # all, so that none is forged
        held = zip(*_claimed(columns), texts["guarantee"], texts["violations"], strict=True)
        claims += map(_Claim._make, held)
        environments += columns[_environment]
        batches.append(columns)
        if len(claims) - sum(sizes) >= _PIECE:
            finish()
    finish()
    known, machines = store.best_known(), store.environments()
    refuted = frozenset(c.refuted for c in cross_check(claims, known) if c.refuted is not None)
    best = references(claims, known, refuted)
    commits = {key: machine.get("commit") for key, machine in machines.items()}
    derived = (
        (
            "wrong" if claim.key in refuted else claim.verdict,
            best[claim.instance_hash].objective,
            best[claim.instance_hash].bound,
            commits.get(environment),
        )
        for claim, environment in zip(claims, environments, strict=True)
    )
    return _Table(pieces, [list(itertools.islice(derived, size)) for size in sizes])


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

    with uncollected(), Store(Path(out), readonly=True) as store, store.snapshot():
        found = _read(store, lambda _, values: values)
        texts = (
            [None if text is None else text.decode() for text in pair]
            for pair in store.plans_and_trajectories()
        )
        more = list(zip(*texts, strict=True)) or [(), ()] if heavy else []
    pieces: Iterable[Iterable[Any]] = zip(*found.pieces, strict=True)
    columns: dict[str, Sequence[Any]] = dict(zip(COLUMNS, map(_joined, pieces), strict=True))
    columns |= dict(zip(("plan", "trajectory"), more, strict=False))
    names = _HEAVY if heavy else _LIGHT
    lines = zip(*(columns[name] for name in names), strict=True)
    derived = _joined(found.derived)
    whole = [(*line, *more) for line, more in zip(lines, derived, strict=True)]
    return pd.DataFrame(whole, columns=[*names, *_DERIVED])


def _joined(pieces: Iterable[Iterable[Any]]) -> list[Any]:
    return list(itertools.chain.from_iterable(pieces))


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


class _Pieces(io.RawIOBase):
    """A file that is written to and taken away piece by piece."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        self._at += len(data)
        return len(data)

    def taken(self) -> list[bytes]:
        """Return what was written since the last time."""
        taken, self._held = self._held, []
        return taken


def _export_parquet(out: Path, path: Path) -> int:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    # Returns pages sooner than the default, which faults them in anew for each piece.
    pool = pa.system_memory_pool()
    heavy = ("plan", "trajectory")
    kinds = {name: pa.int64() for name in INTEGERS}
    kinds |= {name: pa.string() for name in (*TEXTS, *JSON, "trajectory", "plan", *_DERIVED)}
    kinds |= {name: pa.float64() for name in ("best_objective", "best_bound")}
    whole = pa.schema([(name, kinds.get(name, pa.float64())) for name in (*_HEAVY, *_DERIVED)])

    def array(name: str, values: Sequence[Any]) -> Any:
        return pa.array(values, whole.field(name).type, memory_pool=pool)

    def arrays(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        return {name: array(name, found) for name, found in zip(names, columns, strict=True)}

    def texts_of(rows: Iterator[tuple[Any, ...]]) -> dict[str, Any]:
        # Plans are most of a store: no more of them than these are held twice.
        parts = [arrays(heavy, [])]
        while part := list(itertools.islice(rows, _PART)):
            parts.append(arrays(heavy, part))
        return {name: pa.chunked_array([part[name] for part in parts]) for name in heavy}

    def written(store: Store, found: _Table) -> Iterator[bytes]:
        file = _Pieces()
        texts = store.plans_and_trajectories()
        with parquet.ParquetWriter(file, whole) as writer:
            for piece, derived in zip(found.pieces, found.derived, strict=True):
                columns = dict(zip(COLUMNS, piece, strict=True))
                columns |= arrays(_DERIVED, derived)
                columns |= texts_of(itertools.islice(texts, len(derived)))
                writer.write_table(pa.table(columns).select(whole.names).cast(whole))
                yield from file.taken()
            next(texts, None)  # says whether the store has changed meanwhile
        yield from file.taken()

    with uncollected(), Store(out, readonly=True) as store, store.snapshot():
        found = _read(store, array)
        write_bytes(path, written(store, found))
    return sum(map(len, found.derived))
