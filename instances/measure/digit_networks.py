"""Small residual networks on 8 x 8 digits: many seeds at once, compressed and profiled.

One network of every seed is trained in the same call. The parameters of S networks are stacked on
a leading axis and the networks run as one network of S times the channels with S groups, so that a
grouped convolution computes all of them and none sees another.

Shapes: images ``(B, S, 1, 8, 8)``; weights of a convolution ``(S, out, in, 3, 3)``, biases
``(S, out)``; logits ``(B, S, 10)``. The chain of blocks, which is what can be cut::

    stem   3 x 3 convolution, stride 2         8 x 8 x 1  -> 4 x 4 x c1
    a1..   residual blocks (two convolutions)             -> 4 x 4 x c1
    down   3 x 3 convolution, stride 2                    -> 2 x 2 x c2
    b1..   residual blocks                                -> 2 x 2 x c2
    head   mean over the 2 x 2 places, linear             -> 10

There is no normalisation layer: its running statistics would have to be fine-tuned apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitopt.instances.networks.profiles import Block, Profile

Tensor = Any  # torch is imported inside the functions: it is an extra
Parameters = dict[str, Tensor]

CLASSES = 10
INPUT_BITS = 8 * 8 * 8  # 64 pixels of 8 bits
FLOAT_BITS = 32


@dataclass(frozen=True)
class Architecture:
    """A member of the family.

    Parameters
    ----------
    name
        Name of the model.
    widths
        Channels (c1, c2) of the 4 x 4 and of the 2 x 2 stage.
    depth
        Residual blocks in each stage.
    """

    name: str
    widths: tuple[int, int]
    depth: int

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks in order."""
        first = tuple(f"a{i + 1}" for i in range(self.depth))
        second = tuple(f"b{i + 1}" for i in range(self.depth))
        return ("stem", *first, "down", *second, "head")


@dataclass(frozen=True)
class Compression:
    """A compression level.

    Parameters
    ----------
    name
        Name of the level.
    keep
        Share of the channels kept, in every layer but the input and the classes.
    bits
        Bits of a weight and of an activation; 32 leaves both in floating point.
    """

    name: str
    keep: float
    bits: int


ARCHITECTURES = (
    Architecture("digits-small", (8, 16), 1),
    Architecture("digits-medium", (16, 32), 2),
    Architecture("digits-large", (24, 48), 3),
)

COMPRESSIONS = (
    Compression("none", 1.0, 32),
    Compression("prune-25", 0.75, 32),
    Compression("prune-50", 0.5, 32),
    Compression("prune-75", 0.25, 32),
    Compression("int8", 1.0, 8),
    Compression("int4", 1.0, 4),
    Compression("prune-50-int8", 0.5, 8),
)


def _convolutions(architecture: Architecture) -> Iterator[tuple[str, int, int, int]]:
    """Yield (name, stage read, stage written, stride) of each convolution; stage -1 is inner."""
    yield "stem", -2, 0, 2
    for block in architecture.blocks[1:-1]:
        if block == "down":
            yield "down", 0, 1, 2
        else:
            stage = 0 if block.startswith("a") else 1
            yield f"{block}.1", stage, -1, 1
            yield f"{block}.2", -1, stage, 1


def initial_parameters(
    architecture: Architecture, generators: list[np.random.Generator]
) -> Parameters:
    """Draw the parameters of one network for each generator.

    Weights are Gaussian with variance 2 / fan-in (He et al. 2015); the second convolution of a
    residual block and the classifier start at half that scale, since nothing normalises them.
    """
    import torch

    c1, c2 = architecture.widths
    parameters: Parameters = {}

    def draw(name: str, shape: tuple[int, ...], scale: float) -> None:
        std = scale * (2.0 / float(np.prod(shape[1:]))) ** 0.5
        stacked = np.stack([g.normal(0.0, std, shape) for g in generators]).astype(np.float32)
        parameters[f"{name}.w"] = torch.from_numpy(stacked)
        parameters[f"{name}.b"] = torch.zeros(len(generators), shape[0])

    for name, read, written, _ in _convolutions(architecture):
        width = c1 if 0 in (read, written) and name != "down" else c2
        inputs = {"stem": 1, "down": c1}.get(name, width)
        draw(name, (width, inputs, 3, 3), 0.5 if name.endswith(".2") else 1.0)
    draw("head", (CLASSES, c2), 0.5)
    return parameters


