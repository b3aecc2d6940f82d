"""Proximal policy optimisation in one file: from environment to update under one ``jit``.

The learner knows neither problem. It plays an `Environment` with a `Policy`, both of pure JAX
functions over batches of B episodes side by side.

One array, one decision
-----------------------
Rewards, log-probabilities, entropies, values and weights share one shape: ``(B,)`` where one
decision is taken a step, ``(B, n)`` where n members of a team each take one (MEPRA: devices). All
of the mathematics is elementwise, so the learner need not know which; `Environment.weight` says
with zeros which entries are padding. Ends of episodes have shape ``(B,)``.

Update
------
With ratio rho = pi(a|o) / pi_old(a|o), advantage A (normalised over a minibatch), clip c::

    maximise  mean min(rho A, clip(rho, 1 - c, 1 + c) A) + h entropy - v (V(o) - return)^2

Advantages by generalised advantage estimation::

    delta_t = r_t + gamma V(o'_t) [not terminated] - V(o_t)
    A_t     = delta_t + gamma lambda A_{t+1} [neither terminated nor truncated]

o' is what was seen *before* a new episode began: an episode cut off by a limit is worth what the
critic says of its last observation, one that ended is worth nothing more.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from splitopt.heuristics.learner.config import PpoConfig

Array = jax.Array
Tree = Any  # a pytree of arrays


class Step(NamedTuple):
    """What a step of B environments gives; observation is that before any new episode."""

    state: Tree
    observation: Tree
    reward: Array
    terminated: Array
    truncated: Array


class Environment(Protocol):
    """B episodes side by side, as pure functions that ``jit`` and ``scan`` can trace.

    Every leaf of a state, an observation and an action has B as its first axis. Masks of what is
    allowed are part of the observation; the policy keeps to them. The learner starts new episodes
    itself wherever one has ended.

    Attributes
    ----------
    data
        Arrays that all episodes share, such as a bank of instances, handed to each call (an
        array closed over would be compiled in as a constant). It may be an empty tuple.
    truncates
        Whether `step` ever truncates. Without, the learner saves one call of the critic a step.
    """

    @property
    def data(self) -> Tree:
        """Arrays shared by all episodes."""

    @property
    def truncates(self) -> bool:
        """Whether an episode can be cut off by a limit."""

    def reset(self, data: Tree, key: Array, count: int) -> tuple[Tree, Tree]:
        """Return states and observations of `count` new episodes."""

    def step(self, data: Tree, state: Tree, action: Tree, key: Array) -> Step:
        """Return what follows from one action in each episode."""

    def weight(self, observation: Tree) -> Array:
        """Return 1 for entries that are decisions and 0 for padding, in the reward's shape."""


class Choice(NamedTuple):
    """An action drawn, its log-probability, and what the critic says."""

    action: Tree
    log_prob: Array
    value: Array


class Evaluation(NamedTuple):
    """What the present parameters say of an action taken before."""

    log_prob: Array
    entropy: Array
    value: Array


class Policy(Protocol):
    """Actor and critic as pure functions of parameters; they may share a trunk."""

    def init(self, key: Array) -> Tree:
        """Return new parameters."""

    def sample(self, params: Tree, observation: Tree, key: Array) -> Choice:
        """Draw an action."""

    def evaluate(self, params: Tree, observation: Tree, action: Tree) -> Evaluation:
        """Judge an action: log-probability, entropy of the distribution, value."""

    def value(self, params: Tree, observation: Tree) -> Array:
        """Return the critic's value alone."""

    def greedy(self, params: Tree, observation: Tree) -> Tree:
        """Return the mode of the distribution."""


class Training(NamedTuple):
    """All that training goes on from; a checkpoint holds it whole, to the last bit."""

    params: Tree
    optimiser: Tree
    state: Tree
    observation: Tree
    running_return: Array
    key: Array
    update: Array


