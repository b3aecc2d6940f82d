"""What goes to a worker and what comes back: texts of JSON, and nothing else.

Dask itself wraps what it carries in pickles between its own processes. Ours are two texts and
the name of a function of this package, so nothing that a user's file or a method's result holds
is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from splitopt.bench.store.rows import Limits, PlannedRun, Row, check_heavy
from splitopt.bench.store.store import BestKnown


@dataclass(frozen=True, slots=True)
class Task:
    """A run for a worker.

    Attributes
    ----------
    targets
        Our own methods that the set of runs uses: what a worker imports ahead.
    document
        The instance; None where the worker finds it by its name or in a file it shares.
    known
        What is known of the instance from elsewhere.
    log
        Whether the solver writes its log, which comes back with the row.
    """

    run: PlannedRun
    targets: tuple[str, ...]
    document: Mapping[str, Any] | None
    known: BestKnown | None
    cluster: str
    log: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker says of a task: a row with the machine it is from, or why there is none.

    `stopped` holds where the run was killed because nobody waits for it any more; `lacking` says
    what the worker's machine has none of.
    """

    row: Row | None = None
    environment: Mapping[str, Any] | None = None
    stopped: bool = False
    error: str | None = None
    lacking: str | None = None


def write_task(task: Task) -> str:
    """Return the text of a task."""
    run = {f.name: getattr(task.run, f.name) for f in dataclasses.fields(PlannedRun)}
    return json.dumps(
        {
            "run": run
            | {"options": dict(task.run.options), "limits": dataclasses.asdict(task.run.limits)},
            "targets": list(task.targets),
            "document": None if task.document is None else dict(task.document),
            "known": None if task.known is None else dataclasses.asdict(task.known),
            "cluster": task.cluster,
            "log": task.log,
        },
        allow_nan=False,
    )


def read_task(text: str) -> Task:
    """Return the task in a text."""
    found = json.loads(text)
    run = dict(found["run"])
    return Task(
        PlannedRun(**run | {"limits": Limits(**run["limits"])}),
        tuple(found["targets"]),
        found["document"],
        None if found["known"] is None else BestKnown(**found["known"]),
        found["cluster"],
        found["log"],
    )


def write_answer(answer: Answer) -> str:
    """Return the text of an answer."""
    return json.dumps(
        {
            "row": None if answer.row is None else answer.row.to_document(),
            "environment": answer.environment,
            "stopped": answer.stopped,
            "error": answer.error,
            "lacking": answer.lacking,
        },
        allow_nan=False,
    )


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


def read_answer(text: str) -> Answer:
    """Return the answer in a text.

    Raises
    ------
    InputError
        When a name in its row is none.
    ValueError
        When it is no answer.
    """
    found = json.loads(text, parse_constant=_no_constant)
    row = found["row"]
    if row is not None:
        check_heavy(row)
    return Answer(
        None if row is None else Row.from_document(row),
        found["environment"],
        bool(found["stopped"]),
        found["error"],
        found["lacking"],
    )
