"""How the committed CIFT policies are trained: data, configuration, validation.

Trained on instances of the split `train`; the parameters kept are those that do best on
`validation`. A quarter of each are smaller cousins of families that neither split has (nodes alike,
two tight deadlines, a mesh), with seeds of the split's range. No set of the library is seen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from splitopt.heuristics.learner.cift.actor import CiftPolicy
from splitopt.heuristics.learner.cift.bank import Bank, Sizes, make_bank
from splitopt.heuristics.learner.cift.jax import CiftEnvironment
from splitopt.heuristics.learner.cift.play import VARIANTS, write_policy
from splitopt.heuristics.learner.cift.process import CiftProcess
from splitopt.heuristics.learner.config import PpoConfig
from splitopt.heuristics.learner.training import (
    WHOLE,
    Session,
    Task,
    Trained,
    provenance,
    train,
)
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import generate
from splitopt.instances.library.splits import SEEDS, Split, sample

Tree = Any
TRAIN, VALIDATION = 96, 64
SIZES = Sizes(nodes=20, blocks=20, levels=8, actions=24)
CONFIG = PpoConfig(
    environments=64,
    steps=32,
    updates=120,
    epochs=3,
    minibatches=4,
    learning_rate=2e-3,
    discount=1.0,
    gae_lambda=0.95,
    clip=0.2,
    entropy_coefficient=0.01,
    value_coefficient=0.5,
    target_kl=0.05,
    evaluate_every=20,
)
_COUSINS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("cift-ties", {"stages": 8, "hosts": 5, "models": ("bert-base-128",), "heterogeneity": 0.05}),
    ("cift-tight", {"stages": 5, "hosts": 3, "models": ("resnet18-imagenet",)}),
    ("cift-mesh", {"levels": 4, "tightness": 0.8}),
)
# Four decisions a host and a hop, five columns and more.
_LONGEST = 64


def instance_of(split: Split, index: int) -> CiftInstance:
    """Return instance `index` of what is trained or validated on."""
    if index % 4 < 3:
        return cast(CiftInstance, sample(split, "cift", index))
    family, knobs = _COUSINS[index // 4 % len(_COUSINS)]
    return cast(CiftInstance, generate(family, SEEDS[split] + index, **knobs))


@functools.lru_cache(maxsize=4)
def bank_of(split: Split, count: int) -> Bank:
    """Return the first `count` instances of a split that fit `SIZES`, as a bank."""
    found: list[CiftProcess] = []
    index = 0
    while len(found) < count:
        process = CiftProcess(instance_of(split, index))
        if process.can_start and SIZES.hold(process):
            found.append(process)
        index += 1
    return make_bank(found, SIZES)


def make_score(environment: CiftEnvironment, policy: CiftPolicy) -> Callable[[Tree], float]:
    """Return what greedy plans cost over what was known at the start, mean over the bank.

    The sum of an episode's rewards with its sign turned: energy over the reference plus the
    penalty of missed deadlines, less that of the best completion of the empty plan. Below 0 is
    better than the best of those.
    """
    count = environment.instances

    @jax.jit
    def score(params: Tree, data: Bank) -> jax.Array:
        state, seen = environment.start(data, jnp.arange(count))
        start = state.best

        def play(now: tuple[Any, ...], _: None) -> tuple[tuple[Any, ...], None]:
            state, seen, over, cost = now
            after = environment.step(data, state, policy.greedy(params, seen), jax.random.key(0))
            ends = after.terminated & ~over
            cost = jnp.where(ends, after.state.best, cost)
            return (after.state, after.observation, over | after.terminated, cost), None

        begin = (state, seen, jnp.zeros(count, dtype=bool), jnp.full(count, 10.0) + start)
        (_, _, _, cost), _ = jax.lax.scan(play, begin, None, length=_LONGEST)
        return jnp.mean(cost - start)

    return lambda params: float(score(params, environment.data))


# Kept, so that several seeds in one process share what was compiled.
@functools.lru_cache(maxsize=4)
def _setting(
    variant: str, counts: tuple[int, int]
) -> tuple[CiftEnvironment, CiftPolicy, Callable[[Tree], float]]:
    priced = variant == "priced"
    policy = CiftPolicy()
    environment = CiftEnvironment(bank_of("train", counts[0]), priced=priced)
    judged = CiftEnvironment(bank_of("validation", counts[1]), priced=priced)
    return environment, policy, make_score(judged, policy)


def train_cift(
    variant: str,
    seed: int,
    out: Path,
    session: Session = WHOLE,
    *,
    config: PpoConfig = CONFIG,
    instances: tuple[int, int] = (TRAIN, VALIDATION),
) -> Trained:
    """Train a policy and write it to `out`; `instances` are trained and validated on.

    Parameters
    ----------
    variant
        ``priced`` or ``unpriced``: what it sees of completions.
    """
    if variant not in VARIANTS:
        raise InputError("variant", variant, "one of " + ", ".join(VARIANTS), "choose one of them")
    environment, policy, score = _setting(variant, instances)
    identity = {"problem": "cift", "variant": variant, "data": list(instances)}
    task = Task(environment, policy, config, score, identity)
    outcome = train(task, seed, session)
    params = {name: np.asarray(value) for name, value in outcome.params.items()}
    document = provenance(task, seed, instances, outcome)
    return Trained(outcome, out, write_policy(out, params, variant, document))
