"""Steps of the learner: compiling an update, and taking one.

On a bandit of its own, where the learner's cost is what is seen, and on CIFT's decision process,
where the environment's is.
"""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import count
from typing import Any

import numpy as np
from benchmark_spec import Phase, Spec

ACTIONS, FEATURES, WIDTH = 8, 16, 64


def pieces() -> tuple[Any, Any]:
    """Return a bandit with features, as an environment, and a policy for it: all of pure JAX.

    A small world of its own keeps the learner's own cost in sight, and frozen.
    """
    import jax
    import jax.numpy as jnp

    from splitopt.heuristics.learner.ppo import Choice, Evaluation, Step

    class Bandit:
        data = ()
        truncates = False

        def reset(self, data: Any, key: Any, count: int) -> Any:
            seen = jax.random.normal(key, (count, FEATURES))
            return seen, seen

        def step(self, data: Any, state: Any, action: Any, key: Any) -> Step:
            reward = jnp.take_along_axis(state, action[:, None], axis=1)[:, 0]
            fresh = jax.random.normal(key, state.shape)
            ended = jnp.ones(state.shape[0], bool)
            return Step(fresh, fresh, reward, ended, jnp.zeros_like(ended))

        def weight(self, observation: Any) -> Any:
            return jnp.ones(observation.shape[0])

    class Network:
        def init(self, key: Any) -> Any:
            first, second, third = jax.random.split(key, 3)
            return {
                "trunk": jax.random.normal(first, (FEATURES, WIDTH)) / FEATURES**0.5,
                "actor": jax.random.normal(second, (WIDTH, ACTIONS)) * 0.01,
                "critic": jax.random.normal(third, (WIDTH,)) * 0.01,
            }

        def _both(self, params: Any, observation: Any) -> Any:
            hidden = jnp.tanh(observation @ params["trunk"])
            return jax.nn.log_softmax(hidden @ params["actor"]), hidden @ params["critic"]

        def sample(self, params: Any, observation: Any, key: Any) -> Choice:
            logits, value = self._both(params, observation)
            action = jax.random.categorical(key, logits)
            return Choice(action, jnp.take_along_axis(logits, action[:, None], axis=1)[:, 0], value)

        def evaluate(self, params: Any, observation: Any, action: Any) -> Evaluation:
            logits, value = self._both(params, observation)
            entropy = -jnp.sum(jnp.exp(logits) * logits, axis=1)
            chosen = jnp.take_along_axis(logits, action[:, None], axis=1)[:, 0]
            return Evaluation(chosen, entropy, value)

        def value(self, params: Any, observation: Any) -> Any:
            return self._both(params, observation)[1]

        def greedy(self, params: Any, observation: Any) -> Any:
            return jnp.argmax(self._both(params, observation)[0], axis=1)

    return Bandit(), Network()


@cache
def bank() -> Any:
    """Return eight instances of the training distribution as arrays."""
    from splitopt.heuristics.learner.cift.jax import Sizes, make_bank
    from splitopt.heuristics.learner.cift.process import CiftProcess
    from splitopt.instances.library.splits import sample

    found = []
    for k in count():
        process = CiftProcess(sample("train", "cift", k))
        if Sizes().hold(process):
            found.append(process)
        if len(found) == 8:
            return make_bank(found, Sizes())
    raise AssertionError


def cift_pieces() -> tuple[Any, Any]:
    from splitopt.heuristics.learner.cift.actor import CiftPolicy
    from splitopt.heuristics.learner.cift.jax import CiftEnvironment

    return CiftEnvironment(bank()), CiftPolicy()


def bank_fingerprint() -> str:
    digest = hashlib.sha256()
    for name, part in sorted(bank()._asdict().items()):
        # Single precision of figures worked out in double: five digits are safe.
        array = np.asarray(part)
        text = [f"{x:.5g}" for x in array.ravel().tolist()]
        digest.update(f"{name} {array.shape} {text}".encode())
    return digest.hexdigest()


def learner(make: Any, environments: int) -> tuple[Any, Any, Any]:
    """Return a new learner, not compiled yet, the training before its first update, the data."""
    import jax

    from splitopt.heuristics.learner.config import PpoConfig
    from splitopt.heuristics.learner.ppo import make_learner

    environment, policy = make()
    made = make_learner(
        environment, policy, PpoConfig(environments=environments, steps=16, updates=100)
    )
    return made, made.init(jax.random.key(0), environment.data), environment.data


def update(made: Any, training: Any, data: Any) -> float:
    import jax

    _, seen = jax.block_until_ready(made.update(training, data))
    return float(seen.entropy)


def compiled(make: Any, environments: int) -> tuple[Any, Any, Any]:
    ready = learner(make, environments)
    update(*ready)
    return ready


def spec(name: str, make: Any, environments: int, small: bool, fingerprint: Any) -> Spec:
    return Spec(
        f"learner-{name}",
        "learner",
        f"learner-{name}",
        small,
        (
            # The other phase compiles too, before it is timed.
            Phase("compile", lambda: learner(make, environments), update, rounds=3, smoke=False),
            Phase("update", lambda: compiled(make, environments), update, rounds=10),
        ),
        fingerprint,
        ("jax", "optax"),
    )


def bandit_spec(size: str, environments: int) -> Spec:
    named = f"bandit, {ACTIONS} actions, {FEATURES} features, {environments} side by side"
    return spec(f"ppo-{size}", pieces, environments, size == "small", lambda: named)


SPECS = (
    bandit_spec("small", 16),
    bandit_spec("large", 1024),
    spec("cift-large", cift_pieces, 256, False, bank_fingerprint),
)
