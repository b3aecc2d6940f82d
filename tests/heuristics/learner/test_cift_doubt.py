"""The decision process, its environment and `ppo` where epochs, links or nodes are in doubt."""

from __future__ import annotations

import functools
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from splitopt.bench.methods import registry
from splitopt.heuristics.learner.cift.arrays import slowness
from splitopt.heuristics.learner.cift.process import CiftProcess, State
from splitopt.heuristics.learner.cift.repair import replay
from splitopt.heuristics.learner.gym.cift import CiftEnv
from splitopt.heuristics.learner.gym.registration import IDS
from splitopt.instances.cift.doubt import Doubt, EpochsInDoubt, Factor, Scenario, Spread
from splitopt.instances.contract.method import Budget
from splitopt.instances.judge import check, evaluate
from splitopt.instances.library import load

BASE = load("cift-tiny-both")
LINKS = [(link.tail, link.head) for link in BASE.links]
EPOCHS = tuple(
    EpochsInDoubt(*g.key, (g.epochs, g.epochs + 1, 3 * g.epochs + 2), ("1/2", "3/10", "1/5"))
    for g in BASE.configurations
)
SCENARIOS = (
    Scenario("3/5", (), ()),
    Scenario("3/10", tuple(Factor(*ends, 0.5) for ends in LINKS), ()),
    Scenario("1/10", (), tuple(Factor(node.name, None, 0.8) for node in BASE.nodes)),
)
SPREAD = (
    *(Spread(*ends, 1.2, 0.1) for ends in LINKS),
    Spread(BASE.nodes[-1].name, None, 1.1, 0.05),
)
KINDS = {
    "epochs": Doubt(epochs=EPOCHS, fine_tuning_confidence=0.75),
    "scenarios": Doubt(
        scenarios=SCENARIOS, inference_confidence=0.8, fine_tuning_confidence=0.95
    ),
    "both": Doubt(epochs=EPOCHS, scenarios=SCENARIOS, inference_confidence=0.9,
                  fine_tuning_confidence=0.7),
    "spread": Doubt(spread=SPREAD, inference_confidence=0.8, fine_tuning_confidence=0.7),
}  # fmt: skip


@functools.cache
def cheapest(kind):
    """The plan of least expected energy where there are no deadlines, and what it comes to."""
    free = BASE.replace(doubt=KINDS[kind], inference_deadline_s=None, fine_tuning_deadline_s=None)
    found = registry.load("jqodi", "cift").solve(free, Budget(), 0, {})
    assert found.status.value == "optimal"
    return found.plan, evaluate(free, found.plan)


@functools.cache
def doubtful(kind, times=1.5):
    """The instance in doubt; deadlines so many times what the cheapest plan takes."""
    _, found = cheapest(kind)
    return BASE.replace(
        doubt=KINDS[kind],
        inference_deadline_s=times * found.inference_latency_s,
        fine_tuning_deadline_s=times * found.fine_tuning_time_s,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_rewards_of_an_episode_are_the_expected_energy_and_the_judge_s_deadlines(kind):
    instance = doubtful(kind)
    env = CiftEnv((instance,))
    env.action_space.seed(2)
    kept = []
    for episode in range(15):
        _, info = env.reset(seed=episode)
        total, over = 0.0, False
        while not over:
            action = env.action_space.sample(info["action_mask"])
            _, reward, over, _, info = env.step(int(action))
            total += reward
        found = evaluate(instance, info["plan"])
        kept.append(check(instance, info["plan"]) == [])
        assert info["feasible"] == kept[-1]
        assert info["energy_j"] == pytest.approx(found.objective, rel=1e-12)
        excess = max(
            found.inference_latency_s / instance.inference_deadline_s,
            found.fine_tuning_time_s / instance.fine_tuning_deadline_s,
        )
        missed = 0.0 if kept[-1] else min(excess, 2.0)
        cost = found.objective / env.process.lower_bound_j + missed
        assert total == pytest.approx(-cost, rel=1e-9)
        # What a label holds is never above what the judge counts; the same with K alone in doubt.
        times = np.array([found.inference_latency_s, found.fine_tuning_time_s])
        label = np.array(env.state.label[1:])
        assert (label <= times * (1 + 1e-12)).all()
        if kind == "epochs":
            assert label == pytest.approx(times, rel=1e-12)
    assert any(kept)


@pytest.mark.parametrize("kind", KINDS)
def test_the_optimum_in_doubt_can_be_played_and_is_not_below_the_bound(kind):
    """With deadlines at just what the cheapest plan takes it is still the optimum."""
    plan, best = cheapest(kind)
    instance = doubtful(kind, 1.0)
    assert check(instance, plan) == []
    process = CiftProcess(instance)
    names = [g.key for g in instance.configurations]
    chosen = names.index((plan.model, plan.compression, plan.source, plan.fraction))
    state = replay(process, chosen, plan.stops)
    assert state.label[0] == pytest.approx(best.objective, rel=1e-12)
    assert process.excess(state) == 0
    assert 0 < process.lower_bound_j <= best.objective
    assert process.moves(State()).allowed[chosen]


@pytest.mark.parametrize("kind", ["both", "spread"])
def test_the_checker_passes_in_doubt(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(IDS[0], instances=(doubtful(kind),)).unwrapped)


def test_slowness_is_the_mean_of_the_fastest_share():
    """Half speed with 3/10, 1 with 7/10; the lower confidence is 0.8: (0.7 + 0.1 * 2) / 0.8."""
    tail, head = LINKS[0]
    assert slowness(doubtful("scenarios"), tail, head) == pytest.approx(0.9 / 0.8)
    assert slowness(doubtful("scenarios"), tail) == pytest.approx(1.0)
    assert slowness(doubtful("spread"), tail, head) == pytest.approx(1.2)
    assert slowness(doubtful("both"), tail, head) == 1.0
    assert slowness(doubtful("epochs"), tail, head) == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_ppo_plans_with_nominal_figures_and_is_judged_in_doubt(kind):
    ppo, instance = registry.load("ppo", "cift"), doubtful(kind)
    found = ppo.solve(instance, Budget(), 0, {})
    nominal = ppo.solve(instance.replace(doubt=None), Budget(), 0, {})
    assert found.plan == nominal.plan
    assert found.objective == evaluate(instance, found.plan).objective
    assert (found.status.value == "feasible") == (check(instance, found.plan) == [])
    assert found.statistics["planned"] == "nominal"
    assert "planned with nominal figures, judged in doubt" in found.guarantee.statement
    assert "planned" not in nominal.statistics
