"""Seconds of each block on this machine, measured in turns with the whole network.

A block runs as a model of its own on what the block before it made. In each round every block runs
once and the whole network once, so that a machine that slows down slows all of them; the best of
the rounds is taken and the spread kept. What a call costs that computes nothing is measured too and
taken off, since a host calls once for all its blocks.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitopt.instances.networks.modelfiles.cutting import made_up, part, session
from splitopt.instances.networks.modelfiles.graph import GraphBlock
from splitopt.instances.networks.modelfiles.reading import Network

__all__ = ["Measured", "Timing", "best_of", "joules", "measure"]

POWERCAP = Path("/sys/class/powercap")
_ENERGY_S = 0.1  # the counter of energy moves every millisecond


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of something that ran `rounds` times: the best, the median, and joules if known."""

    best_s: float
    median_s: float
    energy_j: float | None = None

    @property
    def spread(self) -> float:
        """How far the median is above the best, as a share of it."""
        return self.median_s / self.best_s - 1


@dataclass(frozen=True, slots=True)
class Timing:
    """What `measure` found.

    Attributes
    ----------
    blocks, whole
        Each block and the whole network.
    call_s
        What a call costs that computes nothing; taken off each of them.
    """

    blocks: tuple[Measured, ...]
    whole: Measured
    call_s: float

    @property
    def parts_over_whole(self) -> float:
        """Best seconds of all blocks together over those of the whole."""
        return sum(block.best_s for block in self.blocks) / self.whole.best_s


def measure(
    network: Network, blocks: Sequence[GraphBlock], *, threads: int = 1, repeat: int = 20
) -> Timing:
    """Return seconds of each block and of the whole network in onnxruntime."""
    places = [block.operators for block in blocks]
    parts = [part(network, inside) for inside in places]
    runners = [session(x.model, threads) for x in parts]
    whole = session(part(network, range(len(network.operators))).model, threads)
    idle = session(_nothing(), threads)
    given = made_up(whole)
    outputs = list(network.outputs)
    spent: list[list[float]] = [[] for _ in runners]
    all_spent: list[float] = []
    calls: list[float] = []
    for round_ in range(repeat + 1):  # the first warms up
        alive: dict[str, Any] = dict(given)
        now = [_timed(whole, outputs, given, threads)[0], _timed(idle, ["y"], _NOTHING, threads)[0]]
        for k, runner in enumerate(runners):
            taken = {x: alive[x] for x in parts[k].inputs}
            seconds, made = _timed(runner, list(parts[k].outputs), taken, threads)
            alive |= zip(parts[k].outputs, made, strict=True)
            now.append(seconds)
        if round_:
            all_spent.append(now[0])
            calls.append(now[1])
            for k, seconds in enumerate(now[2:]):
                spent[k].append(seconds)
    call = min(calls)
    energies = _energies(
        [(whole, outputs, given)]
        + [
            (runner, list(x.outputs), {name: alive[name] for name in x.inputs})
            for runner, x in zip(runners, parts, strict=True)
        ]
    )
    found = [
        Measured(max(min(s) - call, 1e-9), max(statistics.median(s) - call, 1e-9), energy)
        for s, energy in zip([all_spent, *spent], energies, strict=True)
    ]
    return Timing(tuple(found[1:]), found[0], call)


def best_of(runner: Any, given: Mapping[str, Any], rounds: int) -> float:
    """Return the best seconds of a session over some rounds."""
    runner.run(None, given)
    return min(_timed(runner, None, given, 1)[0] for _ in range(rounds))


def joules(folder: Path = POWERCAP) -> float | None:
    """Return what the processor packages have used since some moment; None where nobody counts."""
    used = 0.0
    packages = [x for x in folder.glob("intel-rapl:*") if x.name.count(":") == 1]
    try:
        for package in packages:
            used += int((package / "energy_uj").read_text()) * 1e-6
    except (OSError, ValueError):
        return None
    return used if packages else None


def _energies(runs: Sequence[tuple[Any, list[str], Mapping[str, Any]]]) -> list[float | None]:
    """Return joules of one run of each; None where they are not counted."""
    found: list[float | None] = []
    for runner, outputs, given in runs:
        before = joules()
        if before is None:
            found.append(None)
            continue
        began, times = time.perf_counter(), 0
        while time.perf_counter() - began < _ENERGY_S:
            runner.run(outputs, given)
            times += 1
        after = joules()
        # The counter starts again from 0 every few minutes.
        found.append((after - before) / times if after is not None and after > before else None)
    return found


def _timed(
    runner: Any, outputs: list[str] | None, given: Mapping[str, Any], threads: int
) -> tuple[float, list[Any]]:
    """Return what a run takes, and its outputs.

    One thread is this one: its processor time leaves out what other programs take of the machine.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    began = clock()
    made = runner.run(outputs, given)
    return clock() - began, made


_NOTHING: dict[str, Any] = {}


def _nothing() -> bytes:
    """Return a model that passes one number on."""
    import numpy as np
    import onnx.helper

    _NOTHING["x"] = np.zeros(1, np.float32)
    one = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "nothing",
        [onnx.helper.make_tensor_value_info("x", one, [1])],
        [onnx.helper.make_tensor_value_info("y", one, [1])],
    )
    data: bytes = onnx.helper.make_model(
        graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 13)]
    ).SerializeToString()
    return data
