r"""CIFT as a domain-independent dynamic program, solved by didppy.

States
------
``(p, b, j, phase)`` and two resources, T_inf and T_ft spent (the less the better; each only where
it has a deadline). p is the place: configuration and node; b blocks are done; phase says what comes
next. In *arrived* and *placed* j = b, in between j is where the segment in question ends.

Transitions
-----------
::

    choose g     root -> (g, source), b = 0, arrived                                      cost 0
    run j        arrived -> tune (serve without fine-tuning), b < j <= reach(p, b)         cost 0
    tune f       tune -> serve          cost S(j) - S(b) at f,    T_ft  += the same of time
    serve f      serve -> placed, b = j                           T_inf += the same of time
    hop l        arrived or placed, b < L -> head of l, arrived   both times += the cut's

Since a host leads from arrived to placed, no node hosts two segments; hop from arrived is a relay.
reach(p, b) is the end of the longest segment that fits the memory.

Of a graph b and j are downsets, numbered so that supersets come behind
(`splitopt.formulations.cift.didp.states`): S, the sum over what is done, gives a segment as the
same difference, and *run* leads to each superset that the node can host. With a throughput a table
says how many of its levels, the fastest first, keep up; *serve* takes one of them, *hop* a link
that is wide enough.

Base case
---------
placed, b = L: cost 0.

Dominance
---------
Of two states alike but for the resources, one that costs no more and has spent no more of either
goes before the other: didppy's own rule for resource variables.

State constraints
-----------------
``T_inf + (least T_inf that is left) <= tau_inf``, and so for T_ft.

Dual bounds
-----------
What is left costs at least a shortest path's energy; and at prices (lambda, mu) of the deadlines,
``V(state) - lambda (tau_inf - T_inf) - mu (tau_ft - T_ft)`` with V a shortest path at these prices
(Lagrange), at each configuration's best prices at the root
(`splitopt.formulations.cift.didp.bounds`). didppy takes the higher of the two.

Exactness
---------
Figures are integers (`splitopt.formulations.cift.didp.figures`), all rounded down: the least cost
over K bounds the optimum. Solutions must be better than the best plan by half the gap asked for.
The plan of a solution is judged. One that only the rounding of times lets through is not taken; the
proof then still bounds the optimum, and a second search, with limits tightened by all that rounding
may hide, looks for a plan. Without a plan to set K the first search may be too coarse; then it is
done again, at a scale set by the plan it found.

Forced transitions, DIDP's other device, find no use: where a host has one level, its transition is
the only one that applies.

Source: Kuroiwa and Beck, "Domain-Independent Dynamic Programming: Generic State Space Search for
Combinatorial Optimization", ICAPS 2023, and "Solving Domain-Independent Dynamic Programming
Problems with Anytime Heuristic Search", ICAPS 2023 (CABS). The program of CIFT is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from splitopt.formulations.cift.didp.bounds import best_prices, rest
from splitopt.formulations.cift.didp.figures import figures
from splitopt.formulations.cift.didp.model import program, read_plan
from splitopt.formulations.cift.exact import ListedSpeeds
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.solvers.didp import Beams, supported, widen
from splitopt.instances.cift.model import BEYOND, CiftInstance
from splitopt.instances.contract.method import Result, Support, Termination

_FINER = 5  # how often figures are scaled


class CiftDidp(ListedSpeeds):
    """A dynamic program over configurations, hosts and hops; listed speeds."""

    name = "didp"
    takes = BEYOND

    def supports(self, instance: CiftInstance) -> Support:
        """Take instances whose speeds are listed, where didppy is installed."""
        return supported() and super().supports(instance)

    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        return _search(best)


def _search(best: Incumbent) -> Result:
    """Search; again where figures were too coarse, or for a plan that rounding hid."""
    for _ in range(_FINER):
        scaled_by = best.objective
        found = _round(best, strict=False)
        done = found.exhausted is None or best.plan is None or best.closed
        # Else the plan found sets a finer scale.
        if done or best.statistics["rejected"] or best.objective == scaled_by:
            break
    if found.exhausted is None:
        return best.claim(Termination.LIMIT if found.full else Termination.TIME)
    if best.statistics["rejected"] and not best.closed:
        _round(best, strict=True)
        return best.claim(Termination.SOLVED if best.closed else Termination.LIMIT)
    return best.claim(Termination.SOLVED, exhausted=found.exhausted)


def _round(best: Incumbent, *, strict: bool) -> Beams:
    """Scale, bound and search; return what the search came to, costs in J.

    With `strict` limits every plan that keeps them is one for the judge too, and nothing is proven.
    """
    data = figures(best.instance, best.objective)
    if strict:
        data = replace(data, limits=[t * (1 - 2.0**-45) - data.terms for t in data.limits])
    ceiling = best.objective * data.scale
    bounds = [rest(data, np.zeros((2, len(data.chosen))))]
    priced, highest = best_prices(data, ceiling)
    if priced.prices.any():
        bounds.append(priced)
    if not strict:
        best.raise_bound(float(highest.min()) / data.scale)
    model = program(data, highest < ceiling, bounds)
    best.statistics |= {"rejected": 0, "build_s": best.recorder.elapsed_s} | best.statistics

    def take(names: list[str], cost: float) -> float:
        if not best.offer(read_plan(data, best.instance, names)):
            best.statistics["rejected"] = int(best.statistics["rejected"] or 0) + 1
            return cost
        return best.objective * (1 - best.budget.relative_gap / 2) * data.scale

    def bound(cost: float) -> None:
        if not strict:
            best.propose_bound(cost / data.scale)

    found = widen(model, best.budget, best.recorder, take, bound, ceiling)
    for name in ("expanded", "generated", "width"):
        best.statistics[name] = getattr(found, name)
    if found.exhausted is not None:
        bound(found.exhausted)
        found.exhausted /= data.scale
    return found


METHOD = CiftDidp()
