"""ONNX files read with suspicion: what is computed at all, from which tensors, of how many bits.

What depends on constants alone is no operator but a parameter, and so is what depends on shapes
alone once they are known; what no output needs is left out.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitopt.instances.core.documents import read_bytes
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.modelfiles.counting import Shape, ShapeMissingError, flops
from splitopt.instances.networks.modelfiles.shapes import RANDOM, settle, static_shapes

# One protocol buffer holds no more; larger models keep their weights beside the file.
LARGEST_FILE_BYTES = 1 << 31
_INT64 = 7
# Bits of an element where its size in NumPy says something else.
_BITS = {
    "BOOL": 8, "FLOAT4E2M1": 4, "INT2": 2, "INT4": 4, "UINT2": 2, "UINT4": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operator:
    """A node that depends on the input.

    Attributes
    ----------
    node
        Its place in the file's list of nodes.
    kind
        Type of the operator, such as ``Conv``.
    inputs, outputs
        Tensors that depend on the input; constants are none of them.
    constants
        Parameters that it reads.
    flops
        Forward FLOPs; 0 where `counted` is false.
    counted
        Whether it is known what the operator counts.
    """

    node: int
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: tuple[str, ...]
    flops: int
    counted: bool


@dataclass(frozen=True)
class Network:
    """What an ONNX file computes.

    Attributes
    ----------
    path, sha256
        The file, and the hash of its bytes.
    model
        The model, with shapes and without nodes that only ask for them.
    operators
        In an order in which each comes after what it needs.
    inputs, outputs
        Tensors that are given and asked for.
    bits
        Of each tensor that depends on the input, those given included.
    constant_bytes
        Of each parameter. Lists of whole numbers, such as the shape a tensor is to take, are none.
    constant_nodes
        Where nodes stand that depend on constants alone.
    opset
        Version of the standard.
    external
        Files beside the model that hold weights.
    """

    path: Path
    sha256: str
    model: Any
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    bits: Mapping[str, int]
    constant_bytes: Mapping[str, int]
    constant_nodes: tuple[int, ...]
    opset: int
    external: tuple[str, ...]

    @property
    def unknown(self) -> Counter[str]:
        """How often each type of operator stands in it that is counted as nothing, unknown."""
        return Counter(operator.kind for operator in self.operators if not operator.counted)


def read_network(path: Path, inputs: Mapping[str, Sequence[int]] | None = None) -> Network:
    """Return what an ONNX file computes.

    Parameters
    ----------
    inputs
        Shapes of inputs that the file leaves open.

    Raises
    ------
    InputError
        When it is no such file, or shapes are missing.
    """
    data = read_bytes(path, LARGEST_FILE_BYTES)
    model = settle(_parsed(data, path.name), path.name, inputs or {})
    graph = model.graph
    shapes, types = static_shapes(model)
    constant = {tensor.name for tensor in graph.initializer}
    constant |= {tensor.values.name for tensor in graph.sparse_initializer}
    fixed: list[int] = []
    for place, node in enumerate(graph.node):
        if node.op_type not in RANDOM and all(x in constant for x in reads(node)):
            fixed.append(place)
            constant |= {x for x in node.output if x}
    given = [x.name for x in graph.input if x.name not in constant]
    operators = [
        _operator(graph.node[place], place, constant, shapes, path.name)
        for place in sorted(_needed(graph, set(fixed)))
    ]
    used = dict.fromkeys(x for operator in operators for x in operator.inputs)
    outputs = tuple(x.name for x in graph.output if x.name not in constant)
    if not operators or not outputs:
        raise InputError(
            path.name, "no operator that depends on an input", "a network", "export it with inputs"
        )
    bits = {}
    for name in dict.fromkeys((*used, *outputs)):
        if name not in shapes or name not in types:
            raise _open_shape(path.name, None, name)
        bits[name] = math.prod(shapes[name]) * _bits(types[name], path.name, name)
    return Network(
        path,
        hashlib.sha256(data).hexdigest(),
        model,
        tuple(operators),
        tuple(x for x in given if x in used),
        outputs,
        bits,
        {
            x: -(-math.prod(shapes[x]) * _bits(types[x], path.name, x) // 8)
            for operator in operators
            for x in operator.constants
            if x in shapes and x in types and not (types[x] == _INT64 and len(shapes[x]) < 2)
        },
        tuple(fixed),
        max((x.version for x in model.opset_import if x.domain in ("", "ai.onnx")), default=0),
        tuple(_external(graph)),
    )


def _operator(
    node: Any, place: int, constant: Set[str], shapes: Mapping[str, Shape], source: str
) -> Operator:
    """Return what a node computes, counted."""

    def shape(name: str) -> Shape:
        if name not in shapes:
            raise ShapeMissingError(name)
        return shapes[name]

    try:
        counts = flops(node, shape)
    except ShapeMissingError as error:
        raise _open_shape(source, node, error.args[0]) from None
    except (IndexError, ValueError):
        raise InputError(
            source, f"{node.op_type} {node.name}", "operators that fit their inputs", "check it"
        ) from None
    read = tuple(dict.fromkeys(reads(node)))
    return Operator(
        place,
        node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}",
        tuple(x for x in read if x not in constant),
        tuple(x for x in node.output if x),
        tuple(x for x in read if x in constant),
        counts or 0,
        counts is not None,
    )


def reads(node: Any) -> Iterator[str]:
    """Yield the tensors that a node reads, those that its branches take from outside included."""
    yield from (x for x in node.input if x)
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            inner = {x.name for x in (*graph.input, *graph.initializer)}
            for child in graph.node:
                yield from (x for x in reads(child) if x not in inner)
                inner |= set(child.output)


def _parsed(data: bytes, source: str) -> Any:
    """Return the model in the bytes of a file, checked as far as ONNX itself does."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise InputError(
            "onnx", "not installed", "the package onnx", "pip install 'splitopt[onnx]'"
        ) from None
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        raise InputError(source, "no ONNX model", "an .onnx file", "check the file") from None
    if not model.HasField("graph") or not model.graph.node:
        raise InputError(source, "no graph", "an .onnx file with operators", "check the file")
    for text in _texts(model):
        # Protocol buffers hand out bytes where a text is no UTF-8.
        if not isinstance(text, str):
            raise InputError(source, text, "names in UTF-8", "check that the file is whole")
    ours = onnx.defs.onnx_opset_version()
    for used in model.opset_import:
        if used.domain in ("", "ai.onnx") and used.version > ours:
            raise InputError(
                source,
                f"opset {used.version}",
                f"opset 1 to {ours}",
                "update onnx, or export again",
            )
    return model


