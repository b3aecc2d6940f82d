"""MEPRA as an environment of pure JAX functions: devices choose splits, round by round.

An episode is one instance and lasts `rounds` steps. In each every device chooses a split (and its
log-share, where shares are the policy's), all at once and for themselves; from the second on they
see what load the round before came to. Costs are those of the problem, cost = sum a_i(s_i) +
(sum r_i(s_i))^2 at the best shares, or sum a_i(s_i) + sum r_i(s_i)^2 / alpha_i at shares
alpha = softmax(log-shares) over the devices that leave work to the edge.

Reward. Device i loses what its decision costs the whole team: the cost, less the least cost had i
alone decided otherwise (a difference reward: D. Wolpert, K. Tumer 2001, Advances in Complex
Systems 4). The second does not depend on what i decides, so that the expected gradient is that of
the team's cost. Let O be what the others' edge work costs at the shares that they would have
without i; then that least cost is, but for what the others pay anyway, min_s a_i(s) + (r_i(s) +
sqrt(O))^2, and sqrt(O) is the sum of their roots where shares are best. The unit is the mean cost
of a device at the best splits for even shares; a loss of more than 2 counts as 2.

Episodes are drawn from a bank of instances with changes, so that few instances teach much: a
subset of devices, bandwidth and capacity multiplied by a factor. Of a device's splits those are
offered that can be part of an optimum, and the best at even shares.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from splitopt.heuristics.baselines.mepra.data import device_chunks, split_costs
from splitopt.heuristics.learner.mepra import networks
from splitopt.heuristics.learner.mepra.networks import Facts, Look
from splitopt.heuristics.learner.ppo import Step

if TYPE_CHECKING:
    from splitopt.instances.mepra.model import MepraInstance

Array = jax.Array
Tree = Any
Variant = Literal["closed-form", "own-shares"]
_LEAST_REWARD = -2.0


class Action(NamedTuple):
    """Splits (B, n) and log-shares (B, n); without own shares the latter are ignored."""

    split: Array
    log_share: Array


class Bank(NamedTuple):
    """K instances, padded to N devices and S splits, in single precision.

    Attributes
    ----------
    local, sent
        Parts of a_i(s) that do and do not depend on the bandwidth... see `make_bank`; (K, N, S).
    root
        r_i(s), (K, N, S).
    splits
        L_i + 1, 0 for padding, (K, N).
    devices
        n, (K,).
    """

    local: Array
    sent: Array
    root: Array
    splits: Array
    devices: Array


class State(NamedTuple):
    """An episode under way: what is so in it, the unit of rewards and the round, shape (B,)."""

    facts: Facts
    unit: Array
    round: Array


def make_bank(instances: Iterable[MepraInstance]) -> Bank:
    """Return a bank of instances with fixed exits."""
    found = []
    for instance in instances:
        assert instance.exit_set is not None
        for devices in device_chunks(instance):
            exits = instance.exit_set[devices.rows]
            costs = split_costs(devices, exits)
            still = dataclasses.replace(devices, sent_price=np.zeros(devices.count))
            local = split_costs(still, exits).base
            inside = np.isfinite(costs.base)
            local, base = np.where(inside, local, 0.0), np.where(inside, costs.base, 0.0)
            root = np.sqrt(devices.edge_price * costs.edge_flop)
            found.append((local, base - local, root, devices.layers + 1))
    most = max(len(row[3]) for row in found)
    splits = max(row[0].shape[1] for row in found)
    bank = [np.zeros((len(found), most, splits), np.float32) for _ in range(3)]
    lengths = np.zeros((len(found), most), np.int32)
    for k, row in enumerate(found):
        n, s = row[0].shape
        for array, values in zip(bank, row[:3], strict=True):
            array[k, :n, :s] = values
        lengths[k, :n] = row[3]
    count = np.array([len(row[3]) for row in found], np.int32)
    return Bank(*map(jnp.asarray, (*bank, lengths, count)))


@dataclasses.dataclass(frozen=True, eq=False)
class MepraEnvironment:
    """Episodes over a bank; an `splitopt.heuristics.learner.ppo.Environment`.

    Attributes
    ----------
    data
        The bank.
    variant
        ``closed-form``: the best shares for the splits; ``own-shares``: the policy's.
    rounds
        Steps of an episode.
    devices
        Most devices of an episode; larger instances give subsets, with the capacity in proportion.
    corners
        Splits a device is offered, of those that can be part of an optimum
        (`networks.worth_choosing`), besides the best at even shares.
    bandwidth, capacity
        Bandwidth and capacity are multiplied by a factor drawn (log-uniformly) from 1/f to f.
    """

    data: Bank
    variant: Variant = "closed-form"
    rounds: int = 2
    devices: int = 16
    corners: int = 4
    bandwidth: float = 4.0
    capacity: float = 3.0
    truncates: bool = False

    def reset(self, data: Bank, key: Array, count: int) -> tuple[State, Look]:
        """Return new episodes."""
        which, size, window, rate, power = jax.random.split(key, 5)
        k = jax.random.randint(which, (count,), 0, len(data.devices))
        slots = min(self.devices, data.splits.shape[1])
        # Half of the episodes have as many devices as there is room for, the others any number.
        fewer = jax.random.randint(size, (count,), 2 - slots, slots + 1)
        n = jnp.minimum(data.devices[k], jnp.where(fewer >= 2, fewer, slots))
        # Devices of an instance are drawn independently: a window of them is a random subset.
        first = jax.random.randint(window, (count, 1), 0, 1 << 20)
        rows = (first + jnp.arange(slots)) % data.devices[k][:, None]
        pick = (k[:, None], rows)
        f = jnp.exp(jax.random.uniform(rate, (count, 1, 1), minval=-1.0) * np.log(self.bandwidth))
        g = jnp.exp(jax.random.uniform(power, (count, 1, 1), minval=-1.0) * np.log(self.capacity))
        base = data.local[pick] + f * data.sent[pick]
        # Capacity of so many devices fewer, by so many fewer; r goes with its root.
        root = data.root[pick] * jnp.sqrt(g * (data.devices[k] / n)[:, None, None])
        lengths = jnp.where(jnp.arange(slots) < n[:, None], data.splits[pick], 0)
        return self.begin(base, root, lengths)

    def begin(self, base: Array, root: Array, lengths: Array) -> tuple[State, Look]:
        """Return episodes with given costs, shape (B, n, S), and L_i + 1 splits, shape (B, n)."""
        base, root = jnp.moveaxis(base, -1, 0), jnp.moveaxis(root, -1, 0)
        splits = jnp.arange(len(base))[:, None, None]
        valid = splits < lengths
        active = (lengths > 0).astype(base.dtype)
        stay = jnp.sum(jnp.where(splits == lengths - 1, base, 0.0), 0)
        whole = root[0] * active
        total = jnp.sum(whole, -1)
        part = whole / jnp.maximum(total, 1e-30)[..., None]
        n = jnp.sum(active, -1)
        cost = jnp.where(valid, base + root * root, jnp.inf)
        even = jnp.where(valid, base + n[:, None] * root * root, jnp.inf)
        least = even.min(0)
        unit = jnp.sum(jnp.where(active > 0, least, 0.0), -1) / jnp.maximum(n, 1.0)
        corners = networks.worth_choosing(
            jnp, cost, jnp.where(valid, root, jnp.inf), jax.lax.optimization_barrier
        )
        price, root = (
            jnp.stack([*found, jnp.where(even == least, table, jnp.inf).min(0)], -1)
            for table, found in zip(
                (cost, root),
                zip(*itertools.islice(corners, self.corners), strict=True),
                strict=True,
            )
        )
        # What stands there already counts once.
        new = jnp.diff(root[..., :-1], axis=-1, prepend=-1.0) > 0
        known = (root[..., -1:] == root[..., :-1]).any(-1, keepdims=True)
        valid = jnp.concatenate([new, ~known], -1) & (active > 0)[..., None]
        base, root = jnp.where(valid, price - root * root, 0.0), jnp.where(valid, root, 0.0)
        best = networks.break_even(jnp, base, root, valid, stay, total)
        mine, other = best[..., :, None], best[..., None, :]
        higher = (other > mine) + 0.5 * (other == mine)
        facts = Facts(
            base,
            root,
            valid,
            active,
            stay,
            part,
            total,
            n,
            jnp.sum(part * part, -1),
            best,
            jnp.sum(higher * part[..., None, :], -1),
        )
        state = State(facts, jnp.maximum(unit, 1e-30), jnp.zeros(len(base), jnp.int32))
        return state, self.look(state, jnp.zeros_like(active))

    def look(self, state: State, before: Array) -> Look:
        """Return what devices are told after a round in which they left r_i = `before`."""
        first = (state.round == 0).astype(before.dtype)
        return networks.look_at(jnp, state.facts, jnp.sum(before, -1), before, first)

    def costs(self, state: State, action: Action) -> tuple[Array, Array, Array]:
        """Return each device's a_i and r_i, and its share of the edge, shape (B, n)."""
        facts = state.facts
        chosen = jnp.arange(facts.base.shape[-1]) == action.split[..., None]
        base = jnp.sum(jnp.where(chosen, facts.base, 0.0), -1) * facts.active
        root = jnp.sum(jnp.where(chosen, facts.root, 0.0), -1) * facts.active
        if self.variant == "closed-form":
            return base, root, root / jnp.maximum(jnp.sum(root, -1, keepdims=True), 1e-30)
        weight = jnp.where(root > 0, action.log_share, -jnp.inf)
        top = jnp.max(weight, -1, keepdims=True)
        weight = jnp.exp(weight - jnp.where(jnp.isfinite(top), top, 0.0))
        return base, root, weight / jnp.maximum(jnp.sum(weight, -1, keepdims=True), 1e-30)

    def step(self, data: Bank, state: State, action: Action, key: Array) -> Step:
        """Return what a round of decisions leads to."""
        base, root, share = self.costs(state, action)
        edge = jnp.where(root > 0, root * root / jnp.maximum(share, 1e-12), 0.0)
        others = jnp.sum(edge, -1, keepdims=True) - edge
        # What the others' work would cost without this device.
        alone = jnp.sqrt(jnp.maximum(others * (1.0 - share), 0.0))[..., None]
        facts = state.facts
        could = jnp.where(facts.valid, facts.base + (facts.root + alone) ** 2, jnp.inf).min(-1)
        could = jnp.where(facts.active > 0, could, 0.0)
        lost = (base + edge + others - could) / state.unit[..., None]
        reward = jnp.maximum(-lost, _LEAST_REWARD)
        after = state._replace(round=state.round + 1)
        done = after.round >= self.rounds
        return Step(after, self.look(after, root), reward, done, jnp.zeros_like(done))

    def weight(self, observation: Look) -> Array:
        """Return which entries are devices."""
        active: Array = observation.active
        return active
