"""How the committed MEPRA policies are trained: data, configuration, validation.

Trained on `train`, the parameters kept are those that do best on `validation`; `test` and the
sources' instances are seen by neither.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from splitopt.heuristics.learner.config import PpoConfig
from splitopt.heuristics.learner.mepra.env import Action, Bank, MepraEnvironment, Variant, make_bank
from splitopt.heuristics.learner.mepra.play import write_policy
from splitopt.heuristics.learner.mepra.policy import MepraPolicy
from splitopt.heuristics.learner.training import (
    WHOLE,
    Session,
    Task,
    Trained,
    provenance,
    train,
)
from splitopt.instances.library.splits import Split, sample
from splitopt.instances.mepra.model import MepraInstance

Tree = Any
TRAIN, VALIDATION = 500, 200
ROUNDS = 2
# One round is a decision of its own, with a reward of its own: nothing is discounted back.
CONFIG = PpoConfig(
    environments=256,
    steps=2 * ROUNDS,
    updates=200,
    epochs=1,
    minibatches=4,
    learning_rate=1.5e-3,
    discount=0.0,
    gae_lambda=0.0,
    clip=0.2,
    entropy_coefficient=0.01,
    value_coefficient=0.5,
    target_kl=0.05,
    evaluate_every=20,
)


@functools.lru_cache(maxsize=4)
def bank_of(split: Split, count: int) -> Bank:
    """Return the first `count` instances of a split as a bank."""
    return make_bank(cast(MepraInstance, sample(split, "mepra", k)) for k in range(count))


def lower_bounds(bank: Bank) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a lower bound on each instance's optimum, shape (K,).

    R^2 >= 2 t R - t^2 for every t, so that sum_i min_s (a_i + 2 t r_i) - t^2 bounds the cost; the
    best of 200 values of t from 0 to the load if all went to the edge.
    """
    valid = np.arange(bank.local.shape[-1]) < np.asarray(bank.splits)[..., None]
    base = np.where(valid, np.asarray(bank.local + bank.sent, dtype=np.float64), np.inf)
    root = np.asarray(bank.root, dtype=np.float64)
    most = root[..., 0].sum(-1)
    best = np.zeros(len(base))
    for part in np.linspace(0.0, 1.0, 200):
        t = part * most
        least = (base + 2.0 * t[:, None, None] * root).min(-1)
        found = np.where(np.isfinite(least), least, 0.0).sum(-1) - t * t
        best = np.maximum(best, found)
    return best


def make_score(
    environment: MepraEnvironment, policy: MepraPolicy, bank: Bank
) -> Callable[[Tree], float]:
    """Return the mean of cost / bound - 1 over a bank, greedy, as a function of parameters."""
    bounds = jnp.asarray(lower_bounds(bank))

    @jax.jit
    def score(params: Tree) -> jax.Array:
        state, look = environment.begin(bank.local + bank.sent, bank.root, bank.splits)
        cost = jnp.zeros(len(bounds))
        for _ in range(environment.rounds):
            action: Action = policy.greedy(params, look)
            base, root, share = environment.costs(state, action)
            edge = jnp.where(root > 0, root * root / jnp.maximum(share, 1e-12), 0.0)
            cost = jnp.sum(base + edge, -1)
            state = state._replace(round=state.round + 1)
            look = environment.look(state, root)
        return jnp.mean(cost / bounds - 1.0)

    return lambda params: float(score(params))


def train_mepra(
    variant: Variant,
    seed: int,
    out: Path,
    session: Session = WHOLE,
    *,
    config: PpoConfig = CONFIG,
    instances: tuple[int, int] = (TRAIN, VALIDATION),
) -> Trained:
    """Train a policy and write it to `out`; `instances` of `train` and of `validation` are used."""
    environment = _environment(variant, instances[0])
    task = Task(
        environment,
        _policy(variant),
        config,
        _score(variant, *instances),
        {"problem": "mepra", "variant": variant, "data": list(instances)},
    )
    outcome = train(task, seed, session)
    params = {name: np.asarray(value) for name, value in outcome.params.items()}
    document = provenance(task, seed, instances, outcome)
    return Trained(outcome, out, write_policy(out, params, variant, environment.rounds, document))


# Kept, so that several seeds in one process are compiled once.
@functools.lru_cache(maxsize=2)
def _environment(variant: Variant, count: int) -> MepraEnvironment:
    return MepraEnvironment(bank_of("train", count), variant, ROUNDS)


@functools.lru_cache(maxsize=2)
def _policy(variant: Variant) -> MepraPolicy:
    return MepraPolicy(variant)


@functools.lru_cache(maxsize=2)
def _score(variant: Variant, count: int, validation: int) -> Callable[[Tree], float]:
    return make_score(
        _environment(variant, count), _policy(variant), bank_of("validation", validation)
    )
