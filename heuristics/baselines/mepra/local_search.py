"""``local-search`` for MEPRA: descents over the devices' choices, restarted from kicks.

A state is a choice for each device (`splitopt.heuristics.baselines.mepra.choices`), shares follow
by the square-root rule. Neighbourhoods::

    move       one device takes another of its choices
    exchange   two devices take other choices together, in random pairs

A descent goes in sweeps: all moves are worked out at once, then made in the order of what they
gain, each one only while it still gains with the load that those before it left. Where no move
gains, random pairs of devices are looked at, as many as there are devices (1000 at most), with all
pairs of their choices. The first descent starts from each device's best choice at the share 1/n,
further ones from the best state so far with a few devices drawn anew.

It can represent every plan where exits are fixed; where they are free, those whose exits are the
best ones for a share on a grid.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from splitopt.heuristics.baselines.mepra.choices import Choices, choices_of
from splitopt.heuristics.baselines.mepra.data import Integers
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Option,
    Result,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan

# A gain below this share of the cost is rounding.
_HAIR = 1e-13
_MOST_PAIRS = 1000
_CHUNK = 1 << 16


class LocalSearchMepra(Framed[MepraInstance, MepraPlan]):
    """Iterated descent over the devices' choices."""

    name = "local-search"
    options = (
        Option("restarts", 20, "descents, unless time ends them", minimum=1, maximum=10**9),
        Option("kick", 0.1, "share of the devices drawn anew", minimum=0.0, maximum=1.0),
    )

    def answer(self, instance: MepraInstance, run: Run[MepraPlan]) -> Result:
        """Return the best plan met."""
        given = run.options
        restarts = int(given["restarts"])
        if run.stopped:
            return nothing_found(run.recorder, termination=Termination.TIME)
        rng = np.random.default_rng(run.seed)
        choices = choices_of(instance)

        def stop() -> bool:
            return run.stopped

        best = choices.start()
        least = choices.cost(best)
        run.recorder.note(least)
        kicked = max(2, round(float(given["kick"]) * instance.devices))
        descents = 0
        while descents < restarts and not (descents and stop()):
            chosen = best.copy()
            if descents:
                _kick(choices, chosen, kicked, rng)
            _descend(choices, chosen, rng, stop)
            descents += 1
            cost = choices.cost(chosen)
            if cost < least:
                best, least = chosen, cost
                run.recorder.note(least)
        return conclude(
            instance,
            choices.plan(best),
            run.recorder,
            run.budget,
            termination=Termination.SOLVED if descents == restarts else Termination.TIME,
            statistics={"descents": descents},
        )


def _kick(choices: Choices, chosen: Integers, count: int, rng: np.random.Generator) -> None:
    """Draw the choices of some devices anew, in place."""
    devices = len(chosen)
    for i in rng.choice(devices, size=min(count, devices), replace=False).tolist():
        allowed = np.flatnonzero(np.isfinite(choices.base[i]))
        chosen[i] = allowed[int(rng.integers(len(allowed)))]


def _descend(
    choices: Choices, chosen: Integers, rng: np.random.Generator, stop: Callable[[], bool]
) -> None:
    """Move `chosen` to a local optimum, in place."""
    while not stop():
        if not _sweep(choices, chosen, stop) and not _exchange(choices, chosen, rng, stop):
            break


def _sweep(choices: Choices, chosen: Integers, stop: Callable[[], bool]) -> bool:
    """Make every move that gains, in the order of gains; return whether any was made."""
    base, root, price = choices.base, choices.root, choices.price
    everyone = np.arange(len(chosen))
    load = float(root[everyone, chosen].sum())
    floor = _HAIR * choices.cost(chosen)
    gains = np.empty(len(chosen))
    for start in range(0, len(chosen), _CHUNK):
        rows = everyone[start : start + _CHUNK]
        here = chosen[rows]
        before = base[rows, here] + price * load**2
        loads = (load - root[rows, here])[:, None] + root[rows]
        gains[rows] = before - (base[rows] + price * loads**2).min(axis=1)
    moved = False
    for i in np.argsort(-gains, kind="stable")[: int((gains > floor).sum())].tolist():
        without = load - float(root[i, chosen[i]])
        costs = base[i] + price * (without + root[i]) ** 2
        k = int(np.argmin(costs))
        if costs[chosen[i]] - costs[k] > floor:
            chosen[i] = k
            load = without + float(root[i, k])
            moved = True
            if stop():
                break
    return moved


def _exchange(
    choices: Choices, chosen: Integers, rng: np.random.Generator, stop: Callable[[], bool]
) -> bool:
    """Change random pairs of devices together where that gains; return whether any was."""
    base, root, price = choices.base, choices.root, choices.price
    devices = len(chosen)
    if devices < 2:
        return False
    load = float(root[np.arange(devices), chosen].sum())
    floor = _HAIR * choices.cost(chosen)
    moved = False
    for _ in range(min(devices, _MOST_PAIRS)):
        i, j = rng.choice(devices, size=2, replace=False).tolist()
        without = load - float(root[i, chosen[i]]) - float(root[j, chosen[j]])
        loads = without + root[i][:, None] + root[j][None, :]
        costs = base[i][:, None] + base[j][None, :] + price * loads**2
        k, m = divmod(int(np.argmin(costs)), costs.shape[1])
        if costs[chosen[i], chosen[j]] - costs[k, m] > floor:
            chosen[i], chosen[j] = k, m
            load = without + float(root[i, k]) + float(root[j, m])
            moved = True
        if stop():
            break
    return moved


METHOD = LocalSearchMepra()
