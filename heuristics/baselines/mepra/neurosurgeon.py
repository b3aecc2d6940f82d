"""``neurosurgeon`` for MEPRA: each device cuts for itself, as if the edge were its own.

Neurosurgeon (Kang et al., ASPLOS 2017) cuts a network where its latency, or the device's energy, is
least, with the server's speed as it is for one client. So each device takes the split that is best
at a share of one; the shares of the splits then follow by the square-root rule, the best there is
for them. Ties go to the earlier cut. What it cannot represent: that devices share the edge, and
exits: it takes instances with fixed exits alone.
"""

from __future__ import annotations

import numpy as np

from splitopt.heuristics.baselines.mepra.data import device_chunks, split_costs
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    Result,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights


class Neurosurgeon(Framed[MepraInstance, MepraPlan]):
    """Best split of each device at a share of one, for latency or for energy."""

    name = "neurosurgeon"
    options = (
        Option("objective", "latency", "what a device minimises", choices=("latency", "energy")),
    )

    def supports(self, instance: MepraInstance) -> Support:
        """Take instances with fixed exits."""
        if instance.exits == "free":
            return Support("it has no early exits to choose; fix the exits")
        return Support()

    def answer(self, instance: MepraInstance, run: Run[MepraPlan]) -> Result:
        """Return the plan of load-blind splits with square-root shares."""
        objective = run.options["objective"]
        weights = (1.0, 0.0) if objective == "latency" else (0.0, 1.0)
        # The same data with other weights: what a device looks at when it chooses.
        view = instance.replace(weight_time_per_s=weights[0], weight_energy_per_j=weights[1])
        assert instance.exit_set is not None
        splits, roots = [], []
        for devices in device_chunks(view):
            if run.stopped:
                return nothing_found(run.recorder, termination=Termination.TIME)
            costs = split_costs(devices, instance.exit_set[devices.rows])
            split = np.argmin(costs.at(1.0, devices.edge_price), axis=1).astype(np.int64)
            splits.append(split)
            roots.append(np.sqrt(costs.edge_flop[np.arange(devices.count), split]))
        plan = MepraPlan(np.concatenate(splits), shares_from_weights(np.concatenate(roots)))
        return conclude(instance, plan, run.recorder, run.budget)


METHOD = Neurosurgeon()
