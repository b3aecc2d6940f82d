"""MEPRA as `gymnasium` environments: one decision for all devices, single and vectorised.

An episode is one step: the agent sees an instance and chooses every split (and share). The cost is
the problem's, with the best shares for the splits, ``alpha_i ~ sqrt(w_T edge work_i / C)``, or with
the agent's own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from heuristics.baselines.mepra_data import device_chunks, split_costs
from heuristics.learner.gym_cift import instances_of
from instances.errors import InputError
from instances.mepra import MepraInstance
from instances.mepra_plan import MepraPlan, shares_from_weights

__all__ = ["MepraEnv", "MepraVectorEnv"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Observation = dict[str, npt.NDArray[Any]]
Shares = Literal["best", "own"]
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
    splits
        L_i + 1, 1 for padding, shape (n,).
    devices
        How many there are.
    """

    instance: MepraInstance
    local: Floats
    sent: Floats
    root: Floats
    splits: Integers
    devices: int


def _case(instance: MepraInstance, devices: int, splits: int) -> _Case:
    if instance.exit_set is None:
        raise InputError("instances", instance.name, "instances with fixed exits", "choose others")
    tables = [np.zeros((devices, splits)) for _ in range(3)]
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
        lengths[here] = chunk.layers + 1
    return _Case(instance, tables[0], tables[1], tables[2], lengths, instance.devices)


class _Bank:
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

    def cost(self, k: int, bandwidth: float, action: Any) -> tuple[float, Integers, Floats, bool]:
        """Return cost over unit, splits, shares, and whether a split was held to the last."""
        case = self.cases[k]
        base, root, _, unit = self.tables(k, bandwidth)
        asked = np.asarray(action["splits"] if self.own else action, dtype=np.int64)
        splits = np.minimum(asked, case.splits - 1)
        rows = np.arange(self.devices)
        a, r = base[rows, splits], root[rows, splits]
        replaced = bool((splits != asked)[: case.devices].any())
        if not self.own:
            return (
                float(a.sum() + r.sum() ** 2) / unit,
                splits[: case.devices],
                shares_from_weights(r[: case.devices]),
                replaced,
            )
        logs = np.asarray(action["log_shares"], dtype=np.float64)[: case.devices]
        weights = np.exp(_LOG_SHARE * np.clip(logs, -1.0, 1.0))
        shares = shares_from_weights(np.where(r[: case.devices] > 0, weights, 0.0))
        edge = np.divide(
            r[: case.devices] ** 2, shares, out=np.zeros_like(shares), where=shares > 0
        )
        return float(a.sum() + edge.sum()) / unit, splits[: case.devices], shares, replaced


