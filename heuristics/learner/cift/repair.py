"""What is done with a plan that misses a deadline: faster hosts first, else another plan.

Faster hosts: in each phase that is late, the host whose next higher speed costs the fewest joules
for each second it saves is raised, again and again, until the deadline holds. Another plan: the one
that always takes the action with the best completion. What keeps no deadline either stays as it is.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NamedTuple

import numpy as np

from splitopt.heuristics.learner.cift.play import best_completion, merit
from splitopt.heuristics.learner.cift.process import SLACK, CiftProcess, Kind, State
from splitopt.instances.cift.plan import Stop


class Repaired(NamedTuple):
    """A finished state, and what was done: nothing, faster hosts, another plan, or no remedy."""

    state: State
    means: Literal["none", "speeds", "completion", "failed"]


def replay(process: CiftProcess, configuration: int, stops: tuple[Stop, ...]) -> State:
    """Return the finished state of a plan whose speeds are levels of the process."""
    state = process.follow(State(), configuration)
    for place, stop in enumerate(stops):
        levels = process.network.levels[state.node]
        state = process.follow(state, stop.blocks)
        for speed in (stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s):
            if speed is not None:
                state = process.follow(state, levels.index(speed))
        if place + 1 < len(stops):
            head = process.network.position[stops[place + 1].node]
            links = process.network.heads[state.node].tolist()
            state = process.follow(state, links.index(head))
    return state


def faster(process: CiftProcess, state: State) -> State | None:
    """Return the state with hosts raised until the deadlines hold; None where they cannot."""
    stops = list(state.stops)
    hosts = [k for k, stop in enumerate(stops) if stop.blocks > 0]
    nodes = [process.network.position[stops[k].node] for k in hosts]
    work, done = [], 0
    chain = process.chains.work_flop[state.configuration]
    for k in hosts:
        work.append(float(chain[done + stops[k].blocks] - chain[done]))
        done += stops[k].blocks
    g = state.configuration
    passes = (1.0, float(process.chains.compute[g] * process.chains.pace[g]))
    shares = process.shares(np.array(state.label[1:]))
    for phase, name in enumerate(("inference_speed_flop_per_s", "fine_tuning_speed_flop_per_s")):
        late = float(shares[phase]) - (1.0 + SLACK / 2)
        if late <= 0:
            continue
        # In units of the deadline, so that a deadline of 0 needs no case of its own.
        pace = passes[phase] * float(process.inverse_deadlines[phase])
        levels = [
            process.network.levels[n].index(getattr(stops[k], name))
            for k, n in zip(hosts, nodes, strict=True)
        ]
        while late > 0:
            best, chosen = np.inf, -1
            for h, n in enumerate(nodes):
                if levels[h] + 1 == len(process.network.levels[n]):
                    continue
                seconds, joules = process.network.seconds[n], process.network.joules[n]
                saved = work[h] * (seconds[levels[h]] - seconds[levels[h] + 1])
                cost = work[h] * (joules[levels[h] + 1] - joules[levels[h]])
                if saved > 0 and cost / saved < best:
                    best, chosen = cost / saved, h
            if chosen < 0:
                return None
            n, level = nodes[chosen], levels[chosen]
            seconds = process.network.seconds[n]
            late -= pace * work[chosen] * float(seconds[level] - seconds[level + 1])
            levels[chosen] += 1
        for h, k in enumerate(hosts):
            speed = process.network.levels[nodes[h]][levels[h]]
            change: dict[str, Any] = {name: speed}
            stops[k] = dataclasses.replace(stops[k], **change)
    raised = replay(process, state.configuration, tuple(stops))
    return raised if process.excess(raised) == 0 else None


def repair(process: CiftProcess, state: State) -> Repaired:
    """Return a finished state that keeps the deadlines, if one is found."""
    assert state.kind is Kind.DONE
    if process.excess(state) == 0:
        return Repaired(state, "none")
    raised = faster(process, state)
    if raised is not None:
        return Repaired(raised, "speeds")
    other = best_completion(process)
    if process.excess(other) == 0:
        return Repaired(other, "completion")
    return Repaired(min(state, other, key=lambda s: merit(process, s)), "failed")
