"""A plan's way through the time-energy plane, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitopt.heuristics.jqodi.cift.network import Instance
from splitopt.instances.cift.doubt import refuse_doubt
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, states_of
from splitopt.instances.core.arrays import Bools, Floats, Ints


@dataclass(frozen=True, eq=False, slots=True)
class Steps:
    """A plan as the labels it would be: cumulated figures after each hop and each segment.

    Attributes
    ----------
    energy_j, inference_latency_s, fine_tuning_time_s
        Cumulated, the root's zeros first.
    stop
        Position of the plan's stop that each step belongs to.
    hosted
        Whether the step is a segment (else a hop, or the root).
    """

    energy_j: Floats
    inference_latency_s: Floats
    fine_tuning_time_s: Floats
    stop: Ints
    hosted: Bools


def steps_of(instance: CiftInstance, plan: CiftPlan) -> Steps:
    """Return the way of a plan through the time-energy plane."""
    refuse_doubt(instance, "a plan's steps")
    arrays = Instance(instance)
    position = instance.configurations.index(plan.configuration(instance))
    case = arrays.case(position)
    net, chain, load = arrays.network, case.chain, case.load
    rows: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)]
    stops, hosted = [0], [False]
    done = 0
    model = instance.models[instance.model_index[plan.model]]
    for k, (stop, then) in enumerate(zip(plan.stops, states_of(model, plan), strict=True)):
        n = arrays.place[stop.node]
        if k:
            tail = arrays.place[plan.stops[k - 1].node]
            links = range(int(net.first[tail]), int(net.first[tail + 1]))
            e = next(e for e in links if net.head[e] == n)
            bits = chain.bits[done]
            wire = bits / net.rate[e]
            joules = (load.requests + load.communication) * net.bit_energy[e] * bits
            hop = load.communication * (wire + net.delay[e] / load.batch)
            rows.append((joules, wire + net.delay[e], hop))
            stops.append(k)
            hosted.append(False)
        if stop.blocks:
            w = chain.work[chain.kind[n], done, then]
            f, f2 = stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s
            assert f is not None
            joules = w * load.requests * (net.kappa[n] * f * f + net.rho[n] / f)
            tuned = 0.0
            if load.compute > 0 and f2 is not None:
                joules += w * load.compute * (net.kappa[n] * f2 * f2 + net.rho[n] / f2)
                tuned = w * load.compute / f2
            rows.append((joules, w / f, tuned))
            stops.append(k)
            hosted.append(True)
            done = then
    total = np.cumsum(np.array(rows), axis=0)
    return Steps(total[:, 0], total[:, 1], total[:, 2], np.array(stops), np.array(hosted))
