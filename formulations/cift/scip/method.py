"""The natural model of CIFT as a mixed-integer nonlinear program, given to SCIP as it stands.

Variables
---------
- ``y_g`` in {0, 1}: configuration g is chosen;
- ``x_gbn`` in {0, 1}: block b of g runs on node n;
- ``h_gbl`` in {0, 1}: what b blocks leave behind crosses link l (of a graph, what is done on each
  link and what crosses it: `splitopt.formulations.cift.scip.graphs`);
- for each node and phase (serving, fine-tuning) ``u``, its work, ``t``, its time, and, on an
  interval of speeds, ``f`` and ``e``, its speed and energy; with a list, ``v_f``, the work done
  at level f, and ``z_f`` in {0, 1}.

Constraints
-----------
With ``x_g0n = y_g`` at the source of g and 0 elsewhere::

    sum_g y_g = 1,    sum_n x_gbn = y_g
    x_gbn + sum_{l into n} h_gbl = x_g,b+1,n + sum_{l out of n} h_gbl        b = 0..L-1
    sum_b held_gb x_gbn <= M_n y_g
    u_n = sum_gb w_gbn x_gbn               (serving: FLOP a request; fine-tuning: FLOP in all)
    interval:  t f >= u,    e >= kappa u f^2 + rho t
    list:      u = sum_f v_f,    v_f <= z_f,    sum_f z_f <= 1,    t = sum_f v_f / f
    sum_n t_n + sum h seconds <= tau       each phase

A throughput R' asks for ``t_n <= 1 / R'`` in serving and leaves out links that are too narrow.

A network in doubt
------------------
t and hops are longer by the slowness of node or link in each scenario; rho is the expected one.

- Scenarios: a row for each with ``y_i`` in {0, 1}, as `splitopt.formulations.cift.chances` says,
  M_i from ratios of scenarios; and the row that means over the fastest keep.
- Means and variances: ``sum mean + s <= tau`` and ``s^2 >= sum_l (kappa sd_l t_l)^2``, the
  second-order cone itself; t_l is the nominal time on a node or link.

Objective
---------
``min sum e + sum v energy + sum h energy``, e times R where it serves.

u, t, f and e are in units of the smallest chain's work and of the node's own speeds, so that they
lie about one. Speeds below the critical one are left out. The products are not convex: SCIP
branches on speeds as well. What it returns holds to its tolerance, so each placement it finds
gets speeds fitted to the deadlines (`splitopt.formulations.cift.scip.reading`) and is valued by
the judge, and `_MARGIN` is taken off its bound. All times fall as speeds rise: a placement is cut
off only where the judge rejects it at the highest ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from splitopt.formulations.cift.exact import AnySpeeds
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.scip.building import aim, build, chains, start
from splitopt.formulations.cift.scip.limits import limit
from splitopt.formulations.cift.scip.model import TOLERANCE, Model
from splitopt.formulations.cift.scip.reading import plans
from splitopt.formulations.solvers.parameters import SCIP
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND
from splitopt.instances.contract.method import Result, Termination

_MARGIN = 1e-8  # relative, off SCIP's bound: reduced costs to 1e-9 on an optimum of about 1e3
_COARSE = 10.0  # factor between scales from which solving again is worth it

Variable = Any


class CiftScip(AnySpeeds):
    """The natural nonlinear model, solved by SCIP; listed and continuous speeds."""

    name = "scip-minlp"
    takes = BEYOND
    doubt = KINDS
    parameters = SCIP

    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        model = start(best.instance)
        floors = chains(model)
        best.raise_bound(min(floors) * (1 - _MARGIN))
        try:
            build(model, best.objective_scale(max(floors)), lambda: best.remaining_s == 0)
            limit(model)
        except TimeoutError:
            return best.result(Termination.TIME)
        except OverflowError as error:
            best.refuse(str(error))
            return best.claim(Termination.LIMIT)
        best.statistics |= {
            "columns": model.scip.getNVars(),
            "rows": model.scip.getNConss(),
            "build_s": best.recorder.elapsed_s,
        }
        if best.remaining_s == 0:
            return best.result(Termination.TIME)
        return _run(best, model, seed)


def _set(model: Model, best: Incumbent, seed: int) -> None:
    """Set SCIP's parameters."""
    scip, budget = model.scip, best.budget
    for name, value in (
        ("numerics/feastol", TOLERANCE),
        ("numerics/dualfeastol", TOLERANCE),
        ("limits/gap", budget.relative_gap / 4),
        ("randomization/randomseedshift", seed % 2**31),
        ("lp/threads", budget.threads),
    ):
        scip.setParam(name, value)
    SCIP.set(scip, best.parameters)
    scip.hideOutput(not budget.log)
    if budget.memory_limit_bytes is not None:
        scip.setParam("limits/memory", budget.memory_limit_bytes / 2**20)


