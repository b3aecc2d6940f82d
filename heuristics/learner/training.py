"""The loop around the learner: evaluation, early stopping, checkpoints, a limit on time.

What the loop itself remembers (the best parameters, its score, how long ago) is part of a
checkpoint, so that 2n updates are n updates, a stop, and n more.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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

__all__ = ["Outcome", "Report", "describe", "train"]

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


def train(
    environment: Environment,
    policy: Policy,
    config: PpoConfig,
    seed: int,
    *,
    evaluate: Callable[[Tree], float] | None = None,
    path: Path | None = None,
    resume: bool = False,
    updates: int | None = None,
    seconds: float | None = None,
    identity: dict[str, object] | None = None,
    on_update: Callable[[Report], None] | None = None,
) -> Outcome:
    """Train a policy.

    Parameters
    ----------
    seed
        Seed of everything random.
    evaluate
        Score of parameters, less is better; called every ``config.evaluate_every`` updates and at
        the end.
    path, resume
        Checkpoint, written at each evaluation and at the end; whether to go on from it.
    updates
        Stop (as if interrupted) once so many are done in all; None for ``config.updates``.
    seconds
        Stop once so many have passed by the clock; None for no limit.
    identity
        Facts a checkpoint must agree in to be resumed, such as which data it was trained on.
    on_update
        Called after each update.

    Raises
    ------
    InputError
        When the checkpoint belongs to another training, or is missing or damaged.
    """
    start, cpu = time.perf_counter(), time.process_time()
    learner = _learner_of(environment, policy, config)  # type: ignore[arg-type]
    data = environment.data
    training = learner.init(jax.random.PRNGKey(seed), data)
    memory = _Memory(
        training,
        training.params,
        jnp.float32(jnp.inf),
        jnp.int32(-1),
        jnp.int32(0),
    )
    about: dict[str, object] = {
        "format": "splitopt-training",
        "version": 1,
        "config": config.to_document(),
        "seed": seed,
        "identity": identity or {},
    }
    if resume:
        if path is None:
            raise InputError("resume", True, "a checkpoint to resume from", "give its path")
        memory, found = checkpoint.restore(path, memory)
        for name, value in about.items():
            if found.get(name) != value:
                raise InputError(
                    f"checkpoint {name}", found.get(name), f"{value}", "resume what was begun"
                )
    last = config.updates if updates is None else min(updates, config.updates)
    history: list[Report] = []
    compile_s = evaluate_s = 0.0
    stopped = "updates"
    score: float | None = None

    def keep(now: _Memory) -> None:
        if path is not None:
            checkpoint.save(path, now, about)

    while int(memory.training.update) < last:
        if 0 < config.patience <= int(memory.stale):
            stopped = "patience"
            break
        if seconds is not None and history and time.perf_counter() - start >= seconds:
            stopped = "time"
            break
        training, diagnostics = learner.update(memory.training, data)
        memory = memory._replace(training=training)
        done = int(training.update)
        if not history:
            compile_s = time.process_time() - cpu
        if evaluate is not None and (done % config.evaluate_every == 0 or done == config.updates):
            before = time.process_time()
            score = _score(evaluate(training.params))
            evaluate_s += time.process_time() - before
            better = score < float(memory.best_score)
            memory = memory._replace(
                best=training.params if better else memory.best,
                best_score=jnp.float32(score) if better else memory.best_score,
                best_update=jnp.int32(done) if better else memory.best_update,
                stale=jnp.int32(0) if better else memory.stale + 1,
            )
            keep(memory)
        best = float(memory.best_score)
        report = Report(
            done,
            config.updates,
            _figures(diagnostics),
            score,
            best if math.isfinite(best) else None,
        )
        history.append(report)
        if on_update is not None:
            on_update(report)
    keep(memory)
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


def describe(outcome: Outcome) -> dict[str, object]:
    """Return all but parameters and history as plain data."""
    skip = ("params", "history")
    return {
        column.name: getattr(outcome, column.name)
        for column in dataclasses.fields(outcome)
        if column.name not in skip
    }
