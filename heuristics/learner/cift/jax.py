"""The decision process of CIFT in JAX: many instances, padded to one size, episodes side by side.

The same process, masks and features as `cift_process` and `cift_features`, without units: energies
over the instance's reference, times over their deadlines. Completions are worked out beforehand in
NumPy, one row for each instance and configuration, and looked up.

Reward: how much dearer the best completion known got by the action, so that an episode's rewards
add up to what was known at the start less what the plan costs (missed deadlines included). This is
the negative normalised energy with a potential taken out (A. Y. Ng, D. Harada and S. Russell 1999),
and leaves the same policies optimal; single rewards are held to -1 to 1.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from splitopt.heuristics.learner.cift.bank import Bank
from splitopt.heuristics.learner.cift.bounds import PATTERN, TIME_ONLY
from splitopt.heuristics.learner.cift.features import PENALTY, Scaled, candidate_features, scores
from splitopt.heuristics.learner.cift.process import Kind
from splitopt.heuristics.learner.ppo import Step

Array = jax.Array
_SLACK = 1e-5  # of deadlines, in single precision
_PRICES = len(PATTERN) + TIME_ONLY
_MOST_REWARD = 1.0


class _State(NamedTuple):
    instance: Array
    kind: Array
    row: Array
    node: Array
    done: Array
    end: Array
    label: Array
    best: Array  # score of the best completion


class Observation(NamedTuple):
    """Features of the actions, shape (B, A, F), and the mask, shape (B, A)."""

    features: Array
    allowed: Array


class CiftEnvironment:
    """An `Environment` of the learner over a bank of instances.

    Parameters
    ----------
    bank
        The instances.
    priced
        Whether completions at all prices are seen, or only the cheapest and the fastest ones.
    """

    truncates = False

    def __init__(self, bank: Bank, *, priced: bool = True) -> None:
        self.data = jax.tree.map(jnp.asarray, bank)
        self.instances = int(bank.first.shape[0])
        self._actions = int(bank.heads.shape[2])
        self._seen = np.arange(_PRICES) if priced else np.array([0, *range(-TIME_ONLY, 0)])

    def reset(self, data: Bank, key: Array, count: int) -> tuple[_State, Observation]:
        """Return new episodes, each on an instance drawn at random."""
        return self.start(data, jax.random.randint(key, (count,), 0, self.instances))

    def start(self, data: Bank, instance: Array) -> tuple[_State, Observation]:
        """Return new episodes on given instances, shape (B,)."""
        zero = jnp.zeros_like(instance)
        label = jnp.zeros((len(instance), 3), jnp.float32)
        state = _State(instance, zero, zero - 1, zero, zero, zero, label, label[:, 0])
        return self._look(data, state)

    def weight(self, observation: Observation) -> Array:
        """Return 0 where there is nothing to decide."""
        return (observation.allowed.sum(axis=-1) > 1).astype(jnp.float32)

    # -- looking ---------------------------------------------------------------------------

    def _pending(self, data: Bank, state: _State, work: Array, phase: int) -> Array:
        """Return what hosting `work`, shape (B, W), adds in a phase, (B, W, P, 3)."""
        i, row, n = state.instance, state.row, state.node
        energy = (data.tune_energy if phase else data.serve_energy)[i, n][:, None]  # (B, 1, K)
        time = (data.tune_time if phase else data.serve_time)[i, n][:, None]
        weights = data.weights[row]  # (B, P, 3)
        price = weights[..., 1 + phase, None]
        weighed = jnp.where(weights[..., :1] > 0, weights[..., :1] * energy, 0.0)
        cost = jnp.where(jnp.isfinite(energy), weighed + price * time, jnp.inf)
        level = jnp.argmin(cost, axis=-1)  # (B, P)
        passes = data.compute[row][:, None] if phase else 1.0
        e = jnp.take_along_axis(energy[:, 0], level, axis=1) * passes
        t = jnp.take_along_axis(time[:, 0], level, axis=1) * passes
        zero = jnp.zeros_like(e)
        flop = jnp.stack([e, zero, t] if phase else [e, t, zero], axis=-1)  # (B, P, 3)
        return work[:, :, None, None] * flop[:, None]

    def _level_costs(self, data: Bank, state: _State, phase: int) -> Array:
        """Return what each level adds in a phase, (B, K, 3)."""
        i, row, n = state.instance, state.row, state.node
        work = data.work[row, state.end] - data.work[row, state.done]
        passes = data.compute[row] if phase else jnp.ones_like(work)
        energy = (data.tune_energy if phase else data.serve_energy)[i, n]
        time = (data.tune_time if phase else data.serve_time)[i, n]
        e, t = (x * (work * passes)[:, None] for x in (energy, time))
        e, t = jnp.where(jnp.isfinite(e), e, jnp.inf), jnp.where(jnp.isfinite(e), t, jnp.inf)
        zero = jnp.where(jnp.isfinite(e), 0.0, jnp.inf)
        return jnp.stack([e, zero, t] if phase else [e, t, zero], axis=-1)

    def _hops(self, data: Bank, state: _State) -> Array:
        """Return what each link adds, (B, A, 3)."""
        i, row, n = state.instance, state.row, state.node
        bits = data.bits[row, state.end][:, None]
        passes = data.communication[row][:, None]
        wire = bits * data.rate[i, n]
        delay = data.delay[i, n]
        inverse = data.inverse[i]
        return jnp.stack(
            [
                (data.requests[i][:, None] + passes) * data.energy[i, n] * bits,
                (wire + delay) * inverse[:, :1],
                passes * (wire + delay / data.batch[i][:, None]) * inverse[:, 1:],
            ],
            axis=-1,
        )

    def _totals(self, data: Bank, state: _State) -> Array:
        """Return the totals of each action's completions, (B, A, P, 3)."""
        i, row, n = state.instance, jnp.maximum(state.row, 0), state.node
        state = state._replace(row=row)
        a = jnp.arange(self._actions)[None]
        label = state.label[:, None, None]

        def guarded(values: Array, fits: Array) -> Array:
            return jnp.where(fits[..., None, None], values, jnp.inf)

        rows = data.first[i][:, None] + jnp.minimum(a, data.count[i][:, None] - 1)
        at_root = data.arrived[rows, data.source[rows], 0]
        offers = guarded(at_root, a < data.count[i][:, None])

        last = data.work.shape[1] - 1
        behind = state.done[:, None] + a
        held = jnp.minimum(behind, last)
        work = data.work[row[:, None], held] - data.work[row, state.done][:, None]
        trained = (data.compute[row] > 0)[:, None, None, None]
        tuning = jnp.where(trained, self._pending(data, state, work, 1), 0.0)
        segment = self._pending(data, state, work, 0) + tuning
        segment = segment + data.left[row[:, None], n[:, None], held]
        reach = data.reach[row, n, state.done][:, None]
        segment = guarded(segment, (behind <= reach) & (behind <= data.length[row][:, None]))

        rest = data.left[row, n, state.end][:, None]
        levels = data.serve_energy.shape[2]
        own = (data.work[row, state.end] - data.work[row, state.done])[:, None]
        later = jnp.where(trained, self._pending(data, state, own, 1), 0.0)
        widen = ((0, 0), (0, self._actions - levels), (0, 0), (0, 0))
        fast, slow = (self._level_costs(data, state, k)[:, :, None] for k in (0, 1))
        serving = jnp.pad(fast + later + rest, widen, constant_values=jnp.inf)
        tuned = jnp.pad(slow + rest, widen, constant_values=jnp.inf)

        heads = data.heads[i, n]
        there = data.arrived[row[:, None], jnp.maximum(heads, 0), state.end[:, None]]
        links = guarded(self._hops(data, state)[:, :, None] + there, heads >= 0)

        kind = state.kind[:, None, None, None]
        totals = offers
        for k, found in (
            (Kind.SEGMENT, segment),
            (Kind.INFERENCE_SPEED, serving),
            (Kind.FINE_TUNING_SPEED, tuned),
            (Kind.LINK, links),
        ):
            totals = jnp.where(kind == k, found, totals)
        return totals + label

    def _scaled(self, data: Bank, state: _State) -> Scaled:
        i, row = state.instance, jnp.maximum(state.row, 0)
        totals = self._totals(data, state)
        possible = jnp.isfinite(totals[:, :, 0, 0])
        x, y = totals[..., -TIME_ONLY:, 1], totals[..., -TIME_ONLY:, 2]
        allowed = (x[..., 0] <= 1.0 + _SLACK) & (y[..., 1] <= 1.0 + _SLACK)
        both = data.deadlines[i].prod(axis=-1)[:, None] > 0
        allowed &= ~both | (x[..., 2] + y[..., 2] <= 2.0 * (1.0 + _SLACK))
        allowed &= possible
        allowed = jnp.where(allowed.any(axis=-1, keepdims=True), allowed, possible)
        a = jnp.arange(self._actions)[None]
        rows = jnp.minimum(data.first[i][:, None] + a, data.weights.shape[0] - 1)
        here = jnp.where((state.kind == 0)[:, None], rows, row[:, None])
        weights = data.weights[here]
        work = data.work[row]
        progress = jnp.take_along_axis(work, state.done[:, None], axis=1)[:, 0]
        progress = jnp.where(state.row >= 0, progress / jnp.maximum(work[:, -1], 1e-30), 0.0)
        seen = self._seen
        return Scaled(
            totals[:, :, seen, 0],
            totals[:, :, seen, 1],
            totals[:, :, seen, 2],
            weights[:, :, seen, 1],
            weights[:, :, seen, 2],
            possible,
            allowed,
            state.kind,
            progress,
            data.deadlines[i],
        )

    def _look(self, data: Bank, state: _State) -> tuple[_State, Observation]:
        scaled = self._scaled(data, state)
        found = scores(jnp, scaled, _SLACK, PENALTY, TIME_ONLY)
        best = jnp.where(scaled.allowed, found, jnp.inf).min(axis=-1)
        features = candidate_features(jnp, scaled, _SLACK, TIME_ONLY)
        return state._replace(best=best), Observation(features, scaled.allowed)

    # -- acting ----------------------------------------------------------------------------

    def _added(self, data: Bank, state: _State, action: Array) -> Array:
        """Return what an action adds to the label: a speed's work, a link's hop, or nothing."""
        level = jnp.minimum(action, data.serve_energy.shape[2] - 1)[:, None, None]
        added = jnp.zeros_like(state.label)
        for kind, costs, index in (
            (Kind.INFERENCE_SPEED, self._level_costs(data, state, 0), level),
            (Kind.FINE_TUNING_SPEED, self._level_costs(data, state, 1), level),
            (Kind.LINK, self._hops(data, state), action[:, None, None]),
        ):
            chosen = jnp.take_along_axis(costs, index, axis=1)[:, 0]
            added = jnp.where((state.kind == kind)[:, None], chosen, added)
        return added

    def step(self, data: Bank, state: _State, action: Array, key: Array) -> Step:
        """Take one action in each episode."""
        i, kind = state.instance, state.kind
        row = jnp.where(kind == Kind.CONFIGURATION, data.first[i] + action, state.row)
        state = state._replace(row=row)
        trained = data.compute[row] > 0
        end = jnp.where(kind == Kind.SEGMENT, state.done + action, state.end)
        head = jnp.take_along_axis(data.heads[i, state.node], action[:, None], axis=1)[:, 0]
        node = jnp.where(kind == Kind.LINK, head, state.node)
        node = jnp.where(kind == Kind.CONFIGURATION, data.source[row], node)
        done = jnp.where(kind == Kind.LINK, state.end, state.done)
        placed = (kind == Kind.FINE_TUNING_SPEED) | ((kind == Kind.INFERENCE_SPEED) & ~trained)
        over = placed & (end == data.length[row])
        after = jnp.select(
            [
                (kind == Kind.CONFIGURATION) | (kind == Kind.LINK),
                kind == Kind.SEGMENT,
                (kind == Kind.INFERENCE_SPEED) & trained,
                over,
            ],
            [
                jnp.full_like(kind, Kind.SEGMENT),
                jnp.where(action > 0, int(Kind.INFERENCE_SPEED), int(Kind.LINK)),
                jnp.full_like(kind, Kind.FINE_TUNING_SPEED),
                jnp.full_like(kind, Kind.DONE),
            ],
            jnp.full_like(kind, Kind.LINK),
        )
        label = state.label + self._added(data, state, action)
        moved = _State(i, after, row, node, done, end, label, state.best)
        looked, observation = self._look(data, moved)
        excess = jnp.maximum(label[:, 1:].max(axis=-1) - 1.0, 0.0)
        missed = excess > _SLACK
        final = label[:, 0] + jnp.where(missed, PENALTY * (1.0 + jnp.minimum(excess, 1.0)), 0.0)
        best = jnp.where(over, final, looked.best)
        # Where all is done nothing can be chosen; a mask needs one entry all the same.
        allowed = jnp.where(
            over[:, None], jnp.arange(self._actions)[None] == 0, observation.allowed
        )
        features = jnp.where(over[:, None, None], 0.0, observation.features)
        reward = jnp.clip(state.best - best, -_MOST_REWARD, _MOST_REWARD)
        return Step(
            looked._replace(best=best),
            Observation(features, allowed),
            reward,
            over,
            jnp.zeros_like(over),
        )
