"""CIFT as an assignment of blocks to nodes: a MILP for HiGHS as arrays.

Figures come from `splitopt.formulations.cift.assignment.building`, which writes the rows.

Variables
---------
- ``y_g`` in {0, 1}: configuration g is chosen;
- ``x_gbn`` in {0, 1}: block b of g runs on node n;
- ``h_gbl`` in {0, 1}: what b blocks leave behind crosses link l (b = 0: the raw input);
- ``z_nf`` in {0, 1}, one set for serving, one for fine-tuning: node n computes at level f;
- ``v_gnf`` in [0, 1], likewise: the share of g's FLOP done on node n at level f.

Constraints
-----------
With w_gb the share of block b in the FLOP of its chain and ``x_g0n = y_g`` at the source of g::

    sum_g y_g = 1
    sum_n x_gbn = y_g
    x_gbn + sum_{l into n} h_gbl = x_g,b+1,n + sum_{l out of n} h_gbl       b = 0..L-1
    sum_b held_gb x_gbn <= M_n y_g
    sum_f v_gnf = sum_b w_gb x_gbn,    sum_g v_gnf <= z_nf,    sum_f z_nf <= 1   (each phase)
    sum v latency + sum h latency <= tau_inf,    sum v time + sum h time <= tau_ft

Where blocks weigh differently on nodes, w_gb is the share in the FLOP of the chain there. A
throughput sharpens ``v <= z`` and rules links out (`splitopt.formulations.cift.assignment.limits`);
where the network is in doubt the last rows are those of `splitopt.formulations.cift.doubtful`.

Links are acyclic, so what leaves a node never returns: its blocks are consecutive. Where a network
is a graph, columns for what is done on each link, with rows of precedence, and for each tensor and
link take the place of h: `splitopt.formulations.cift.assignment.graphs`.

Objective
---------
``min sum v energy + sum h energy``. Relaxed, levels mix freely within a node and a node may
serve half a block: the bound is weaker than the flow model's, and the model far smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from splitopt.formulations.cift.assignment.building import build_model, floor_j
from splitopt.formulations.cift.assignment.model import AssignmentModel
from splitopt.formulations.cift.assignment.plans import fitting, plan_of, raised
from splitopt.formulations.cift.doubtful import extended, root_tangents
from splitopt.formulations.cift.exact import ListedSpeeds
from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.cift.milp import Formulation, Row, prove
from splitopt.formulations.solvers.parameters import HIGHS
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Result
from splitopt.instances.core.arrays import Floats, Ints


class CiftAssignment(ListedSpeeds):
    """The assignment MILP, solved by HiGHS; listed speeds."""

    name = "highs-assignment"
    takes = BEYOND
    doubt = KINDS
    parameters = HIGHS

    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""
        instance = best.instance
        assignment = build_model(instance)
        best.raise_bound(floor_j(assignment) * (1 - 1e-12))
        best.statistics["build_s"] = best.recorder.elapsed_s
        return _solve(best, assignment, seed)


def _solve(best: Incumbent, assignment: AssignmentModel, seed: int) -> Result:
    scale = best.objective_scale(assignment.least_energy_j)
    fresh: list[Row] = []

    def read(values: Floats) -> tuple[CiftPlan, Ints]:
        plan = plan_of(assignment, values)
        # A host without FLOP may have no level in the solution, though it has one in the plan.
        taken = assignment.binary & (values > 0.5)
        if not plan.is_graph:
            known, _ = raised(assignment, plan)
            for deadline in assignment.deadlines:
                fresh.extend(deadline.tangents(known))
                known[list(deadline.late.values())] = 0.0
            taken &= known > 0
        return plan, np.flatnonzero(taken)

    def cuts(columns: Ints) -> list[Row]:
        found = list(fresh)
        fresh.clear()
        return found

    model = assignment.sparse(scale)
    if assignment.chances is not None:
        rows = root_tangents(model, assignment.deadlines, lambda: best.remaining_s == 0)
        model = extended(model, rows)
    form = Formulation(
        model,
        scale=scale,
        read=read,
        support=assignment.support,
        start=lambda: None if best.plan is None else fitting(assignment, best.plan),
        cuts=cuts,
    )
    return prove(best, form, seed)


METHOD = CiftAssignment()
