"""Profiles made of ONNX files: a chain that every method takes, or the graph of blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.modelfiles.graph import (
    GraphBlock,
    chain,
    crossing,
    graph,
    plain_name,
    tensors,
)
from splitopt.instances.networks.modelfiles.reading import Network, read_network
from splitopt.instances.networks.modelfiles.timing import Timing
from splitopt.instances.networks.profiles import Block, Profile
from splitopt.instances.networks.tensors import Tensor

# Above it a block alone is not what it is in the whole, and a plan's sums are off.
SUM_TOLERANCE = 0.05


@dataclass(frozen=True)
class Imported:
    """A network, its blocks, and the profile of them."""

    network: Network
    blocks: tuple[GraphBlock, ...]
    profile: Profile


def import_onnx(
    path: Path,
    name: str,
    *,
    inputs: Mapping[str, Sequence[int]] | None = None,
    merge: str = "blocks",
    input_bits: float | None = None,
    title: str = "",
) -> Imported:
    """Return the profile of an ONNX file.

    FLOPs count two a multiply-add of convolutions, matrix products, attention and recurrent cells;
    element-wise work is left out. Bits are those of the tensors' types.

    Parameters
    ----------
    inputs
        Shapes of inputs that the file leaves open.
    merge
        ``blocks``: the chain between cuts that one tensor crosses; ``operators``: the graph.
    input_bits
        Bits of one raw input as it is shipped, where they are not those of the input's type.

    Raises
    ------
    InputError
        Naming what the file lacks, and the remedy.
    """
    fields.one_of("merge", merge, ("blocks", "operators"))
    network = read_network(path, inputs)
    source = f"imported from {path.name}, opset {network.opset}"
    origin: dict[str, fields.Scalar] = {
        "onnx_sha256": network.sha256,
        "onnx_merge": merge,
        "onnx_inputs": ";".join(_input_text(network, x) for x in network.inputs),
    }
    notes = _notes(network)
    if merge == "operators":
        found = graph(network)
        blocks = tuple(Block(b.name, b.flops, b.param_bytes, 0) for b in found)
        carried = _carried(network, found, input_bits)
        made = Profile.graph(
            name, blocks, carried, title=title, source=source, notes=notes, origin=origin
        )
        return Imported(network, found, made)
    found = chain(network)
    ends = {k: sum(network.bits[x] for x in _leaving(network, found, k)) for k in range(len(found))}
    given = sum(network.bits[x] for x in network.inputs)
    profile = Profile(
        name,
        given if input_bits is None else input_bits,
        tuple(Block(b.name, b.flops, b.param_bytes, ends[k]) for k, b in enumerate(found)),
        title=title,
        source=source,
        notes=notes,
        origin=origin,
    )
    return Imported(network, found, profile)


def with_times(imported: Imported, timing: Timing, node: str) -> Imported:
    """Return the profile with work as measured: seconds on this machine times its speed.

    The machine's speed is all FLOPs over the seconds of the whole network, so that the total stays
    what it was. Blocks share it as they shared the seconds, without what cuts between neighbours
    cost: what they took together more than the whole is spread over them.

    Raises
    ------
    InputError
        For a network without FLOPs.
    """
    counted = sum(block.flops for block in imported.blocks)
    if not counted:
        raise InputError("--measure", "no FLOPs", "a network that multiplies", "leave it out")
    speed = counted / timing.whole.best_s
    seconds = sum(block.joined_s for block in timing.blocks)
    origin = dict(imported.profile.origin) | {
        "measured_on": fields.name("--measured-on", node),
        "measured_speed_flop_per_s": speed,
        "measured_seconds": timing.whole.best_s,
        "measured_call_s": timing.call_s,
        "measured_parts_over_whole": timing.parts_over_whole,
        "measured_joined_over_whole": timing.joined_over_whole,
    }
    notes = (
        *imported.profile.notes,
        f"flops: share of each block in the seconds measured on {node}, of {counted:.6g} counted; "
        f"that is {speed:.6g} FLOP/s, {timing.whole.best_s:.4g} s in all.",
    )
    blocks = tuple(
        replace(block, flops=counted * measured.joined_s / seconds)
        for block, measured in zip(imported.profile.blocks, timing.blocks, strict=True)
    )
    profile = replace(imported.profile, blocks=blocks, notes=notes, origin=origin)
    return replace(imported, profile=profile)


def _carried(
    network: Network, blocks: Sequence[GraphBlock], input_bits: float | None
) -> tuple[Tensor, ...]:
    """Return the tensors of a graph, the raw input in the size that it is shipped in."""
    found: list[Tensor] = []
    taken: set[str] = set()
    for x, producer, consumers in tensors(network, blocks):
        taken.add(name := plain_name(x, taken))
        found.append(Tensor(name, float(network.bits[x]), producer, consumers))
    if input_bits is not None:
        raw = [k for k, tensor in enumerate(found) if tensor.producer is None]
        if len(raw) != 1:
            raise InputError(
                "--input-bits", input_bits, "one raw input; there are several", "leave it out"
            )
        found[raw[0]] = replace(found[raw[0]], bits=input_bits)
    return tuple(found)


def _leaving(network: Network, blocks: Sequence[GraphBlock], k: int) -> list[str]:
    """Return the tensors that leave the first k + 1 blocks of a chain, the outputs of the last."""
    if k == len(blocks) - 1:
        inside = {x for place in blocks[k].operators for x in network.operators[place].outputs}
        return [x for x in network.outputs if x in inside]
    return crossing(network, (place for block in blocks[: k + 1] for place in block.operators))


def _input_text(network: Network, name: str) -> str:
    from splitopt.instances.networks.modelfiles.shapes import static_shapes

    shapes, _ = static_shapes(network.model)
    return f"{name}=" + ",".join(map(str, shapes[name]))


def _notes(network: Network) -> tuple[str, ...]:
    """Return what a reader of the figures has to know."""
    notes = ["FLOPs count products only, two a multiply-add; element-wise work is left out."]
    if network.unknown:
        many = sum(network.unknown.values())
        kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(network.unknown.items()))
        notes.append(
            f"not known and counted as 0 FLOPs: {kinds}; {many} of {len(network.operators)} "
            f"operators, {100 * many / len(network.operators):.3g} %."
        )
    if network.external:
        files = ", ".join(network.external[:3]) + (", ..." if len(network.external) > 3 else "")
        notes.append(f"weights stand beside the file, in {files}; their hash is not taken.")
    return tuple(fields.text("notes", note[:4000]) for note in notes)
