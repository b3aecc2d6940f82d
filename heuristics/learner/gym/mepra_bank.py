"""Instances of MEPRA as an agent sees them, and what its decisions cost."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from splitopt.heuristics.baselines.mepra.data import device_chunks, split_costs
from splitopt.heuristics.learner.gym.cift import instances_of
from splitopt.instances.core.errors import InputError
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import shares_from_weights

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Observation = dict[str, npt.NDArray[Any]]
# Own shares are exp(this times the action); figures seen are held to the other.
_LOG_SHARE = 6.0
_MOST = 100.0


class _Case(NamedTuple):
    """An instance at one bandwidth, padded to n devices and S splits.

    Attributes
    ----------
    local, sent
        a_i(s) at no transfer, and what transfer adds at one bit/s, shape (n, S).
    root
        r_i(s), shape (n, S).
    work
        Roots of the FLOP left to the edge, shape (n, S): shares where time has no weight.
    splits
        L_i + 1, 1 for padding, shape (n,).
    devices
        How many there are.
    """

    instance: MepraInstance
    local: Floats
    sent: Floats
    root: Floats
    work: Floats
    splits: Integers
    devices: int


def _case(instance: MepraInstance, devices: int, splits: int) -> _Case:
    if instance.exit_set is None:
        raise InputError("instances", instance.name, "instances with fixed exits", "choose others")
    tables = [np.zeros((devices, splits)) for _ in range(4)]
    lengths = np.ones(devices, dtype=np.int64)
    for chunk in device_chunks(instance):
        exits = instance.exit_set[chunk.rows]
        costs = split_costs(chunk, exits)
        here = slice(chunk.rows.start, chunk.rows.stop)
        inside = np.isfinite(costs.base)
        # The bits that each split sends: what its cost holds beyond local work.
        still = split_costs(dataclasses.replace(chunk, sent_price=np.zeros(chunk.count)), exits)
        width = costs.base.shape[1]
        local = np.where(inside, still.base, 0.0)
        tables[0][here, :width] = local
        sent = np.where(inside, costs.base, 0.0) - local
        tables[1][here, :width] = sent * instance.bandwidth_bit_per_s
        tables[2][here, :width] = np.sqrt(chunk.edge_price * costs.edge_flop)
        tables[3][here, :width] = np.sqrt(costs.edge_flop)
        lengths[here] = chunk.layers + 1
    local, sent, root, work = tables
    return _Case(instance, local, sent, root, work, lengths, instance.devices)


class MepraBank:
    """Cases of instances, and what an agent sees of them."""

    def __init__(
        self,
        instances: Sequence[MepraInstance | str] | None,
        shares: str,
        bandwidth_bit_per_s: tuple[float, float] | None,
    ) -> None:
        found: list[MepraInstance] = instances_of(instances, "mepra", "mepra-image-10mbps")
        if shares not in ("best", "own"):
            raise InputError("shares", shares, "best or own", "choose one of them")
        if bandwidth_bit_per_s is not None:
            low, high = bandwidth_bit_per_s
            if not 0 < low <= high < math.inf:
                raise InputError(
                    "bandwidth_bit_per_s", bandwidth_bit_per_s, "0 < low <= high", "correct it"
                )
        self.own, self.bandwidth = shares == "own", bandwidth_bit_per_s
        self.devices = max(x.devices for x in found)
        self.splits = max(int(x.layers.max()) for x in found) + 1
        self.cases = [_case(x, self.devices, self.splits) for x in found]
        n, s = self.devices, self.splits
        chosen = spaces.MultiDiscrete(np.full(n, s))
        self.action_space: spaces.Space[Any] = chosen
        if self.own:
            logs = spaces.Box(-1.0, 1.0, (n,), np.float32)
            self.action_space = spaces.Dict({"splits": chosen, "log_shares": logs})
        self.observation_space = spaces.Dict(
            {
                "cost": spaces.Box(0.0, _MOST, (n, s), np.float32),
                "root": spaces.Box(0.0, _MOST, (n, s), np.float32),
                "mask": spaces.Box(0, 1, (n, s), np.int8),
            }
        )

    def mask_of(self, mask: npt.NDArray[np.int8]) -> Any:
        """Return the mask of an observation as ``action_space.sample`` takes it: a row a device."""
        rows = tuple(mask)
        return {"splits": rows, "log_shares": None} if self.own else rows

    def draw(self, rng: np.random.Generator, case: int | None) -> tuple[int, float]:
        """Return a case and a bandwidth."""
        k = int(rng.integers(len(self.cases))) if case is None else case
        if not (isinstance(k, int) and 0 <= k < len(self.cases)):
            raise InputError("options.instance", k, f"0 to {len(self.cases) - 1}", "choose one")
        if self.bandwidth is None:
            return k, self.cases[k].instance.bandwidth_bit_per_s
        low, high = self.bandwidth
        drawn = math.exp(rng.uniform(math.log(low), math.log(high)))
        return k, min(max(drawn, low), high)

    def tables(self, k: int, bandwidth: float) -> tuple[Floats, Floats, Bools, float]:
        """Return a_i(s), r_i(s), the mask, and the unit of costs.

        The unit is the cost of the best splits at even shares.
        """
        case = self.cases[k]
        base = case.local + case.sent / bandwidth
        mask = np.arange(self.splits) < case.splits[:, None]
        even = np.where(mask, base + case.devices * case.root**2, np.inf).min(axis=1)
        unit = float(even[: case.devices].sum())
        return base, case.root, mask, unit if unit > 0 else 1.0

    def observe(self, k: int, bandwidth: float) -> Observation:
        """Return what an agent sees: costs over a device's mean at even shares, held to 100.

        ``cost`` is a_i(s); the square of ``root``, n r_i(s)^2, what the edge adds at a share 1/n.
        """
        base, root, mask, unit = self.tables(k, bandwidth)
        devices = self.cases[k].devices
        scale = devices / unit
        cost = np.clip(np.where(mask, base * scale, 0.0), 0.0, _MOST)
        roots = np.clip(np.where(mask, root * math.sqrt(scale * devices), 0.0), 0.0, _MOST)
        return {
            "cost": cost.astype(np.float32),
            "root": roots.astype(np.float32),
            "mask": mask.astype(np.int8),
        }

    def _whole(self, action: Any) -> Integers:
        """Return the splits asked for, a whole number for each device."""
        given = np.asarray(action)
        if given.shape != (self.devices,) or given.dtype.kind not in "iuf":
            raise InputError(
                "action",
                f"{given.dtype} of shape {given.shape}",
                f"{self.devices} whole numbers",
                "give one a device",
            )
        if given.dtype.kind == "f" and not bool((given == np.rint(given)).all()):
            first = given[given != np.rint(given)][0]  # NaN is no number either
            raise InputError("action", float(first), "whole numbers", "round it")
        # What is beyond any split is beyond it as an integer too.
        whole: Integers = np.clip(given, -1, 2**31).astype(np.int64)
        return whole

    def cost(self, k: int, bandwidth: float, action: Any) -> tuple[float, Integers, Floats, bool]:
        """Return cost over unit, splits, shares, and whether a split was moved into its range."""
        case = self.cases[k]
        base, root, _, unit = self.tables(k, bandwidth)
        asked = self._whole(action["splits"] if self.own else action)
        splits = np.clip(asked, 0, case.splits - 1)
        rows = np.arange(self.devices)
        a, r, work = base[rows, splits], root[rows, splits], case.work[rows, splits]
        replaced = bool((splits != asked)[: case.devices].any())
        if not self.own:
            return (
                float(a.sum() + r.sum() ** 2) / unit,
                splits[: case.devices],
                # Without a weight of time any shares are best, yet edge work needs one above zero.
                shares_from_weights((r if r.any() else work)[: case.devices]),
                replaced,
            )
        logs = np.asarray(action["log_shares"], dtype=np.float64)[: case.devices]
        if np.isnan(logs).any():
            raise InputError("action.log_shares", "NaN", "numbers from -1 to 1", "correct it")
        weights = np.exp(_LOG_SHARE * np.clip(logs, -1.0, 1.0))
        shares = shares_from_weights(np.where(work[: case.devices] > 0, weights, 0.0))
        edge = np.divide(
            r[: case.devices] ** 2, shares, out=np.zeros_like(shares), where=shares > 0
        )
        return float(a.sum() + edge.sum()) / unit, splits[: case.devices], shares, replaced
