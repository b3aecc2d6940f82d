"""A plan rehearsed: its hosts as processes, its hops as held connections, its requests measured.

A host of f FLOP/s on a machine that does the network at v runs its part for real, which takes t of
processor time besides what an empty call takes, and sleeps (v / f - 1) t. So a part that takes
longer than its share of the whole takes longer in the rehearsal, too; nothing is made to fit the
prediction.
"""

from __future__ import annotations

import os
import secrets
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitopt.bench.isolation.scratch import scratch
from splitopt.bench.rehearse.parts import HostPart, host_parts, match
from splitopt.bench.rehearse.processes import RehearsalError, listeners, run_hosts
from splitopt.instances.cift.judge import StageCost, evaluate_cift
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan, Stop, hosted_by
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.modelfiles.cutting import made_up, part, session
from splitopt.instances.networks.modelfiles.timing import best_of
from splitopt.instances.networks.profiles import Profile

__all__ = ["Rehearsal", "RehearsalError", "StageTimes", "rehearse"]

_MACHINE_ROUNDS = 7


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Seconds of one hop or host: predicted for a request, and measured of each.

    Attributes
    ----------
    lost_s
        What other programs took of the processor while a host ran its part; inside `measured_s`.
    """

    kind: str
    where: str
    predicted_s: float
    measured_s: tuple[float, ...]
    lost_s: tuple[float, ...] = ()

    @property
    def median_s(self) -> float:
        """The median of what was measured."""
        return statistics.median(self.measured_s)

    @property
    def undisturbed_s(self) -> float:
        """The median without what other programs took."""
        lost = self.lost_s or (0.0,) * len(self.measured_s)
        return statistics.median(a - b for a, b in zip(self.measured_s, lost, strict=True))


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was predicted and measured.

    Attributes
    ----------
    stages
        Hops and hosts along the path.
    total
        The whole request.
    machine_flop_per_s
        v, the speed at which this machine does the network.
    machine_now
        What it did between the requests over v: 1 on a machine as quiet as when it was measured.
    time_scale
        How many times slower than life it ran; the seconds here are those of life.
    cores, hosts
        How many of each; fewer cores are shared.
    same_output
        Whether the parts gave what the whole network gives.
    """

    stages: tuple[StageTimes, ...]
    total: StageTimes
    machine_flop_per_s: float
    machine_now: float
    time_scale: float
    cores: int
    hosts: int
    same_output: bool

    @property
    def predicted_now_s(self) -> float:
        """The prediction for a machine of the speed that this one had between the requests."""
        return sum(
            stage.predicted_s / (self.machine_now if stage.kind == "host" else 1.0)
            for stage in self.stages
        )


def rehearse(
    instance: CiftInstance,
    plan: CiftPlan,
    model: Path,
    *,
    inputs: Mapping[str, Sequence[int]] | None = None,
    requests: int = 50,
    warm_up: int = 5,
    time_scale: float = 1.0,
    port: int | None = None,
) -> Rehearsal:
    """Return what requests take, one after another, beside what the plan predicts.

    Raises
    ------
    InputError
        For a plan that does not fit, another model, a host faster than this machine, a port taken.
    RehearsalError
        When a host gives up.
    """
    predicted = evaluate_cift(instance, plan)
    made = match(instance, plan, model, inputs)
    profile = instance.models[instance.model_index[plan.model]]
    whole = session(part(made.network, range(len(made.network.operators))).model)
    given = made_up(whole)
    speed = _speed(instance, profile, whole, given)
    hosted = hosted_by(profile, plan)
    parts = host_parts(made, hosted)
    expected = {stage.where: stage.inference_latency_s for stage in predicted.stages}
    slower = [
        _slower(stop, sum(profile.blocks[b].flops for b in own), expected, speed, time_scale)
        for stop, own in zip(plan.stops, hosted, strict=True)
    ]
    with scratch() as name, listeners(len(parts) - 1, port) as waiting:
        folder = Path(name)
        tasks = _tasks(instance, plan, parts, slower, expected, time_scale, folder)
        tasks[0]["inputs"] = _written(folder, given)
        gives = () if parts[-1].part is None else parts[-1].part.outputs
        tasks[-1]["keeps"] = {x: str(folder / f"output-{k}") for k, x in enumerate(gives)}
        whole_s: list[float] = []
        times = run_hosts(
            tasks,
            waiting,
            requests + warm_up,
            folder,
            lambda: whole_s.append(best_of(whole, given, 1)),
        )
        same = _same(whole, given, tasks[-1]["keeps"])
    rows = [[[x / time_scale for x in line] for line in host[warm_up:]] for host in times]
    return Rehearsal(
        _stages(plan, rows, predicted.stages),
        _request(rows, predicted.inference_latency_s),
        speed,
        profile.flops / speed / statistics.median(whole_s),
        time_scale,
        len(_cores()),
        len(parts),
        same,
    )


