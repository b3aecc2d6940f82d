"""The policy that plays `mepra_env`: a categorical over splits, a normal over log-shares.

Shares are a softmax of the log-shares, so that they have a logistic-normal distribution on the
simplex (J. Aitchison, S. Shen 1980, Biometrika 67).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from splitopt.heuristics.learner.mepra import networks
from splitopt.heuristics.learner.mepra.env import Action, Variant
from splitopt.heuristics.learner.mepra.networks import Look
from splitopt.heuristics.learner.ppo import Choice, Evaluation

Array = jax.Array
Params = Any
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def _at(table: Array, split: Array) -> Array:
    # Not a gather: its gradient would be a scatter, which is slow on processors.
    return jnp.sum(jnp.where(jnp.arange(table.shape[-1]) == split[..., None], table, 0.0), -1)


@dataclass(frozen=True)
class MepraPolicy:
    """An `splitopt.heuristics.learner.ppo.Policy` with one decision a device.

    Attributes
    ----------
    variant
        Whether log-shares are drawn.
    width, hidden
        Units for an option, and for a device among all.
    """

    variant: Variant = "closed-form"
    width: int = 12
    hidden: int = 32

    def init(self, key: Array) -> Params:
        """Return new parameters."""
        shapes = networks.shapes(self.width, self.hidden)
        keys = jax.random.split(key, len(shapes))
        start = networks.initial(np.random.default_rng(0), self.width, self.hidden)
        params = {}
        for one, (name, shape) in zip(keys, shapes.items(), strict=True):
            params[name] = jnp.asarray(start[name])
            if name.endswith("_w"):
                scale = 0.01 if name == "head_w" else math.sqrt(2.0 / shape[0])
                params[name] = scale * jax.random.normal(one, shape)
        return params

    def heads(self, params: Params, look: Look) -> networks.Heads:
        """Return what the network says."""
        option, device = networks.embed(jnp, params, look)
        everyone = networks.pool(jnp, params, look, device)
        return networks.heads(jnp, params, look, option, device, everyone)

    def _spread(self, params: Params) -> tuple[Array, Array]:
        return params["log_spread"], jnp.exp(params["log_spread"])

    def sample(self, params: Params, observation: Look, key: Array) -> Choice:
        """Draw splits by inverting the distribution function, and log-shares."""
        found = self.heads(params, observation)
        log = jax.nn.log_softmax(found.logits)
        for_split, for_share = jax.random.split(key)
        level = jax.random.uniform(for_split, log.shape[:-1], minval=1e-6, maxval=1.0 - 1e-6)
        steps = jnp.cumsum(jnp.exp(log), -1)
        split = jnp.sum(steps < level[..., None] * steps[..., -1:], -1)
        mean = _at(found.log_share, split)
        if self.variant == "own-shares":
            _, spread = self._spread(params)
            mean = mean + spread * jax.random.normal(for_share, mean.shape)
        action = Action(split, mean)
        return Choice(action, self._log_prob(params, found, log, action), found.value)

    def _log_prob(self, params: Params, found: networks.Heads, log: Array, action: Action) -> Array:
        density = _at(log, action.split)
        if self.variant == "own-shares":
            log_spread, spread = self._spread(params)
            off = (action.log_share - _at(found.log_share, action.split)) / spread
            density = density - 0.5 * off * off - log_spread - _HALF_LOG_2PI
        return density

    def evaluate(self, params: Params, observation: Look, action: Action) -> Evaluation:
        """Judge decisions."""
        found = self.heads(params, observation)
        log = jax.nn.log_softmax(found.logits)
        entropy = -jnp.sum(jnp.where(observation.valid, jnp.exp(log) * log, 0.0), -1)
        if self.variant == "own-shares":
            entropy = entropy + self._spread(params)[0] + 0.5 + _HALF_LOG_2PI
        return Evaluation(self._log_prob(params, found, log, action), entropy, found.value)

    def value(self, params: Params, observation: Look) -> Array:
        """Return the critic's values."""
        found: Array = self.heads(params, observation).value
        return found

    def greedy(self, params: Params, observation: Look) -> Action:
        """Return the likeliest splits with the means of their log-shares."""
        found = self.heads(params, observation)
        split = jnp.argmax(found.logits, -1)
        return Action(split, _at(found.log_share, split))
