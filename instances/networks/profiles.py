"""Profiles: a DNN as a chain of blocks, each a place where it can be cut, or as a graph of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

from splitopt.instances.core import fields
from splitopt.instances.core.documents import parse_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.parts import Plain, read_parts
from splitopt.instances.networks.tensors import Tensor, check_tensors

FORMAT = "splitopt-profile"
VERSION = 1
GRAPH_VERSION = 2  # with tensors


def _figure(field: str, value: object) -> int | float:
    """Return a figure >= 0, as an int where it is whole."""
    result = fields.number(field, value, minimum=0)
    return int(result) if result.is_integer() and result < 2**53 else result


@dataclass(frozen=True, slots=True)
class Block:
    """One block b of a chain.

    Attributes
    ----------
    name
        Unique within the chain.
    flops
        phi_b, forward FLOPs a sample, two a multiply-add.
    param_bytes
        par_b, bytes of parameters.
    activation_bits
        a_b, bits of the block's output for one sample; in a graph, of all tensors it makes.
    exit_flops
        FLOPs a sample of an early-exit classifier attached behind this block.
    """

    name: str
    flops: float
    param_bytes: float
    activation_bits: float
    exit_flops: float = 0

    def __post_init__(self) -> None:
        fields.name("name", self.name)
        for column in ("flops", "param_bytes", "activation_bits", "exit_flops"):
            object.__setattr__(self, column, _figure(column, getattr(self, column)))

    @staticmethod
    def from_document(document: object) -> Block:
        """Return the block in a JSON object."""
        found = fields.mapping(
            "", document, ("name", "flops", "param_bytes", "activation_bits"), ("exit_flops",)
        )
        return Block(**dict(found))  # type: ignore[arg-type]

    @staticmethod
    def without_bits(document: object) -> Block:
        """Return the block of a graph in a JSON object: the bits of its output are tensors'."""
        found = fields.mapping("", document, ("name", "flops", "param_bytes"), ("exit_flops",))
        return Block(**found, activation_bits=0)  # type: ignore[arg-type]

    def to_document(self, *, bits: bool = True) -> dict[str, object]:
        """Return the block as a JSON object, with or without the bits of its output."""
        document: dict[str, object] = {
            "name": self.name,
            "flops": self.flops,
            "param_bytes": self.param_bytes,
        }
        if bits:
            document["activation_bits"] = self.activation_bits
        if self.exit_flops:
            document["exit_flops"] = self.exit_flops
        return document


