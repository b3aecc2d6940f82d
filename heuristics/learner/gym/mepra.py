"""MEPRA as `gymnasium` environments: one decision for all devices, single and vectorised.

An episode is one step: the agent sees an instance and chooses every split (and share). The cost is
the problem's, with the best shares for the splits, ``alpha_i ~ sqrt(w_T edge work_i / C)``, or with
the agent's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from splitopt.heuristics.learner.gym.mepra_bank import MepraBank
from splitopt.instances.core.errors import InputError
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

Observation = dict[str, npt.NDArray[Any]]
Shares = Literal["best", "own"]


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
    the observation and, as ``action_space.sample`` takes them, in ``info["action_mask"]``: a row a
    device. Rows behind the last device are padding.
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
        self._bank = MepraBank(instances, shares, bandwidth_bit_per_s)
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

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Return the masks of all devices, one after the other: what sb3-contrib asks for."""
        seen = self._bank.observe(self._case, self._bandwidth)
        return seen["mask"].ravel().astype(np.bool_)

    def _info(self, seen: Observation) -> dict[str, Any]:
        return {
            "action_mask": self._bank.mask_of(seen["mask"]),
            "instance": self._bank.cases[self._case].instance.name,
            "bandwidth_bit_per_s": self._bandwidth,
        }

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Decide; ``info["splits"]`` and ``info["shares"]`` are what was made of the action.

        Zeros stand behind the devices of the instance; `plan` has none.
        """
        if self._over:
            raise InputError("step", "a finished episode", "an episode under way", "reset first")
        cost, splits, shares, replaced = self._bank.cost(self._case, self._bandwidth, action)
        self._over = True
        self._last = f"splits {splits.tolist()}, cost {cost:.6g} of even shares'"
        seen = self._bank.observe(self._case, self._bandwidth)
        self._plan = MepraPlan(splits, shares)
        # As long for each instance: gymnasium stacks what several environments say.
        spare = (0, self._bank.devices - len(splits))
        chosen = {
            "replaced": replaced,
            "splits": np.pad(splits, spare),
            "shares": np.pad(shares, spare),
        }
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
        self._bank = MepraBank(instances, shares, bandwidth_bit_per_s)
        self.num_envs = num_envs
        self.single_action_space = self._bank.action_space
        self.single_observation_space = self._bank.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._now: list[tuple[int, float]] = []
        self._draws: list[np.random.Generator] = []

    def _observe(self) -> Observation:
        seen = [self._bank.observe(k, bandwidth) for k, bandwidth in self._now]
        return {name: np.stack([part[name] for part in seen]) for name in seen[0]}

    def _info(self, seen: Observation) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for k, mask in enumerate(seen["mask"]):
            found = self._add_info(found, {"action_mask": self._bank.mask_of(mask)}, k)
        return found

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Show an instance each; ``options={"reset_mask": ...}`` says to which environments.

        As in gymnasium's own vectors: a seed s stands for s, s + 1, ..., a list has one for each,
        and each environment draws what a single one with its seed does.
        """
        options = options or {}
        if seed is None or isinstance(seed, int):
            seeds = [None if seed is None else seed + k for k in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise InputError("seed", f"{len(seeds)} seeds", f"{self.num_envs}", "give one for each")
        mask = np.asarray(options.get("reset_mask", np.ones(self.num_envs, dtype=np.bool_)))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            allowed = f"{self.num_envs} booleans, one of them true"
            raise InputError("options.reset_mask", str(mask), allowed, "correct it")
        if not (self._now or mask.all()):
            raise InputError("options.reset_mask", str(mask), "all at first", "leave it out")
        if not self._draws:
            self._draws = [np_random()[0] for _ in range(self.num_envs)]
            self._now = [(0, 1.0)] * self.num_envs
        for k in np.flatnonzero(mask).tolist():
            if seeds[k] is not None:
                self._draws[k] = np_random(seeds[k])[0]
            self._now[k] = self._bank.draw(self._draws[k], options.get("instance"))
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
        self._now = [self._bank.draw(draws, None) for draws in self._draws]
        seen = self._observe()
        everyone = np.ones(self.num_envs, dtype=np.bool_)
        info = self._info(seen) | {
            "final_obs": last,
            "final_info": {"splits": splits, "shares": shares, "replaced": replaced},
            "_final_obs": everyone,
            "_final_info": everyone,
        }
        return seen, -costs, everyone, np.zeros(self.num_envs, dtype=np.bool_), info
