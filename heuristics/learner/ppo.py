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

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from splitopt.heuristics.learner.config import PpoConfig

__all__ = [
    "Choice",
    "Diagnostics",
    "Environment",
    "Evaluation",
    "Learner",
    "Policy",
    "Step",
    "Training",
    "advantages",
    "make_learner",
]

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


def make_learner(environment: Environment, policy: Policy, config: PpoConfig) -> Learner:
    """Return the learner of a policy in an environment."""
    # Learning rate and entropy coefficient fall by the update; Adam's own step is the unit.
    optimiser = optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm), optax.scale_by_adam(eps=1e-5)
    )

    def init(key: Array, data: Tree) -> Training:
        key, for_policy, for_environment = jax.random.split(key, 3)
        params = policy.init(for_policy)
        state, observation = environment.reset(data, for_environment, config.environments)
        return Training(
            params,
            optimiser.init(params),
            state,
            observation,
            jnp.zeros_like(environment.weight(observation)),
            key,
            jnp.zeros((), jnp.int32),
        )

    def play(training: Training, data: Tree) -> tuple[Training, tuple[Tree, ...], Array]:
        """Play T steps; return what happened, and the critic's word on where it stops."""

        def step(now: Training, key: Array) -> tuple[Training, tuple[Tree, ...]]:
            for_policy, for_step, for_reset = jax.random.split(key, 3)
            choice = policy.sample(now.params, now.observation, for_policy)
            after = environment.step(data, now.state, choice.action, for_step)
            done = after.terminated | after.truncated

            def renew() -> tuple[Tree, Tree]:
                fresh = environment.reset(data, for_reset, config.environments)
                stale = (after.state, after.observation)
                mixed: tuple[Tree, Tree] = jax.tree.map(
                    lambda new, old: jnp.where(_like(done, new), new, old), fresh, stale
                )
                return mixed

            state, observation = jax.lax.cond(
                jnp.any(done), renew, lambda: (after.state, after.observation)
            )
            weight = environment.weight(now.observation)
            total = now.running_return + after.reward * weight
            ended = _like(done, total).astype(total.dtype) * weight
            next_value = (
                policy.value(now.params, after.observation)
                if environment.truncates
                else jnp.zeros_like(choice.value)
            )
            seen = (
                now.observation,
                choice,
                after.reward,
                after.terminated,
                after.truncated,
                next_value,
                weight,
                (jnp.sum(total * ended), jnp.sum(ended)),
            )
            total = jnp.where(_like(done, total), 0.0, total)
            return now._replace(state=state, observation=observation, running_return=total), seen

        key, keys = jax.random.split(training.key)
        training, seen = jax.lax.scan(
            step, training._replace(key=key), jax.random.split(keys, config.steps)
        )
        # With nothing of the future counted the critic is not asked about it.
        last = (
            policy.value(training.params, training.observation)
            if config.discount
            else jnp.zeros_like(seen[1].value[0])
        )
        return training, seen, last

    def loss_of(
        params: Tree, batch: _Batch, entropy_weight: Array
    ) -> tuple[Array, tuple[Array, ...]]:
        found = policy.evaluate(params, batch.observation, batch.action)
        w = batch.weight
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
        return loss, (kl, outside, entropy, -gain, error)

    def improve(training: Training, batch: _Batch) -> tuple[Training, tuple[Array, ...]]:
        """Return training after the epochs, and means of what was seen on the way."""
        done = training.update.astype(jnp.float32) / max(1, config.updates - 1)
        left = jnp.clip(1.0 - done, 0.0, 1.0)
        rate = config.final_learning_rate + left * (
            config.learning_rate - config.final_learning_rate
        )
        entropy_weight = config.final_entropy_coefficient + left * (
            config.entropy_coefficient - config.final_entropy_coefficient
        )

        def minibatch(
            now: tuple[Tree, Tree, Array], part: Array
        ) -> tuple[tuple[Tree, Tree, Array], tuple[Array, ...]]:
            params, memory, stopped = now

            def learn() -> tuple[Tree, Tree, Array, tuple[Array, ...]]:
                rows = jax.tree.map(lambda leaf: leaf[part], batch)
                (_, seen), gradient = jax.value_and_grad(loss_of, has_aux=True)(
                    params, rows, entropy_weight
                )
                update, new_memory = optimiser.update(gradient, memory, params)
                stepped = optax.apply_updates(
                    params, jax.tree.map(lambda leaf: -rate * leaf, update)
                )
                over = seen[0] > config.target_kl if config.target_kl > 0 else jnp.array(False)
                seen = (*seen, optax.tree.norm(gradient), jnp.ones(()))
                return stepped, new_memory, over, seen

            def skip() -> tuple[Tree, Tree, Array, tuple[Array, ...]]:
                return params, memory, jnp.array(True), (jnp.zeros(()),) * 7

            params, memory, stopped, seen = jax.lax.cond(stopped, skip, learn)
            return (params, memory, stopped), seen

        key, for_order = jax.random.split(training.key)
        order = jax.vmap(lambda k: jax.random.permutation(k, config.transitions))(
            jax.random.split(for_order, config.epochs)
        ).reshape(config.epochs * config.minibatches, -1)
        (params, memory, _), seen = jax.lax.scan(
            minibatch, (training.params, training.optimiser, jnp.array(False)), order
        )
        taken = jnp.sum(seen[-1])
        means = tuple(jnp.sum(column) / taken for column in seen[:-1])
        training = training._replace(params=params, optimiser=memory, key=key)
        return training, (*means, (len(order) - taken) / len(order))

    def update(training: Training, data: Tree) -> tuple[Training, Diagnostics]:
        training, seen, last = play(training, data)
        observation, choice, reward, terminated, truncated, next_value, weight, ended = seen
        if not environment.truncates:
            # Where an episode ends the shifted value belongs to the next one: it is not used.
            next_value = jnp.concatenate([choice.value[1:], last[None]])
        advantage = advantages(
            reward,
            choice.value,
            next_value,
            terminated,
            truncated,
            config.discount,
            config.gae_lambda,
        )
        target = advantage + choice.value
        batch = _Batch(observation, choice.action, choice.log_prob, advantage, target, weight)
        batch = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch)
        centre = _mean(target, weight)
        explained = 1.0 - _mean((advantage - _mean(advantage, weight)) ** 2, weight) / (
            _mean((target - centre) ** 2, weight) + 1e-12
        )
        training, means = improve(training, batch)
        kl, outside, entropy, policy_loss, value_loss, norm, skipped = means
        mean_return = jnp.sum(ended[0]) / jnp.sum(ended[1])
        return training._replace(update=training.update + 1), Diagnostics(
            mean_return, kl, outside, entropy, explained, policy_loss, value_loss, norm, skipped
        )

    return Learner(jax.jit(init), jax.jit(update))