@dataclass(frozen=True, slots=True)
class Profile:
    """A chain of blocks b = 1..L, or a graph of blocks and tensors.

    Attributes
    ----------
    name
        Such as ``vgg16-imagenet``.
    input_bits
        a_0, bits of one input sample as it is shipped; never scaled by compression. In a graph,
        of all raw inputs.
    blocks
        The chain; in a graph, an order in which tensors lead forward.
    head_blocks
        How many blocks at the end are the classifier head.
    classes, title, source, notes
        What the network tells apart and where the figures come from.
    tensors
        Of a graph; empty for a chain.
    origin
        How the profile was made, for programs; an annotation like those before.
    """

    name: str
    input_bits: float
    blocks: tuple[Block, ...]
    head_blocks: int = 0
    classes: int = 0
    title: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    origin: Mapping[str, fields.Scalar] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        fields.name("name", self.name)
        object.__setattr__(self, "input_bits", _figure("input_bits", self.input_bits))
        if not self.blocks:
            raise InputError("blocks", [], "at least one block", "add the blocks of the network")
        fields.names_differ("blocks", [block.name for block in self.blocks])
        if self.tensors:
            check_tensors(self.tensors, [block.name for block in self.blocks])
        fields.integer("head_blocks", self.head_blocks, minimum=0, maximum=len(self.blocks) - 1)
        fields.integer("classes", self.classes, minimum=0)
        fields.text("title", self.title)
        fields.text("source", self.source)

    @staticmethod
    def graph(
        name: str, blocks: Sequence[Block], tensors: Sequence[Tensor], **annotations: Any
    ) -> Profile:
        """Return a profile of blocks and tensors; the bits of inputs and outputs follow."""
        made = [0.0] * len(blocks)
        raw = 0.0
        for tensor in tensors:
            if tensor.producer is None:
                raw += tensor.bits
            elif tensor.producer < len(made):
                made[tensor.producer] += tensor.bits
        whole = tuple(
            replace(block, activation_bits=bits) for block, bits in zip(blocks, made, strict=True)
        )
        return Profile(name, raw, whole, tensors=tuple(tensors), **annotations)

    @property
    def is_graph(self) -> bool:
        """Whether the blocks make a graph; else they are a chain."""
        return bool(self.tensors)

    @property
    def flops(self) -> float:
        """Forward FLOPs a sample of the whole chain."""
        return sum(block.flops for block in self.blocks)

    @property
    def param_bytes(self) -> float:
        """Parameter bytes of the whole chain."""
        return sum(block.param_bytes for block in self.blocks)

    @staticmethod
    def from_document(document: object) -> Profile:
        """Return the profile in a JSON object.

        Raises
        ------
        InputError
            Naming the field that is wrong.
        """
        graph = isinstance(document, dict) and "tensors" in document
        found = fields.mapping(
            "",
            document,
            ("name", "blocks", "tensors" if graph else "input_bits"),
            ("format", "version", "head_blocks", "classes", "title", "source", "notes", "origin"),
        )
        read_version(found, FORMAT, GRAPH_VERSION if graph else VERSION)
        read = Block.without_bits if graph else Block.from_document
        blocks = read_parts(found, "blocks", read, minimum=1)
        notes = fields.sequence("notes", found.get("notes", ()))
        if graph:
            tensors = read_parts(found, "tensors", Tensor.from_document, minimum=1)
            make = functools.partial(Profile.graph, tensors=tensors)
        else:
            bits = fields.number("input_bits", found["input_bits"], minimum=0)
            make = functools.partial(Profile, input_bits=bits)
        return make(
            name=fields.name("name", found["name"]),
            blocks=blocks,
            head_blocks=fields.integer("head_blocks", found.get("head_blocks", 0), minimum=0),
            classes=fields.integer("classes", found.get("classes", 0), minimum=0),
            title=fields.text("title", found.get("title", "")),
            source=fields.text("source", found.get("source", "")),
            notes=tuple(fields.text(f"notes[{i}]", note) for i, note in enumerate(notes)),
            origin=fields.read_origin(found),
        )

    def to_document(self) -> dict[str, object]:
        """Return the profile as a JSON object."""
        version = GRAPH_VERSION if self.is_graph else VERSION
        document: dict[str, object] = {"format": FORMAT, "version": version, "name": self.name}
        document |= {
            "title": self.title,
            "source": self.source,
            "notes": list(self.notes),
            "classes": self.classes,
            "head_blocks": self.head_blocks,
        }
        if self.origin:
            document["origin"] = dict(self.origin)
        return document | self.chain_document()

    def chain_document(self) -> dict[str, object]:
        """Return as a JSON object what an optimum can depend on: name, input and blocks."""
        if self.is_graph:
            return {
                "name": self.name,
                "blocks": [block.to_document(bits=False) for block in self.blocks],
                "tensors": [tensor.to_document() for tensor in self.tensors],
            }
        return {
            "name": self.name,
            "input_bits": self.input_bits,
            "blocks": [block.to_document() for block in self.blocks],
        }

    def bare(self) -> Profile:
        """Return the chain alone, without exits and annotations, as CIFT instances hold it."""
        return Profile(
            self.name,
            self.input_bits,
            tuple(
                Block(block.name, block.flops, block.param_bytes, block.activation_bits)
                for block in self.blocks
            ),
            tensors=self.tensors,
        )

    def multi_exit(self) -> MultiExitProfile:
        """Return the network as logical layers, each with an exit branch behind it.

        The head is the branch of the last layer (always charged when reached); each earlier
        layer's branch is the block's early-exit classifier.

        Raises
        ------
        InputError
            For a graph: MEPRA cuts chains.
        """
        if self.is_graph:
            raise InputError(
                "profile", self.name, "a chain of blocks", "merge it to cuts through one tensor"
            )
        body = self.blocks[: len(self.blocks) - self.head_blocks]
        head_flops = sum(block.flops for block in self.blocks[len(body) :])
        layers = tuple(
            Layer(
                block.name,
                block.flops,
                head_flops if self.head_blocks and block is body[-1] else block.exit_flops,
                block.activation_bits,
            )
            for block in body
        )
        return MultiExitProfile(self.name, self.input_bits, layers)


