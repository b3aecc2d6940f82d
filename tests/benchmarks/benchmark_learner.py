"""Steps of the learner: compiling an update, and taking one."""

from __future__ import annotations

from typing import Any

from benchmark_spec import Phase, Spec

ACTIONS, FEATURES, WIDTH = 8, 16, 64


def pieces() -> tuple[Any, Any]:
    """Return a bandit with features, as an environment, and a policy for it: all of pure JAX.

    A small world of its own keeps the learner's own cost in sight, and frozen.
    """
    import jax
    import jax.numpy as jnp

    from heuristics.learner.ppo import Choice, Evaluation, Step

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


def learner(environments: int) -> tuple[Any, Any]:
    """Return a new learner, not compiled yet, and the training before its first update."""
    import jax

    from heuristics.learner.config import PpoConfig
    from heuristics.learner.ppo import make_learner

    made = make_learner(*pieces(), PpoConfig(environments=environments, steps=16, updates=100))
    return made, made.init(jax.random.key(0), ())


def update(made: Any, training: Any) -> float:
    import jax

    _, seen = jax.block_until_ready(made.update(training, ()))
    return float(seen.entropy)


def compiled(environments: int) -> tuple[Any, Any]:
    made, training = learner(environments)
    update(made, training)
    return made, training


def spec(size: str, environments: int) -> Spec:
    return Spec(
        f"learner-ppo-{size}",
        "learner",
        f"learner-ppo-{size}",
        size == "small",
        (
            # The other phase compiles too, before it is timed.
            Phase("compile", lambda: learner(environments), update, rounds=3, smoke=False),
            Phase("update", lambda: compiled(environments), update, rounds=10),
        ),
        lambda: f"bandit, {ACTIONS} actions, {FEATURES} features, {environments} side by side",
        ("jax", "optax"),
    )


SPECS = (spec("small", 16), spec("large", 1024))
