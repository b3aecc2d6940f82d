"""CIFT's decision process as a `gymnasium` environment.

One episode makes one plan. Actions are numbered as in `cift_process`; which are allowed stands in
the observation and, for agents that take masks, in ``info["action_mask"]``. An agent without masks
may choose one that is not: the nearest allowed one is taken in its place (segments and speeds are
in order, so that the nearest is the most alike), and ``info["replaced"]`` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from splitopt.heuristics.learner.cift.bounds import TIME_ONLY
from splitopt.heuristics.learner.cift.features import (
    CANDIDATE_FEATURES,
    PENALTY,
    Scaled,
    candidate_features,
    scores,
)
from splitopt.heuristics.learner.cift.process import SLACK, CiftProcess, Kind, State
from splitopt.heuristics.learner.cift.view import view
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.errors import InputError

Observation = dict[str, npt.NDArray[Any]]


def instances_of(given: Sequence[Any] | None, problem: str, default: str) -> list[Any]:
    """Return instances: given as such, or by their names in the library."""
    from splitopt.instances.library import load

    found = [load(x) if isinstance(x, str) else x for x in (given or (default,))]
    for instance in found:
        if instance.problem != problem:
            raise InputError("instances", instance.name, f"instances of {problem}", "choose others")
    return found


class CiftEnv(gymnasium.Env[Any, Any]):
    """Episodes over one or more instances of CIFT, one drawn at each reset.

    Parameters
    ----------
    instances
        Instances, or names in the library; ``cift-quick-tiers`` if left out.
    priced
        Whether the observation holds what the completions at all prices say, or only the cheapest
        and the fastest ones.
    shaped
        With the potential taken out of the reward: how much dearer the best completion known got.
    render_mode
        ``ansi`` or None.

    Notes
    -----
    Observation: ``actions``, one row of features an action (see docs/environments.md), and
    ``mask``. Rows behind the last action are zero.

    Reward of a step: minus the energy it adds, over `CiftProcess.lower_bound_j`; at the end minus
    ``1 + min(excess, 1)`` where a deadline is missed by that share. Without a miss, the rewards of
    an episode sum to minus the plan's energy over a lower bound of the optimum (over 1 J where that
    is 0), so that no plan gets above -1. Shaped rewards are in units of `CiftProcess.reference_j`.

    In doubt energy is the expected one, and a deadline is missed where it does not hold with the
    probability asked for, by the share by which the time at that probability exceeds it.

    ``options={"instance": k}`` at reset chooses the instance.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - gymnasium's own declaration

    def __init__(
        self,
        instances: Sequence[CiftInstance | str] | None = None,
        *,
        priced: bool = True,
        shaped: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "ansi"):
            raise InputError("render_mode", render_mode, "ansi or null", "leave it out")
        self.render_mode = render_mode
        self.processes = [
            CiftProcess(x) for x in instances_of(instances, "cift", "cift-quick-tiers")
        ]
        for process in self.processes:
            if not process.can_start:
                raise InputError(
                    "instances", process.instance.name, "instances of which some plan fits", "omit"
                )
        self._priced, self._shaped = priced, shaped
        count = max(process.most_actions for process in self.processes)
        self._count = count
        self.action_space = spaces.Discrete(count)
        self.observation_space = spaces.Dict(
            {
                "actions": spaces.Box(-1.0, 2.0, (count, CANDIDATE_FEATURES), np.float32),
                "mask": spaces.Box(0, 1, (count,), np.int8),
            }
        )
        self._process, self._state = self.processes[0], State()
        self._seen: Scaled = view(self._process, self._state, priced=priced)

    @property
    def process(self) -> CiftProcess:
        """The process of the present instance."""
        return self._process

    @property
    def state(self) -> State:
        """Where the plan under construction stands."""
        return self._state

    @property
    def _mask(self) -> npt.NDArray[np.int8]:
        mask = np.zeros(self._count, dtype=np.int8)
        if self._state.kind is not Kind.DONE:
            mask[: len(self._seen.allowed)] = self._seen.allowed
        return mask

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Return the mask under the name that sb3-contrib asks for."""
        return self._mask.astype(np.bool_)

    def _observe(self) -> Observation:
        table = np.zeros((self._count, CANDIDATE_FEATURES), dtype=np.float32)
        if self._state.kind is not Kind.DONE:
            found = candidate_features(np, self._seen, SLACK, TIME_ONLY)
            table[: len(found)] = found
        return {"actions": table, "mask": self._mask}

    def _look(self) -> None:
        if self._state.kind is not Kind.DONE:
            self._seen = view(self._process, self._state, priced=self._priced)

    def _missed(self) -> float:
        """Return the penalty of a finished plan."""
        excess = self._process.excess(self._state)
        return PENALTY * (1.0 + min(excess, 1.0)) if excess > 0 else 0.0

    def _potential(self) -> float:
        """Return the least that the plan is known to cost by now."""
        if self._state.kind is Kind.DONE:
            return self._state.label[0] / self._process.reference_j + self._missed()
        found = scores(np, self._seen, SLACK, PENALTY, TIME_ONLY)
        return float(found[self._seen.allowed].min())

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a plan."""
        super().reset(seed=seed)
        index = (options or {}).get("instance")
        if index is None:
            index = int(self.np_random.integers(len(self.processes)))
        if not (isinstance(index, int) and 0 <= index < len(self.processes)):
            raise InputError(
                "options.instance", index, f"0 to {len(self.processes) - 1}", "choose one of them"
            )
        self._process, self._state = self.processes[index], State()
        self._look()
        return self._observe(), self._info()

    def _info(self) -> dict[str, Any]:
        return {
            "action_mask": self._mask,
            "instance": self._process.instance.name,
            "decision": self._state.kind.name,
        }

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take a decision; ``info["plan"]`` holds the plan once it is complete."""
        if self._state.kind is Kind.DONE:
            raise InputError("step", "a finished episode", "an episode under way", "reset first")
        offered = np.flatnonzero(self._seen.allowed)
        taken = int(offered[np.argmin(np.abs(offered - int(action)))])
        before = self._potential() if self._shaped else self._state.label[0]
        self._state = self._process.follow(self._state, taken)
        self._look()
        over = self._state.kind is Kind.DONE
        if self._shaped:
            reward = before - self._potential()
        else:
            reward = (before - self._state.label[0]) / (self._process.lower_bound_j or 1.0)
            reward -= self._missed() if over else 0.0
        info = self._info() | {"replaced": taken != int(action)}
        if over:
            info["plan"] = self._process.plan(self._state)
            info["energy_j"] = self._state.label[0]
            info["feasible"] = self._process.excess(self._state) == 0
        return self._observe(), reward, over, False, info

    def render(self) -> str | None:
        """Return the plan so far in a line."""
        if self.render_mode is None:
            return None
        done = " -> ".join(f"{stop.node}[{stop.blocks}]" for stop in self._state.stops)
        e, i, t = self._state.label
        return f"{done or 'nothing'}; {e:.6g} J, {i:.6g} s, {t:.6g} s; {self._state.kind.name}"
