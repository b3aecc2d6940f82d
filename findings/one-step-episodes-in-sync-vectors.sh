#!/usr/bin/env bash
# Episodes of one step in gymnasium's SyncVectorEnv: every other reward is a 0 that nobody earned.
#
# Expected: a vector of environments whose episodes end after one step pays, a step, what single
#   environments pay; the mean reward of a policy is that of its decisions.
# Happens: by default (AutoresetMode.NEXT_STEP) the step after an end only resets: its action is
#   ignored, its reward is 0. Where all rewards are negative, costs, the mean a step is half the
#   cost: better than the best decision there is. A learner that stores every step, as most do,
#   learns from transitions in which any action earned the best reward of all. With SAME_STEP the
#   mean is what it should be.
# Versions: gymnasium 1.4.0; Python 3.11 or newer.
# Why it matters here: Mepra-v0 decides for all devices in one step and pays minus a cost. In a
#   SyncVectorEnv an agent seemed to beat the proven optimum by 40 %. The suite's own vector
#   environment begins the next episode in the step that ends one; docs/environments.md says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/rewards.py" <<'PYTHON'
import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv


class Costs(gymnasium.Env):
    """One decision, which costs 1 or 2."""

    observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), -1.0 - float(action), True, False, {}


found = {}
for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
    envs = SyncVectorEnv([Costs] * 4, autoreset_mode=mode)
    envs.reset(seed=0)
    rewards = [envs.step(np.ones(4, int))[1] for _ in range(100)]  # always the dearer one
    found[mode.name] = float(np.mean(rewards))
    print(mode.name, "mean reward a step of a decision that costs 2:", found[mode.name])
assert SyncVectorEnv([Costs]).metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
assert found == {"NEXT_STEP": -1.0, "SAME_STEP": -2.0}, "this has changed"
PYTHON
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check gymnasium==1.4.0
env/bin/python rewards.py
