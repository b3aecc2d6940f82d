"""The frame of exact methods for CIFT."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from splitopt.formulations.cift.incumbent import Incumbent
from splitopt.formulations.exact import ExactMethod
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.method import Budget, Recorder, Result, Support, Termination


class AnySpeeds(ExactMethod[CiftInstance, CiftPlan, Incumbent]):
    """An exact method for listed and continuous speeds; subclasses say `search`."""

    doubt = frozenset({"epochs"})

    def open(self, instance: CiftInstance, budget: Budget, recorder: Recorder) -> Incumbent:
        """Return the best plan and bound, in units of their own."""
        return Incumbent(instance, budget, recorder)

    def prove(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search, where there is a configuration to choose."""
        if not best.instance.configurations:
            return best.result(Termination.SOLVED, exhausted=math.inf)
        return self.search(best, chosen, seed)

    @abstractmethod
    def search(self, best: Incumbent, chosen: Mapping[str, Any], seed: int) -> Result:
        """Search until the gap asked for is proven, or a limit."""


class ListedSpeeds(AnySpeeds):
    """An exact method for listed speeds."""

    def supports(self, instance: CiftInstance) -> Support:
        """Take instances whose speeds are listed."""
        if instance.has_continuous_speeds:
            return Support(f"{self.name} needs listed speeds; highs-oa takes continuous ones")
        return super().supports(instance)
