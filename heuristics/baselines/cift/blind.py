"""Planners that leave out one decision: ``compression-blind`` and ``partition-blind`` for CIFT.

``compression-blind``
    RightTrain (Malandrino, Chiasserini, Di Giacomo, IEEE/ACM Transactions on Networking 31(4),
    2023) matches data, model and layers to nodes and knows no compression. Here: the best plan
    among the configurations whose compression level leaves everything as it is (all three factors
    1). Found by the label program, exactly for listed speeds and within `epsilon` for intervals, so
    that what it loses is lost by the blindness alone. What it cannot represent: any compression.
``partition-blind``
    PACT (Malandrino, Di Giacomo, Karamzade, Levorato, Chiasserini, IEEE/ACM Transactions on
    Networking 32(2), 2024) matches compression, data and node, and keeps the network in one piece.
    Here: the best plan with all blocks on one node of any tier, found by going through all of them.
    What it cannot represent: any cut.

Neither method's own algorithm is rebuilt: RightTrain looks for a Steiner tree, PACT for a path in a
time-expanded graph. What is compared is the best that can be had with the decisions they take, on
the same data, with the best speeds and routes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from splitopt.heuristics.baselines.cift.data import Chain
from splitopt.heuristics.baselines.cift.routes import Network, Route
from splitopt.heuristics.baselines.cift.search import Placement, Segment, exhaust
from splitopt.instances.cift.doubt import KINDS
from splitopt.instances.cift.model import BEYOND, CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.contract.frame import Framed, Run
from splitopt.instances.contract.method import (
    Budget,
    Option,
    Progress,
    Recorder,
    Result,
    SolutionStatus,
    Support,
    Termination,
)
from splitopt.instances.contract.outcome import conclude, nothing_found


def uncompressed(instance: CiftInstance) -> CiftInstance:
    """Return the instance with those configurations alone that compress nothing."""
    plain = {
        level.name
        for level in instance.compressions
        if (level.flops_factor, level.param_factor, level.activation_factor) == (1.0, 1.0, 1.0)
    }
    return instance.replace(
        configurations=tuple(g for g in instance.configurations if g.compression in plain)
    )


class CompressionBlind(Framed[CiftInstance, CiftPlan]):
    """The best plan without compression."""

    name = "compression-blind"
    options: tuple[Option, ...] = (
        Option("epsilon", 0.001, "relative error allowed where speeds are intervals", minimum=1e-6),
    )
    takes = BEYOND
    doubt = KINDS

    def supports(self, instance: CiftInstance) -> Support:
        """Take instances that offer a configuration without compression, or none at all."""
        if instance.configurations and not uncompressed(instance).configurations:
            return Support(
                "every configuration is compressed, and a compression-blind planner has no choice"
            )
        return super().supports(instance)

    # Small instances need no kernels.
    prepare_when_wanted = True

    def prepare(self) -> None:
        """Load the compiled kernels."""
        from splitopt.heuristics.jqodi.cift.warm import warm_up

        warm_up()

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the best plan of this kind; its bound says nothing of plans that compress."""
        epsilon = run.options["epsilon"]
        part = uncompressed(instance)
        if run.stopped:
            return nothing_found(run.recorder, termination=Termination.TIME)
        found = _best(part, run.budget, float(epsilon), run.recorder)
        statistics = {"configurations": len(part.configurations)}
        if found.plan is None or found.status is SolutionStatus.NONE:
            return nothing_found(run.recorder, termination=found.termination, statistics=statistics)
        return conclude(
            instance,
            found.plan,
            run.recorder,
            run.budget,
            termination=found.termination,
            statistics=statistics,
        )


def _best(part: CiftInstance, budget: Budget, epsilon: float, recorder: Recorder) -> Result:
    """Return the label program's result on `part`: within 1 % first, then as exact as it can be.

    Incumbents are told to the recorder, bounds are not: they hold for `part` alone.
    """
    from dataclasses import replace

    from splitopt.heuristics.jqodi.cift.levels import least_epsilon
    from splitopt.heuristics.jqodi.cift.method import APPROXIMATE, EXACT_PROGRAM

    def tell(point: Progress) -> None:
        recorder.note(point.objective, plan=point.plan)

    def left() -> Budget:
        return replace(budget, time_limit_s=recorder.remaining_s(budget))

    if part.has_continuous_speeds:
        # On intervals as wide as ever may be a grid of speeds has to stay within bounds.
        within = max(epsilon, least_epsilon(part))
        return APPROXIMATE.solve(part, left(), 0, {"epsilon": within}, on_progress=tell)
    first = APPROXIMATE.solve(part, left(), 0, {"epsilon": 0.01}, on_progress=tell)
    if first.status is SolutionStatus.OPTIMAL or recorder.remaining_s(budget) == 0.0:
        return first
    start = first.plan if isinstance(first.plan, CiftPlan) else None
    last = EXACT_PROGRAM.solve(part, left(), 0, {}, warm_start=start, on_progress=tell)
    return first if last.plan is None and first.plan is not None else last


class PartitionBlind(Framed[CiftInstance, CiftPlan]):
    """The best plan that keeps the network in one piece; none where no node holds all of it."""

    name = "partition-blind"
    takes = BEYOND
    doubt = KINDS

    def answer(self, instance: CiftInstance, run: Run[CiftPlan]) -> Result:
        """Return the cheapest plan of this kind, or the least violating one."""
        return exhaust(instance, whole_placements, run.budget, run.recorder)


def whole_placements(
    instance: CiftInstance,
    network: Network,
    chain: Chain,
    energy_limit_j: Callable[[], float],
    stop: Callable[[], bool],
    *,
    strict: bool,
) -> Iterator[Placement]:
    """Yield every placement of all blocks on one node, over routes none other dominates."""
    start = Route(0.0, 0.0, 0.0, (chain.configuration.source,))
    yield Placement(chain, start, (Segment(0, 0, chain.length),))
    ways = network.routes(chain, start, chain.bits[0], energy_limit_j(), strict=strict, stop=stop)
    for routes in ways.values():
        for route in routes:
            yield Placement(chain, route, (Segment(len(route.nodes) - 1, 0, chain.length),))


COMPRESSION_BLIND = CompressionBlind()
PARTITION_BLIND = PartitionBlind()