def _texts(model: Any) -> Iterator[object]:
    """Yield the names in a model."""
    graph = model.graph
    yield from (x.domain for x in model.opset_import)
    for node in graph.node:
        yield from (node.op_type, node.domain, node.name, *node.input, *node.output)
        yield from (x.name for x in node.attribute)
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.name
        yield from (d.dim_param for d in value.type.tensor_type.shape.dim)
    for tensor in graph.initializer:
        yield tensor.name
        yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))


def _needed(graph: Any, fixed: set[int]) -> set[int]:
    """Return the places of the nodes that an output needs and that no constant replaces."""
    maker = {x: place for place, node in enumerate(graph.node) for x in node.output if x}
    waiting = [x.name for x in graph.output]
    found: set[int] = set()
    while waiting:
        place = maker.get(waiting.pop())
        if place is not None and place not in found and place not in fixed:
            found.add(place)
            waiting += reads(graph.node[place])
    return found


def _open_shape(source: str, node: Any, tensor: str) -> InputError:
    where = "" if node is None else f" ({node.op_type} {node.name} needs it)"
    return InputError(
        source,
        f"tensor {tensor} of unknown shape{where}",
        "shapes that follow from those of the inputs",
        "give --input NAME=1,3,224,224 for each input, or export with fixed shapes; "
        "a shape that depends on values, as after NonZero, cannot be known",
    )


def _bits(kind: int, source: str, tensor: str) -> int:
    """Return the bits of an element."""
    import onnx

    name = onnx.TensorProto.DataType.Name(kind)
    if name in ("STRING", "UNDEFINED"):
        raise InputError(source, f"tensor {tensor} of type {name}", "numbers", "cut it off")
    return _BITS.get(name) or onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize * 8


def _external(graph: Any) -> list[str]:
    """Return the files that hold weights, in the order of their first use."""
    import onnx

    return list(
        dict.fromkeys(
            entry.value
            for tensor in graph.initializer
            if tensor.data_location == onnx.TensorProto.EXTERNAL
            for entry in tensor.external_data
            if entry.key == "location"
        )
    )
