r"""What JQODI promises before it runs, and what its bound proved afterwards, in words and as data.

No deadline: a shortest path, exact. One deadline: a scheme with ``E <= (1 + epsilon) OPT``, the
deadline kept. Two deadlines: either both are kept and E is held against the optimum under
``tau_inf / (1 + epsilon)``; or the fine-tuning deadline is kept, the inference deadline exceeded
by at most 1 + epsilon, and ``E <= (1 + epsilon) OPT``. With unbounded paths no polynomial method
has both at full strength unless P = NP.
"""

from __future__ import annotations

from dataclasses import replace

from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.method import EXACT, Guarantee

INTERRUPTED = Guarantee("none", None, "no guarantee: the run was interrupted")
_ROUNDING = 1e-9


def interrupted(promise: Guarantee) -> Guarantee:
    """Return what is left of a guarantee when the run ends early: what the plan keeps."""
    return replace(INTERRUPTED, relaxed_deadlines=promise.relaxed_deadlines)


def broken(
    promise: Guarantee, energy: float, bound: float, relative_gap: float, edge: bool
) -> str | None:
    """Return how a finished run missed its promise by its own bound, None where it did not.

    Where no deadline is tightened the proof holds for the final bound as for the optimum:
    ``energy <= factor * bound`` (`docs/explanation/guarantees.md`), rounding aside. A bound on the
    tightened optimum there is none; but the promise hangs on the plans found, so it is given up
    where one of them was on the edge of its deadlines (`edge`) and the bound does not keep it.
    """
    if promise.factor is None or (promise.reference_deadlines and not edge):
        return None
    factor = promise.factor if promise.kind == "approximation" else 1.0 + max(relative_gap, 1e-9)
    if energy <= factor * bound * (1.0 + _ROUNDING):
        return None
    ratio = energy / bound if bound > 0 else float("inf")
    return f"promised E <= {factor:.9g} OPT, and its bound certifies E <= {ratio:.9g} OPT only"


def promised(instance: CiftInstance, epsilon: float, deadlines: str) -> Guarantee:
    """Return the guarantee of a run within `epsilon` that is not interrupted."""
    # Without a deadline one speed a node is enough, but for a throughput.
    grid = instance.has_continuous_speeds and instance.throughput_per_s is not None
    if epsilon == 0 or (instance.deadlines == 0 and not grid):
        return EXACT
    factor = 1.0 + epsilon
    line = f"E <= {factor:g} OPT"
    if instance.deadlines == 0:
        return Guarantee("approximation", factor, f"{line}, the throughput kept")
    if instance.doubt is not None and instance.doubt.network:
        return Guarantee("approximation", factor, f"{line}, each deadline with its probability")
    if instance.deadlines < 2:
        return Guarantee("approximation", factor, f"{line}, the deadline kept")
    if deadlines == "relaxed":
        return Guarantee(
            "approximation",
            factor,
            f"{line}, the fine-tuning deadline kept, "
            f"the inference deadline exceeded by at most a factor {factor:g}",
            relaxed_deadlines={"inference": factor},
        )
    return Guarantee(
        "approximation",
        factor,
        f"both deadlines kept, {line} under the inference deadline divided by {factor:g}",
        reference_deadlines={"inference": factor},
    )


def certified(
    energy: float | None, bound: float | None, name: str = "E", exceeds: float = 1.0
) -> tuple[float | None, str]:
    """Return (ratio, line): how far above the optimum the plan is at most, by the bound found.

    Parameters
    ----------
    exceeds
        Times the inference deadline that the plan takes, where that is more than it may: the bound
        is one of the problem with the deadline kept.
    """
    if energy is None or bound is None:
        return None, "nothing: no plan"
    if exceeds > 1.0:
        ratio, line = certified(max(energy, bound), bound, name)
        line = line.replace("the plan is optimal", f"{name} <= OPT")
        kept = "of the problem with both deadlines kept; the plan takes"
        return ratio, f"{line} {kept} {exceeds:.6g} times the inference deadline"
    if energy <= bound:
        return 1.0, "the plan is optimal"
    if bound <= 0:
        return None, "nothing: the bound is 0"
    return energy / bound, f"{name} <= {energy / bound:.9g} OPT by the bound found"
