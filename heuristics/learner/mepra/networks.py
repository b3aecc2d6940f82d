r"""The actor and critic of MEPRA: one network for every device, whatever their number.

Written over an array module `xp`, so that training (``jax.numpy``) and the method (``numpy``) run
the same lines.

Devices choose among the splits that can be part of an optimum (`worth_choosing`), of 20 at most 4,
and the best one at even shares: where devices are too much alike to decide differently it may be a
compromise.

What a device is told is free of units. With a_i(s) the cost of split s without the edge's time,
r_i(s) the root of edge work (cost = sum a_i + (sum r_i)^2 at the best shares), a_i(L) the cost of
staying on the device and R = sum_i r_i(0), the load if all went to the edge, split s is told by

    x = a_i(s) / a_i(L),     y = 2 R r_i(s) / a_i(L),     z = r_i(s)^2 / a_i(L),

    w = (1 - x) / y,  the part of R at which the split costs as much as staying,

and, after a first round that left O_i to the edge without this device, by

    m = (c_s - min_s c_s) / a_i(L),  c_s = a_i(s) + (r_i(s) + O_i)^2 - O_i^2,

what it would cost more than the best split if all others kept to what they did (its regret, at best
shares; 0 in the first round). The device is told by its part r_i(0) / R of that load, by what the
round before came to, by its highest w, and by where it stands: the part of R that belongs to
devices with a higher one.

    h_is   = relu(W_1 [x, y, z, log r, w, m])           an option
    e_i    = max_s h_is                                 a device
    p      = (sum_i part_i phi(e_i), mean_i phi(e_i))   all devices: permutation-invariant
    c_i    = MLP(e_i, p, what the device is told)      a device among all
    logit  = -exp(k_i) (x + exp(t_i) y + exp(u_i) z) + q_i . h_is
    log-share mean = (1 + g_i) (log r_is - log R / n) [own shares], starting from g_i = -1: even

k, t, u, q, g and the critic's value are linear in c_i. exp(t_i) may be read as the price of the
edge that a device expects; the last term is free. A permutation of devices permutes the output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

Array = Any  # a NumPy or JAX array
Params = Mapping[str, Array]
FEATURES = 6
FEATURES_BEFORE_3 = 5  # in files of versions 1 and 2: without m
SCALARS = 8
_TINY = 1e-30
_BAD = -1e9
# Beyond these an option is told to be bad and no more: 1 is what staying on the device costs.
_MOST = (4.0, 60.0, 20.0)
# k, t, u, g, value; then the query q.
HEADS = 5


class Facts(NamedTuple):
    """What is so whatever devices decide.

    Attributes
    ----------
    base, root, valid
        a_i(s), r_i(s) and which splits there are, shape (..., n, S).
    active, stay, part
        Which devices there are, a_i(L) and r_i(0) / R, shape (..., n).
    total, count, squares
        R, the number of devices and sum part_i^2, shape (...).
    best, ahead
        The highest w of each device, and the part of R of devices with a higher one (half of those
        with an equal one, its own included), shape (..., n).
    """

    base: Array
    root: Array
    valid: Array
    active: Array
    stay: Array
    part: Array
    total: Array
    count: Array
    squares: Array
    best: Array
    ahead: Array


class Look(NamedTuple):
    """What devices are told: (..., n, S, FEATURES), (..., n, S), (..., n, SCALARS), (..., n).

    `part` is r_i(0) / R, 0 for padding; `active` is 1 for devices and 0 for padding.
    """

    options: Array
    valid: Array
    scalars: Array
    part: Array
    active: Array


class Pool(NamedTuple):
    """What all devices come to: sums that chunks of devices can be added up in."""

    weighted: Array
    total: Array
    count: Array


class Heads(NamedTuple):
    """Logits (..., n, S), means of log-shares (..., n, S) and the critic's values (..., n)."""

    logits: Array
    log_share: Array
    value: Array


