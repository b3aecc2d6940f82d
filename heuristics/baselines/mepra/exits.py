"""The best exits of a device by dynamic programming: for a split and a share, or for all of them.

A layer's cost depends on the last enabled exit before it alone. With c_j the price of a FLOP where
layer j runs (device up to the split s, edge behind it), V(k) the least cost up to an enabled exit k
and T_k the tasks that pass it::

    V(0) = 0
    V(l) = min over k < l of  V(k) + T_k ( sum_{j = k+1..l} c_j F_j + c_l G_l
                                           + [k <= s < l] (w_T + w_E Ptx) a_s / B )

and V(L) is the least cost of the device; exit L is always on.

`exit_options` does without prices. Given the split s and the last exit e enabled on the device, the
bits sent are fixed, exits before e change local work alone and exits behind s edge work alone, each
least by itself. So one option a pair (s, e) holds the best exits for every price, and what another
option undercuts in local work, bits and edge work at once is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.baselines.mepra.data import Devices

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def best_exits(devices: Devices, split: Integers, share: float) -> tuple[Floats, Integers]:
    """Return the least cost and the exits that reach it.

    Parameters
    ----------
    devices
        n devices.
    split
        s, int64, shape (n,); entries beyond a device's last layer give an infinite cost.
    share
        alpha, the share each device has of the edge; above 0.

    Returns
    -------
    cost, exit_set
        Shape (n,); exits as bits. Of equal sets the one with the earlier last exits.
    """
    n, most = devices.count, devices.most
    layer = np.arange(1, most + 1)[None, :]
    price = np.where(
        layer <= split[:, None], devices.local_price[:, None], devices.edge_price / share
    )
    inside = split <= devices.layers
    sent = np.where(
        inside, devices.bits[np.arange(n), np.minimum(split, most)] * devices.sent_price, 0.0
    )
    run = np.zeros((n, most + 1))
    np.cumsum(price * devices.flops, axis=1, out=run[:, 1:])
    branch = price * devices.branch_flops
    value = np.full((n, most + 1), np.inf)
    value[:, 0] = 0.0
    before = np.zeros((n, most + 1), dtype=np.int64)
    for exit_ in range(1, most + 1):
        for k in range(exit_):
            crosses = (k <= split) & (split < exit_)
            step = run[:, exit_] - run[:, k] + branch[:, exit_ - 1] + np.where(crosses, sent, 0.0)
            candidate = value[:, k] + devices.tail[:, k] * step
            better = candidate < value[:, exit_]
            value[better, exit_] = candidate[better]
            before[better, exit_] = k
    everyone = np.arange(n)
    cost = np.where(inside, value[everyone, devices.layers], np.inf)
    exits = np.zeros(n, dtype=np.int64)
    here = devices.layers.copy()
    while bool((here > 0).any()):
        exits |= np.where(here > 0, np.int64(1) << np.maximum(here - 1, 0), 0)
        here = before[everyone, here]
    return cost, exits


@dataclass(frozen=True, eq=False, slots=True)
class ExitOptions:
    """What each of n devices can choose from, at whatever prices; shape (n, m), padded.

    Attributes
    ----------
    split, exit_set
        int64; exits as bits.
    local_flop, sent_bits, edge_flop
        Expected figures of a task; infinite local work where padded.
    """

    split: Integers
    exit_set: Integers
    local_flop: Floats
    sent_bits: Floats
    edge_flop: Floats


def exit_options(devices: Devices) -> ExitOptions:
    """Return every split with every last exit on the device, each with its best other exits.

    Meant for few devices: the work is that of L^3 / 6 steps each, in Python.
    """
    found = [_options_of(devices, i) for i in range(devices.count)]
    most = max(len(options) for options in found)

    def column(k: int, padding: float) -> Floats:
        return np.array(
            [[o[k] for o in options] + [padding] * (most - len(options)) for options in found]
        )

    return ExitOptions(
        column(0, 0).astype(np.int64),
        column(1, 1).astype(np.int64),
        column(2, np.inf),
        column(3, 0.0),
        column(4, 0.0),
    )


def _options_of(devices: Devices, i: int) -> list[tuple[int, int, float, float, float]]:
    """Return (split, exits, local work, bits, edge work) of device i, none undercut by another."""
    layers = int(devices.layers[i])
    flops = devices.flops[i].tolist()
    branch = devices.branch_flops[i].tolist()
    tail = devices.tail[i].tolist()
    bits = devices.bits[i].tolist()
    # before[e]: least work up to and with exit e; behind[e]: least work behind exit e.
    before: list[tuple[float, int]] = [(0.0, 0)]
    for e in range(1, layers + 1):
        before.append(
            min(
                (
                    before[k][0] + tail[k] * (sum(flops[k:e]) + branch[e - 1]),
                    before[k][1] | 1 << e - 1,
                )
                for k in range(e)
            )
        )

    def onward(probability: float, s: int) -> tuple[float, int]:
        """Return the least work behind layer s, which tasks pass with a probability."""
        return min(
            (
                probability * (sum(flops[s:e]) + branch[e - 1]) + behind[e][0],
                behind[e][1] | 1 << e - 1,
            )
            for e in range(s + 1, layers + 1)
        )

    behind: list[tuple[float, int]] = [(0.0, 0)] * (layers + 1)
    for e in range(layers - 1, -1, -1):
        behind[e] = onward(tail[e], e)
    options = [(layers, before[layers][1], before[layers][0], 0.0, 0.0)]
    for s in range(layers):
        for e in range(s + 1):
            edge, exits = onward(tail[e], s)
            local = before[e][0] + tail[e] * sum(flops[e:s])
            options.append((s, before[e][1] | exits, local, tail[e] * bits[s], edge))
    figures = np.array([option[2:] for option in options])
    no_worse = (figures[:, None] <= figures[None]).all(axis=2)
    # Of equal options the first stays.
    earlier = np.arange(len(options))[:, None] < np.arange(len(options))
    undercut = np.flatnonzero((no_worse & (~no_worse.T | earlier)).any(axis=0))
    gone = set(undercut.tolist())
    return [option for k, option in enumerate(options) if k not in gone]