class Diagnostics(NamedTuple):
    """Scalars of one update.

    Attributes
    ----------
    episode_return
        Mean sum of rewards over the episodes that ended (mean over a team's members); NaN if
        none ended.
    kl
        Estimate of KL(old || new), mean of rho - 1 - log rho, over the minibatches taken.
    clip_fraction
        Share of decisions whose ratio left 1 - clip to 1 + clip.
    entropy
        Mean entropy, nats.
    explained_variance
        1 - Var(return - V) / Var(return) with the critic as it was when playing.
    policy_loss, value_loss, gradient_norm
        Means over the minibatches taken; the norm before it is shortened.
    skipped
        Share of minibatches skipped because KL exceeded its target.
    """

    episode_return: Array
    kl: Array
    clip_fraction: Array
    entropy: Array
    explained_variance: Array
    policy_loss: Array
    value_loss: Array
    gradient_norm: Array
    skipped: Array


class Learner(NamedTuple):
    """Training as two functions.

    Attributes
    ----------
    init
        ``init(key, data)``: the state before the first update.
    update
        ``update(training, data)``: T steps of each environment, then the epochs, in one compiled
        program.
    """

    init: Callable[[Array, Tree], Training]
    update: Callable[[Training, Tree], tuple[Training, Diagnostics]]


class _Batch(NamedTuple):
    observation: Tree
    action: Tree
    log_prob: Array
    advantage: Array
    target: Array
    weight: Array


def _like(flag: Array, leaf: Array) -> Array:
    """Return a flag of shape (..., B) with axes of length one appended to match `leaf`."""
    return flag.reshape(flag.shape + (1,) * (leaf.ndim - flag.ndim))


def _mean(values: Array, weight: Array) -> Array:
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1e-9)


def _variance(values: Array, weight: Array) -> Array:
    return _mean((values - _mean(values, weight)) ** 2, weight)