class MepraEnv(gymnasium.Env[Any, Any]):
    """Episodes of one decision over instances of MEPRA with fixed exits.

    Parameters
    ----------
    instances
        Instances, or names in the library; ``mepra-image-10mbps`` if left out.
    shares
        ``best``: the action is the splits; ``own``: splits and ``log_shares`` x, of which a softmax
        of 6 x over the devices with edge work makes shares.
    bandwidth_bit_per_s
        Range from which each episode draws its bandwidth, log-uniformly; None: the instance's own.
    render_mode
        ``ansi`` or None.

    Notes
    -----
    Reward: minus the cost over that of the best splits at even shares: above -1 beats even shares.
    A split behind a device's last layer counts as its last one (``info["replaced"]``); masks are in
    the observation and, one after the other for all devices, in ``info["action_mask"]``. Rows
    behind the last device are padding.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - gymnasium's own declaration

    def __init__(
        self,
        instances: Sequence[MepraInstance | str] | None = None,
        *,
        shares: Shares = "best",
        bandwidth_bit_per_s: tuple[float, float] | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "ansi"):
            raise InputError("render_mode", render_mode, "ansi or null", "leave it out")
        self.render_mode = render_mode
        self._bank = _Bank(instances, shares, bandwidth_bit_per_s)
        self.action_space = self._bank.action_space
        self.observation_space = self._bank.observation_space
        self._case, self._bandwidth = 0, 1.0
        self._over = True
        self._plan: MepraPlan | None = None
        self._last = "nothing decided"

    @property
    def plan(self) -> MepraPlan:
        """The plan of the last episode."""
        if self._plan is None:
            raise InputError("plan", "no decision", "an episode that ended", "step first")
        return self._plan

    @property
    def instance(self) -> MepraInstance:
        """The present instance, at the present bandwidth."""
        case = self._bank.cases[self._case]
        return case.instance.replace(bandwidth_bit_per_s=self._bandwidth)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Show an instance; ``options={"instance": k}`` chooses it."""
        super().reset(seed=seed)
        chosen = (options or {}).get("instance")
        self._case, self._bandwidth = self._bank.draw(self.np_random, chosen)
        self._over = False
        self._last = "nothing decided"
        seen = self._bank.observe(self._case, self._bandwidth)
        return seen, self._info(seen)

    def _info(self, seen: Observation) -> dict[str, Any]:
        return {
            "action_mask": seen["mask"].ravel(),
            "instance": self._bank.cases[self._case].instance.name,
            "bandwidth_bit_per_s": self._bandwidth,
        }

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Decide; ``info["splits"]`` and ``info["shares"]`` are what was made of the action."""
        if self._over:
            raise InputError("step", "a finished episode", "an episode under way", "reset first")
        cost, splits, shares, replaced = self._bank.cost(self._case, self._bandwidth, action)
        self._over = True
        self._last = f"splits {splits.tolist()}, cost {cost:.6g} of even shares'"
        seen = self._bank.observe(self._case, self._bandwidth)
        self._plan = MepraPlan(splits, shares)
        chosen = {"replaced": replaced, "splits": splits, "shares": shares}
        return seen, -cost, True, False, self._info(seen) | chosen

    def render(self) -> str | None:
        """Return the decision in a line."""
        return None if self.render_mode is None else self._last


class MepraVectorEnv(VectorEnv[Observation, Any, npt.NDArray[Any]]):
    """Several `MepraEnv` at a time, a new episode begun in the step that ends one.

    Takes the parameters of `MepraEnv`, and `num_envs`. ``infos["final_obs"]`` and
    ``infos["final_info"]`` hold what the ended episodes showed last.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int,
        instances: Sequence[MepraInstance | str] | None = None,
        *,
        shares: Shares = "best",
        bandwidth_bit_per_s: tuple[float, float] | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode is not None:
            raise InputError("render_mode", render_mode, "null", "render a single environment")
        self._bank = _Bank(instances, shares, bandwidth_bit_per_s)
        self.num_envs = num_envs
        self.single_action_space = self._bank.action_space
        self.single_observation_space = self._bank.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._now: list[tuple[int, float]] = []

    def _observe(self) -> Observation:
        seen = [self._bank.observe(k, bandwidth) for k, bandwidth in self._now]
        return {name: np.stack([part[name] for part in seen]) for name in seen[0]}

    def _info(self, seen: Observation) -> dict[str, Any]:
        return {"action_mask": seen["mask"].reshape(self.num_envs, -1)}

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Show an instance each."""
        first = seed[0] if isinstance(seed, list) and seed else seed
        super().reset(seed=first if isinstance(first, int) else None)
        chosen = (options or {}).get("instance")
        self._now = [self._bank.draw(self.np_random, chosen) for _ in range(self.num_envs)]
        seen = self._observe()
        return seen, self._info(seen)

    def step(
        self, actions: Any
    ) -> tuple[Observation, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], dict[str, Any]]:
        """Decide for each; all episodes end and new ones begin."""
        if not self._now:
            raise InputError("step", "no episode", "episodes under way", "reset first")
        last = self._observe()
        costs, replaced = np.empty(self.num_envs), np.zeros(self.num_envs, dtype=np.bool_)
        shape = (self.num_envs, self._bank.devices)
        splits, shares = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        for k, now in enumerate(self._now):
            action = {n: part[k] for n, part in actions.items()} if self._bank.own else actions[k]
            costs[k], chosen, given, replaced[k] = self._bank.cost(*now, action)
            splits[k, : len(chosen)], shares[k, : len(given)] = chosen, given
        self._now = [self._bank.draw(self.np_random, None) for _ in range(self.num_envs)]
        seen = self._observe()
        everyone = np.ones(self.num_envs, dtype=np.bool_)
        info = self._info(seen) | {
            "final_obs": last,
            "final_info": {"splits": splits, "shares": shares, "replaced": replaced},
            "_final_obs": everyone,
            "_final_info": everyone,
        }
        return seen, -costs, everyone, np.zeros(self.num_envs, dtype=np.bool_), info
