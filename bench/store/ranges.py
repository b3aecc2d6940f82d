"""What the columns of a row may hold: rules that SQLite checks, a hundred thousand rows at a time.

Rows come from other people's stores and from workers. The same rules hold for both: a row that is
not in a table yet is put to SQLite as values.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from splitopt.bench.store.rows import NAMES, Verdict, check_name
from splitopt.bench.store.schema import COLUMNS
from splitopt.instances.contract.method import SolutionStatus, Termination
from splitopt.instances.core.errors import InputError

# Names of tables in a statement cannot be parameters: only these are asked for.
_SCHEMAS = ("main", "source")
_LONGEST_TEXT = 100_000
_LONGEST_JSON = 4 << 20
_LARGEST = 1.7976931348623157e308  # of a double: infinity is above it
LONGEST_S = 1e9


# Rules, with @ for the column.
_TEXT = f"typeof(@) = 'text' AND length(@) <= {_LONGEST_TEXT}"


def _word(words: Sequence[str]) -> str:
    return "@ IN (" + ", ".join(f"'{word}'" for word in words) + ")"


def _json(empty: str) -> str:
    # Ours begin with the bracket.
    return (
        f"typeof(@) = 'text' AND (@ = '{empty}' OR substr(@, 1, 1) = '{empty[0]}' "
        f"AND length(@) <= {_LONGEST_JSON} AND json_valid(@))"
    )


def _whole(least: int) -> str:
    return f"typeof(@) = 'integer' AND @ >= {least}"


def _number(least: float = -_LARGEST, most: float = _LARGEST) -> str:
    # A column of numbers keeps a text that is none.
    return f"typeof(@) IN ('real', 'integer') AND @ BETWEEN {least!r} AND {most!r}"


_SECONDS = _number(0.0, LONGEST_S)
_ALWAYS = ("time_limit_s", "grace_s", "wall_time_s", "overhead_s")
_SOMETIMES = ("cpu_limit_s", "solve_time_s", "cpu_time_s")
SECONDS = (*_ALWAYS, *_SOMETIMES)
# Column to its rule, with whether it may be NULL and what is allowed, in words.
_RULES: Mapping[str, tuple[str, bool, str]] = {
    # What names may be is for `check_name` to say, whenever a row is read.
    **dict.fromkeys(
        ("key", *NAMES, "started_at"),
        (_TEXT, False, f"a text of at most {_LONGEST_TEXT} characters"),
    ),
    **dict.fromkeys(
        ("detail", "verdict_reason", "cluster", "method_source", "method_version"),
        (_TEXT, True, f"a text of at most {_LONGEST_TEXT} characters"),
    ),
    "termination": (_word(list(Termination)), False, "one of " + ", ".join(Termination)),
    "status": (_word(list(SolutionStatus)), False, "one of " + ", ".join(SolutionStatus)),
    "verdict": (_word(list(Verdict)), False, "one of " + ", ".join(Verdict)),
    **dict.fromkeys(
        ("options", "enforced", "not_enforced", "statistics"),
        (_json("{}"), False, "a JSON object of at most 4 MiB"),
    ),
    "guarantee": (_json("{}"), True, "a JSON object of at most 4 MiB"),
    "violations": (_json("[]"), False, "a JSON list of at most 4 MiB"),
    "cores": (_json("[]"), True, "a JSON list of at most 4 MiB"),
    **dict.fromkeys(
        ("seed", "repetition", "stdout_bytes", "stderr_bytes"),
        (_whole(0), False, "an integer >= 0"),
    ),
    **dict.fromkeys(("threads", "jobs"), (_whole(1), False, "an integer >= 1")),
    "jobs_on_machine": (_whole(1), True, "an integer >= 1"),
    "runs_beside": (_whole(0), True, "an integer >= 0"),
    "memory_limit_bytes": (_whole(1 << 20), True, "an integer >= 1 MiB"),
    "peak_memory_bytes": (_whole(0), True, "an integer >= 0"),
    **dict.fromkeys(_ALWAYS, (_SECONDS, False, "seconds from 0 to 1e9")),
    **dict.fromkeys(_SOMETIMES, (_SECONDS, True, "seconds from 0 to 1e9")),
    "relative_gap": (_number(0.0), False, "a finite number >= 0"),
    "load_average": (_number(0.0), True, "a finite number >= 0"),
    **dict.fromkeys(
        ("objective", "objective_claimed", "bound", "gap"),
        (_number(), True, "a finite number"),
    ),
}


def _holds(column: str) -> str:
    rule, empty, _ = _RULES[column]
    return (f"{column} IS NULL OR " if empty else "") + rule.replace("@", column)


# The first column of a row that breaks its rule, NULL where none does.
_BROKEN = (
    "CASE "
    + " ".join(f"WHEN NOT coalesce({_holds(name)}, 0) THEN '{name}'" for name in COLUMNS)
    + " END"
)


def _refuse(where: str, field: str, value: object) -> InputError:
    return InputError(
        f"{where}{field}", value, _RULES[field][2], "do not trust what this row came from"
    )


def check_table(connection: sqlite3.Connection, schema: str, where: str) -> None:
    """Raise unless every row of the table `runs` holds what its columns may hold.

    Parameters
    ----------
    schema
        ``main``, or ``source`` for an attached store.
    where
        The store, for the error.

    Raises
    ------
    InputError
        At the first row and column that does not.
    """
    if schema not in _SCHEMAS:
        raise ValueError(schema)
    for names in connection.execute(f"SELECT DISTINCT {', '.join(NAMES)} FROM {schema}.runs"):
        for field, name in zip(NAMES, names, strict=True):
            check_name(field, name, f"{where}: runs: ")
    found = connection.execute(
        f"SELECT key, field, id FROM (SELECT key, id, {_BROKEN} AS field FROM {schema}.runs) "
        "WHERE field IS NOT NULL LIMIT 1"
    ).fetchone()
    if found is not None:
        key, field, number = found
        value = connection.execute(
            f"SELECT {field} FROM {schema}.runs WHERE id = ?", (number,)
        ).fetchone()[0]
        raise _refuse(f"{where}: runs: {str(key)[:12]}: ", field, value)


def check_values(connection: sqlite3.Connection, values: Sequence[Any]) -> None:
    """Raise unless the values of a row, in the order of its columns, are what columns may hold."""
    given = ", ".join(f"? AS {name}" for name in COLUMNS)
    statement = f"SELECT {_BROKEN} FROM (SELECT {given})"
    try:
        (field,) = connection.execute(statement, values).fetchone()
    except (OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError) as error:
        allowed = "texts and numbers that SQLite holds"
        raise InputError("row", str(error), allowed, "do not trust what it came from") from None
    if field is not None:
        raise _refuse("row: ", field, values[COLUMNS.index(field)])
