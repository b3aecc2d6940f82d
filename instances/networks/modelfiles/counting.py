"""FLOPs of an ONNX operator, two a multiply-add: products of matrices and what is made of them.

Element-wise work, pooling, normalisation and moving of data count nothing, as in all profiles of
the suite; which operators were not known is for the caller to tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Shape = tuple[int, ...]
Shapes = Callable[[str], Shape]

# Operators of the standard that compute, but not by products whose size shapes tell.
_NOT_KNOWN = {
    "CausalConvWithState", "DFT", "Det", "If", "LinearAttention", "Loop", "MelWeightMatrix", "STFT",
    "Scan", "SequenceMap",
}  # fmt: skip


class ShapeMissingError(LookupError):
    """A shape is needed that nobody knows; its argument is the tensor."""


def flops(node: Any, shape: Shapes) -> int | None:
    """Return forward FLOPs of a node: 0 where it makes no products, None where that is not known.

    Raises
    ------
    ShapeMissingError
        By `shape`, for a tensor whose shape is not known.
    ValueError
        Where inputs do not fit each other.
    """
    import onnx.defs

    standard = node.domain in ("", "ai.onnx") and onnx.defs.has(node.op_type)
    if not standard or node.op_type in _NOT_KNOWN:
        return None
    count = _COUNTS.get(node.op_type)
    made = 0 if count is None else count(node, shape)
    return None if made is None else 2 * made


def _attribute(node: Any, name: str, otherwise: Any) -> Any:
    import onnx.helper

    for attribute in node.attribute:
        if attribute.name == name:
            return onnx.helper.get_attribute_value(attribute)
    return otherwise


def _convolution(weights: int) -> Callable[[Any, Shapes], int]:
    """Each element of the output is a product over channels of its group and the kernel.

    The weights, input number `weights`, are M x C / group x kernel.
    """

    def count(node: Any, shape: Shapes) -> int:
        kernels = shape(node.input[weights])
        # The shape inference of onnx takes any number of channels.
        if shape(node.input[0])[1] != kernels[1] * _attribute(node, "group", 1):
            raise ValueError("channels do not fit")
        return math.prod(shape(node.output[0])) * math.prod(kernels[1:])

    return count


def _transposed(node: Any, shape: Shapes) -> int:
    """Each element of the input meets M / group kernels; the weights are C x M / group x kernel."""
    return math.prod(shape(node.input[0])) * math.prod(shape(node.input[1])[1:])


def _product(node: Any, shape: Shapes) -> int:
    return math.prod(shape(node.output[0])) * shape(node.input[0])[-1]


def _gemm(node: Any, shape: Shapes) -> int:
    inner = shape(node.input[0])[0 if _attribute(node, "transA", 0) else 1]
    return math.prod(shape(node.output[0])) * inner


def _recurrent(node: Any, shape: Shapes) -> int:
    """At each step: W (directions x gates H x I) times the input, R (... x H) times the state."""
    steps_and_batch = math.prod(shape(node.input[0])[:2])
    return steps_and_batch * (math.prod(shape(node.input[1])) + math.prod(shape(node.input[2])))


def _attention(node: Any, shape: Shapes) -> int:
    """Q K' and its product with V: batch x heads x queries x keys x (d + d_v)."""
    q, k, v = (shape(node.input[i]) for i in range(3))
    if len(q) == 3:
        heads, groups = (int(_attribute(node, f"{x}_num_heads", 1)) for x in ("q", "kv"))
        q = (q[0], heads, q[1], q[2] // heads)
        k, v = ((x[0], groups, x[1], x[2] // groups) for x in (k, v))
    keys = k[2]
    if len(node.input) > 4 and node.input[4]:
        keys += shape(node.input[4])[2]
    return q[0] * q[1] * q[2] * keys * (q[3] + v[3])


def _einsum(node: Any, shape: Shapes) -> int | None:
    """All letters of two operands are loops; where nothing is summed there is no product."""
    equation = _attribute(node, "equation", b"").decode().replace(" ", "")
    operands, _, result = equation.partition("->")
    terms = operands.split(",")
    if len(terms) != 2 or "." in equation:
        return None
    sizes: dict[str, int] = {}
    for term, name in zip(terms, node.input, strict=True):
        sizes |= zip(term, shape(name), strict=True)
    if "->" not in equation:
        result = "".join(x for x in sizes if operands.count(x) == 1)
    return math.prod(sizes.values()) if set(sizes) - set(result) else 0


_COUNTS: Mapping[str, Callable[[Any, Shapes], int | None]] = {
    "Attention": _attention,
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "ConvTranspose": _transposed,
    "DeformConv": _convolution(1),
    "Einsum": _einsum,
    "GRU": _recurrent,
    "Gemm": _gemm,
    "LSTM": _recurrent,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearConv": _convolution(3),
    "QLinearMatMul": _product,
    "RNN": _recurrent,
}
