"""The policy of CIFT for the learner: the network of `cift_policy` with a critic, in JAX."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from splitopt.heuristics.learner.cift.jax import Observation
from splitopt.heuristics.learner.cift.policy import ACTOR_SHAPES, WIDTH
from splitopt.heuristics.learner.ppo import Choice, Evaluation

Array = jax.Array
Params = dict[str, Array]
_CRITIC_SHAPES = {"v1": (2 * WIDTH, WIDTH), "c1": (WIDTH,), "v2": (WIDTH,), "c2": ()}
_FIRST_LOGITS = 0.01  # so that the first policy is nearly uniform
_FORBIDDEN = -1e9


class CiftPolicy:
    """Masked categorical over a state's actions, and a critic on the same trunk."""

    def init(self, key: Array) -> Params:
        """Return new parameters: variance one over the inputs, biases zero."""
        shapes = {**ACTOR_SHAPES, **_CRITIC_SHAPES}
        ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
        drawn = jnp.split(jax.random.normal(key, (int(ends[-1]),)), ends[:-1].tolist())
        params = {}
        for (name, shape), part in zip(shapes.items(), drawn, strict=True):
            inputs = shape[0] if shape else 1
            flat = part.reshape(shape) / math.sqrt(inputs)
            params[name] = jnp.zeros(shape) if name[0] in "bc" else flat
        params["w"] = params["w"] * _FIRST_LOGITS
        params["v2"] = params["v2"] * _FIRST_LOGITS
        return params

    def _forward(self, params: Params, seen: Observation) -> tuple[Array, Array]:
        """Return log-probabilities, (B, A), and values, (B,)."""
        mask = seen.allowed[..., None]
        inner = jnp.tanh(seen.features @ params["w1"] + params["b1"])
        count = jnp.maximum(mask.sum(axis=-2), 1)
        mean = jnp.where(mask, inner, 0.0).sum(axis=-2) / count
        top = jnp.where(mask, inner, -1.0).max(axis=-2)
        context = jnp.concatenate([mean, top], axis=-1)
        shift = (context @ params["w3"])[..., None, :]
        outer = jnp.tanh(inner @ params["w2"] + shift + params["b2"])
        scored = jnp.where(seen.allowed, outer @ params["w"], _FORBIDDEN)
        hidden = jnp.tanh(context @ params["v1"] + params["c1"])
        return jax.nn.log_softmax(scored), hidden @ params["v2"] + params["c2"]

    def sample(self, params: Params, observation: Observation, key: Array) -> Choice:
        """Draw an action."""
        log_p, value = self._forward(params, observation)
        action = jax.random.categorical(key, log_p)
        taken = jnp.take_along_axis(log_p, action[..., None], axis=-1)[..., 0]
        return Choice(action, taken, value)

    def evaluate(self, params: Params, observation: Observation, action: Array) -> Evaluation:
        """Judge an action."""
        log_p, value = self._forward(params, observation)
        taken = jnp.take_along_axis(log_p, action[..., None], axis=-1)[..., 0]
        entropy = -jnp.where(observation.allowed, jnp.exp(log_p) * log_p, 0.0).sum(axis=-1)
        return Evaluation(taken, entropy, value)

    def value(self, params: Params, observation: Observation) -> Array:
        """Return the critic's value."""
        return self._forward(params, observation)[1]

    def greedy(self, params: Params, observation: Observation) -> Array:
        """Return the likeliest action."""
        return self._forward(params, observation)[0].argmax(axis=-1)
