r"""JQODI on MEPRA: the label program over devices, exact or within a factor 1 + epsilon.

With the best shares the cost is ``sum_i A_i + (sum_i r_i)^2`` (`jqodi.mepra.options`).
Stage = device, label = (A, R). The Lagrangian gives a bound, a plan and reduced costs
(`jqodi.mepra.dual`); where the bound does not reach the ratio asked for, labels decide
over the devices whose choice is still open (`jqodi.mepra.labels`). The exact program can
grow exponentially; its memory is bounded, and it then ends with its plan and its bound.
"""

from __future__ import annotations

from splitopt.heuristics.jqodi.guarantee import INTERRUPTED, certified
from splitopt.heuristics.jqodi.mepra.search import EXACT_RATIO, MepraSearch
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    EXACT,
    Guarantee,
    Option,
    Result,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.judge import check
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

_REDUCTION = Option(
    "reduction",
    True,
    "let the Lagrangian end the run and cut options and labels; without, labels alone",
)
_EPSILON = Option("epsilon", 0.01, "relative error allowed", minimum=1e-6)


class JqodiMepra(Framed[MepraInstance, MepraPlan]):
    """The label program on MEPRA.

    Parameters
    ----------
    exact
        Whether it is run without trimming.
    """

    def __init__(self, *, exact: bool) -> None:
        self.exact = exact
        self.name = "jqodi-exact" if exact else "jqodi"
        self.options: tuple[Option, ...] = (_REDUCTION,) if exact else (_EPSILON, _REDUCTION)

    def supports(self, instance: MepraInstance) -> Support:
        """Take every instance."""
        return Support()

    # Small instances need no kernels.
    prepare_when_wanted = True

    def prepare(self) -> None:
        """Load the compiled kernels."""
        from splitopt.heuristics.jqodi.mepra.warm import warm_up

        warm_up()

    def answer(self, instance: MepraInstance, run: Run[MepraPlan]) -> Result:
        """Solve within epsilon, or to the budget's gap; see `Method.solve`."""
        epsilon = 0.0 if self.exact else float(run.options["epsilon"])
        search = MepraSearch(
            instance,
            1.0 + epsilon if epsilon else max(EXACT_RATIO, 1.0 + 0.9 * run.budget.relative_gap),
            epsilon > 0,
            bool(run.options["reduction"]),
            run.budget,
            run.recorder,
        )
        if run.start is not None and not check(instance, run.start):
            search.offer(run.start)
        search.go()
        if search.plan is None:
            return nothing_found(
                search.recorder,
                bound=search.bound,
                termination=search.termination,
                statistics=search.statistics,
            )
        guarantee = INTERRUPTED
        if search.termination is Termination.SOLVED:
            guarantee = EXACT
            if epsilon:
                factor = 1.0 + epsilon
                guarantee = Guarantee("approximation", factor, f"cost <= {factor:g} OPT")
        ratio, line = certified(search.cost, search.bound, "cost")
        search.statistics |= {
            "guaranteed": guarantee.statement,
            "certified": line,
            "certified_ratio": ratio,
        }
        return conclude(
            instance,
            search.plan,
            search.recorder,
            run.budget,
            bound=search.bound,
            termination=search.termination,
            guarantee=guarantee,
            statistics=search.statistics,
        )


APPROXIMATE = JqodiMepra(exact=False)
EXACT_PROGRAM = JqodiMepra(exact=True)
