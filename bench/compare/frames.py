"""Rows as a table: a data frame, a CSV file, a Parquet file."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.store.rows import Row
from splitopt.bench.store.store import Store
from splitopt.bench.verdicts.crosscheck import cross_check
from splitopt.bench.verdicts.references import references
from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["export", "frame"]

_DERIVED = ("verdict_after_cross_check", "best_objective", "best_bound", "commit")
_LEFT_OUT = ("stdout", "stderr")


def _cell(value: Any) -> Any:
    """Return a value that a table can hold: what is no scalar becomes JSON."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(value, separators=(",", ":"))


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

    with Store(Path(out), readonly=True) as store:
        rows = store.rows(heavy=heavy)
        known, environments = store.best_known(), store.environments()
    refuted = frozenset(c.refuted for c in cross_check(rows, known) if c.refuted is not None)
    best = references(rows, known, refuted)
    names = [field.name for field in dataclasses.fields(Row) if field.name not in _LEFT_OUT]
    if not heavy:
        names = [name for name in names if name not in ("trajectory", "plan")]
    lines = [
        [
            *(_cell(getattr(row, name)) for name in names),
            "wrong" if row.key in refuted else row.verdict,
            best[row.instance_hash].objective,
            best[row.instance_hash].bound,
            environments.get(row.environment_hash, {}).get("commit"),
        ]
        for row in rows
    ]
    return pd.DataFrame(lines, columns=[*names, *_DERIVED])


def export(out: Path, path: Path) -> int:
    """Write the rows of the store at `out` to a ``.csv`` or ``.parquet`` file; return how many.

    Raises
    ------
    InputError
        For another ending, or for Parquet without pyarrow.
    """
    kind = path.suffix.lower()
    if kind == ".csv":
        table = frame(out).map(_csv_cell)
        write_bytes(path, table.to_csv(index=False, lineterminator="\n").encode())
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
    table = frame(out, heavy=True)
    packed = io.BytesIO()
    table.to_parquet(packed, index=False)
    write_bytes(path, packed.getvalue())
    return len(table)
