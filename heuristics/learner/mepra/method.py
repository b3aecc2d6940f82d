"""``ppo`` for MEPRA: a policy trained on generated instances decides; NumPy alone.

The policy sees what each split costs each device (`networks`) and decides in a few rounds, all
devices at once. ``closed-form`` policies choose splits and leave shares to the square-root rule,
``own-shares`` policies choose both, as the source does. With ``samples`` = 0 the likeliest decision
is taken; else so many are drawn besides, and the cheapest is kept.

Where exits are free, each split is told with the exits that are best for it at the share 1/n, found
exactly; then once more at the shares that came out, and the cheaper plan is kept. The policy knows
nothing of exits: this is no part of what it learned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

from splitopt.heuristics.baselines.mepra.data import device_chunks, split_costs
from splitopt.heuristics.baselines.mepra.exits import best_exits
from splitopt.heuristics.learner.mepra.play import (
    VARIANTS,
    Decision,
    Floats,
    Game,
    Integers,
    MepraPolicyFile,
    committed,
    decide,
    read_policy,
)
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Guarantee,
    Option,
    Result,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights


def make_game(
    instance: MepraInstance, shares: Floats | None = None
) -> tuple[Game, Integers | None, Floats]:
    """Return what each split costs each device.

    Parameters
    ----------
    shares
        Where exits are free: each device's share (above 0) for which exits are best; None for 1/n.

    Returns
    -------
    game, exits, edge_flop
        Exits as bits by device and split, None where they are fixed; FLOPs left to the edge. Both
        of shape (n, S).
    """
    shape = (instance.devices, int(instance.layers.max()) + 1)
    base, edge = np.empty(shape), np.empty(shape)
    exits = None if instance.exit_set is not None else np.zeros(shape, dtype=np.int64)
    for devices in device_chunks(instance):
        rows = devices.rows
        if exits is None:
            assert instance.exit_set is not None
            costs = split_costs(devices, instance.exit_set[rows])
            base[rows], edge[rows] = costs.base, costs.edge_flop
            continue
        # A column broadcasts over layers as one number would.
        share = 1.0 / instance.devices if shares is None else cast(Any, shares[rows, None])
        for s in range(shape[1]):
            split = np.full(devices.count, s, dtype=np.int64)
            _, sets = best_exits(devices, split, share)
            costs = split_costs(devices, sets)
            exits[rows, s] = sets
            base[rows, s], edge[rows, s] = costs.base[:, s], costs.edge_flop[:, s]
    price = instance.weight_time_per_s / instance.edge_capacity_flop_per_s
    layers = instance.layers[instance.profile]
    return Game(base, np.sqrt(price * edge), layers), exits, edge


def _plan_of(decision: Decision, variant: str, exits: Integers | None, edge: Floats) -> MepraPlan:
    everyone = np.arange(len(edge))
    work = edge[everyone, decision.splits]
    if variant == "closed-form":
        # Without the price, so that there are shares even where time costs nothing.
        weights = np.sqrt(work)
    else:
        busy = work > 0
        top = float(decision.log_share[busy].max()) if bool(busy.any()) else 0.0
        # No share below 1e-12 of the largest: a device with work needs one above 0.
        weights = np.where(busy, np.exp(np.maximum(decision.log_share - top, -27.0)), 0.0)
    return MepraPlan(
        decision.splits,
        shares_from_weights(weights),
        None if exits is None else exits[everyone, decision.splits],
    )


class LearnedSplits(Framed[MepraInstance, MepraPlan]):
    """A trained policy as a method."""

    name = "ppo"
    options = (
        Option(
            "variant",
            "closed-form",
            "which committed policy: shares by the square-root rule, or the policy's own",
            choices=VARIANTS,
        ),
        Option("samples", 0, "decisions to draw beside the likeliest", minimum=0, maximum=10**6),
        Option("policy", "", "file of a policy to use instead, as splitopt train writes it"),
    )

    def supports(self, instance: MepraInstance) -> Support:
        """Take every instance; free exits are set to the best for each split."""
        return Support()

    def answer(self, instance: MepraInstance, run: Run[MepraPlan]) -> Result:
        """Return the plan the policy decides on."""
        given = run.options
        path = str(given["policy"])
        policy = read_policy(Path(path)) if path else committed(str(given["variant"]))
        if run.stopped:
            return nothing_found(run.recorder, termination=Termination.TIME)
        game, exits, edge = make_game(instance)
        greedy = _plan_of(decide(policy, game), policy.variant, exits, edge)
        value = game.cost_of(greedy)
        if exits is not None and not run.stopped:
            again = make_game(instance, _shares_in_mind(game, greedy))
            other = _plan_of(decide(policy, again[0]), policy.variant, *again[1:])
            if again[0].cost_of(other) < value:
                (game, exits, edge), greedy = again, other
                value = game.cost_of(greedy)
        best, first = greedy, value
        run.recorder.note(value, plan=best)
        samples, drawn = int(given["samples"]), 0
        rng = np.random.default_rng(run.seed)
        while drawn < samples and not run.stopped:
            drawn += 1
            plan = _plan_of(decide(policy, game, rng), policy.variant, exits, edge)
            cost = game.cost_of(plan)
            if cost < value:
                best, value = plan, cost
                run.recorder.note(value, plan=best)
        return conclude(
            instance,
            best,
            run.recorder,
            run.budget,
            termination=Termination.SOLVED if drawn == samples else Termination.TIME,
            guarantee=_guarantee(policy),
            statistics=_statistics(policy) | {"samples": drawn, "greedy_objective": first},
        )


def _shares_in_mind(game: Game, plan: MepraPlan) -> Floats:
    """Return each device's share, or what it would get if all its work went to the edge."""
    everyone = np.arange(len(game.layers))
    load = game.root[everyone, plan.splits].sum()
    root = game.root[:, 0]
    would = root / np.maximum(load + root, 1e-30)
    return np.where(plan.shares > 0, plan.shares, np.maximum(would, 1.0 / (1e6 * len(root))))


def _guarantee(policy: MepraPolicyFile) -> Guarantee:
    seed = policy.document.get("seed")
    return Guarantee(
        "none",
        None,
        f"learned policy {policy.digest[:12]} ({policy.variant}, training seed {seed}); "
        "promises nothing",
    )


def _statistics(policy: MepraPolicyFile) -> dict[str, Any]:
    about = policy.document
    return {
        "policy_sha256": policy.digest,
        "policy_variant": policy.variant,
        "policy_rounds": policy.rounds,
        "training_seed": about.get("seed"),
        "training_updates": about.get("updates"),
        "training_processor_s": about.get("processor_s"),
    }


METHOD = LearnedSplits()
