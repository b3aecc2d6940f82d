"""Seconds of each block on this machine, measured in turns with the whole network.

A block runs as a model of its own on what the block before it made. In each round every block runs
once and the whole network once, so that a machine that slows down slows all of them; the best of
the rounds is taken and the spread kept. What a call costs that computes nothing is measured too and
taken off, since a host calls once for all its blocks.

Blocks alone take longer than together: onnxruntime keeps data in a layout of its own as long as it
can, and turns it back at each cut. In a chain each two neighbours run as one model too. What they
save is the price of the cut between them; it is taken off the first one and kept.
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

POWERCAP = Path("/sys/class/powercap")
_NOTHING = "nothing"
_ENERGY_S = 0.1  # the counter of energy moves every millisecond


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of something that ran in each round.

    Attributes
    ----------
    best_s, median_s
        Over the rounds, run alone.
    cut_s
        What it saves when it runs in one model with the next block.
    energy_j
        Joules of a run, if known.
    """

    best_s: float
    median_s: float
    cut_s: float = 0.0
    energy_j: float | None = None

    @property
    def joined_s(self) -> float:
        """Seconds as part of a larger model."""
        return max(self.best_s - self.cut_s, 0.1 * self.best_s)

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
        """Seconds of all blocks, each alone, over those of the whole."""
        return sum(block.best_s for block in self.blocks) / self.whole.best_s

    @property
    def joined_over_whole(self) -> float:
        """The same without the price of cuts between neighbours."""
        return sum(block.joined_s for block in self.blocks) / self.whole.best_s


def measure(
    network: Network,
    blocks: Sequence[GraphBlock],
    *,
    threads: int = 1,
    repeat: int = 20,
    chained: bool = False,
) -> Timing:
    """Return seconds of each block and of the whole network in onnxruntime.

    Parameters
    ----------
    chained
        The blocks form a chain: measure neighbours together, too.
    """

    def runner(spans: Sequence[GraphBlock]) -> _Run:
        cut = part(network, [place for block in spans for place in block.operators])
        return _Run(session(cut.model, threads), cut.inputs, cut.outputs, threads)

    alone = [runner([block]) for block in blocks]
    both = [runner(blocks[k : k + 2]) for k in range(len(blocks) - 1)] if chained else []
    whole = runner(blocks)
    idle = _Run(session(_nothing(), threads), (_NOTHING,), ("y",), threads)
    given = made_up(whole.session)
    for round_ in range(repeat + 1):
        whole.run(given)
        idle.run({_NOTHING: _one()})
        alive: dict[str, Any] = dict(given)
        for k, run in enumerate(alone):
            made = run.run(alive)
            if k < len(both):
                both[k].run(alive)
            alive |= made
        if not round_:  # it warms up
            for run in (whole, idle, *alone, *both):
                run.seconds.clear()
    call = min(idle.seconds)

    def best(run: _Run) -> float:
        return max(min(run.seconds) - call, 1e-9)

    def measured(run: _Run, cut_s: float) -> Measured:
        median = max(statistics.median(run.seconds) - call, best(run))
        return Measured(best(run), median, cut_s, _energy(run, alive))

    cuts = [best(alone[k]) + best(alone[k + 1]) - best(x) for k, x in enumerate(both)]
    cuts += [0.0] * (len(alone) - len(cuts))
    return Timing(
        tuple(measured(run, cut) for run, cut in zip(alone, cuts, strict=True)),
        measured(whole, 0.0),
        call,
    )


def best_of(runner: Any, given: Mapping[str, Any], rounds: int) -> float:
    """Return the best seconds of a session over some rounds."""
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


class _Run:
    """A session with what it takes and gives, and the seconds of its runs."""

    def __init__(
        self, session_: Any, inputs: tuple[str, ...], outputs: tuple[str, ...], threads: int
    ) -> None:
        self.session = session_
        self._inputs, self._outputs = inputs, list(outputs)
        self._threads = threads
        self.seconds: list[float] = []

    def run(self, alive: Mapping[str, Any]) -> dict[str, Any]:
        """Run it on some of the tensors there are; return what it makes."""
        given = {x: alive[x] for x in self._inputs}
        seconds, made = _timed(self.session, self._outputs, given, self._threads)
        self.seconds.append(seconds)
        return dict(zip(self._outputs, made, strict=True))


def _energy(run: _Run, alive: Mapping[str, Any]) -> float | None:
    """Return joules of one run; None where they are not counted."""
    before = joules()
    if before is None:
        return None
    began, times = time.perf_counter(), 0
    while time.perf_counter() - began < _ENERGY_S:
        run.run(alive)
        times += 1
    after = joules()
    # The counter starts again from 0 every few minutes.
    return (after - before) / times if after is not None and after > before else None


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


def _one() -> Any:
    import numpy as np

    return np.zeros(1, np.float32)


def _nothing() -> bytes:
    """Return a model that passes one number on."""
    import onnx.helper

    one = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", [_NOTHING], ["y"])],
        "nothing",
        [onnx.helper.make_tensor_value_info(_NOTHING, one, [1])],
        [onnx.helper.make_tensor_value_info("y", one, [1])],
    )
    data: bytes = onnx.helper.make_model(
        graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 13)]
    ).SerializeToString()
    return data
