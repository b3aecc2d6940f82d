"""Instances of CIFT as padded arrays in single precision: what the process in JAX looks up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from splitopt.heuristics.learner.cift.process import CiftProcess
from splitopt.instances.cift.doubt import refuse_doubt


class Sizes(NamedTuple):
    """What instances are padded to: nodes N, blocks L, speeds K, actions A."""

    nodes: int = 20
    blocks: int = 20
    levels: int = 8
    actions: int = 24

    def hold(self, process: CiftProcess) -> bool:
        """Return whether an instance fits."""
        return (
            len(process.network.nodes) <= self.nodes
            and int(process.chains.length.max(initial=0)) <= self.blocks
            and process.network.joules.shape[1] <= self.levels
            and process.most_actions <= self.actions
        )


class Bank(NamedTuple):
    """I instances with M configurations in all, as arrays; energies and times without units.

    Attributes
    ----------
    first, count
        First row of an instance's configurations and their number, shape (I,).
    deadlines
        1 for each deadline there is, shape (I, 2).
    serve_energy, serve_time, tune_energy, tune_time
        A FLOP by node and level, shape (I, N, K); those of tuning without the passes.
    heads
        Heads of a node's links, -1 behind the last, shape (I, N, A).
    rate, delay, energy
        Of those links: seconds a bit, seconds, joules a bit over the reference, shape (I, N, A).
    inverse
        What turns seconds into shares of the deadlines, shape (I, 2).
    requests, batch
        Shape (I,).
    length, source, compute, communication
        Of each row, shape (M,).
    work, bits
        Shape (M, L + 1).
    reach
        Shape (M, N, L + 1).
    weights
        Prices, shape (M, P, 3).
    arrived, left
        Completions, shape (M, N, L + 1, P, 3).
    """

    first: Any
    count: Any
    deadlines: Any
    serve_energy: Any
    serve_time: Any
    tune_energy: Any
    tune_time: Any
    heads: Any
    rate: Any
    delay: Any
    energy: Any
    inverse: Any
    requests: Any
    batch: Any
    length: Any
    source: Any
    compute: Any
    communication: Any
    work: Any
    bits: Any
    reach: Any
    weights: Any
    arrived: Any
    left: Any


def make_bank(processes: Sequence[CiftProcess], sizes: Sizes) -> Bank:
    """Return instances as padded arrays in single precision."""
    instances: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for process in processes:
        refuse_doubt(process.instance, "training")
        if not sizes.hold(process):
            raise ValueError(f"{process.instance.name} does not fit {sizes}")
        instances.append({"first": len(rows), **_of_instance(process, sizes)})
        rows += _of_configurations(process, sizes)
    integers = ("first", "count", "heads", "length", "source", "reach")

    def stacked(parts: Sequence[dict[str, Any]], name: str) -> Any:
        values = np.stack([part[name] for part in parts])
        return values.astype(np.int32 if name in integers else np.float32)

    columns = {name: stacked(instances, name) for name in instances[0]}
    return Bank(**columns, **{name: stacked(rows, name) for name in rows[0]})


def _scaled(table: Any, factor: Any) -> Any:
    """Return a table times a factor, infinite where it was not finite."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(table), table * factor, np.inf)


def _of_instance(process: CiftProcess, sizes: Sizes) -> dict[str, Any]:
    """Return what an instance's configurations share, padded."""
    nodes, _, levels, actions = sizes
    network, chains, ref = process.network, process.chains, process.reference_j
    inverse = process.inverse_deadlines

    def padded(parts: Sequence[Any], fill: float = 0.0) -> Any:
        table = np.full((nodes, actions), fill)
        for n, part in enumerate(parts):
            table[n, : len(part)] = part
        return table

    def flop(table: Any, factor: float) -> Any:
        found = np.full((nodes, levels), np.inf)
        found[: table.shape[0], : table.shape[1]] = table
        return _scaled(found, factor)

    return {
        "count": len(chains.configurations),
        "deadlines": inverse > 0,
        "serve_energy": flop(network.joules, chains.requests / ref),
        "serve_time": flop(network.seconds, inverse[0]),
        "tune_energy": flop(network.joules, 1.0 / ref),
        "tune_time": flop(network.seconds, inverse[1]),
        "heads": padded(network.heads, -1),
        "rate": padded([1.0 / r for r in network.rate_bit_per_s]),
        "delay": padded(network.delay_s),
        "energy": padded([e / ref for e in network.energy_j_per_bit]),
        "inverse": inverse,
        "requests": chains.requests,
        "batch": chains.batch_size,
    }


def _of_configurations(process: CiftProcess, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Yield what each configuration has of its own, padded."""
    nodes, blocks, _, _ = sizes
    chains, ref, inverse = process.chains, process.reference_j, process.inverse_deadlines
    prices = process.roots.weights.copy()  # (3, G, P)
    prices[1] *= process.finite_deadlines_s[0] / ref
    prices[2] *= process.finite_deadlines_s[1] / ref
    scale = np.array([1.0 / ref, *inverse])
    for g in range(len(chains.configurations)):
        table = process.completions(g)
        row: dict[str, Any] = {
            "length": chains.length[g],
            "source": chains.source[g],
            "compute": chains.compute[g],
            "communication": chains.communication[g],
            "weights": prices[:, g].T,
        }
        for name, line in (("work", chains.work_flop[g]), ("bits", chains.bits[g])):
            row[name] = np.pad(line, (0, blocks + 1 - len(line)), mode="edge")
        reach = np.zeros((nodes, blocks + 1), dtype=np.int64)
        reach[: chains.reach.shape[1], : chains.reach.shape[2]] = chains.reach[g]
        row["reach"] = reach
        for name, found in (("arrived", table.arrived), ("left", table.left)):
            moved = found[:, 0].transpose(2, 3, 1, 0)  # (N, Lmax + 1, P, 3)
            whole = np.full((nodes, blocks + 1, moved.shape[2], 3), np.inf)
            whole[: moved.shape[0], : moved.shape[1]] = _scaled(moved, scale)
            row[name] = whole
        yield row