def shapes(width: int, hidden: int, features: int = FEATURES) -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter, by name."""
    return {
        "option_w": (features, width),
        "option_b": (width,),
        "pool_w": (width, width),
        "pool_b": (width,),
        "own_w": (width + SCALARS, hidden),
        "all_w": (2 * width, hidden),
        "hidden_b": (hidden,),
        "deep_w": (hidden, hidden),
        "deep_b": (hidden,),
        "head_w": (hidden, HEADS + width),
        "head_b": (HEADS + width,),
        "log_spread": (),
    }


def _worth(xp: Any, x: Array, y: Array) -> Array:
    """Return w, 0 for splits that leave no work to the edge."""
    return xp.where(y > 0, xp.clip((1.0 - x) / xp.maximum(y, 1e-3), -1.0, 3.0), 0.0)


def worth_choosing(
    xp: Any, cost: Array, root: Array, once: Callable[[Array], Array] = lambda found: found
) -> Iterator[tuple[Array, Array]]:
    """Yield the splits that cost least at some load of the others, as pairs of their figures.

    At best shares a device among others of load O >= 0 adds ``a + (r + O)^2 - O^2 = (a + r^2) +
    2 O r``, a line in O. So only corners of the lower hull of the points (r, a + r^2) can be part
    of an optimum. The first is the one of least r; the next is always the one that first becomes
    better as O falls. Where there is none the last is repeated, without end.

    Parameters
    ----------
    cost, root
        a_i(s) + r_i(s)^2 and r_i(s), infinite where there is no split, shape (S, ...): over the
        first axis reductions are fast.
    once
        Applied to what is found; in JAX a barrier, lest it be worked out again at each use.
    """
    here = root.min(axis=0)
    while True:
        price = once(xp.where(root == here, cost, xp.inf).min(axis=0))
        yield price, here
        further = (root > here) & (cost < price)
        gain = xp.where(further, price - xp.where(further, cost, 0.0), 0.0)
        slope = gain / xp.where(further, root - xp.where(further, here, 0.0), 1.0)
        steepest = once(slope.max(axis=0))
        # Of several on one line the farthest is the corner.
        onward = xp.where(further & (slope == steepest), root, 0.0).max(axis=0)
        here = once(xp.maximum(here, onward))


def break_even(xp: Any, base: Array, root: Array, valid: Array, stay: Array, total: Array) -> Array:
    """Return the highest w of each device, shape (..., n); arguments as in `Facts`."""
    unit = xp.maximum(stay, _TINY)[..., None]
    load = xp.maximum(total, _TINY)[..., None, None]
    x, y = xp.minimum(base / unit, _MOST[0]), xp.minimum(2.0 * load * root / unit, _MOST[1])
    return xp.where(valid & (y > 0), _worth(xp, x, y), -1.0).max(axis=-1)


def _regret(xp: Any, facts: Facts, others: Array) -> Array:
    """Return m of each split, at most 0.5; `others` is O_i, shape (..., n)."""
    root = facts.root
    cost = facts.base + root * root + 2.0 * others[..., None] * root
    cost = xp.where(facts.valid, cost, xp.inf)
    least = xp.where(facts.active > 0, cost.min(axis=-1), 0.0)
    unit = xp.maximum(facts.stay, _TINY)
    return xp.minimum((cost - least[..., None]) / unit[..., None], 0.5)


def look_at(xp: Any, facts: Facts, before_total: Array, before_root: Array, first: Array) -> Look:
    """Return what devices are told.

    Parameters
    ----------
    before_root
        r_i of the round before, shape (..., n).
    before_total, first
        The load of the round before and whether there was none, shape (...).
    """
    part, valid = facts.part, facts.valid
    unit = xp.maximum(facts.stay, _TINY)[..., None]
    load = xp.maximum(facts.total, _TINY)[..., None]
    relative = facts.root / load[..., None]
    x = xp.minimum(facts.base / unit, _MOST[0])
    y = xp.minimum(2.0 * load[..., None] * facts.root / unit, _MOST[1])
    z = xp.minimum(facts.root * facts.root / unit, _MOST[2])
    log_root = xp.log(xp.maximum(relative * facts.count[..., None, None], 1e-4))
    regret = _regret(xp, facts, before_total[..., None] - before_root)
    regret = regret * (1.0 - first[..., None, None])
    options = xp.stack([x, y, z, log_root, _worth(xp, x, y), regret], axis=-1)
    options = xp.where(valid[..., None], options, 0.0)
    ones = xp.ones_like(part)
    scalars = xp.stack(
        [
            part,
            xp.log(xp.maximum(part * facts.count[..., None], 1e-4)),
            facts.squares[..., None] * ones,
            facts.best,
            facts.ahead - facts.best,
            before_total[..., None] / load * ones,
            before_root / load,
            first[..., None] * ones,
        ],
        axis=-1,
    )
    return Look(options, valid, scalars, part, facts.active)


def _relu(xp: Any, values: Array) -> Array:
    return xp.maximum(values, 0.0)


def embed(xp: Any, params: Params, look: Look) -> tuple[Array, Array]:
    """Return h (..., n, S, width) and e (..., n, width)."""
    scale = xp.asarray((1.0, 0.1, 0.2, 0.3, 1.0, 10.0), dtype=look.options.dtype)
    inside = (look.options * scale)[..., : len(params["option_w"])]
    option = _relu(xp, inside @ params["option_w"] + params["option_b"])
    option = xp.where(look.valid[..., None], option, 0.0)
    return option, option.max(axis=-2)


def pool(xp: Any, params: Params, look: Look, device: Array) -> Pool:
    """Return the sums over devices, keeping their axis with length one."""
    told = _relu(xp, device @ params["pool_w"] + params["pool_b"])
    return Pool(
        (told * look.part[..., None]).sum(axis=-2, keepdims=True),
        (told * look.active[..., None]).sum(axis=-2, keepdims=True),
        look.active.sum(axis=-1, keepdims=True)[..., None],
    )


def heads(
    xp: Any, params: Params, look: Look, option: Array, device: Array, everyone: Pool
) -> Heads:
    """Return logits, means of log-shares and values."""
    mean = everyone.total / xp.maximum(everyone.count, 1.0)
    pooled = xp.concatenate([everyone.weighted, mean], axis=-1)
    own = xp.concatenate([device, look.scalars], axis=-1)
    hidden = own @ params["own_w"] + pooled @ params["all_w"] + params["hidden_b"]
    hidden = _relu(xp, hidden)
    hidden = _relu(xp, hidden @ params["deep_w"] + params["deep_b"])
    out = hidden @ params["head_w"] + params["head_b"]
    steep, price, own_price = (xp.exp(xp.clip(out[..., k], -6.0, 4.0)) for k in range(3))
    figure = look.options
    cost = (
        figure[..., 0] + price[..., None] * figure[..., 1] + own_price[..., None] * figure[..., 2]
    )
    free = (option @ out[..., HEADS:, None])[..., 0]
    logits = xp.where(look.valid, free - steep[..., None] * xp.minimum(cost, 20.0), _BAD)
    return Heads(logits, (1.0 + out[..., 3])[..., None] * figure[..., 3], out[..., 4])


def initial(rng: np.random.Generator, width: int, hidden: int) -> dict[str, Array]:
    """Return new parameters in single precision: He's normal weights, small heads."""
    params: dict[str, Array] = {}
    for name, shape in shapes(width, hidden).items():
        if name.endswith("_w"):
            scale = 0.01 if name == "head_w" else np.sqrt(2.0 / shape[0])
            params[name] = (scale * rng.standard_normal(shape)).astype(np.float32)
        else:
            params[name] = np.zeros(shape, dtype=np.float32)
    # Logits of a few, a price of half the load, shares as good as even.
    params["head_b"][:4] = np.log(4.0), np.log(0.3), np.log(0.3), -1.0
    params["log_spread"] = np.float32(np.log(0.3))
    return params
