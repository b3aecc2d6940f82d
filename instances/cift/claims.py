"""The gate that every proof by a solver in floating point passes before it becomes a claim.

Branch and bound in floating point holds rows and integers to absolute tolerances, and its presolve
has been seen to cut off optima of models with plain figures. So the word of a solver, "optimal" or
"infeasible", is a proposal. It becomes a claim of the suite unless one of these rules turns it into
"not decided", which results show as ``refused`` in their statistics:

1. **Contradicted.** A plan that the judge accepts, whoever found it, costs less than the bound, or
   exists where there should be none. Beside the solver's own plans these are the plans of
   `witness`: a few shortest paths at different prices of time, with fitted speeds.
2. **On the edge.** An instance is called infeasible, and a plan misses its limits by less than
   `EDGE` of them: solvers and judge may differ on which side it lies.
3. **Spread.** Coefficients of one row differ by more than `SPREAD`: the solver's tolerance on the
   large ones hides the small ones.
4. **Second opinion.** The same model solved again by another route of the solver (without its
   presolve) does not agree.

Rules 1 and 2 are here; 3 and 4 where the models are (`splitopt.formulations.cift.milp`). The plans
of the gate only ever speak against a claim: they never become a method's own, nor does a bound
follow.
"""

from __future__ import annotations

from splitopt.instances.cift.witness import EDGE, Witness, witness
from splitopt.instances.core.tolerances import TOLERANCES

__all__ = ["EDGE", "SPREAD", "Witness", "doubt_bound", "doubt_infeasible", "witness"]


SPREAD = 1e10


def doubt_infeasible(found: Witness) -> str | None:
    """Return what speaks against a proof that there is no plan, None where nothing does."""
    if found.plan is not None:
        return "said to be infeasible; there is a plan"
    if found.excess < EDGE:
        return f"said to be infeasible; a plan exceeds its limits by {found.excess:.2g} of them"
    return None


def doubt_bound(bound: float, least: float) -> str | None:
    """Return what a plan that costs `least` says against a lower bound, None for nothing."""
    if bound <= least + TOLERANCES.bound * abs(least):
        return None
    over = f"{bound / least:.9g} times" if least > 0 else "above"
    return f"a bound {over} what a plan costs"