def _run(best: Incumbent, model: Model, seed: int) -> Result:
    """Solve, and again without placements that only SCIP's tolerance admits."""
    from pyscipopt import quicksum

    scip = model.scip
    rejected: list[list[Variable]] = []

    def found(solution: Any) -> None:
        fitted, used = plans(model, lambda v: scip.getSolVal(solution, v) > 0.5)
        accepted = [best.offer(plan) for plan in fitted]
        if not any(accepted):
            rejected.append(used)

    _on_solution(scip, found)
    _set(model, best, seed)
    rounds = 0
    while True:
        if best.remaining_s is not None:
            scip.setParam("limits/time", scip.getTotalTime() + best.remaining_s)
        try:
            scip.optimize()
        except Exception as error:  # PySCIPOpt raises no other class
            best.refuse(str(error))
            return best.claim(Termination.LIMIT)
        rounds += 1
        ended = _ended(best, model, rounds, found)
        if ended is not None:
            return ended
        coarse = not best.closed and best.objective_scale(1.0) > _COARSE * model.scale
        if best.closed or not (rejected or coarse):
            return best.claim(Termination.SOLVED)
        scip.freeTransform()
        if coarse:
            # The first guess was far off: the optimum drowns in SCIP's tolerances.
            try:
                aim(model, best.objective_scale(1.0))
            except OverflowError:
                return best.claim(Termination.SOLVED)
        for used in rejected:
            scip.addCons(quicksum(used) <= len(used) - 1)
        rejected.clear()


def _on_solution(scip: Any, found: Callable[[Any], None]) -> None:
    """Have SCIP tell each solution that is better."""
    from pyscipopt import SCIP_EVENTTYPE, Eventhdlr

    class _OnSolution(Eventhdlr):  # type: ignore[misc]
        def eventinit(self) -> None:
            self.model.catchEvent(SCIP_EVENTTYPE.BESTSOLFOUND, self)

        def eventexit(self) -> None:
            self.model.dropEvent(SCIP_EVENTTYPE.BESTSOLFOUND, self)

        def eventexec(self, event: Any) -> None:
            found(self.model.getBestSol())

    scip.includeEventhdlr(_OnSolution(), "incumbents", "offers each incumbent to the judge")


def _ended(
    best: Incumbent, model: Model, rounds: int, found: Callable[[Any], None]
) -> Result | None:
    """Take what a round found; return the result where it was the last one."""
    scip = model.scip
    status = scip.getStatus()
    best.statistics |= {
        "status": status,
        "nodes": int(best.statistics.get("nodes") or 0) + scip.getNTotalNodes(),
        "rounds": rounds,
        "solve_s": best.recorder.elapsed_s,
    }
    if status == "infeasible":
        return best.claim(Termination.SOLVED, exhausted=math.inf)
    if scip.getNSols() > 0:
        found(scip.getBestSol())
    bound = scip.getDualbound()
    if abs(bound) < scip.infinity():
        best.propose_bound((bound - _MARGIN * max(1.0, abs(bound))) / model.scale)
    if status in ("optimal", "gaplimit"):
        return None
    limits = {"timelimit": Termination.TIME, "memlimit": Termination.MEMORY}
    if status not in limits:
        best.refuse(f"SCIP ended with {status}")
    return best.claim(limits.get(status, Termination.LIMIT))


METHOD = CiftScip()
