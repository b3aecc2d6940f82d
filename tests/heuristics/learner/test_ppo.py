"""The learner on environments small enough to know the answer."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import pytest

from splitopt.heuristics.learner.config import PpoConfig
from splitopt.instances.core.errors import InputError

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
pytest.importorskip("optax")

from splitopt.heuristics.learner import ppo  # noqa: E402
from splitopt.heuristics.learner.training import Session, Task, train  # noqa: E402

SMALL = PpoConfig(environments=16, steps=8, updates=60, epochs=2, minibatches=2, learning_rate=0.05)


class Look(NamedTuple):
    """What the toy environments show: where one is, and which actions are allowed."""

    place: jax.Array
    allowed: jax.Array


class Table:
    """Logits and values by place; for a team every member has the same table."""

    def __init__(self, places, actions):
        self.places, self.actions = places, actions

    def init(self, key):
        return {
            "logits": 0.01 * jax.random.normal(key, (self.places, self.actions)),
            "value": jnp.zeros(self.places),
        }

    def _log(self, params, look):
        logits = jnp.where(look.allowed, params["logits"][look.place], -1e9)
        return jax.nn.log_softmax(logits)

    def sample(self, params, look, key):
        log = self._log(params, look)
        action = jax.random.categorical(key, log)
        chosen = jnp.take_along_axis(log, action[..., None], -1)[..., 0]
        return ppo.Choice(action, chosen, self.value(params, look))

    def evaluate(self, params, look, action):
        log = self._log(params, look)
        chosen = jnp.take_along_axis(log, action[..., None], -1)[..., 0]
        entropy = -jnp.sum(jnp.exp(log) * jnp.where(look.allowed, log, 0.0), -1)
        return ppo.Evaluation(chosen, entropy, self.value(params, look))

    def value(self, params, look):
        return params["value"][look.place]

    def greedy(self, params, look):
        return jnp.argmax(self._log(params, look), -1)


class Corridor:
    """Places 0..3; action 1 goes on, 0 stays, 2 would win at once but is not allowed.

    A step costs 1 until the episode ends at place 3, so that the best return from 0 is -3.
    """

    data = ()
    truncates = False

    def look(self, place):
        return Look(place, jnp.broadcast_to(jnp.array([True, True, False]), (*place.shape, 3)))

    def reset(self, data, key, count):
        place = jnp.zeros(count, jnp.int32)
        return place, self.look(place)

    def step(self, data, state, action, key):
        place = state + jnp.where(action == 1, 1, 0)
        reward = jnp.where(action == 2, 100.0, -1.0)
        done = place == 3
        place = jnp.minimum(place, 2)
        return ppo.Step(place, self.look(place), reward, done, jnp.zeros_like(done))

    def weight(self, look):
        return jnp.ones(look.place.shape)


class Treadmill:
    """A reward of 1 a step, whatever one does; cut off after 5 steps, or ended there."""

    data = ()

    def __init__(self, *, truncates):
        self.truncates = truncates

    def look(self, clock):
        return Look(jnp.zeros_like(clock), jnp.ones((*clock.shape, 2), bool))

    def reset(self, data, key, count):
        # Out of step with each other, so that episodes end within a rollout at all places.
        clock = jnp.arange(count, dtype=jnp.int32) % 5
        return clock, self.look(clock)

    def step(self, data, state, action, key):
        clock = state + 1
        end, no = clock == 5, jnp.zeros(clock.shape, bool)
        ends = (no, end) if self.truncates else (end, no)
        return ppo.Step(clock, self.look(clock), jnp.ones(clock.shape), *ends)

    def weight(self, look):
        return jnp.ones(look.place.shape)


class Team:
    """Member i of 3 earns 1 for action i; the fourth is padding and its rewards are noise."""

    truncates = False
    data = None  # how loud the noise is

    def look(self, count):
        return Look(
            jnp.broadcast_to(jnp.arange(4), (count, 4)), jnp.ones((count, 4, 3), dtype=bool)
        )

    def reset(self, data, key, count):
        return jnp.zeros(count), self.look(count)

    def step(self, data, state, action, key):
        reward = (action == jnp.arange(4)).astype(float)
        noise = data * jax.random.normal(key, (len(state),))
        reward = reward.at[:, 3].set(noise)
        done = jnp.ones(state.shape, bool)
        return ppo.Step(state, self.look(len(state)), reward, done, ~done)

    def weight(self, look):
        return (look.place < 3).astype(float)


CORRIDOR, TABLE = Corridor(), Table(4, 3)
# Stops as soon as three evaluations, two updates apart, bring nothing better.
PATIENT = PpoConfig(
    environments=8, steps=8, updates=12, epochs=2, minibatches=2, evaluate_every=2, patience=3
)


def test_it_learns_the_way_out_and_keeps_to_the_mask():
    outcome = train(Task(CORRIDOR, TABLE, SMALL), 0)
    look = CORRIDOR.look(jnp.arange(3))
    assert TABLE.greedy(outcome.params, look).tolist() == [1, 1, 1]
    last = outcome.history[-1].diagnostics
    # -3 is the best there is; some entropy is left, so a little less.
    assert -3.3 < last["episode_return"] <= -3.0
    assert outcome.params["value"][:3] == pytest.approx([-3, -2, -1], abs=0.3)


def test_what_is_cut_off_goes_on_being_worth_something():
    """With gamma 0.9 a reward of 1 a step for ever is worth 10; five of them are worth 4.1."""
    config = PpoConfig(
        environments=20,
        steps=10,
        updates=300,
        epochs=2,
        minibatches=1,
        learning_rate=0.2,
        final_learning_rate=0.001,
        discount=0.9,
    )
    cut = train(Task(Treadmill(truncates=True), Table(1, 2), config), 0)
    assert float(cut.params["value"][0]) == pytest.approx(10.0, abs=0.1)
    # Episodes begin at clock 0 to 4 (reset) and all places look alike: between 1 and 4.1.
    ended = train(Task(Treadmill(truncates=False), Table(1, 2), config), 0)
    assert 1.0 < float(ended.params["value"][0]) < 4.1


@pytest.mark.parametrize("shape", [(), (2,)])
def test_advantages_are_the_sums_they_are_defined_as(shape):
    """A_t = sum_k (gamma lambda)^k delta_{t+k}, up to the first end, added up one by one."""
    rng = np.random.default_rng(0)
    T, B, gamma, lam = 7, 3, 0.9, 0.8
    reward, value, next_value = rng.normal(size=(3, T, B, *shape))
    terminated = rng.random((T, B)) < 0.2
    truncated = ~terminated & (rng.random((T, B)) < 0.2)
    got = ppo.advantages(
        *map(jnp.asarray, (reward, value, next_value)), terminated, truncated, gamma, lam
    )
    for t in range(T):
        for b in range(B):
            total, weight = np.zeros(shape), 1.0
            for k in range(t, T):
                worth = 0.0 if terminated[k, b] else next_value[k, b]
                total += weight * (reward[k, b] + gamma * worth - value[k, b])
                if terminated[k, b] or truncated[k, b]:
                    break
                weight *= gamma * lam
            np.testing.assert_allclose(got[t, b], total, rtol=1e-5, atol=1e-6)


def test_a_team_learns_and_padding_weighs_nothing():
    team, policy = Team(), Table(4, 3)
    team.data = jnp.array(0.0)
    quiet = train(Task(team, policy, SMALL), 3)
    team.data = jnp.array(1000.0)
    noisy = train(Task(team, policy, SMALL), 3)
    greedy = policy.greedy(noisy.params, team.look(1))[0]
    assert greedy[:3].tolist() == [0, 1, 2]
    # Not even one bit: what padding earns is never looked at.
    for name in quiet.params:
        assert (quiet.params[name] == noisy.params[name]).all()
    assert noisy.history[-1].diagnostics["episode_return"] > 0.9


def _same(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_a_training_resumed_is_the_training_never_interrupted(tmp_path):
    def evaluate(params):
        return float(params["value"][0])  # falls towards -3

    play = functools.partial(train, Task(CORRIDOR, TABLE, PATIENT, evaluate), 5)
    whole = play(Session(tmp_path / "a.npz"))
    half = play(Session(tmp_path / "b.npz", updates=6))
    assert half.updates == 6
    rest = play(Session(tmp_path / "b.npz", resume=True))
    assert rest.updates == 12
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    _same(whole.params, rest.params)
    assert (whole.score, whole.best_update) == (rest.score, rest.best_update)
    assert [r.diagnostics for r in whole.history] == [
        r.diagnostics for r in (*half.history, *rest.history)
    ]
    other = train(Task(CORRIDOR, TABLE, PATIENT), 6)
    assert not (np.asarray(other.params["value"]) == np.asarray(whole.params["value"])).all()


def test_it_stops_when_evaluations_get_no_better():
    scores = iter([5.0, 4.0, 4.5, 4.0, 6.0, 0.0])
    outcome = train(Task(CORRIDOR, TABLE, PATIENT, lambda _: next(scores)), 0)
    # The best comes second, after 4 updates; three evaluations later it is enough.
    assert (outcome.stopped, outcome.updates, outcome.best_update) == ("patience", 10, 4)
    assert outcome.score == 4.0


def test_epochs_stop_when_the_policy_has_moved_too_far():
    wild = PpoConfig(**(SMALL.to_document() | {"learning_rate": 1.0, "updates": 3}))
    tame = PpoConfig(**(wild.to_document() | {"target_kl": 0.01, "epochs": 10}))
    free = train(Task(CORRIDOR, TABLE, wild), 0).history
    held = train(Task(CORRIDOR, TABLE, tame), 0).history
    assert all(report.diagnostics["skipped"] == 0 for report in free)
    assert max(report.diagnostics["skipped"] for report in held) > 0.5


@pytest.mark.parametrize(
    ("field", "value"),
    [("clip", 0), ("discount", 1.5), ("minibatches", 7), ("updates", 0), ("learning_rate", -1.0)],
)
def test_a_configuration_is_checked(field, value):
    with pytest.raises(InputError, match=field):
        PpoConfig(**{field: value})


def test_a_configuration_comes_back_from_its_document():
    config = PpoConfig(environments=32, clip=0.1)
    assert PpoConfig.from_document(config.to_document()) == config
    with pytest.raises(InputError, match="colour"):
        PpoConfig.from_document({"colour": 1})
