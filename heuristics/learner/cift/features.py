"""What a policy sees of an action: figures without a scale, the same in NumPy and in JAX.

Energies are taken over the best completion among a state's actions, times over their deadlines,
prices as elasticities. So one small network serves instances of any size and unit. Written once
for both array libraries, so that training and inference cannot drift apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Array = Any

# What missing a deadline costs, in units of the reference energy, besides the excess.
PENALTY = 1.0
_KINDS = 5
# Clipping points of relative differences: a small network cannot tell 0.1 % from 0.2 % and 10 %
# from 20 % on one scale.
_SCALES = (0.003, 0.03, 0.3)
CANDIDATE_FEATURES = 3 * len(_SCALES) + 14 + _KINDS


class Scaled(NamedTuple):
    """A batch of states' actions without units; leading axes (...) are free.

    Attributes
    ----------
    energy, latency, time
        Totals of the completions over reference and deadlines, shape (..., A, P).
    latency_price, time_price
        Prices times deadline over reference, shape (..., A or 1, P); 0 without a deadline.
    possible, allowed
        Masks, shape (..., A).
    kind
        What is decided, shape (...).
    progress
        Share of the work placed, shape (...).
    deadlines
        1 for each deadline there is, shape (..., 2).
    """

    energy: Array
    latency: Array
    time: Array
    latency_price: Array
    time_price: Array
    possible: Array
    allowed: Array
    kind: Array
    progress: Array
    deadlines: Array


def _summary(xp: Any, s: Scaled, slack: float, time_only: int) -> tuple[Array, ...]:
    """Return upper and lower bound, least excess, and what the best completion is, (..., A)."""
    large = 1e30
    worst = xp.maximum(s.latency, s.time)
    fits = s.energy < large
    keeps = fits & (worst <= 1.0 + slack)
    energy = xp.where(fits, s.energy, large)
    upper_all = xp.where(keeps, energy, large)
    upper = upper_all.min(axis=-1)
    late = xp.where(fits, s.latency - 1.0, 0.0), xp.where(fits, s.time - 1.0, 0.0)
    priced = energy + s.latency_price * late[0] + s.time_price * late[1]
    lower = priced[..., :-time_only].max(axis=-1)
    over = xp.where(fits, xp.maximum(worst - 1.0, 0.0), large)
    return energy, keeps, upper, lower, over, upper_all


def scores(xp: Any, s: Scaled, slack: float, penalty: float, time_only: int) -> Array:
    """Return what the best completion of each action costs, deadlines missed included, (..., A).

    Energy over the reference where the deadlines hold; otherwise the energy of the completion that
    exceeds them least, `penalty`, and the excess up to one.
    """
    energy, _, upper, _, over, _ = _summary(xp, s, slack, time_only)
    nearest = over.argmin(axis=-1)[..., None]
    missed = xp.take_along_axis(energy, nearest, axis=-1)[..., 0]
    excess = xp.take_along_axis(over, nearest, axis=-1)[..., 0]
    worse = missed + penalty * (1.0 + xp.minimum(excess, 1.0))
    return xp.where(upper < 1e29, upper, worse)


def _steps(xp: Any, values: Array) -> list[Array]:
    """Return a relative difference clipped at each scale."""
    return [xp.clip(values / scale, 0.0, 1.0) for scale in _SCALES]


def candidate_features(xp: Any, s: Scaled, slack: float, time_only: int) -> Array:
    """Return the features of each action, shape (..., A, CANDIDATE_FEATURES); 0 if not allowed."""
    energy, keeps, upper, lower, over, upper_all = _summary(xp, s, slack, time_only)
    large = 1e29
    found = s.allowed & (upper < large)
    best = xp.where(found, upper, 1e30).min(axis=-1, keepdims=True)
    anyone = best < large
    floor = xp.where(s.allowed, lower, 1e30).min(axis=-1, keepdims=True)
    base = xp.where(anyone, best, xp.maximum(floor, 1e-9))
    base = xp.maximum(base, 1e-9)
    rise = xp.where(found, (upper - best) / base, 1e9)
    lift = xp.where(s.allowed, (lower - floor) / base, 1e9)
    room = xp.where(anyone, (best - lower) / base, 1.0)  # < 0: cannot be better than the best
    least = over.min(axis=-1)
    leading = upper_all.argmin(axis=-1)[..., None]
    latency = xp.take_along_axis(s.latency, leading, axis=-1)[..., 0]
    time = xp.take_along_axis(s.time, leading, axis=-1)[..., 0]
    cheap = (energy[..., 0] - xp.where(s.allowed, energy[..., 0], 1e30).min(-1, keepdims=True)) / (
        base
    )
    share = keeps.mean(axis=-1)
    count = s.allowed.shape[-1]
    order = xp.arange(count) / max(1, count)
    ranked = xp.where(s.possible, order, 0.0)
    span = xp.maximum(ranked.max(axis=-1, keepdims=True), 1e-9)
    ones = xp.ones_like(rise)
    columns = [
        *_steps(xp, rise),
        *_steps(xp, lift),
        *_steps(xp, xp.where(least < large, least, 1e9)),
        xp.where(found, 1.0, 0.0),
        share,
        xp.clip(room / 0.03, -1.0, 1.0),
        xp.clip(room / 0.3, -1.0, 1.0),
        xp.clip(latency, 0.0, 2.0),
        xp.clip(time, 0.0, 2.0),
        xp.clip(s.latency[..., -time_only], 0.0, 2.0),
        xp.clip(s.time[..., 1 - time_only], 0.0, 2.0),
        xp.clip(cheap / 0.03, 0.0, 1.0),
        xp.clip(cheap / 0.3, 0.0, 1.0),
        ranked / span,
        s.progress[..., None] * ones,
        s.deadlines[..., 0:1] * ones,
        s.deadlines[..., 1:2] * ones,
        *(xp.where(s.kind[..., None] == k, 1.0, 0.0) * ones for k in range(_KINDS)),
    ]
    stacked = xp.stack(columns, axis=-1)
    return xp.where(s.allowed[..., None], stacked, 0.0)
