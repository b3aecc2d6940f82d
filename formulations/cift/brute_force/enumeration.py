"""CIFT by enumeration: the oracle that every other method is held against.

For each configuration g = (m, c, u, q), each path of links from u, and each way to cut the L
blocks into the consecutive segments of the nodes on that path (a node may get none; the last
one gets some), the speeds of the hosts are enumerated. Of a graph the segments are differences of
sets of blocks that hold with a block all it needs.

Phases decouple at a fixed placement. The inference speeds enter T_inf and the serving energy
alone, the fine-tuning speeds T_ft and the training energy alone. So the least key
``(E, T_inf, T_ft, plan)`` is reached by the least ``(E_inf, T_inf, speeds)`` and the least
``(E_ft, T_ft, speeds)``, each within its own deadline: sums are least when both terms are, the
two sets of minimisers are chosen from freely, and the plan's order compares stop by stop
(inference speed, then fine-tuning speed), where the least pair of a product of sets is the
pair of the least.

**Listed speeds** are enumerated in exact arithmetic: every figure is a rational, put on a
common denominator a configuration, so that costs, deadlines and ties are decided by integers.

**Continuous speeds**: the levels of nodes with lists are enumerated, the speeds in intervals
come from `splitopt.formulations.cift.brute_force.oracle`, in doubles, with a lower bound from
duality.

The costs are written out here once more, from the statement of the problem and apart from
every model and from the judge.
"""

from __future__ import annotations

from fractions import Fraction

from splitopt.formulations.cift.brute_force.continuous import Continuous
from splitopt.formulations.cift.brute_force.doubt import Network, Taken
from splitopt.formulations.cift.brute_force.frame import (
    Enumeration,
    Order,
    OutOfTimeError,
    order_of,
    plan_of,
    rounded_down,
)
from splitopt.formulations.cift.brute_force.listed import Listed
from splitopt.formulations.cift.brute_force.plans import Data, count_plans, placements
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND, CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import Result, Support, Termination
from splitopt.instances.contract.outcome import cheaper, conclude, nothing_found, proven_infeasible
from splitopt.instances.judge import evaluate

MOST_LISTED = 2_000_000
MOST_CONTINUOUS = 60_000


class BruteForceCift(Framed[CiftInstance, CiftPlan]):
    """Enumeration of every plan of a small CIFT instance."""

    name = "brute-force"
    takes = BEYOND
    doubt = KINDS

    def supports(self, instance: CiftInstance) -> Support:
        """Take what has at most two million plans (60 000 with continuous speeds).

        In a network in doubt at most 60 000, and speeds are listed.
        """
        known = super().supports(instance)
        if not known:
            return known
        doubtful = _doubtful(instance)
        if doubtful and instance.has_continuous_speeds:
            return Support("brute-force needs listed speeds where the network is in doubt")
        most = MOST_CONTINUOUS if instance.has_continuous_speeds or doubtful else MOST_LISTED
        count = count_plans(instance)
        if count <= most:
            return Support()
        shown = str(count) if count < 10**12 else f"about 1e{len(str(count)) - 1}"
        return Support(f"{shown} plans to enumerate, more than {most}")

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the optimum, or the best plan so far and no bound when time is up.

        A start speeds nothing up; it is kept when time is up before anything better is found.
        """
        kind: type[_Doubtful | Continuous | Listed]
        kind = Continuous if instance.has_continuous_speeds else Listed
        if _doubtful(instance):
            kind = _Doubtful
        search = kind(instance, run.budget, run.recorder)
        termination = Termination.SOLVED
        try:
            search.enumerate()
        except OutOfTimeError:
            termination = Termination.TIME
        statistics = {"placements": search.visited}
        if termination is Termination.TIME:
            search.plan = cheaper(instance, search.plan, run.start)
        if search.plan is None:
            if termination is Termination.SOLVED:
                return proven_infeasible(run.recorder, statistics)
            return nothing_found(run.recorder, termination=termination, statistics=statistics)
        bound = None
        if termination is Termination.SOLVED:
            bound = min(search.lower_j, evaluate(instance, search.plan).objective)
        return conclude(
            instance,
            search.plan,
            run.recorder,
            run.budget,
            bound=bound,
            termination=termination,
            statistics=statistics,
        )


def _doubtful(instance: CiftInstance) -> bool:
    """Return whether links or nodes are in doubt."""
    return instance.doubt is not None and instance.doubt.network


class _Doubtful(Enumeration):
    """Enumeration of placements and speeds, every scenario worked out, in rationals."""

    def enumerate(self) -> None:
        """Find the plan of least (E, T_inf, T_ft, plan)."""
        network = Network(self.instance)
        best: tuple[Fraction, Fraction, Fraction, int, Order] | None = None
        for index, g in enumerate(self.instance.configurations):
            data = Data.of(self.instance, g)
            for placement in placements(self.instance, g, data):
                if self.late():
                    raise OutOfTimeError
                serving = network.phase(g, data, placement, tuned=False)
                tuning: Taken | None = Taken(Fraction(0), Fraction(0), ())
                if data.compute > 0:
                    tuning = network.phase(g, data, placement, tuned=True)
                if serving is None or tuning is None:
                    continue
                key = (
                    serving.joules + tuning.joules,
                    serving.seconds,
                    tuning.seconds,
                    index,
                    order_of(data, placement, serving.speeds, tuning.speeds),
                )
                if best is None or key < best:
                    best, self.lower_j = key, rounded_down(key[0])
                    self.plan = plan_of(
                        self.instance, g, data, placement, serving.speeds, tuning.speeds or None
                    )
                    self.recorder.note(float(key[0]), plan=self.plan)


METHOD = BruteForceCift()