def _speed(instance: CiftInstance, profile: Profile, whole: Any, given: Mapping[str, Any]) -> float:
    """Return FLOP/s of this machine on the whole network, as the import measured or as now."""
    known = instance.origin.get(f"{profile.name}.measured_speed_flop_per_s")
    return float(known or profile.flops / best_of(whole, given, _MACHINE_ROUNDS))


def _slower(
    stop: Stop, flops: float, expected: Mapping[str, float], speed: float, time_scale: float
) -> float:
    """Return how many times slower than this machine a stop is, in the rehearsal's time."""
    pace = stop.inference_speed_flop_per_s
    if pace is None:
        return 1.0
    if flops and expected[stop.node]:
        pace = flops / expected[stop.node]  # a node may have factors of its own
    factor: float = speed * time_scale / pace
    if factor < 1 - 1e-6:
        raise InputError(
            f"plan, host {stop.node}",
            f"{pace:.6g} FLOP/s",
            f"at most what this machine does of this network, {speed * time_scale:.6g}",
            f"--time-scale {pace / speed:.4g} or more runs everything that many times slower",
        )
    return max(1.0, factor)


def _tasks(
    instance: CiftInstance,
    plan: CiftPlan,
    parts: Sequence[HostPart],
    slower: Sequence[float],
    expected: Mapping[str, float],
    time_scale: float,
    folder: Path,
) -> list[dict[str, Any]]:
    """Return what each host is told; ports and listeners are added when it starts."""
    token, cores = secrets.token_bytes(32).hex(), _cores()
    tasks: list[dict[str, Any]] = []
    delay = 0.0
    for k, (stop, own) in enumerate(zip(plan.stops, parts, strict=True)):
        wire = next_delay = 0.0
        if k + 1 < len(parts):
            there = plan.stops[k + 1].node
            link = next(x for x in instance.links_from[stop.node] if x.head == there)
            hop_s = expected[f"{stop.node} -> {there}"]
            wire, next_delay = time_scale * (hop_s - link.delay_s), time_scale * link.delay_s
        path = None
        if own.part is not None:
            path = folder / f"part-{k}.onnx"
            path.write_bytes(own.part.model)
        tasks.append(
            {
                "node": stop.node,
                "core": cores[k % len(cores)] if cores else None,
                "model": None if path is None else str(path),
                "takes": [{"name": x.name, "shape": x.shape, "kind": x.kind} for x in own.takes],
                "sends": own.sends,
                "slower": slower[k],
                "call_s": float(instance.origin.get(f"{plan.model}.measured_call_s") or 0.0),
                "wire_s": wire,
                "delay_s": delay,
                "token": token,
                "inputs": {},
                "keeps": {},
            }
        )
        delay = next_delay
    return tasks


def _stages(
    plan: CiftPlan, rows: Sequence[Sequence[Sequence[float]]], predicted: Sequence[StageCost]
) -> tuple[StageTimes, ...]:
    """Return each hop and host, in the order of the judge's stages."""
    measured: list[tuple[tuple[float, ...], tuple[float, ...]]] = []
    for k, stop in enumerate(plan.stops):
        if k:
            pairs = zip(rows[k - 1], rows[k], strict=True)
            measured.append((tuple(there[0] - here[1] for here, there in pairs), ()))
        if stop.blocks:
            spent = tuple(line[1] - line[0] for line in rows[k])
            measured.append((spent, tuple(line[2] for line in rows[k])))
    return tuple(
        StageTimes(stage.kind, stage.where, stage.inference_latency_s, seconds, lost)
        for stage, (seconds, lost) in zip(predicted, measured, strict=True)
    )


def _request(rows: Sequence[Sequence[Sequence[float]]], predicted_s: float) -> StageTimes:
    """Return the whole requests, from what the first host received to what the last computed."""
    total = tuple(last[1] - first[0] for first, last in zip(rows[0], rows[-1], strict=True))
    lost = tuple(sum(line[2] for line in lines) for lines in zip(*rows, strict=True))
    return StageTimes("request", "all", predicted_s, total, lost)


def _written(folder: Path, given: Mapping[str, Any]) -> dict[str, str]:
    """Write the raw inputs for the source; return where each stands."""
    found = {}
    for k, (name, array) in enumerate(given.items()):
        path = folder / f"input-{k}"
        path.write_bytes(array.tobytes())
        found[name] = str(path)
    return found


def _same(whole: Any, given: Mapping[str, Any], kept: Mapping[str, str]) -> bool:
    """Return whether the last host gave what the whole network gives, but for rounding."""
    import numpy as np

    wanted = whole.run(list(kept), given)
    return all(
        np.allclose(
            np.frombuffer(Path(path).read_bytes(), array.dtype).reshape(array.shape),
            array,
            rtol=1e-2,
            atol=1e-4 * (1 + float(np.max(np.abs(array), initial=0))),
            equal_nan=True,
        )
        for path, array in zip(kept.values(), wanted, strict=True)
    )


def _cores() -> list[int]:
    """Return the cores there are; none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
