# ruff: noqa: E402 - skrl is told its backend before its parts are imported
"""An agent of another library, skrl's PPO in JAX, learns on the environments as they are."""

import gymnasium
import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("skrl")

import flax.linen as nn
import skrl

import splitopt.heuristics.learner.gym.registration  # noqa: F401 - makes the ids known

skrl.config.jax.backend = "jax"
from skrl.agents.jax.ppo import PPO
from skrl.envs.wrappers.jax import wrap_env
from skrl.memories.jax import RandomMemory
from skrl.models.jax import DeterministicMixin, Model, MultiCategoricalMixin
from skrl.trainers.jax import SequentialTrainer
from skrl.utils import set_seed

from splitopt.bench.methods import registry
from splitopt.heuristics.learner.gym.mepra import MepraEnv
from splitopt.instances.contract.method import Budget
from splitopt.instances.library import load

NAME, ENVS, STEPS = "mepra-image-10mbps", 16, 192


class Policy(MultiCategoricalMixin, Model):
    def __init__(self, *, observation_space, action_space, device=None, **rest):
        Model.__init__(
            self,
            observation_space=observation_space,
            action_space=action_space,
            device=device,
            **rest,
        )
        MultiCategoricalMixin.__init__(self)

    @nn.compact
    def __call__(self, inputs, role):
        hidden = nn.tanh(nn.Dense(64)(inputs["observations"]))
        return nn.Dense(self.num_actions)(hidden), {}


class Value(DeterministicMixin, Model):
    def __init__(self, *, observation_space, action_space, device=None, **rest):
        Model.__init__(
            self,
            observation_space=observation_space,
            action_space=action_space,
            device=device,
            **rest,
        )
        DeterministicMixin.__init__(self)

    @nn.compact
    def __call__(self, inputs, role):
        hidden = nn.tanh(nn.Dense(64)(inputs["observations"]))
        return nn.Dense(1)(hidden), {}


def rewards_while_learning(envs):
    """Train and return the mean reward of each step."""
    rewards = []
    step = envs.step

    def noting(actions):
        found = step(actions)
        rewards.append(found[1].mean())
        return found

    envs.step = noting
    wrapped = wrap_env(envs)
    spaces = {
        "observation_space": wrapped.observation_space,
        "action_space": wrapped.action_space,
        "device": wrapped.device,
    }
    models = {"policy": Policy(**spaces), "value": Value(**spaces)}
    for role, model in models.items():
        model.init_state_dict(role=role)
    agent = PPO(
        models=models,
        memory=RandomMemory(memory_size=16, num_envs=ENVS, device=wrapped.device),
        cfg={
            "rollouts": 16,
            "learning_epochs": 4,
            "mini_batches": 1,
            "learning_rate": 1e-2,
            "experiment": {"write_interval": 0, "checkpoint_interval": 0},
        },
        **spaces,
    )
    settings = {
        "timesteps": STEPS,
        "headless": True,
        "disable_progressbar": True,
        "close_environment_at_exit": False,
    }
    SequentialTrainer(env=wrapped, agents=agent, cfg=settings).train()
    return np.array(rewards)


def test_an_agent_of_skrl_learns_to_beat_even_shares(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # skrl keeps folders of runs
    set_seed(0)
    rewards = rewards_while_learning(
        gymnasium.make_vec("splitopt/Mepra-v0", ENVS, instances=(NAME,))
    )
    # The best reward there is, from a proven optimum: no agent may get above it.
    best = registry.load("lagrangian", "mepra").solve(load(NAME), Budget(), 0, {})
    env = MepraEnv((NAME,))
    env.reset(seed=0)
    _, optimum, *_ = env.step(best.plan.splits)
    assert rewards.max() <= optimum + 1e-6
    # Drawn at random it costs several times what even shares cost (-1); learned, less.
    assert rewards[:16].mean() < -2.0
    assert -1.0 < rewards[-16:].mean() <= optimum + 1e-6
