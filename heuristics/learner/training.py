"""The loop around the learner: evaluation, early stopping, checkpoints, a limit on time.

What the loop itself remembers (the best parameters, its score, how long ago) is part of a
checkpoint, so that 2n updates are n updates, a stop, and n more.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from splitopt.heuristics.learner import checkpoint
from splitopt.heuristics.learner.config import PpoConfig
from splitopt.heuristics.learner.ppo import (
    Diagnostics,
    Environment,
    Policy,
    Training,
    make_learner,
)
from splitopt.instances.core.errors import InputError

Tree = Any
# The same objects again (a training resumed, another seed) are not compiled again.
_learner_of = functools.lru_cache(maxsize=4)(make_learner)


@dataclass(frozen=True, slots=True)
class Report:
    """One update, for progress bars and logs; `score` is the last evaluation's."""

    update: int
    updates: int
    diagnostics: dict[str, float | None]
    score: float | None
    best_score: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What training gave.

    Attributes
    ----------
    params
        The parameters with the least score, or the last ones where nothing was evaluated.
    score, best_update
        That score, and after how many updates.
    updates, stopped
        Updates done in all, and why training ended: ``updates``, ``patience`` or ``time``.
    transitions
        Environment steps of this call, all environments together.
    seconds, processor_s
        Of this call, compilation and evaluation included, by the clock and of all threads.
    compile_s, evaluate_s
        Of those processor seconds: until the end of the first update, and in evaluations.
    history
        The reports of this call.
    """

    params: Tree
    score: float | None
    best_update: int | None
    updates: int
    stopped: str
    transitions: int
    seconds: float
    processor_s: float
    compile_s: float
    evaluate_s: float
    history: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """A training's outcome and the file its policy went to."""

    outcome: Outcome
    path: Path
    digest: str


class _Memory(NamedTuple):
    """What a checkpoint holds as arrays."""

    training: Training
    best: Tree
    best_score: jax.Array
    best_update: jax.Array
    stale: jax.Array


def _figures(diagnostics: Diagnostics) -> dict[str, float | None]:
    figures = {name: float(value) for name, value in diagnostics._asdict().items()}
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def _score(value: float) -> float:
    """Return the score as the single precision in which it is kept."""
    return float(np.float32(value))


@dataclass(frozen=True, eq=False, slots=True)
class Task:
    """What is trained, in what, how, and what it is judged by.

    Attributes
    ----------
    evaluate
        Score of parameters, less is better; called every ``config.evaluate_every`` updates and at
        the end.
    identity
        Facts a checkpoint must agree in to be resumed, such as which data it was trained on.
    """

    environment: Environment
    policy: Policy
    config: PpoConfig
    evaluate: Callable[[Tree], float] | None = None
    identity: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Session:
    """How far one call trains, and what it leaves behind.

    Attributes
    ----------
    path, resume
        Checkpoint, written at each evaluation and at the end; whether to go on from it.
    updates
        Stop (as if interrupted) once so many are done in all; None for ``config.updates``.
    seconds
        Stop once so many have passed by the clock; None for no limit.
    on_update
        Called after each update.
    """

    path: Path | None = None
    resume: bool = False
    updates: int | None = None
    seconds: float | None = None
    on_update: Callable[[Report], None] | None = None


WHOLE = Session()


def train(task: Task, seed: int, session: Session = WHOLE) -> Outcome:
    """Train a policy; `seed` is that of everything random.

    Raises
    ------
    InputError
        When the checkpoint belongs to another training, or is missing or damaged.
    """
    start, cpu = time.perf_counter(), time.process_time()
    config, data = task.config, task.environment.data
    learner = _learner_of(task.environment, task.policy, config)  # type: ignore[arg-type]
    memory = _begin(learner.init(jax.random.PRNGKey(seed), data))
    about = _about(task, seed)
    if session.resume:
        memory = _resumed(session.path, memory, about)
    last = config.updates if session.updates is None else min(session.updates, config.updates)
    history: list[Report] = []
    compile_s = evaluate_s = 0.0
    stopped, score = "updates", None
    while int(memory.training.update) < last:
        if 0 < config.patience <= int(memory.stale):
            stopped = "patience"
            break
        late = session.seconds is not None and time.perf_counter() - start >= session.seconds
        if late and history:
            stopped = "time"
            break
        training, diagnostics = learner.update(memory.training, data)
        memory = memory._replace(training=training)
        done = int(training.update)
        if not history:
            compile_s = time.process_time() - cpu
        due = done % config.evaluate_every == 0 or done == config.updates
        if task.evaluate is not None and due:
            before = time.process_time()
            score = _score(task.evaluate(training.params))
            evaluate_s += time.process_time() - before
            memory = _judged(memory, score)
            _keep(session.path, memory, about)
        report = _report(config, memory, diagnostics, score)
        history.append(report)
        if session.on_update is not None:
            session.on_update(report)
    _keep(session.path, memory, about)
    found_any = int(memory.best_update) >= 0
    return Outcome(
        memory.best if found_any else memory.training.params,
        float(memory.best_score) if found_any else None,
        int(memory.best_update) if found_any else None,
        int(memory.training.update),
        stopped,
        len(history) * config.transitions,
        time.perf_counter() - start,
        time.process_time() - cpu,
        compile_s,
        evaluate_s,
        tuple(history),
    )


def _begin(training: Training) -> _Memory:
    return _Memory(training, training.params, jnp.float32(jnp.inf), jnp.int32(-1), jnp.int32(0))


def _about(task: Task, seed: int) -> dict[str, object]:
    """Return what a checkpoint says of the training it belongs to."""
    return {
        "format": "splitopt-training",
        "version": 1,
        "config": task.config.to_document(),
        "seed": seed,
        "identity": dict(task.identity),
    }


def _resumed(path: Path | None, like: _Memory, about: Mapping[str, object]) -> _Memory:
    """Return what a checkpoint remembers, if it is one of this training."""
    if path is None:
        raise InputError("resume", True, "a checkpoint to resume from", "give its path")
    memory, found = checkpoint.restore(path, like)
    for name, value in about.items():
        if found.get(name) != value:
            raise InputError(
                f"checkpoint {name}", found.get(name), f"{value}", "resume what was begun"
            )
    return cast(_Memory, memory)


def _keep(path: Path | None, memory: _Memory, about: Mapping[str, object]) -> None:
    if path is not None:
        checkpoint.save(path, memory, about)


def _judged(memory: _Memory, score: float) -> _Memory:
    """Return what is remembered once the present parameters have a score."""
    if not score < float(memory.best_score):
        return memory._replace(stale=memory.stale + 1)
    training = memory.training
    return _Memory(training, training.params, jnp.float32(score), training.update, jnp.int32(0))


def _report(
    config: PpoConfig, memory: _Memory, diagnostics: Diagnostics, score: float | None
) -> Report:
    best = float(memory.best_score)
    return Report(
        int(memory.training.update),
        config.updates,
        _figures(diagnostics),
        score,
        best if math.isfinite(best) else None,
    )


def describe(outcome: Outcome) -> dict[str, object]:
    """Return all but parameters and history as plain data."""
    skip = ("params", "history")
    return {
        column.name: getattr(outcome, column.name)
        for column in dataclasses.fields(outcome)
        if column.name not in skip
    }


def provenance(
    task: Task, seed: int, instances: tuple[int, int], outcome: Outcome
) -> dict[str, Any]:
    """Return how parameters came about, for the file of a policy."""
    return {
        "seed": seed,
        "config": task.config.to_document(),
        "train_instances": instances[0],
        "validation_instances": instances[1],
        "jax": jax.__version__,
    } | describe(outcome)