def read_version(found: Mapping[str, object], format_name: str, *versions: int) -> None:
    """Raise unless the optional fields ``format`` and ``version`` are those expected."""
    fields.one_of("format", found.get("format", format_name), (format_name,))
    given = found.get("version", versions[0])
    if isinstance(given, bool) or given not in versions:
        raise InputError(
            "version",
            given,
            " or ".join(map(str, versions)),
            "convert the file or use the splitopt that wrote it",
        )


@dataclass(frozen=True, slots=True)
class Layer(Plain):
    """One logical layer j of a multi-exit DNN.

    Attributes
    ----------
    flops
        F_j, FLOPs of the layer.
    branch_flops
        G_j, FLOPs of the exit branch behind it.
    activation_bits
        a_j, bits of the layer's output.
    """

    name: str
    flops: float
    branch_flops: float
    activation_bits: float

    def __post_init__(self) -> None:
        fields.name("name", self.name)
        for column in ("flops", "branch_flops", "activation_bits"):
            object.__setattr__(self, column, _figure(column, getattr(self, column)))


# A device's exit set is stored as the bits of one 64-bit integer.
MOST_LAYERS = 62


@dataclass(frozen=True, slots=True)
class MultiExitProfile:
    """A chain of logical layers j = 1..L, an exit behind each.

    Attributes
    ----------
    input_bits
        a_0, bits of one raw input.
    """

    name: str
    input_bits: float
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        fields.name("name", self.name)
        object.__setattr__(self, "input_bits", _figure("input_bits", self.input_bits))
        if not 1 <= len(self.layers) <= MOST_LAYERS:
            raise InputError(
                "layers", len(self.layers), f"1 to {MOST_LAYERS} layers", "merge layers"
            )
        fields.names_differ("layers", [layer.name for layer in self.layers])

    @staticmethod
    def from_document(document: object) -> MultiExitProfile:
        """Return the profile in a JSON object."""
        found = fields.mapping("", document, ("name", "input_bits", "layers"))
        return MultiExitProfile(
            fields.name("name", found["name"]),
            fields.number("input_bits", found["input_bits"], minimum=0),
            read_parts(found, "layers", Layer.from_document, minimum=1),
        )

    def to_document(self) -> dict[str, object]:
        """Return the profile as a JSON object."""
        return {
            "name": self.name,
            "input_bits": self.input_bits,
            "layers": [layer.to_document() for layer in self.layers],
        }


def profile_names() -> tuple[str, ...]:
    """Return the names of the committed profiles, sorted."""
    folder = resources.files("splitopt.instances") / "data" / "profiles"
    return tuple(
        sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.name.endswith(".json"))
    )


@functools.cache
def load_profile(name: str) -> Profile:
    """Return a committed profile by name.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    known = profile_names()
    if name not in known:
        raise InputError("profile", name, "one of " + ", ".join(known), "choose one of them")
    path = resources.files("splitopt.instances") / "data" / "profiles" / f"{name}.json"
    return Profile.from_document(parse_json(path.read_bytes(), f"{name}.json"))