def _quantised_weights(w: Tensor, bits: int) -> Tensor:
    """Round weights to a grid per output channel; the gradient passes straight through."""
    import torch

    if bits == FLOAT_BITS:
        return w
    levels = 2 ** (bits - 1) - 1
    with torch.no_grad():
        scale = w.abs().flatten(2).amax(2).clamp_min(1e-8) / levels
        scale = scale.reshape(*scale.shape, *([1] * (w.dim() - 2)))
        error = torch.round(w / scale) * scale - w
    return w + error


def _activation(h: Tensor, name: str, bits: int, ranges: Parameters | None) -> Tensor:
    """Apply ReLU and round to 2^bits levels of [0, range]; values above the range are clipped."""
    import torch

    h = torch.relu(h)
    if bits == FLOAT_BITS or ranges is None:
        return h
    top = ranges[name].repeat_interleave(h.shape[1] // len(ranges[name])).reshape(1, -1, 1, 1)
    h = torch.minimum(h, top)
    with torch.no_grad():
        step = top / (2**bits - 1)
        error = torch.round(h / step) * step - h
    return h + error


def forward(
    architecture: Architecture,
    parameters: Parameters,
    images: Tensor,
    bits: int = FLOAT_BITS,
    ranges: Parameters | None = None,
    seen: Parameters | None = None,
) -> Tensor:
    """Return the logits of every network on its own images.

    Parameters
    ----------
    architecture, parameters
        The networks; widths are read off the parameters, so that pruned ones run too.
    images
        ``(B, S, 1, 8, 8)``.
    bits, ranges
        Quantisation of weights and activations, and the top of each activation's range.
    seen
        When given, receives the largest value of each activation by network.

    Returns
    -------
    Tensor
        ``(B, S, 10)``.
    """
    import torch

    batch, seeds = images.shape[:2]

    def convolve(h: Tensor, name: str, stride: int = 1) -> Tensor:
        w = _quantised_weights(parameters[f"{name}.w"], bits)
        return torch.nn.functional.conv2d(
            h, w.flatten(0, 1), parameters[f"{name}.b"].flatten(), stride, 1, groups=seeds
        )

    def activate(h: Tensor, name: str) -> Tensor:
        h = _activation(h, name, bits, ranges)
        if seen is not None:
            seen[name] = h.reshape(batch, seeds, -1).amax(2).amax(0)
        return h

    h = images.flatten(1, 2)
    for block in architecture.blocks[:-1]:
        if block in ("stem", "down"):
            h = activate(convolve(h, block, stride=2), block)
        else:
            inner = activate(convolve(h, f"{block}.1"), f"{block}.1")
            h = activate(h + convolve(inner, f"{block}.2"), block)
    pooled = h.reshape(batch, seeds, -1, h.shape[2] * h.shape[3]).mean(3)
    w = _quantised_weights(parameters["head.w"], bits)
    return (w @ pooled.permute(1, 2, 0)).permute(2, 0, 1) + parameters["head.b"]


def calibrate(architecture: Architecture, parameters: Parameters, images: Tensor) -> Parameters:
    """Return the top of each activation's range by network: its largest value on `images`."""
    import torch

    seen: Parameters = {}
    with torch.no_grad():
        forward(architecture, parameters, images, seen=seen)
    return {name: top.clamp_min(1e-3) for name, top in seen.items()}


def _select(t: Tensor, axis: int, kept: Tensor) -> Tensor:
    """Take the rows `kept` (S, n) of each network along `axis` of a stacked tensor."""
    shape = [1] * t.dim()
    shape[0], shape[axis] = kept.shape
    size = list(t.shape)
    size[axis] = kept.shape[1]
    return t.gather(axis, kept.reshape(shape).expand(size))


def compress(
    architecture: Architecture, parameters: Parameters, compression: Compression
) -> Parameters:
    """Return a copy with the least important channels removed (structured pruning).

    Channels of a stage's trunk are shared by all its blocks and leave together; a residual block's
    inner channels leave by themselves. Importance is the squared norm of every weight that writes
    or reads the channel, and each network keeps its own most important ones.
    """
    import torch

    pruned = {name: t.clone() for name, t in parameters.items()}
    if compression.keep == 1.0:
        return pruned

    def energy(name: str, axis: int) -> Tensor:
        w = parameters[f"{name}.w"]
        return (w**2).sum([a for a in range(1, w.dim()) if a != axis])

    def best(score: Tensor) -> Tensor:
        count = max(1, round(compression.keep * score.shape[1]))
        return torch.sort(torch.topk(score, count, dim=1).indices, dim=1).values

    def keep_outputs(name: str, kept: Tensor) -> None:
        pruned[f"{name}.w"] = _select(pruned[f"{name}.w"], 1, kept)
        pruned[f"{name}.b"] = _select(pruned[f"{name}.b"], 1, kept)

    def keep_inputs(name: str, kept: Tensor) -> None:
        pruned[f"{name}.w"] = _select(pruned[f"{name}.w"], 2, kept)

    convolutions = list(_convolutions(architecture))
    for stage in (0, 1):
        writers = [name for name, _, written, _ in convolutions if written == stage]
        readers = [name for name, read, _, _ in convolutions if read == stage]
        if stage == 1:
            readers.append("head")
        score = sum(energy(name, 1) for name in writers) + sum(energy(name, 2) for name in readers)
        kept = best(score)
        for name in writers:
            keep_outputs(name, kept)
        for name in readers:
            keep_inputs(name, kept)
    for name, _, written, _ in convolutions:
        if written == -1:
            second = name[:-1] + "2"
            kept = best(energy(name, 1) + energy(second, 2))
            keep_outputs(name, kept)
            keep_inputs(second, kept)
    return pruned


def _block_sizes(
    architecture: Architecture, parameters: Parameters, bits: int
) -> list[dict[str, int | str]]:
    """Measure each block of one network from the shapes of its parameters.

    A weight takes `bits`; biases stay in 32 bits, and so does the scale that each output channel
    needs once weights are quantised. FLOPs leave out the head's mean over places.
    """
    rows: list[dict[str, int | str]] = []
    places = {"stem": 16, "down": 4, "head": 1}
    for block in architecture.blocks:
        at = places.get(block, 16 if block.startswith("a") else 4)
        names = [block] if block in places else [f"{block}.1", f"{block}.2"]
        weights = sum(parameters[f"{n}.w"][0].numel() for n in names)
        channels = sum(parameters[f"{n}.b"][0].numel() for n in names)
        width = parameters[f"{names[-1]}.b"].shape[1]
        scales = 0 if bits == FLOAT_BITS else channels
        head = block == "head"
        rows.append(
            {
                "name": block,
                "flops": 2 * weights * at,
                "param_bits": weights * bits + (channels + scales) * FLOAT_BITS,
                "activation_bits": width * at * (FLOAT_BITS if head else bits),
                "exit_flops": 0 if head else at * width + 2 * width * CLASSES,
            }
        )
    return rows


def size_factors(
    architecture: Architecture, parameters: Parameters, compressed: Parameters, bits: int
) -> dict[str, float]:
    """Return what compression leaves of FLOPs, parameter bits and boundary activation bits.

    Each factor is a ratio of totals over the blocks; the activations are those between blocks (the
    10 logits are left out). Quantisation leaves the number of operations as it is.
    """
    before = _block_sizes(architecture, parameters, FLOAT_BITS)
    after = _block_sizes(architecture, compressed, bits)

    def ratio(key: str, last: int | None) -> float:
        return sum(int(r[key]) for r in after[:last]) / sum(int(r[key]) for r in before[:last])

    return {
        "flops_factor": round(ratio("flops", None), 6),
        "param_factor": round(ratio("param_bits", None), 6),
        "activation_factor": round(ratio("activation_bits", -1), 6),
    }


def profile(architecture: Architecture, parameters: Parameters) -> Profile:
    """Return the block profile of the uncompressed network."""
    c1, c2 = architecture.widths
    blocks = tuple(
        Block(
            name=str(row["name"]),
            flops=int(row["flops"]),
            param_bytes=int(row["param_bits"]) // 8,
            activation_bits=int(row["activation_bits"]),
            exit_flops=int(row["exit_flops"]),
        )
        for row in _block_sizes(architecture, parameters, FLOAT_BITS)
    )
    return Profile(
        name=architecture.name,
        input_bits=INPUT_BITS,
        blocks=blocks,
        head_blocks=1,
        classes=CLASSES,
        title=f"Residual network for 8 x 8 digits, {c1} and {c2} channels",
        source="counted from the tensors that instances/measure/learning_curves.py trains",
        notes=(
            "flops: 2 a multiply-add of convolutions and linear layers; biases, ReLU, residual "
            "additions and the head's mean over places are left out.",
            "param_bytes and activation_bits in fp32; the input is 64 pixels of 8 bits.",
            "exit_flops: mean over places (one addition an element) and a linear layer to the "
            "classes after the block; 0 in the head.",
        ),
    )
