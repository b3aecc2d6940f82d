"""Tensors of a network that is a graph: what each block puts out, and who needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.parts import Plain


@dataclass(frozen=True, slots=True)
class Tensor(Plain):
    """One tensor of a graph of blocks.

    Attributes
    ----------
    name
        Unique within the graph.
    bits
        Bits for one sample.
    producer
        Position of the block that makes it; None for a raw input.
    consumers
        Positions of the blocks that need it, ascending; none for an output of the network.
    """

    name: str
    bits: float
    producer: int | None
    consumers: tuple[int, ...]

    def __post_init__(self) -> None:
        fields.name("name", self.name)
        bits = fields.number("bits", self.bits, minimum=0)
        object.__setattr__(self, "bits", int(bits) if bits.is_integer() and bits < 2**53 else bits)
        if self.producer is not None:
            producer = fields.integer("producer", self.producer, minimum=0)
            object.__setattr__(self, "producer", producer)
        given = fields.sequence("consumers", self.consumers)
        consumers = [
            fields.integer(f"consumers[{k}]", block, minimum=0) for k, block in enumerate(given)
        ]
        if len(set(consumers)) < len(consumers):
            raise InputError("consumers", consumers, "each consumer once", "drop the repeated one")
        object.__setattr__(self, "consumers", tuple(sorted(consumers)))

    def to_document(self) -> dict[str, object]:
        """Return the tensor as a JSON object."""
        return super(Tensor, self).to_document() | {"consumers": list(self.consumers)}


def check_tensors(tensors: Sequence[Tensor], blocks: Sequence[str]) -> None:
    """Raise unless the tensors make a graph of the blocks, given in topological order.

    Each block stands behind what it needs, and needs something: so all work begins at the raw
    input.
    """
    fields.names_differ("tensors", [tensor.name for tensor in tensors])
    reached = [False] * len(blocks)
    for index, tensor in enumerate(tensors):
        producer = -1 if tensor.producer is None else tensor.producer
        for field, ends in (("producer", (producer,)), ("consumers", tensor.consumers)):
            for block in ends:
                if block >= len(blocks):
                    raise InputError(
                        f"tensors[{index}].{field}",
                        block,
                        f"positions of blocks, 0 to {len(blocks) - 1}",
                        "correct it",
                    )
        for block in tensor.consumers:
            if block <= producer:
                raise InputError(
                    f"tensors[{index}].consumers",
                    block,
                    f"blocks behind the producer, {producer}",
                    "list the blocks in an order in which tensors lead forward",
                )
            reached[block] = True
    for name, one in zip(blocks, reached, strict=True):
        if not one:
            raise InputError(
                "tensors", name, "blocks that need a tensor each", "let it consume the raw input"
            )
