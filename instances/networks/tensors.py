"""Tensors of a network that is a graph: what each block puts out, and who needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError

__all__ = ["Tensor", "check_tensors", "read_tensors"]


@dataclass(frozen=True, slots=True)
class Tensor:
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

    @staticmethod
    def from_document(document: object) -> Tensor:
        """Return the tensor in a JSON object."""
        found = fields.mapping("", document, ("name", "bits", "producer", "consumers"))
        return Tensor(**dict(found))  # type: ignore[arg-type]

    def to_document(self) -> dict[str, object]:
        """Return the tensor as a JSON object."""
        return {
            "name": self.name,
            "bits": self.bits,
            "producer": self.producer,
            "consumers": list(self.consumers),
        }


def read_tensors(document: object) -> tuple[Tensor, ...]:
    """Return the tensors in a JSON list."""
    tensors = []
    for index, entry in enumerate(fields.sequence("tensors", document, minimum=1)):
        try:
            tensors.append(Tensor.from_document(entry))
        except InputError as error:
            raise error.within(f"tensors[{index}]") from None
    return tuple(tensors)


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
