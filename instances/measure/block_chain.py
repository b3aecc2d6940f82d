"""Chains of blocks and what a FLOP counter reads from their shapes.

A network is written as a chain of blocks ``x_b = block_b(x_{b-1})`` that can be cut between any
two of them. All modules live on PyTorch's meta device: shapes and data types exist, numbers do
not, so that nothing is downloaded, allocated or computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

FP32_BYTES = 4
FP32_BITS = 32


@dataclass(frozen=True)
class NetworkChain:
    """A network as a chain of blocks, with what its profile file says about it.

    Attributes
    ----------
    name, title, source
        Name of the file, one line for people, citation of the architecture.
    notes
        What a reader of the figures has to know about this network alone.
    classes
        Width of the classifier's output.
    sample
        One input, batch size 1, on the meta device.
    input_bits
        Size of the raw input as shipped: 8-bit pixels, 32-bit token ids.
    head_blocks
        Number of final blocks that form the classifier head.
    blocks
        Name and module of each block, in order.
    exit_branch
        Builds the early-exit branch for a block's output: the module, and the additions in it
        that the FLOP counter leaves out although they are the branch's main work (pooling).
    exit_note
        What that branch is, in words.
    """

    name: str
    title: str
    source: str
    notes: tuple[str, ...]
    classes: int
    sample: Any
    input_bits: int
    head_blocks: int
    blocks: tuple[tuple[str, Any], ...]
    exit_branch: Callable[[Any], tuple[Any, int]]
    exit_note: str


@dataclass(frozen=True)
class BlockFigures:
    """Figures of one block and one sample: FLOPs (2 a multiply-add), fp32 bytes, fp32 bits."""

    name: str
    flops: int
    param_bytes: int
    activation_bits: int
    exit_flops: int


@dataclass(frozen=True)
class ChainFigures:
    """Figures of a chain.

    Attributes
    ----------
    blocks
        One entry a block.
    buffer_bytes
        Bytes of all buffers (running statistics of batch normalisation), counted nowhere else.
    left_out_elements
        Elements written by operations for which the FLOP counter has no rule.
    """

    blocks: tuple[BlockFigures, ...]
    buffer_bytes: int
    left_out_elements: int


class _LeftOutElements(TorchDispatchMode):  # type: ignore[misc]
    """Count the elements written by operations that FlopCounterMode does not count.

    Views write nothing and are told by their schema: an output that aliases an input without
    being written to. ``_unsafe_view`` is a view that its schema does not show as one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        returns = func._schema.returns
        is_view = bool(returns) and all(
            r.alias_info is not None and not r.alias_info.is_write for r in returns
        )
        if func._overloadpacket in flop_registry or is_view or "_unsafe_view" in str(func):
            return out
        # The first output is the result; others are saved statistics.
        first = out[0] if isinstance(out, tuple | list) else out
        if isinstance(first, torch.Tensor):
            self.elements += first.numel()
        return out


def _forward_flops(module: Any, x: Any) -> tuple[int, Any]:
    """Return the forward FLOPs of ``module(x)``, 2 a multiply-add, and its output."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        out = module(x)
    return int(counter.get_total_flops()), out


def _parameter_bytes(module: Any) -> int:
    return FP32_BYTES * sum(int(p.numel()) for p in module.parameters())


def measure_chain(chain: NetworkChain) -> ChainFigures:
    """Measure each block of `chain` on its own and check the sum against the whole network.

    Raises
    ------
    RuntimeError
        If the FLOPs of the blocks do not add up to those of one pass through the network.
    """
    figures: list[BlockFigures] = []
    x = chain.sample
    body = len(chain.blocks) - chain.head_blocks
    for index, (name, module) in enumerate(chain.blocks):
        module.eval()
        flops, x = _forward_flops(module, x)
        exit_flops = 0
        if index < body:
            branch, additions = chain.exit_branch(x)
            counted, logits = _forward_flops(branch.eval(), x)
            if logits.shape[-1] != chain.classes:
                raise RuntimeError(f"{chain.name}: exit after {name} gives {tuple(logits.shape)}")
            exit_flops = counted + additions
        figures.append(
            BlockFigures(name, flops, _parameter_bytes(module), x.numel() * FP32_BITS, exit_flops)
        )
    if x.shape[0] != 1 or x.shape[-1] != chain.classes:
        raise RuntimeError(f"{chain.name}: output of shape {tuple(x.shape)}")

    network = torch.nn.Sequential(*(module for _, module in chain.blocks)).eval()
    whole, _ = _forward_flops(network, chain.sample)
    if whole != sum(f.flops for f in figures):
        raise RuntimeError(f"{chain.name}: blocks do not add up to the network's {whole} FLOPs")
    with torch.no_grad(), _LeftOutElements() as left_out:
        network(chain.sample)
    buffer_bytes = sum(b.numel() * b.element_size() for b in network.buffers())
    return ChainFigures(tuple(figures), buffer_bytes, left_out.elements)