def advantages(
    reward: Array,
    value: Array,
    next_value: Array,
    terminated: Array,
    truncated: Array,
    discount: float,
    gae_lambda: float,
) -> Array:
    """Return generalised advantage estimates, shape (T, B, ...).

    Parameters
    ----------
    reward, value, next_value
        r_t, V(o_t) and V(o'_t), shape (T, B, ...).
    terminated, truncated
        Ends by the rules and by a limit, shape (T, B).
    """
    going = 1.0 - _like(terminated, reward).astype(reward.dtype)
    same = going * (1.0 - _like(truncated, reward).astype(reward.dtype))
    delta = reward + discount * next_value * going - value

    def back(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        here = now[0] + discount * gae_lambda * now[1] * later
        return here, here

    _, found = jax.lax.scan(back, jnp.zeros_like(delta[0]), (delta, same), reverse=True)
    return found


class _Seen(NamedTuple):
    """What a step of B environments showed; after a scan, of T steps.

    `finished` and `ended` are sums over members and environments: of the returns of the episodes
    that ended, and of how many these were.
    """

    observation: Tree
    choice: Choice
    reward: Array
    terminated: Array
    truncated: Array
    next_value: Array
    weight: Array
    finished: Array
    ended: Array


class _Means(NamedTuple):
    """What a minibatch showed; after an update, means over those taken."""

    kl: Array
    clip_fraction: Array
    entropy: Array
    policy_loss: Array
    value_loss: Array
    gradient_norm: Array


class _Learning(NamedTuple):
    """What changes from minibatch to minibatch."""

    params: Tree
    optimiser: Tree
    stopped: Array


def _falling(first: float, last: float, left: Array) -> Array:
    """Return what stands between `first` and `last` with a part `left` of the way to go."""
    return last + left * (first - last)


@dataclass(frozen=True, eq=False)
class _Ppo:
    """A policy in an environment, and how it learns; every method can be traced."""

    environment: Environment
    policy: Policy
    config: PpoConfig

    @property
    def optimiser(self) -> optax.GradientTransformation:
        """Adam with a step of 1: the learning rate falls by the update, not by the minibatch."""
        return optax.chain(
            optax.clip_by_global_norm(self.config.max_gradient_norm),
            optax.scale_by_adam(eps=1e-5),
        )

    def init(self, key: Array, data: Tree) -> Training:
        """Return the state before the first update."""
        key, for_policy, for_environment = jax.random.split(key, 3)
        params = self.policy.init(for_policy)
        state, observation = self.environment.reset(data, for_environment, self.config.environments)
        return Training(
            params,
            self.optimiser.init(params),
            state,
            observation,
            jnp.zeros_like(self.environment.weight(observation)),
            key,
            jnp.zeros((), jnp.int32),
        )

    def step(self, data: Tree, now: Training, key: Array) -> tuple[Training, _Seen]:
        """Play one step, with a new episode wherever one has ended."""
        for_policy, for_step, for_reset = jax.random.split(key, 3)
        choice = self.policy.sample(now.params, now.observation, for_policy)
        after = self.environment.step(data, now.state, choice.action, for_step)
        done = after.terminated | after.truncated
        old = (after.state, after.observation)

        def renew() -> tuple[Tree, Tree]:
            fresh = self.environment.reset(data, for_reset, self.config.environments)
            mixed: tuple[Tree, Tree] = jax.tree.map(
                lambda new, stale: jnp.where(_like(done, new), new, stale), fresh, old
            )
            return mixed

        state, observation = jax.lax.cond(jnp.any(done), renew, lambda: old)
        weight = self.environment.weight(now.observation)
        total = now.running_return + after.reward * weight
        ended = _like(done, total).astype(total.dtype) * weight
        seen = _Seen(
            now.observation,
            choice,
            after.reward,
            after.terminated,
            after.truncated,
            self.policy.value(now.params, after.observation)
            if self.environment.truncates
            else jnp.zeros_like(choice.value),
            weight,
            jnp.sum(total * ended),
            jnp.sum(ended),
        )
        total = jnp.where(_like(done, total), 0.0, total)
        return now._replace(state=state, observation=observation, running_return=total), seen

    def play(self, training: Training, data: Tree) -> tuple[Training, _Seen]:
        """Play T steps; `next_value` is V(o'_t) wherever the episode goes on."""
        key, keys = jax.random.split(training.key)
        training, seen = jax.lax.scan(
            functools.partial(self.step, data),
            training._replace(key=key),
            jax.random.split(keys, self.config.steps),
        )
        if self.environment.truncates:
            return training, seen
        # Where an episode ends the shifted value belongs to the next one: it is not used. With
        # nothing of the future counted the critic is not asked about the last.
        value = seen.choice.value
        last = (
            self.policy.value(training.params, training.observation)
            if self.config.discount
            else jnp.zeros_like(value[0])
        )
        return training, seen._replace(next_value=jnp.concatenate([value[1:], last[None]]))

    def loss(self, params: Tree, batch: _Batch, entropy_weight: Array) -> tuple[Array, _Means]:
        """Return the loss of a minibatch, and what it showed but for the gradient's norm."""
        config, w = self.config, batch.weight
        found = self.policy.evaluate(params, batch.observation, batch.action)
        centre = _mean(batch.advantage, w)
        spread = jnp.sqrt(_mean((batch.advantage - centre) ** 2, w))
        advantage = (batch.advantage - centre) / (spread + 1e-8)
        log_ratio = found.log_prob - batch.log_prob
        ratio = jnp.exp(log_ratio)
        clipped = jnp.clip(ratio, 1.0 - config.clip, 1.0 + config.clip)
        gain = _mean(jnp.minimum(ratio * advantage, clipped * advantage), w)
        error = _mean((found.value - batch.target) ** 2, w)
        entropy = _mean(found.entropy, w)
        kl = _mean(ratio - 1.0 - log_ratio, w)
        outside = _mean((jnp.abs(ratio - 1.0) > config.clip).astype(ratio.dtype), w)
        loss = -gain + config.value_coefficient * error - entropy_weight * entropy
        return loss, _Means(kl, outside, entropy, -gain, error, jnp.zeros(()))

    def learn(
        self, now: _Learning, rows: _Batch, rate: Array, entropy_weight: Array
    ) -> tuple[_Learning, _Means]:
        """Take one step along the gradient of a minibatch."""
        (_, seen), gradient = jax.value_and_grad(self.loss, has_aux=True)(
            now.params, rows, entropy_weight
        )
        change, memory = self.optimiser.update(gradient, now.optimiser, now.params)
        params = optax.apply_updates(now.params, jax.tree.map(lambda leaf: -rate * leaf, change))
        limit = self.config.target_kl
        over = seen.kl > limit if limit > 0 else jnp.array(False)
        return _Learning(params, memory, over), seen._replace(
            gradient_norm=optax.tree.norm(gradient)
        )

    def improve(self, training: Training, batch: _Batch) -> tuple[Training, _Means, Array]:
        """Return training after the epochs, means of what was seen, and the part skipped."""
        config = self.config
        done = training.update.astype(jnp.float32) / max(1, config.updates - 1)
        left = jnp.clip(1.0 - done, 0.0, 1.0)
        rate = _falling(config.learning_rate, config.final_learning_rate, left)
        entropy_weight = _falling(
            config.entropy_coefficient, config.final_entropy_coefficient, left
        )

        def minibatch(now: _Learning, part: Array) -> tuple[_Learning, tuple[_Means, Array]]:
            def learn() -> tuple[_Learning, tuple[_Means, Array]]:
                rows = jax.tree.map(lambda leaf: leaf[part], batch)
                after, seen = self.learn(now, rows, rate, entropy_weight)
                return after, (seen, jnp.ones(()))

            def skip() -> tuple[_Learning, tuple[_Means, Array]]:
                nothing = jnp.zeros(())
                return now, (_Means(*(nothing,) * len(_Means._fields)), nothing)

            found: tuple[_Learning, tuple[_Means, Array]] = jax.lax.cond(now.stopped, skip, learn)
            return found

        key, for_order = jax.random.split(training.key)
        order = jax.vmap(lambda k: jax.random.permutation(k, config.transitions))(
            jax.random.split(for_order, config.epochs)
        ).reshape(config.epochs * config.minibatches, -1)
        start = _Learning(training.params, training.optimiser, jnp.array(False))
        end, (seen, learned) = jax.lax.scan(minibatch, start, order)
        taken = jnp.sum(learned)
        means = jax.tree.map(lambda column: jnp.sum(column) / taken, seen)
        training = training._replace(params=end.params, optimiser=end.optimiser, key=key)
        return training, means, (len(order) - taken) / len(order)

    def update(self, training: Training, data: Tree) -> tuple[Training, Diagnostics]:
        """Play T steps of each environment, then learn from them."""
        training, seen = self.play(training, data)
        choice, weight = seen.choice, seen.weight
        advantage = advantages(
            seen.reward,
            choice.value,
            seen.next_value,
            seen.terminated,
            seen.truncated,
            self.config.discount,
            self.config.gae_lambda,
        )
        target = advantage + choice.value
        batch = _Batch(seen.observation, choice.action, choice.log_prob, advantage, target, weight)
        batch = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch)
        explained = 1.0 - _variance(advantage, weight) / (_variance(target, weight) + 1e-12)
        training, means, skipped = self.improve(training, batch)
        return training._replace(update=training.update + 1), Diagnostics(
            episode_return=jnp.sum(seen.finished) / jnp.sum(seen.ended),
            explained_variance=explained,
            skipped=skipped,
            **means._asdict(),
        )


def make_learner(environment: Environment, policy: Policy, config: PpoConfig) -> Learner:
    """Return the learner of a policy in an environment."""
    made = _Ppo(environment, policy, config)
    return Learner(jax.jit(made.init), jax.jit(made.update))
