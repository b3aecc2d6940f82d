"""The gymnasium environments: its own checker, and figures that are the judge's."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from splitopt.bench.methods import registry
from splitopt.heuristics.learner.gym.cift import CiftEnv
from splitopt.heuristics.learner.gym.mepra import MepraEnv, MepraVectorEnv
from splitopt.heuristics.learner.gym.registration import IDS
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import check, evaluate
from splitopt.instances.library import load
from splitopt.instances.library.splits import sample

CIFT = ("cift-tiny-both", "cift-tiny-free", "cift-tiny-not-together")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (IDS[0], {"instances": CIFT}),
        (IDS[0], {"instances": CIFT[:1], "priced": False, "shaped": True}),
        (IDS[0], {"instances": CIFT[:1], "render_mode": "ansi"}),
        (IDS[1], {}),
        (IDS[1], {"instances": ("mepra-tiny-fleet", "mepra-tiny-vgg"), "shares": "own"}),
        (IDS[1], {"bandwidth_bit_per_s": (1e6, 6e7), "render_mode": "ansi"}),
    ],
)
def test_the_checker_passes(name, settings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(name, **settings).unwrapped)


@pytest.mark.parametrize("shaped", [False, True])
def test_rewards_of_a_cift_episode_are_its_plan_s_energy(shaped):
    env = CiftEnv(CIFT, shaped=shaped)
    env.action_space.seed(1)
    for episode in range(12):
        seen, info = env.reset(seed=episode, options={"instance": episode % 3})
        assert seen["mask"].any()
        start = env._potential()
        total, over = 0.0, False
        while not over:
            assert np.array_equal(seen["mask"], info["action_mask"])
            assert np.array_equal(env.action_masks(), info["action_mask"] == 1)
            action = env.action_space.sample(info["action_mask"])
            assert info["action_mask"][action] == 1
            seen, reward, over, cut, info = env.step(int(action))
            assert not cut
            assert not info["replaced"]
            total += reward
        instance = env.process.instance
        found = evaluate(instance, info["plan"])
        assert info["energy_j"] == pytest.approx(found.objective, rel=1e-12)
        assert info["feasible"] == (check(instance, info["plan"]) == [])
        excess = env.process.excess(env.state)
        missed = 0.0 if info["feasible"] else 1 + min(excess, 1)
        unit = env.process.reference_j if shaped else env.process.lower_bound_j
        cost = found.objective / unit + missed
        assert total == pytest.approx(start - cost if shaped else -cost, rel=1e-9, abs=1e-9)
        with pytest.raises(InputError, match="step"):
            env.step(0)


def test_an_action_that_is_not_allowed_is_replaced_by_the_nearest():
    env = CiftEnv(CIFT[:1])
    env.reset(seed=0)
    count = len(env.process.instance.configurations)
    _, _, _, _, info = env.step(env.action_space.n - 1)
    assert info["replaced"]
    assert env.state.configuration == count - 1


@pytest.mark.parametrize("shares", ["best", "own"])
def test_the_cost_of_a_mepra_decision_is_the_judge_s(shares):
    instances = ["mepra-tiny-fleet", "mepra-image-10mbps", sample("test", "mepra", 4)]
    env = MepraEnv(instances, shares=shares, bandwidth_bit_per_s=(1e6, 1e8))
    env.action_space.seed(5)
    for episode in range(9):
        _, info = env.reset(seed=episode, options={"instance": episode % 3})
        mask = info["action_mask"]["splits"] if shares == "own" else info["action_mask"]
        assert np.array_equal(env.action_masks(), np.concatenate(mask) == 1)
        action = env.action_space.sample()
        _, reward, over, _, info = env.step(action)
        assert over
        plan, instance = env.plan, env.instance
        assert np.array_equal(info["splits"][: len(plan.splits)], plan.splits)
        assert not info["splits"][len(plan.splits) :].any()
        assert check(instance, plan) == []
        # The unit: each device alone at a share of 1 / n, from the judge.
        n = instance.devices
        best = np.full(n, np.inf)
        for split in range(int(instance.layers.max()) + 1):
            splits = np.minimum(split, instance.layers[instance.profile])
            even = type(plan)(splits, np.full(n, (1 - 1e-12) / n))
            best = np.minimum(best, evaluate(instance, even).device_cost)
        assert -reward * best.sum() == pytest.approx(evaluate(instance, plan).objective, rel=1e-6)


@pytest.mark.parametrize("shares", ["best", "own"])
def test_actions_drawn_within_the_masks_are_never_replaced(shares):
    """The loop of the page on environments, on instances of different size."""
    env = gymnasium.make(
        IDS[1], instances=("mepra-image-10mbps", "mepra-tiny-fleet"), shares=shares
    )
    for episode in range(20):
        _, info = env.reset(seed=episode)
        env.action_space.seed(episode)
        action = env.action_space.sample(info["action_mask"])
        _, _, over, _, info = env.step(action)
        assert over
        assert not info["replaced"]
        splits = action["splits"] if shares == "own" else action
        assert np.array_equal(info["splits"], splits)


@pytest.mark.parametrize("shares", ["best", "own"])
def test_masks_of_vectors_are_those_of_gymnasium_s(shares):
    settings = {"instances": ("mepra-image-10mbps", "mepra-tiny-fleet"), "shares": shares}
    ours = gymnasium.make_vec(IDS[1], num_envs=3, **settings)
    theirs = gymnasium.make_vec(IDS[1], num_envs=3, vectorization_mode="sync", **settings)
    masks = [envs.reset(seed=4)[1]["action_mask"] for envs in (ours, theirs)]
    if shares == "own":
        assert [list(mask["log_shares"]) for mask in masks] == [[None] * 3] * 2
        masks = [mask["splits"] for mask in masks]
    for one, other in zip(*masks, strict=True):
        assert np.array_equal(one, other)
    if shares == "best":
        # The space of a vector is a box, from which nothing is drawn by masks: one by one.
        ours.single_action_space.seed(0)
        actions = np.stack([ours.single_action_space.sample(mask) for mask in masks[0]])
        assert not ours.step(actions)[4]["final_info"]["replaced"].any()


def test_best_shares_are_best():
    """Against a thousand random ones, by the same splits."""
    env = MepraEnv(["mepra-tiny-fleet"])
    env.reset(seed=0)
    action = np.zeros(env.action_space.shape, dtype=np.int64)
    reward = env.step(action)[1]
    own = MepraEnv(["mepra-tiny-fleet"], shares="own")
    rng = np.random.default_rng(0)
    for _ in range(1000):
        own.reset(seed=0)
        logs = rng.uniform(-0.5, 0.5, size=len(action)).astype(np.float32)
        assert own.step({"splits": action, "log_shares": logs})[1] <= reward + 1e-9


def test_vectorised_episodes_are_the_single_ones():
    settings = {"instances": ("mepra-tiny-fleet", "mepra-tiny-vgg")}
    many = gymnasium.make_vec(IDS[1], num_envs=5, **settings)
    assert isinstance(many.unwrapped, MepraVectorEnv)
    seen, info = many.reset(seed=3)
    assert many.observation_space.contains(seen)
    many.action_space.seed(0)
    single = MepraEnv(**settings)
    for _ in range(3):
        actions = many.action_space.sample()
        before, now = seen, list(many.unwrapped._now)
        seen, rewards, ended, cut, info = many.step(actions)
        assert ended.all()
        assert not cut.any()
        assert many.observation_space.contains(seen)
        assert np.array_equal(info["final_obs"]["mask"], before["mask"])
        for k in range(5):
            alone, _ = single.reset(seed=0, options={"instance": now[k][0]})
            assert np.array_equal(alone["cost"], before["cost"][k])
            assert single.step(actions[k])[1] == rewards[k]
    many.close()


def test_cift_can_be_vectorised():
    many = gymnasium.make_vec(IDS[0], num_envs=3, vectorization_mode="sync", instances=CIFT[:1])
    seen, _ = many.reset(seed=0)
    rng = np.random.default_rng(0)
    ends = 0
    for _ in range(60):
        mask = seen["mask"]
        actions = np.array([int(rng.choice(np.flatnonzero(m))) if m.any() else 0 for m in mask])
        seen, _, ended, _, _ = many.step(actions)
        ends += int(ended.sum())
    assert ends >= 3
    many.close()


def test_the_example_of_the_documentation_runs(capsys):
    """As it stands, with gymnasium alone; its agent ends with a plan that keeps the deadlines."""
    page = (Path(__file__).parents[3] / "docs" / "environments.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    assert "stable_baselines3" not in example
    exec(compile(example, "environments.md", "exec"), {})
    printed = capsys.readouterr().out
    times = float(re.match(r"([0-9.]+) times the lower bound", printed)[1])
    assert 1.0 <= times < 3.0


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: CiftEnv(["mepra-tiny-fleet"]), "instances"),
        (lambda: CiftEnv([load("cift-crafted-no-memory")]), "instances"),
        (lambda: CiftEnv(render_mode="human"), "render_mode"),
        (lambda: MepraEnv(["mepra-tiny-free"]), "instances"),
        (lambda: MepraEnv(shares="none"), "shares"),
        (lambda: MepraEnv(bandwidth_bit_per_s=(2.0, 1.0)), "bandwidth_bit_per_s"),
        (lambda: CiftEnv(CIFT[:1]).reset(options={"instance": 7}), "options.instance"),
        (lambda: MepraEnv().reset(options={"instance": "x"}), "options.instance"),
        (lambda: MepraEnv().step(0), "step"),
        (lambda: MepraVectorEnv(2).step(0), "step"),
    ],
)
def test_bad_input_is_named(make, field):
    with pytest.raises(InputError, match=field):
        make()


@pytest.mark.parametrize("name", ["cift-crafted-two-deadlines", *CIFT[:2]])
@pytest.mark.parametrize("tighter", [1.0, 0.97])
def test_the_unit_of_rewards_is_a_bound_of_the_optimum(name, tighter):
    """The first has intervals of speeds: the bound of the grid was above its optimum."""
    instance = load(name)
    limit = instance.inference_deadline_s
    if limit is not None:
        instance = instance.replace(inference_deadline_s=tighter * limit)
    found = registry.load("brute-force", "cift").solve(instance, Budget(), 0, {})
    bound = CiftEnv((instance,)).processes[0].lower_bound_j
    assert bound > 0
    if found.objective is not None:
        assert bound <= found.objective


@pytest.mark.parametrize("shares", ["best", "own"])
@pytest.mark.parametrize("weights", [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (1.0, 1.0)])
def test_every_plan_of_a_mepra_episode_is_accepted(shares, weights):
    instance = load("mepra-tiny-fleet").replace(
        weight_time_per_s=weights[0], weight_energy_per_j=weights[1]
    )
    env = MepraEnv((instance,), shares=shares)
    env.action_space.seed(2)
    for episode in range(10):
        env.reset(seed=episode)
        env.step(env.action_space.sample())
        assert check(env.instance, env.plan) == []


def test_an_impossible_split_is_moved_into_its_range_and_earns_nothing():
    """Split -1 read the padding of a table: a cost of 0, below any optimum."""
    env = MepraEnv(["mepra-image-10mbps", "mepra-tiny-fleet"])
    for k in range(2):
        env.reset(seed=0, options={"instance": k})
        none = np.zeros(env.action_space.shape, dtype=np.int64)
        honest = env.step(none)[1]
        for asked in (none - 1, none - 10**9, (none - 1).astype(float)):
            env.reset(seed=0, options={"instance": k})
            _, reward, _, _, info = env.step(asked)
            assert (reward, info["replaced"]) == (honest, True)
            assert check(env.instance, env.plan) == []
        env.reset(seed=0, options={"instance": k})
        _, far, _, _, info = env.step(none + 10**15)
        assert info["replaced"]
        assert far < 0


@pytest.mark.parametrize("wrong", [math.nan, 0.5, math.inf, "text", [0, 1]])
def test_what_is_no_split_is_refused_by_name(wrong):
    env = MepraEnv(["mepra-image-10mbps"])
    env.reset(seed=0)
    action = wrong if isinstance(wrong, list) else [wrong] * 5
    if wrong == math.inf:  # beyond the last split, like any large number
        assert env.step(action)[4]["replaced"]
        return
    with pytest.raises(InputError, match="action"):
        env.step(action)


def test_vectors_follow_gymnasium_s_own_semantics():
    """Seeds, lists of seeds and reset_mask, held against SyncVectorEnv and single environments."""
    settings = {"instances": ("mepra-image-10mbps", "mepra-tiny-fleet", "mepra-tiny-vgg")}
    own = gymnasium.make_vec(IDS[1], num_envs=3, **settings)
    sync = gymnasium.vector.SyncVectorEnv(
        [lambda: gymnasium.make(IDS[1], **settings) for _ in range(3)],
        autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
    )
    for seed in (7, [1, 9, 9], [1, 2, 3]):
        a, b = own.reset(seed=seed)[0], sync.reset(seed=seed)[0]
        assert all(np.array_equal(a[name], b[name]) for name in a)
        sync.action_space.seed(0)
        for _ in range(5):
            actions = sync.action_space.sample()
            (a, r, *_), (b, q, *_) = own.step(actions), sync.step(actions)
            assert np.array_equal(r, q)
            assert all(np.array_equal(a[name], b[name]) for name in a)
    with pytest.raises(InputError, match="one for each"):
        own.reset(seed=[1])
    before = list(own.unwrapped._now)
    own.reset(seed=[5, 5, 5], options={"reset_mask": np.array([True, False, True])})
    after = own.unwrapped._now
    assert after[1] == before[1]
    assert after[0] == after[2]
    with pytest.raises(InputError, match="reset_mask"):
        own.reset(options={"reset_mask": np.zeros(3, dtype=bool)})
    own.close()
    sync.close()
