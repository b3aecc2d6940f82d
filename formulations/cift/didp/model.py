"""The dynamic program of CIFT for didppy (see `splitopt.formulations.cift.didp.method`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitopt.formulations.cift.didp.bounds import FAR, Rest, rest
from splitopt.formulations.cift.didp.figures import Figures
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, Stop, stop_between
from splitopt.instances.core.arrays import Bools, Floats

_ARRIVED, _TUNE, _SERVE, _PLACED, _ROOT = range(5)


@dataclass
class _State:
    """The variables: latency and time are None without a deadline."""

    place: Any
    done: Any
    goal: Any
    phase: Any
    spent: Sequence[Any]


def program(data: Figures, wanted: Bools, bounds: Sequence[Rest]) -> Any:
    """Return the model; only configurations that are `wanted` can be chosen."""
    import didppy as dp

    G, N, width = data.shape
    model = dp.Model(float_cost=True)
    places = model.add_object_type(number=G * N + 1)
    blocks = model.add_object_type(number=width)
    phases = model.add_object_type(number=5)
    state = _State(
        model.add_element_var(object_type=places, target=G * N),
        model.add_element_var(object_type=blocks, target=0),
        model.add_element_var(object_type=blocks, target=0),
        model.add_element_var(object_type=phases, target=_ROOT),
        tuple(
            model.add_float_resource_var(target=0.0, less_is_better=True)
            if np.isfinite(limit)
            else None
            for limit in data.limits
        ),
    )
    last = model.add_element_table(np.append(np.repeat(data.states.last, N), 0))
    usable = _usable(model, data, state)
    for transition in (
        *_choices(dp, data, wanted, state),
        *_runs(dp, model, data, state, usable),
        *_levels(dp, model, data, state, usable),
        *_hops(dp, model, data, state, last),
    ):
        model.add_transition(transition)
    model.add_base_case([state.phase == _PLACED, state.done == last[state.place]])
    _limits(model, data, state)
    for bound in bounds:
        prices = [
            model.add_float_table(np.append(np.repeat(price, N), 0.0)) for price in bound.prices
        ]
        left = _left(model, data, bound, state)
        for price, spent, limit in zip(prices, state.spent, data.limits, strict=True):
            if spent is not None and bound.prices.any():
                left = left + price[state.place] * (spent - limit)
        model.add_dual_bound(left)
    return model


def _table(model: Any, values: Floats) -> Any:
    """Return a table over places and blocks of figures (G, N, B + 1), 0 before any choice."""
    flat = values.reshape(-1, values.shape[-1])
    return model.add_float_table(np.vstack([flat, np.zeros((1, flat.shape[1]))]))


def _elements(model: Any, values: Any) -> Any:
    """Return a table over places and blocks of integers (G, N, B + 1), 0 before any choice."""
    flat = values.reshape(-1, values.shape[-1])
    return model.add_element_table(np.vstack([flat, np.zeros((1, flat.shape[1]), dtype=np.int64)]))


def _choices(dp: Any, data: Figures, wanted: Bools, state: _State) -> Iterator[Any]:
    N = data.shape[1]
    for g, source in enumerate(data.source):
        if wanted[g]:
            yield dp.Transition(
                name=f"choose {g}",
                cost=dp.FloatExpr.state_cost(),
                preconditions=[state.phase == _ROOT],
                effects=[(state.place, g * N + int(source)), (state.phase, _ARRIVED)],
            )


def _usable(model: Any, data: Figures, state: _State) -> Callable[[Any], Any] | None:
    """Return how many levels can serve the segment that ends in a state; None where all can."""
    if data.segments is None:
        return None
    kind = model.add_element_table(np.append(data.segments.kind.ravel(), 0))
    levels = model.add_element_table(data.segments.levels)
    return lambda goal: levels[kind[state.place], state.done, goal]


def _runs(
    dp: Any, model: Any, data: Figures, state: _State, usable: Callable[[Any], Any] | None
) -> Iterator[Any]:
    N, width = data.shape[1:]
    first = model.add_element_table(
        np.append(np.repeat(np.where(data.trained, _TUNE, _SERVE), N), _SERVE)
    )
    if usable is not None:
        for goal in range(1, width):
            yield dp.Transition(
                name=f"reach {goal}",
                cost=dp.FloatExpr.state_cost(),
                preconditions=[state.phase == _ARRIVED, usable(goal) > 0],
                effects=[(state.goal, goal), (state.phase, first[state.place])],
            )
        return
    longest = np.maximum(data.reach - np.arange(width), 0)
    room = _elements(model, longest)
    for length in range(1, int(longest.max()) + 1):
        yield dp.Transition(
            name=f"run {length}",
            cost=dp.FloatExpr.state_cost(),
            preconditions=[state.phase == _ARRIVED, room[state.place, state.done] >= length],
            effects=[(state.goal, state.done + length), (state.phase, first[state.place])],
        )


def _levels(
    dp: Any, model: Any, data: Figures, state: _State, usable: Callable[[Any], Any] | None
) -> Iterator[Any]:
    G = len(data.chosen)
    for phase, name, d in ((_TUNE, "tune", 1), (_SERVE, "serve", 0)):
        counts = model.add_element_table(
            np.append(np.tile([len(mine) for mine in data.speeds[d]], G), 0)
        )
        for k, level in enumerate(data.levels[d]):
            energy, seconds = _table(model, level.energy), _table(model, level.seconds)
            effects = [(state.phase, _SERVE if d else _PLACED)]
            allowed = [state.phase == phase, counts[state.place] > k]
            if not d:
                effects.append((state.done, state.goal))
                if usable is not None:
                    allowed.append(usable(state.goal) > k)
            if state.spent[d] is not None:
                used = seconds[state.place, state.goal] - seconds[state.place, state.done]
                effects.append((state.spent[d], state.spent[d] + used))
            yield dp.Transition(
                name=f"{name} {k}",
                cost=energy[state.place, state.goal]
                - energy[state.place, state.done]
                + dp.FloatExpr.state_cost(),
                preconditions=allowed,
                effects=effects,
            )


def _hops(dp: Any, model: Any, data: Figures, state: _State, last: Any) -> Iterator[Any]:
    G, N, _ = data.shape
    degree = model.add_element_table(np.append(np.tile(data.degree, G), 0))
    for k, hop in enumerate(data.hops):
        heads = (N * np.arange(G)[:, None] + hop.heads).ravel()
        head = model.add_element_table(np.append(heads, G * N))
        effects = [(state.place, head[state.place]), (state.phase, _ARRIVED)]
        for spent, values in zip(state.spent, (hop.latency, hop.time), strict=True):
            if spent is not None:
                used = _table(model, values)[state.place, state.done]
                effects.append((spent, spent + used))
        allowed = [
            (state.phase == _ARRIVED) | (state.phase == _PLACED),
            degree[state.place] > k,
            state.done < last[state.place],
        ]
        if hop.wide is not None:
            wide = _elements(model, hop.wide.astype(np.int64))
            allowed.append(wide[state.place, state.done] > 0)
        yield dp.Transition(
            name=f"hop {k}",
            cost=_table(model, hop.energy)[state.place, state.done] + dp.FloatExpr.state_cost(),
            preconditions=allowed,
            effects=effects,
        )


def _left(model: Any, data: Figures, bound: Rest, state: _State) -> Any:
    """Return the expression of what is left at the prices of `bound`, by phase."""
    G, N, width = data.shape
    values, sums = np.zeros((2, 5, G * N + 1, width))
    values[:, :-1] = bound.placed.reshape(G * N, width)
    values[_ARRIVED, :-1] = bound.arrived.reshape(G * N, width)
    values[_ROOT, -1] = max(0.0, float(np.min(bound.bound(data))))
    values[_ROOT, :-1] = 0.0
    serve, tune = (part.reshape(G * N, width) for part in (bound.serve, bound.tune))
    sums[_TUNE, :-1], sums[_SERVE, :-1] = serve + tune, serve
    ahead = model.add_float_table(np.minimum(values, FAR))
    total = model.add_float_table(sums)
    phase, place = state.phase, state.place
    return (
        ahead[phase, place, state.goal]
        + total[phase, place, state.goal]
        - total[phase, place, state.done]
    )


def _limits(model: Any, data: Figures, state: _State) -> None:
    """State that what is left can still be done within each deadline."""
    G = len(data.chosen)
    for d, (spent, limit) in enumerate(zip(state.spent, data.limits, strict=True)):
        if spent is None:
            continue
        prices = np.zeros((2, G))
        prices[d] = 1.0
        fastest = rest(data, prices, energy=0.0)
        ahead = _left(model, data, fastest, state)
        model.add_state_constr(spent + ahead <= limit)


def read_plan(data: Figures, instance: CiftInstance, names: Sequence[str]) -> CiftPlan:
    """Return the plan that transitions make."""
    stops: list[Stop] = []
    g, n, done, goal = 0, 0, 0, 0
    tune = serve = None

    def stop() -> Stop:
        chosen = data.chosen[g]
        network = instance.models[instance.model_index[chosen.model]]
        speeds, node = (serve, tune), instance.nodes[n].name
        return stop_between(network, data.states.sets[g], node, done, goal, speeds)

    for name in names:
        action, _, text = name.partition(" ")
        k = int(text)
        if action == "choose":
            g, n = k, int(data.source[k])
        elif action == "run":
            goal = done + k
        elif action == "reach":
            goal = k
        elif action == "tune":
            tune = data.speeds[1][n][k]
        elif action == "serve":
            serve = data.speeds[0][n][k]
        else:
            stops.append(stop())
            done, tune, serve = goal, None, None
            n = int(data.hops[k].heads[n])
    stops.append(stop())
    return CiftPlan.of(data.chosen[g], tuple(stops))
