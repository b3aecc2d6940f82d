"""MEPRA by enumeration: the oracle that every other method is held against.

With the splits (and, where they are free, the exit sets) fixed, device i has a cost a_i of its
own and leaves W_i FLOP to the edge. The shares then minimise ``sum_i w_T W_i / (alpha_i C)``
over ``sum_i alpha_i <= 1``; by the Cauchy-Schwarz inequality, ::

    sum_i w_T W_i / (alpha_i C)  >=  (sum_i r_i)^2 / sum_i alpha_i,      r_i = sqrt(w_T W_i / C)

with equality for alpha_i proportional to r_i: the square-root rule. So the cost of a choice of
options is ``sum_i a_i + (sum_i r_i)^2``, and all products of the devices' options are tried.

An option may be left out where another of the same device has no larger a_i and no larger W_i:
put in its place, it raises neither sum, hence not the cost. Nothing else is left out.

The probabilities are derived here from the tasks themselves, apart from every model and from
the judge: of the tasks that would leave at exit k, a fraction p_k, each leaves at the first
enabled exit not before k. Layer j runs for those that leave at j or later; so does branch j,
where exit j is enabled.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import Budget, Recorder, Result, Support, Termination
from splitopt.instances.contract.outcome import cheaper, conclude, nothing_found
from splitopt.instances.judge import evaluate
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights

MOST_CHOICES = 3_000_000
MOST_OPTIONS = 100_000
_ROWS = 1 << 16
# What rounding can take from a sum of a few hundred positive terms.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a device.

    Attributes
    ----------
    own_cost
        a, what device and transmission cost.
    edge_flop
        W, work left to the edge.
    split
        Layers computed on the device.
    exits
        The enabled exits as bits, exit j in bit j - 1.
    """

    own_cost: float
    edge_flop: float
    split: int
    exits: int


def _shares_of_tasks(instance: MepraInstance, device: int) -> list[float]:
    """Return p_k, the tasks that would leave at exit k, as read from the device's row."""
    table = instance.exit_fractions
    k = int(instance.exit_row[device])
    row = table.rows[k].tolist()[: int(table.lengths[k])]
    if table.reading == "leftover-to-last":
        row[-1] += max(0.0, table.total - math.fsum(row))
    whole = math.fsum(row)
    return [figure / whole for figure in row]


def _exit_sets(instance: MepraInstance, device: int, layers: int) -> list[int]:
    if instance.exit_set is not None:
        return [int(instance.exit_set[device])]
    last = 1 << (layers - 1)
    return [last | rest for rest in range(last)]


def device_choices(instance: MepraInstance, device: int) -> list[Choice]:
    """Return every option of a device: each exit set it may have with each split."""
    network = instance.profiles[int(instance.profile[device])]
    L = len(network.layers)
    leaving = _shares_of_tasks(instance, device)
    speed = float(instance.speed_flop_per_s[device])
    power = float(instance.power_w[device])
    transmit_power = float(instance.transmit_power_w[device])
    second = instance.weight_time_per_s
    joule = instance.weight_energy_per_j
    choices = []
    for exits in _exit_sets(instance, device, L):
        enabled = [j for j in range(1, L + 1) if exits >> (j - 1) & 1]
        # reach[j]: share of tasks whose exit is j or a later one, j = 1..L.
        reach = [0.0] * (L + 2)
        for k in range(1, L + 1):
            out = next(j for j in enabled if j >= k)
            for j in range(1, out + 1):
                reach[j] += leaving[k - 1]
        reach[1] = 1.0
        work = [
            reach[j] * layer.flops + (reach[j] * layer.branch_flops if j in enabled else 0.0)
            for j, layer in enumerate(network.layers, start=1)
        ]
        for split in range(L + 1):
            local_s = sum(work[:split]) / speed
            if split == 0:
                bits = network.input_bits
            elif split < L:
                bits = reach[split + 1] * network.layers[split - 1].activation_bits
            else:
                bits = 0.0
            transmission_s = bits / instance.bandwidth_bit_per_s
            joules = power * local_s + transmit_power * transmission_s
            own = second * (local_s + transmission_s) + joule * joules
            choices.append(Choice(own, sum(work[split:]), split, exits))
    return choices


def undominated(choices: list[Choice]) -> list[Choice]:
    """Return the options that no other one matches in both own cost and edge work."""
    kept: list[Choice] = []
    least = math.inf
    for choice in sorted(choices, key=lambda c: (c.own_cost, c.edge_flop, c.split, c.exits)):
        if choice.edge_flop < least:
            kept.append(choice)
            least = choice.edge_flop
    return kept


