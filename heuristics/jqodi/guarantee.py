r"""What JQODI promises before it runs, and what its bound proved afterwards, in words and as data.

No deadline: a shortest path, exact. One deadline: a scheme with ``E <= (1 + epsilon) OPT``, the
deadline kept. Two deadlines: either both are kept and E is held against the optimum under
``tau_inf / (1 + epsilon)``; or the fine-tuning deadline is kept, the inference deadline exceeded
by at most 1 + epsilon, and ``E <= (1 + epsilon) OPT``. With unbounded paths no polynomial method
has both at full strength unless P = NP.
"""

from __future__ import annotations

from instances.cift import CiftInstance
from instances.interface import EXACT, Guarantee

__all__ = ["INTERRUPTED", "certified", "promised"]

INTERRUPTED = Guarantee("none", None, "no guarantee: the run was interrupted")


def promised(instance: CiftInstance, epsilon: float, deadlines: str) -> Guarantee:
    """Return the guarantee of a run within `epsilon` that is not interrupted."""
    exact = epsilon == 0 or (instance.deadlines == 0)
    if exact:
        return EXACT
    factor = 1.0 + epsilon
    line = f"E <= {factor:g} OPT"
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
    energy: float | None, bound: float | None, name: str = "E"
) -> tuple[float | None, str]:
    """Return (ratio, line): how far above the optimum the plan is at most, by the bound found."""
    if energy is None or bound is None:
        return None, "nothing: no plan"
    if energy <= bound:
        return 1.0, "the plan is optimal"
    if bound <= 0:
        return None, "nothing: the bound is 0"
    return energy / bound, f"{name} <= {energy / bound:.9g} OPT by the bound found"
