"""The frame of exact methods for MEPRA."""

from __future__ import annotations

from splitopt.formulations.exact import ExactMethod
from splitopt.formulations.mepra.incumbent import Incumbent
from splitopt.instances.contract.method import Budget, Recorder
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan


class ExactMepra(ExactMethod[MepraInstance, MepraPlan, Incumbent]):
    """An exact method; subclasses say `prove`."""

    def open(self, instance: MepraInstance, budget: Budget, recorder: Recorder) -> Incumbent:
        """Return the best plan and bound."""
        return Incumbent(instance, budget, recorder)
