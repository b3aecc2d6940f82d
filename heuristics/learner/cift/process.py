"""CIFT as a sequential decision process: the time-energy tree, one decision at a time.

Decisions come in this order, again and again until block L is placed::

    configuration      which of the instance's configurations (once, first)
    segment            how many of the next blocks the node hosts; none: it passes data on
    inference speed    of the host
    fine-tuning speed  of the host, where the configuration needs fine-tuning
    link               over which to go on

A state's label holds E, T_inf and T_ft of what was decided. Each decision adds what the judge will
charge for it, so a finished label is what the plan costs. In doubt E is the expected energy; where
links or nodes are in doubt the times are relaxed ones (`cift.arrays`), and the judge's count once
the plan is finished.

Masks. An action is *possible* when the rest of the chain can still be placed behind it as far as
memory and links go; the process never offers another, so an episode always ends in a complete plan.
It is *allowed* when, besides, three bounds say that the deadlines may still hold: the least T_inf
and the least T_ft with which it can be completed, and the least of both over their deadlines added
up. Where no possible action is allowed, deadlines cannot be kept any more; all possible ones
are then allowed, and the plan breaks a deadline.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.learner.cift.arrays import GRID_RATIO, Chains, Floats, Network
from splitopt.heuristics.learner.cift.bounds import TIME_ONLY, Completions, complete, roots
from splitopt.instances.cift.judge import evaluate_cift
from splitopt.instances.cift.model import CiftInstance, SpeedInterval
from splitopt.instances.cift.plan import CiftPlan, Stop
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES

Bools = npt.NDArray[np.bool_]

# Relative slack of deadlines, below what the judge allows.
SLACK = 1e-10
# Relative error of sums of a plan's parts in floating point, with room.
_ROUNDING = 1e-12


class Kind(IntEnum):
    """What is to be decided."""

    CONFIGURATION = 0
    SEGMENT = 1
    INFERENCE_SPEED = 2
    FINE_TUNING_SPEED = 3
    LINK = 4
    DONE = 5


@dataclass(frozen=True, slots=True)
class State:
    """Where a plan under construction stands.

    Attributes
    ----------
    kind
        What is to be decided next.
    label
        E in J, T_inf in s, T_ft in s of what was decided.
    configuration
        Its position in the instance; -1 before it is chosen.
    node
        Position of the node in the process's network.
    done
        Blocks placed before this node.
    end
        Blocks placed once this node's segment is.
    speed
        Level of the host's inference speed, between the two decisions on speeds.
    stops
        The plan's stops so far.
    """

    kind: Kind = Kind.CONFIGURATION
    label: tuple[float, float, float] = (0.0, 0.0, 0.0)
    configuration: int = -1
    node: int = -1
    done: int = 0
    end: int = 0
    speed: int = -1
    stops: tuple[Stop, ...] = ()


class Moves(NamedTuple):
    """The actions of a state, A of them.

    Attributes
    ----------
    totals
        E, T_inf, T_ft of the whole plan when the action is completed at each price, shape
        (3, A, P); infinite where it cannot be.
    weights
        The prices (w_E, w_i, w_t), shape (3, A or 1, P); the last three are time alone.
    possible, allowed
        Masks, shape (A,).
    """

    totals: Floats
    weights: Floats
    possible: Bools
    allowed: Bools


class CiftProcess:
    """The decision process of one instance; states are values, so that many can be followed.

    Parameters
    ----------
    instance
        Any instance; speeds from an interval are taken from a geometric grid.
    ratio
        Ratio of that grid.

    Attributes
    ----------
    lower_bound_j
        Lagrangian lower bound on the energy of every plan, at any speed; 0 without one. That of the
        grid over ratio^2 where there are intervals: rounded up to the grid a plan keeps its
        deadlines and takes at most ratio^2 times the energy.
    upper_bound_j
        Energy of the cheapest completion known at the start that keeps the deadlines; infinite
        where none does. No bound where links or nodes are in doubt.
    reference_j
        What energies are divided by in features: the bound of the grid, or 1 where it is 0.
    """

    def __init__(self, instance: CiftInstance, ratio: float = GRID_RATIO) -> None:
        instance.require_plain("the decision process")
        self.instance = instance
        self.network = Network(instance, ratio)
        self.chains = Chains.of(self.network, instance.configurations)
        self.roots = roots(self.network, self.chains)
        limits = self.network.deadlines_s
        #: Deadlines, 0 where absent: times count only over a price that is then 0.
        self.finite_deadlines_s: Floats = np.where(np.isfinite(limits), limits, 0.0)
        #: What turns a time into a share of its deadline; 0 where there is none.
        self.inverse_deadlines: Floats = np.where(
            np.isfinite(limits), 1.0 / np.maximum(limits, 1e-300), 0.0
        )
        self._tables: dict[int, Completions] = {}
        self._offers: dict[int, Moves] = {}
        of_grid, self.lower_bound_j, self.upper_bound_j = self._bounds()
        finite = 0.0 < of_grid < np.inf
        self.reference_j = of_grid if finite else 1.0
        if any(isinstance(node.speeds_flop_per_s, SpeedInterval) for node in instance.nodes):
            self.lower_bound_j /= ratio**2

    def _bounds(self) -> tuple[float, float, float]:
        moves = self.moves(State())
        if not moves.possible.any():
            return 0.0, 0.0, np.inf
        totals, weights = moves.totals[:, moves.possible], moves.weights[:, moves.possible]
        keeps = self.shares(totals[1:]).max(axis=0) <= 1.0 + SLACK
        upper = float(np.where(keeps, totals[0], np.inf).min())
        limits = self.finite_deadlines_s[:, None, None]
        late = totals[1:] - limits
        priced = totals[0] + weights[1] * late[0] + weights[2] * late[1]
        of_grid = float(priced[:, :-TIME_ONLY].max(axis=1).min())
        # Outward: the judge's tolerance of deadlines, and rounding of what cancels.
        spent, allowed = weights[1:] * totals[1:], weights[1:] * limits
        slack = TOLERANCES.deadline * allowed.sum(axis=0)
        slack = slack + _ROUNDING * (totals[0] + spent.sum(axis=0) + allowed.sum(axis=0))
        proved = float((priced - slack)[:, :-TIME_ONLY].max(axis=1).min())
        return max(0.0, of_grid), max(0.0, proved), upper

    def shares(self, times: Floats) -> Floats:
        """Return times, shape (2, ...), over their deadlines; 0 where there is none."""
        shape = (2,) + (1,) * (times.ndim - 1)
        inverse = self.inverse_deadlines.reshape(shape)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(inverse > 0, times * inverse, 0.0)

    @property
    def can_start(self) -> bool:
        """Whether any plan fits the memories; without one there is no episode."""
        return bool(self.moves(State()).possible.any())

    @property
    def most_actions(self) -> int:
        """The most actions any state can have."""
        return max(
            len(self.instance.configurations),
            int(self.chains.length.max(initial=0)) + 1,
            max(len(levels) for levels in self.network.levels),
            max(len(heads) for heads in self.network.heads),
        )

    def completions(self, configuration: int) -> Completions:
        """Return the completions of one configuration at its prices (G = 1)."""
        if configuration not in self._tables:
            chosen = np.array([configuration])
            self._tables[configuration] = complete(
                self.network, self.chains.take(chosen), self.roots.weights[:, chosen]
            )
        return self._tables[configuration]

    # -- actions ---------------------------------------------------------------------------

    def actions(self, state: State) -> int:
        """Return how many actions a state has; 0 when it is done."""
        if state.kind is Kind.CONFIGURATION:
            return len(self.instance.configurations)
        if state.kind is Kind.SEGMENT:
            return int(self.chains.length[state.configuration]) - state.done + 1
        if state.kind is Kind.LINK:
            return len(self.network.heads[state.node])
        return 0 if state.kind is Kind.DONE else len(self.network.levels[state.node])

    def _work(self, state: State) -> Floats:
        """Return the work from `state.done` to each block behind it, shape (L - done + 1,)."""
        last = int(self.chains.length[state.configuration])
        work = self.chains.work_flop[state.configuration]
        rest: Floats = work[state.done : last + 1] - work[state.done]
        return rest

    def _pending(self, state: State, work: Floats, phases: tuple[int, ...]) -> Floats:
        """Return what hosting `work` FLOPs adds in some phases at each price, (3, A, P)."""
        g, n = state.configuration, state.node
        energy, latency, time = (w[None, g] for w in self.roots.weights)  # (1, P)
        joules, seconds = self.network.joules[n][:, None], self.network.seconds[n][:, None]
        with np.errstate(invalid="ignore"):
            prices = (
                energy * self.chains.requests * joules + latency * seconds,
                energy * joules + time * self.chains.pace[g] * seconds,
            )
        passes = (self.chains.requests, float(self.chains.compute[g]))
        added = np.zeros((3, len(work), energy.shape[1]))
        for phase in phases:
            level = np.where(np.isnan(prices[phase]), np.inf, prices[phase]).argmin(axis=0)
            pace = passes[1] * float(self.chains.pace[g]) if phase else 1.0
            added[0] += passes[phase] * work[:, None] * joules[level, 0]
            added[1 + phase] += pace * work[:, None] * seconds[level, 0]
        return added

    def _speeds(self, state: State, phase: int) -> Floats:
        """Return what each level of the host adds in a phase, shape (3, levels)."""
        n, g = state.node, state.configuration
        count = len(self.network.levels[n])
        work = float(self._work(state)[state.end - state.done])
        passes = float(self.chains.compute[g]) if phase else self.chains.requests
        added = np.zeros((3, count))
        added[0] = passes * work * self.network.joules[n, :count]
        pace = passes * float(self.chains.pace[g]) if phase else 1.0
        added[1 + phase] = pace * work * self.network.seconds[n, :count]
        return added

    def _hops(self, state: State) -> Floats:
        """Return what each link adds, shape (3, links)."""
        chosen = self.chains.take(np.array([state.configuration]))
        return chosen.hops(self.network, state.node)[:, :, 0, state.end]

    def moves(self, state: State) -> Moves:
        """Return the actions of a state with their completions and masks."""
        if state.kind is Kind.CONFIGURATION:
            if -1 not in self._offers:
                self._offers[-1] = self._masked(self.roots.figures, self.roots.weights)
            return self._offers[-1]
        g, n = state.configuration, state.node
        table = self.completions(g)
        label = np.array(state.label)[:, None, None]
        trained = self.chains.compute[g] > 0
        if state.kind is Kind.SEGMENT:
            phases = (0, 1) if trained else (0,)
            pending = self._pending(state, self._work(state), phases)
            last = int(self.chains.length[g])
            rest = table.left[:, 0, :, n, state.done : last + 1].swapaxes(1, 2)
            totals = label + pending + rest
            fits = state.done + np.arange(totals.shape[1]) <= self.chains.reach[g, n, state.done]
            totals[:, ~fits] = np.inf
            if state.done == last:  # pragma: no cover - such a state is done
                totals[:, 0] = np.inf
        elif state.kind is Kind.LINK:
            heads = self.network.heads[n]
            rest = table.arrived[:, 0][:, :, heads, state.end].swapaxes(1, 2)
            totals = label + self._hops(state)[:, :, None] + rest
        else:
            phase = 1 if state.kind is Kind.FINE_TUNING_SPEED else 0
            rest = table.left[:, 0, :, n, state.end][:, None]
            totals = label + self._speeds(state, phase)[:, :, None] + rest
            if phase == 0 and trained:
                work = self._work(state)[state.end - state.done : state.end - state.done + 1]
                totals = totals + self._pending(state, work, (1,))
        return self._masked(totals, self.roots.weights[:, g : g + 1])

    def _masked(self, totals: Floats, weights: Floats) -> Moves:
        possible = np.isfinite(totals[0, :, 0])
        shares = self.shares(totals[1:, :, -TIME_ONLY:])
        allowed = possible & (shares[0, :, 0] <= 1.0 + SLACK) & (shares[1, :, 1] <= 1.0 + SLACK)
        with np.errstate(invalid="ignore"):
            both = shares[0, :, 2] + shares[1, :, 2]
        if (self.inverse_deadlines > 0).all():
            allowed &= both <= 2.0 * (1.0 + SLACK)
        return Moves(totals, weights, possible, allowed if allowed.any() else possible)

    # -- transitions -----------------------------------------------------------------------

    def follow(self, state: State, action: int) -> State:
        """Return the state behind an action.

        Raises
        ------
        InputError
            For a number that is no action of the state.
        """
        count = self.actions(state)
        if not 0 <= action < count:
            raise InputError("action", action, f"0 to {count - 1}", "keep to the mask")
        if state.kind is Kind.CONFIGURATION:
            return State(Kind.SEGMENT, configuration=action, node=int(self.chains.source[action]))
        if state.kind is Kind.SEGMENT:
            kind = Kind.INFERENCE_SPEED if action else Kind.LINK
            return dataclasses.replace(state, kind=kind, end=state.done + action)
        if state.kind is Kind.LINK:
            label = _plus(state.label, self._hops(state)[:, action])
            stops = state.stops
            if state.end == state.done:
                stops = (*stops, Stop(self.network.nodes[state.node].name, 0))
            head = int(self.network.heads[state.node][action])
            return State(
                Kind.SEGMENT, label, state.configuration, head, state.end, state.end, -1, stops
            )
        phase = 1 if state.kind is Kind.FINE_TUNING_SPEED else 0
        label = _plus(state.label, self._speeds(state, phase)[:, action])
        if phase == 0 and self.chains.compute[state.configuration] > 0:
            return dataclasses.replace(
                state, kind=Kind.FINE_TUNING_SPEED, label=label, speed=action
            )
        levels = self.network.levels[state.node]
        stop = Stop(
            self.network.nodes[state.node].name,
            state.end - state.done,
            levels[state.speed if phase else action],
            levels[action] if phase else None,
        )
        over = state.end == int(self.chains.length[state.configuration])
        return dataclasses.replace(
            state,
            kind=Kind.DONE if over else Kind.LINK,
            label=label,
            speed=-1,
            stops=(*state.stops, stop),
        )

    def plan(self, state: State) -> CiftPlan:
        """Return the plan of a state that is done."""
        if state.kind is not Kind.DONE:
            raise InputError("state", state.kind.name, "a state that is done", "go on deciding")
        return CiftPlan.of(self.instance.configurations[state.configuration], state.stops)

    def excess(self, state: State) -> float:
        """Return by what share a finished plan exceeds its deadlines, the larger; 0 if not.

        Where the network is in doubt it is the judge's times that count: a label's are below.
        """
        times = state.label[1:]
        if self.instance.doubt is not None and self.instance.doubt.network:
            judged = evaluate_cift(self.instance, self.plan(state))
            times = judged.inference_latency_s, judged.fine_tuning_time_s
        worst = float(self.shares(np.array(times)).max())
        return worst - 1.0 if worst > 1.0 + SLACK else 0.0


def _plus(label: tuple[float, float, float], added: Floats) -> tuple[float, float, float]:
    e, i, t = added.tolist()
    return label[0] + e, label[1] + i, label[2] + t