class BruteForceMepra(Framed[MepraInstance, MepraPlan]):
    """Enumeration of every combination of options of a small MEPRA instance."""

    name = "brute-force"

    def supports(self, instance: MepraInstance) -> Support:
        """Take what has at most three million combinations of undominated options."""
        layers = instance.layers[instance.profile].astype(np.float64)
        sets = 1.0 if instance.exits == "fixed" else 2.0 ** (layers - 1)
        total = float(((layers + 1) * sets).sum())
        if total > MOST_OPTIONS:
            return Support(f"{total:.6g} splits and exit sets to list, more than {MOST_OPTIONS}")
        count = 1
        for i in range(instance.devices):
            count *= len(undominated(device_choices(instance, i)))
            if count > MOST_CHOICES:
                return Support(
                    f"{count} combinations of the first {i + 1} of {instance.devices} devices "
                    f"to enumerate, more than {MOST_CHOICES}"
                )
        return Support()

    def answer(self, instance: MepraInstance, run: Run[MepraPlan]) -> Result:
        """Return the optimum, or the best plan so far and no bound when time is up.

        A start speeds nothing up; it is kept when time is up before anything better is found.
        """
        fronts = []
        for i in range(instance.devices):
            if run.stopped:
                return _out_of_time(instance, None, run.start, run.recorder, run.budget)
            fronts.append(undominated(device_choices(instance, i)))
        scale = instance.weight_time_per_s / instance.edge_capacity_flop_per_s
        costs = [np.array([c.own_cost for c in front]) for front in fronts]
        roots = [np.array([math.sqrt(scale * c.edge_flop) for c in front]) for front in fronts]
        # The last devices are combined at once, in one array; the first ones in a loop.
        tail, tail_cost, tail_root = len(fronts), np.zeros(1), np.zeros(1)
        while tail > 0 and len(tail_cost) * len(costs[tail - 1]) <= _ROWS:
            tail -= 1
            tail_cost = np.add.outer(costs[tail], tail_cost).ravel()
            tail_root = np.add.outer(roots[tail], tail_root).ravel()
        best, chosen = math.inf, None
        termination = Termination.SOLVED
        for head in itertools.product(*(range(len(front)) for front in fronts[:tail])):
            if run.stopped:
                termination = Termination.TIME
                break
            head_cost = sum(float(costs[i][k]) for i, k in enumerate(head))
            head_root = sum(float(roots[i][k]) for i, k in enumerate(head))
            values = (head_cost + tail_cost) + (head_root + tail_root) ** 2
            position = int(np.argmin(values))
            if values[position] < best:
                best = float(values[position])
                # By hand: arrays have 64 axes at most, and there may be more devices.
                last = []
                for front in reversed(fronts[tail:]):
                    position, k = divmod(position, len(front))
                    last.append(k)
                chosen = (*head, *reversed(last))
                run.recorder.note(best)
        if chosen is None:
            return _out_of_time(instance, None, run.start, run.recorder, run.budget)
        plan = _plan(instance, [front[k] for front, k in zip(fronts, chosen, strict=True)])
        if termination is Termination.TIME:
            return _out_of_time(instance, plan, run.start, run.recorder, run.budget)
        bound = min(best * (1 - _ROUNDING), evaluate(instance, plan).objective)
        return conclude(
            instance,
            plan,
            run.recorder,
            run.budget,
            bound=bound,
            statistics={"combinations": math.prod(len(front) for front in fronts)},
        )


def _out_of_time(
    instance: MepraInstance,
    plan: MepraPlan | None,
    start: MepraPlan | None,
    recorder: Recorder,
    budget: Budget,
) -> Result:
    """Return the better of the best plan so far and the start."""
    best = cheaper(instance, plan, start)
    if best is None:
        return nothing_found(recorder, termination=Termination.TIME)
    return conclude(instance, best, recorder, budget, termination=Termination.TIME)


def _plan(instance: MepraInstance, choices: list[Choice]) -> MepraPlan:
    # Where time has no weight any shares will do, yet edge work needs one above zero.
    shares = shares_from_weights([math.sqrt(c.edge_flop) for c in choices])
    return MepraPlan(
        np.array([c.split for c in choices]),
        shares,
        np.array([c.exits for c in choices]) if instance.exit_set is None else None,
    )


METHOD = BruteForceMepra()
