"""CIFT in integers for CP-SAT: every block of every configuration chooses where and how fast.

Variables (booleans)
--------------------
- ``y_g``: configuration g is chosen;
- ``serve_gbnf``, ``tune_gbnf``: block b of g runs on node n, at level f, in serving and in
  fine-tuning;
- ``hop_gbl``: what b blocks leave behind crosses link l;
- ``at_nf`` (one set a phase): node n computes at level f.

Constraints
-----------
With ``host_gbn = sum_f serve_gbnf`` and ``host_g0n = y_g`` at the source, 0 elsewhere::

    exactly one y_g
    host_gbn + sum_{l into n} hop_gbl = host_g,b+1,n + sum_{l out of n} hop_gbl    b = 0..L-1
    sum_n host_gbn = y_g
    sum_f tune_gbnf = host_gbn                                       (with fine-tuning)
    at most one at_nf a node and phase;   sum_g serve_gbnf <= at_nf
    sum_b held_gb host_gbn <= M_n
    sum latency' <= tau_inf',    sum time' <= tau_ft'

Links are acyclic, so what leaves a node does not come back and its blocks are consecutive. Where
the network is a graph, rows of precedence and a literal a tensor and link take the place of hops of
cuts (`splitopt.formulations.cift.cpsat.graphs`); a throughput leaves hops out and adds a row a node
and level (`rates`); where links and nodes are in doubt, a literal says which scenarios may be late,
or Cantelli's bound is stated in squares of integers (`doubt`).

Objective
---------
``min sum e'`` over serve, tune and hop.

Reduction
---------
Before CP-SAT starts (option `reduction`), literals leave that no plan cheaper than one known
already needs, by deadlines priced over paths (`splitopt.formulations.cift.cpsat.paths`), and the
objective is cut off at what then is still to be found: CP-SAT refutes that or finds it. Where
prices alone close the gap, it is not asked. That is quick, and no opinion apart from the flow's,
which prices by the same code: the best-known registry takes proofs with ``reduction=false``.

Scaling
-------
`splitopt.formulations.cift.cpsat.figures` rounds all figures down, so the model's optimum over K is
a bound on the true one, by less than ``scaling_error`` = H / K below it. What the rounding of times
lets through and `check` rejects is cut off by a clause and the model is solved again. K follows the
best plan known, and the model is scaled anew when that turns out to be too coarse. Terms above the
best plan's energy or a deadline are left out; K and Q keep sums below 2^60.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Mapping
from typing import Any

from splitopt.formulations.cift.cpsat.building import build, least_energy_j, scales_for
from splitopt.formulations.cift.cpsat.doubt import add_doubt
from splitopt.formulations.cift.cpsat.figures import Offer, offers
from splitopt.formulations.cift.cpsat.model import IntegerModel, Scales
from splitopt.formulations.cift.cpsat.paths import Kept, reduced
from splitopt.formulations.cift.cpsat.plans import literals_of, read_plan
from splitopt.formulations.cift.exact import ListedSpeeds
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.solvers.cpsat import run
from splitopt.formulations.solvers.parameters import CPSAT
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND, CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Option, Result, Support, Termination

_FINER = 5  # how often the scale is refined


def older_ortools() -> str | None:
    """Return the version of an OR-Tools before 9.15, None of another."""
    found = importlib.metadata.version("ortools")
    numbers = tuple(int(part) for part in found.split(".")[:2])
    return found if numbers < (9, 15) else None


class CiftCpsat(ListedSpeeds):
    """Blocks, hops and levels as booleans, solved by CP-SAT; listed speeds."""

    name = "cpsat"
    takes = BEYOND
    doubt = KINDS
    parameters = CPSAT
    options: tuple[Option, ...] = (
        Option("reduction", True, "drop literals that no path with deadlines priced needs"),
    )

    def supports(self, instance: CiftInstance) -> Support:
        """Take no spread with an OR-Tools that aborts on its squares: before 9.15."""
        spread = instance.doubt is not None and instance.doubt.spread
        if spread and (found := older_ortools()) is not None:
            return Support(f"{self.name} takes means and variances with OR-Tools 9.15, not {found}")
        return super().supports(instance)

    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        choices = offers(instance)
        if not choices:
            return best.result(Termination.SOLVED, exhausted=math.inf)
        best.raise_bound(min(least_energy_j(offer) for offer in choices) * (1 - 1e-12))
        kept = reduced(instance, choices, best) if chosen["reduction"] else None
        if kept is not None and not kept.offers:
            return best.result(Termination.SOLVED, exhausted=kept.cutoff)
        if best.closed or best.remaining_s == 0:
            return best.result(Termination.SOLVED if best.closed else Termination.TIME)
        return _search(best, choices, seed, kept)


def _search(best: Incumbent, choices: list[Offer], seed: int, kept: Kept | None) -> Result:
    """Scale, solve, and again where the scale was too coarse or `check` objects."""
    from ortools.sat.python import cp_model

    instance, budget = best.instance, best.budget
    terms = max(o.terms(len(instance.nodes)) for o in choices)
    rejected: list[CiftPlan] = []
    counts = {"rounds": 0, "branches": 0, "conflicts": 0}
    status = cp_model.UNKNOWN
    coarse = 0
    while True:
        counts["rounds"] += 1
        scales = scales_for(instance, choices, best)
        error = terms / scales.energy
        model = build(instance, choices, scales, kept)
        add_doubt(model, choices, instance, scales)
        for plan in rejected:
            literals = literals_of(model, choices, instance, plan)
            if literals is not None:
                model.cp.add_bool_or([~literal for literal in literals])
        _hint(model, choices, best)
        best.statistics |= {
            "booleans": len(model.energy),
            "constraints": len(model.cp.proto.constraints),
            "scaling_error_j": error * best.units.joule,
        }
        best.statistics.setdefault("build_s", best.recorder.elapsed_s)
        before = len(rejected)
        status = _run(best, choices, model, scales, seed, rejected, counts)
        best.statistics |= counts
        if status == cp_model.INFEASIBLE:
            return best.claim(Termination.SOLVED, exhausted=model.cutoff)
        if status != cp_model.OPTIMAL or best.closed:
            break
        if len(rejected) == before:
            coarse += 1
            off = error + model.blur / scales.energy
            if coarse > _FINER or off <= budget.relative_gap * best.objective / 2:
                break
    ended = {cp_model.OPTIMAL: Termination.SOLVED, cp_model.MODEL_INVALID: Termination.CRASHED}
    return best.claim(ended.get(status, Termination.TIME))


def _hint(model: IntegerModel, choices: list[Offer], best: Incumbent) -> None:
    if best.plan is None:
        return
    literals = literals_of(model, choices, best.instance, best.plan)
    if literals is None:
        return
    true = {literal.index for literal in literals}
    for literal, _ in model.energy:
        model.cp.add_hint(literal, literal.index in true)
    for y in model.chosen:
        model.cp.add_hint(y, y.index in true)


def _run(
    best: Incumbent,
    choices: list[Offer],
    model: IntegerModel,
    scales: Scales,
    seed: int,
    rejected: list[CiftPlan],
    counts: dict[str, int],
) -> Any:
    """Run CP-SAT within what is left of the budget; return its status."""
    blur = model.blur

    def take(value: Any) -> None:
        plan = read_plan(model, choices, best.instance, value)
        if not best.offer(plan) and plan not in rejected:
            rejected.append(plan)

    def bound(scaled: float) -> None:
        best.propose_bound(min((scaled - blur) / scales.energy, model.cutoff))

    settings = {
        "relative_gap_limit": best.budget.relative_gap / 2,
        # It calls models infeasible that are not, where an integer is above one of several.
        "auto_detect_greater_than_at_least_one_of": False,
    }
    solver, status = run(best, model.cp, settings, seed, take=take, bound=bound)
    counts["branches"] += solver.num_branches
    counts["conflicts"] += solver.num_conflicts
    return status


METHOD = CiftCpsat()
