r"""MEPRA as it stands, with shares, for SCIP: a mixed-integer nonlinear program.

An option k of device i (a split, and an exit set where exits are free) has an own cost a and
leaves edge work; on the whole server that work would cost b = w_T W / C, on a share alpha it
costs b / alpha. Options and figures come from `splitopt.formulations.mepra.layerwise`.

Variables
---------
``z_ik`` in {0, 1}: device i takes option k; ``alpha_i >= 0``: its share; ``t_i >= 0``: its time at
the edge, in cost.

Constraints
-----------
::

    sum_k z_ik = 1                       for each device i
    sum_i alpha_i <= 1
    t_i alpha_i >= sum_k b_ik z_ik       for each device i          (right_side = linear)
    t_i alpha_i >= (sum_k r_ik z_ik)^2   with r = sqrt(b)           (right_side = conic)

Both right sides are the same for binary z. The first is the problem as it comes; its relaxation
is not convex, SCIP convexifies the product over boxes and branches on shares. The second is a
rotated cone: convex as it is.

Objective
---------
``min sum_ik a_ik z_ik + sum_i t_i``.

A lower bound on shares would move the optimum, hence t alpha >= b z and not t >= b / alpha.

Scaling and what the tolerance can cost
---------------------------------------
SCIP lets each constraint be violated by a feasibility tolerance f. Costs are scaled so that the
known plan's is `_SCALE`; t_i and alpha_i are measured in units of T_i and s_i so that
constraint i reads t' alpha' >= b / B_i with B_i its largest b. A device may so be let off up to
3 f B_i of its b (f each by this constraint, by its sum of z, and by z that are not quite whole),
which lowers its root from sqrt(b) to sqrt(b - 3 f B_i); the sum of roots falls by at most e, the
sum over devices of the largest such fall, and the cost by at most 2 R e, with R^2 at most the
known plan's cost. Own costs and the sum of shares may be off by 4 f relatively. The bound is
lowered by all that, the `tolerance_error`: some 1e-8, more where devices have options of small b.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from splitopt.formulations.mepra.exact import ExactMepra
from splitopt.formulations.mepra.incumbent import Incumbent
from splitopt.formulations.mepra.layerwise import (
    WalkedOption,
    descent,
    plan_of,
    root_of,
    walked_options,
)
from splitopt.formulations.solvers.parameters import SCIP
from splitopt.instances.contract.method import Option, Result, Support, Termination
from splitopt.instances.mepra.model import MepraInstance

_SCALE = 1e3
_FEASIBILITY = 1e-9
_MOST_DEVICES = 5000


class MepraScip(ExactMepra):
    """The natural model with shares, solved by SCIP as a global solver."""

    name = "scip-minlp"
    parameters = SCIP
    options: tuple[Option, ...] = (
        Option(
            "right_side",
            "linear",
            "t alpha >= sum b z, or the cone t alpha >= (sum r z)^2",
            choices=("linear", "conic"),
        ),
    )

    def supports(self, instance: MepraInstance) -> Support:
        """Take instances small enough to be stated in Python."""
        if instance.devices > _MOST_DEVICES:
            return Support(f"scip-minlp takes at most {_MOST_DEVICES} devices")
        return Support()

    def prove(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        table = walked_options(instance)
        start = descent(instance, table)
        best.offer(plan_of(instance, start))
        if best.objective == 0:
            return best.result()
        model = _Model(best, table, conic=chosen["right_side"] == "conic")
        return model.search(start, seed)


class _Model:
    """The model, its units, and one search."""

    def __init__(self, best: Incumbent, table: list[list[WalkedOption]], *, conic: bool) -> None:
        import pyscipopt

        self.best = best
        instance = best.instance
        self.scale = _SCALE / best.objective
        # An option dearer than the known plan, even with the whole server, is not needed.
        self.ceiling = best.objective
        room = self.ceiling * (1 + 1e-9)
        self.table = [
            [o for o in mine if o.own_cost + root_of(instance, o) ** 2 <= room] for mine in table
        ]
        self.roots = [
            [root_of(instance, o) * math.sqrt(self.scale) for o in mine] for mine in self.table
        ]
        model = pyscipopt.Model()
        model.hideOutput(not best.budget.log)
        # Variables, in units: t_i = unit_t t'_i and alpha_i = unit_a alpha'_i.
        self.z = [[model.addVar(vtype="B") for _ in mine] for mine in self.table]
        self.busy = [i for i, roots in enumerate(self.roots) if max(roots) > 0]
        total = sum(max(self.roots[i]) for i in self.busy)
        self.unit_a = {i: max(self.roots[i]) / total for i in self.busy}
        self.unit_t = {i: max(self.roots[i]) * total for i in self.busy}
        self.t = {i: model.addVar(lb=0, ub=None) for i in self.busy}
        self.alpha = {i: model.addVar(lb=0, ub=1 / self.unit_a[i]) for i in self.busy}
        # Constraints.
        for z in self.z:
            model.addCons(pyscipopt.quicksum(z) == 1)
        if self.busy:
            shares = (self.unit_a[i] * self.alpha[i] for i in self.busy)
            model.addCons(pyscipopt.quicksum(shares) <= 1)
        for i in self.busy:
            top = max(self.roots[i])
            parts = [(r / top, z) for r, z in zip(self.roots[i], self.z[i], strict=True) if r > 0]
            if conic:
                right = pyscipopt.quicksum(r * z for r, z in parts) ** 2
            else:
                right = pyscipopt.quicksum(r * r * z for r, z in parts)
            model.addCons(self.t[i] * self.alpha[i] >= right)
        # Objective.
        own = (
            o.own_cost * self.scale * z
            for mine, row in zip(self.table, self.z, strict=True)
            for o, z in zip(mine, row, strict=True)
        )
        edge = (self.unit_t[i] * self.t[i] for i in self.busy)
        model.setObjective(pyscipopt.quicksum(own) + pyscipopt.quicksum(edge), "minimize")
        self.model = model
        self.off = self.let_off()
        best.statistics |= {
            "rows": model.getNConss(),
            "columns": model.getNVars(),
            "tolerance_error": self.off,
            "build_s": best.recorder.elapsed_s,
        }

    def let_off(self) -> float:
        """Return what the feasibility tolerance can take off the optimum, relatively."""
        fall = 0.0
        for i in self.busy:
            top = max(self.roots[i])
            shaved = 3 * _FEASIBILITY * top * top
            fall += max(r - math.sqrt(max(0.0, r * r - shaved)) for r in self.roots[i])
        return 2 * math.sqrt(_SCALE) * fall / _SCALE + 4 * _FEASIBILITY

    def raise_bound(self, bound: float) -> None:
        """Take SCIP's bound, lowered by what its tolerances may have added."""
        if bound < self.model.infinity():
            bound = min(bound / self.scale, self.ceiling)
            self.best.raise_bound(bound - self.ceiling * self.off)

    def take(self, solution: Any) -> None:
        """Offer the plan of one of SCIP's solutions, with the best shares."""
        value = self.model.getSolVal
        picked = [
            max(zip(mine, row, strict=True), key=lambda pair: value(solution, pair[1]))[0]
            for mine, row in zip(self.table, self.z, strict=True)
        ]
        self.best.offer(plan_of(self.best.instance, picked))

    def suggest(self, picked: list[WalkedOption]) -> None:
        """Give SCIP the known plan."""
        model = self.model
        solution = model.createSol()
        chosen = [
            next((k for k, o in enumerate(mine) if o is p), None)
            for mine, p in zip(self.table, picked, strict=True)
        ]
        if None in chosen:
            return
        roots = [mine[k] for mine, k in zip(self.roots, chosen, strict=True) if k is not None]
        total = sum(roots)
        for row, k in zip(self.z, chosen, strict=True):
            for position, z in enumerate(row):
                model.setSolVal(solution, z, float(position == k))
        for i in self.busy:
            model.setSolVal(solution, self.t[i], roots[i] * total / self.unit_t[i])
            share = roots[i] / total / self.unit_a[i] if total else 0.0
            model.setSolVal(solution, self.alpha[i], share)
        model.addSol(solution)

    def search(self, start: list[WalkedOption], seed: int) -> Result:
        """Run SCIP within what is left of the budget."""
        import pyscipopt

        best, model = self.best, self.model
        self.suggest(start)
        # A quarter of the gap, for the tolerances take their part of it.
        model.setParam("limits/gap", best.budget.relative_gap / 4)
        model.setParam("numerics/feastol", _FEASIBILITY)
        model.setParam("randomization/randomseedshift", seed % 2**31)
        SCIP.set(model, best.parameters)
        if best.remaining_s is not None:
            model.setParam("limits/time", best.remaining_s)
        if best.budget.memory_limit_bytes is not None:
            model.setParam("limits/memory", best.budget.memory_limit_bytes / 2**20)
        outer = self

        class _Watch(pyscipopt.Eventhdlr):  # type: ignore[misc]
            """Follow solutions and bounds."""

            kinds = (
                pyscipopt.SCIP_EVENTTYPE.BESTSOLFOUND,
                pyscipopt.SCIP_EVENTTYPE.NODESOLVED,
            )

            def eventinit(self) -> None:
                for kind in self.kinds:
                    self.model.catchEvent(kind, self)

            def eventexit(self) -> None:
                for kind in self.kinds:
                    self.model.dropEvent(kind, self)

            def eventexec(self, event: Any) -> None:
                if event.getType() == pyscipopt.SCIP_EVENTTYPE.BESTSOLFOUND:
                    outer.take(self.model.getBestSol())
                else:
                    outer.raise_bound(self.model.getDualbound())

        model.includeEventhdlr(_Watch(), "watch", "solutions and bounds as they come")
        model.optimize()
        status = model.getStatus()
        if model.getNSols():
            self.take(model.getBestSol())
        self.raise_bound(model.getDualbound())
        best.statistics |= {"nodes": model.getNTotalNodes(), "scip_status": status}
        ended = {
            "optimal": Termination.SOLVED,
            "gaplimit": Termination.SOLVED,
            "timelimit": Termination.TIME,
            "memlimit": Termination.MEMORY,
        }.get(status, Termination.CRASHED)
        return best.result(ended)


METHOD = MepraScip()
