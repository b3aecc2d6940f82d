"""The process in JAX against the one in NumPy: same masks, features, labels and rewards."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitopt.heuristics.learner.cift.actor import CiftPolicy
from splitopt.heuristics.learner.cift.bank import Sizes, make_bank
from splitopt.heuristics.learner.cift.bounds import PATTERN, TIME_ONLY
from splitopt.heuristics.learner.cift.features import (
    CANDIDATE_FEATURES,
    PENALTY,
    candidate_features,
    scores,
)
from splitopt.heuristics.learner.cift.jax import CiftEnvironment, Observation
from splitopt.heuristics.learner.cift.policy import ACTOR_SHAPES, log_probabilities, logits
from splitopt.heuristics.learner.cift.process import CiftProcess, Kind, State
from splitopt.heuristics.learner.cift.view import view
from splitopt.instances.library import load
from splitopt.instances.library.splits import sample

SHARE_KEPT = 10
SIZES = Sizes(nodes=20, blocks=20, levels=5, actions=24)


@pytest.fixture(scope="module")
def processes():
    """One with fine-tuning and both deadlines, one loose, one infeasible, some others."""
    names = ("cift-tiny-both", "cift-tiny-free", "cift-tiny-not-together", "cift-tiny-menu")
    found = [CiftProcess(load(name)) for name in names]
    return found + [CiftProcess(sample("train", "cift", k)) for k in (0, 2)]


def best_score(process: CiftProcess, state: State) -> float:
    seen = view(process, state)
    found = scores(np, seen, 1e-10, PENALTY, TIME_ONLY)
    return float(np.where(seen.allowed, found, np.inf).min())


@pytest.mark.parametrize("priced", [True, False])
def test_both_processes_agree(processes, priced):
    environment = CiftEnvironment(make_bank(processes, SIZES), priced=priced)
    start = jax.jit(environment.start)
    if not priced:
        first = np.asarray(start(environment.data, jnp.arange(len(processes)))[1].features)
        for k, process in enumerate(processes):
            here = view(process, State(), priced=False)
            expected = candidate_features(np, here, 1e-5, TIME_ONLY)
            assert first[k, : len(expected)] == pytest.approx(expected, abs=5e-3)
        return
    step = jax.jit(environment.step)
    count = len(processes)
    rng = np.random.default_rng(3)
    for _ in range(2):
        states = [State()] * count
        inner, seen = start(environment.data, jnp.arange(count))
        rewards = [[] for _ in states]
        while any(state.kind is not Kind.DONE for state in states):
            actions = np.zeros(count, dtype=np.int64)
            features, allowed = np.asarray(seen.features), np.asarray(seen.allowed)
            for k, (process, state) in enumerate(zip(processes, states, strict=True)):
                if state.kind is Kind.DONE:
                    continue
                here = view(process, state)
                size = len(here.allowed)
                assert np.array_equal(allowed[k, :size], here.allowed)
                assert not allowed[k, size:].any()
                expected = candidate_features(np, here, 1e-5, TIME_ONLY)
                differ = np.abs(features[k, :size] - expected)
                # Prices at which two plans tie are frequent: single precision may take the other.
                differ[:, SHARE_KEPT] = np.maximum(differ[:, SHARE_KEPT] - 2 / len(PATTERN), 0)
                assert differ.max() < 5e-3
                actions[k] = rng.choice(np.flatnonzero(here.allowed))
            after = step(environment.data, inner, jnp.asarray(actions), jax.random.PRNGKey(0))
            inner, seen = after.state, after.observation
            rewarded, ended = np.asarray(after.reward), np.asarray(after.terminated)
            labels = np.asarray(inner.label)
            for k, process in enumerate(processes):
                if states[k].kind is Kind.DONE:
                    continue
                states[k] = process.follow(states[k], int(actions[k]))
                rewards[k].append(float(rewarded[k]))
                over = states[k].kind is Kind.DONE
                assert bool(ended[k]) == over
                label = np.array(states[k].label)
                scaled = [label[0] / process.reference_j, *process.shares(label[1:])]
                assert labels[k] == pytest.approx(scaled, rel=1e-5, abs=1e-6)
                if over and all(abs(r) < 1 for r in rewards[k]):
                    excess = process.excess(states[k])
                    missed = PENALTY * (1 + min(excess, 1)) if excess > 0 else 0
                    promised = best_score(process, State()) - scaled[0] - missed
                    assert sum(rewards[k]) == pytest.approx(promised, rel=1e-4, abs=1e-4)


def test_the_network_is_the_same_in_numpy_and_jax():
    policy = CiftPolicy()
    params = jax.jit(policy.init)(jax.random.PRNGKey(1))
    params["w"] = params["w"] * 100
    rng = np.random.default_rng(0)
    features = rng.uniform(size=(7, CANDIDATE_FEATURES))
    allowed = np.array([True, False, True, True, False, True, True])
    plain = {name: np.asarray(params[name], dtype=np.float64) for name in ACTOR_SHAPES}
    found = log_probabilities(logits(plain, features, allowed))
    # Padding changes nothing.
    seen = Observation(
        jnp.asarray(np.pad(features, ((0, 5), (0, 0)))[None], jnp.float32),
        jnp.asarray(np.pad(allowed, (0, 5))[None]),
    )
    action = jnp.array([3])
    judged = jax.jit(policy.evaluate)(params, seen, action)
    assert float(judged.log_prob[0]) == pytest.approx(found[3], rel=1e-4)
    assert int(jax.jit(policy.greedy)(params, seen)[0]) == int(found.argmax())
    p = np.exp(found[allowed])
    assert float(judged.entropy[0]) == pytest.approx(-(p * np.log(p)).sum(), rel=1e-4)
    assert p.sum() == pytest.approx(1)


def test_a_bank_refuses_what_does_not_fit(processes):
    with pytest.raises(ValueError, match="does not fit"):
        make_bank(processes, Sizes(nodes=3))
