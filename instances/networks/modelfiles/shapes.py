"""Shapes of the tensors of an ONNX model, once its inputs have some."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from splitopt.instances.core.errors import InputError, did_you_mean
from splitopt.instances.networks.modelfiles.counting import Shape

# Constant inputs or none do not make these constant.
RANDOM = {
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike",
}  # fmt: skip

# Shapes that are computed from shapes settle in rounds: a round finds one more Reshape.
_ROUNDS = 50
_SMALL = 4096  # elements of what is computed here


def settle(model: Any, source: str, inputs: Mapping[str, Sequence[int]]) -> Any:
    """Return the model with shapes of all tensors that can be known.

    Functions of the model's own are written out, and nodes that ask for a shape are replaced by
    it.

    Raises
    ------
    InputError
        For an input whose shape is open, wrong or of none; for operators that do not fit.
    """
    import onnx
    import onnx.inliner

    _set_inputs(model, source, inputs)
    held = _lay_aside(model)
    try:
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        model = _infer(model)
        for _ in range(_ROUNDS):
            if not _fold(model):
                break
            model = _infer(model)
    except onnx.checker.ValidationError as error:
        raise InputError(source, _first_line(error), "a valid model", "check the file") from None
    except (onnx.shape_inference.InferenceError, ValueError) as error:
        raise InputError(
            source, _first_line(error), "operators that fit their inputs", "check the shapes"
        ) from None
    for tensor in model.graph.initializer:
        if tensor.name in held:
            tensor.raw_data = held[tensor.name]
            tensor.data_location = onnx.TensorProto.DEFAULT
    return model


def _lay_aside(model: Any) -> dict[str, bytes]:
    """Take large weights out of the model, which each round of inference would copy twice."""
    import onnx

    held = {}
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > _SMALL * 8:
            held[tensor.name] = tensor.raw_data
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
    return held


def static_shapes(model: Any) -> tuple[dict[str, Shape], dict[str, int]]:
    """Return shape and type of each tensor of which they are known."""
    graph = model.graph
    shapes: dict[str, Shape] = {}
    types: dict[str, int] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if kind.elem_type:
            types[value.name] = kind.elem_type
        dims = _dims(value)
        if dims is not None and None not in dims:
            shapes[value.name] = tuple(d for d in dims if d is not None)
    for tensor in graph.initializer:
        shapes[tensor.name], types[tensor.name] = tuple(tensor.dims), tensor.data_type
    for sparse in graph.sparse_initializer:
        shapes[sparse.values.name] = tuple(sparse.dims)
        types[sparse.values.name] = sparse.values.data_type
    return shapes, types


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _dims(value: Any) -> list[int | None] | None:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
        return None
    return [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]


def _set_inputs(model: Any, source: str, inputs: Mapping[str, Sequence[int]]) -> None:
    """Write the shapes given into the model's inputs; raise where one stays open."""
    graph = model.graph
    constant = {tensor.name for tensor in graph.initializer}
    values = {value.name: value for value in graph.input if value.name not in constant}
    used = {x for node in graph.node for x in node.input}
    for name in inputs:
        if name not in values:
            raise InputError(
                "--input",
                name,
                "an input of the model: " + ", ".join(values),
                did_you_mean(name, values, "correct the name"),
            )
    for name, value in values.items():
        if not value.type.HasField("tensor_type"):
            raise InputError(source, f"input {name}", "inputs that are tensors", "cut it off")
        dims = _dims(value)
        if name in inputs:
            given = list(inputs[name])
            fits = dims is None or (
                len(dims) == len(given)
                and all(a in (None, 0, b) for a, b in zip(dims, given, strict=True))
            )
            if not fits:
                raise InputError(
                    "--input", f"{name}={_text(given)}", f"{name}={_text(dims or [])}", "correct it"
                )
            shape = value.type.tensor_type.shape
            del shape.dim[:]
            for size in given:
                shape.dim.add().dim_value = size
        elif (dims is None or None in dims) and name in used:
            raise InputError(
                f"input {name}",
                "unknown shape" if dims is None else _text(dims, value),
                "whole numbers",
                f"give its shape, such as --input {name}="
                + ",".join("1" if d is None else str(d) for d in dims or [1, 3, 224, 224]),
            )


def _text(dims: Sequence[int | None], value: Any = None) -> str:
    names = [d.dim_param for d in value.type.tensor_type.shape.dim] if value is not None else []
    return ",".join(
        str(d) if d is not None else (names[k] if k < len(names) and names[k] else "?")
        for k, d in enumerate(dims)
    )


def _infer(model: Any) -> Any:
    import onnx.shape_inference

    return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


def _fold(model: Any) -> bool:
    """Replace what asks for known shapes, and small things computed from them, by their values.

    Return whether shape inference may now find more.
    """
    import numpy as np
    import onnx.numpy_helper

    graph = model.graph
    shapes, _ = static_shapes(model)
    missing = any(x and x not in shapes for node in graph.node for x in node.output)
    values = (
        {
            t.name: onnx.numpy_helper.to_array(t)
            for t in graph.initializer
            if math.prod(t.dims) <= _SMALL and t.data_location != onnx.TensorProto.EXTERNAL
        }
        if missing
        else {}
    )
    made: dict[int, dict[str, Any]] = {}
    for place, node in enumerate(graph.node):
        if node.op_type in ("Shape", "Size") and node.domain == "" and node.input[0] in shapes:
            made[place] = {node.output[0]: _asked(node, shapes[node.input[0]])}
        elif missing and all(x in values for x in node.input if x) and _cheap(node, shapes):
            made[place] = _computed(model, node, values)
        values |= made.get(place, {})
    kept = [node for place, node in enumerate(graph.node) if not made.get(place)]
    if len(kept) == len(graph.node):
        return False
    for found in made.values():
        graph.initializer.extend(
            onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in found.items()
        )
    del graph.node[:]
    graph.node.extend(kept)
    return True


def _asked(node: Any, shape: Shape) -> Any:
    """Return what Shape or Size say of a tensor."""
    import numpy as np

    if node.op_type == "Size":
        return np.asarray(math.prod(shape), np.int64)
    ends = {a.name: a.i for a in node.attribute}
    return np.asarray(shape[ends.get("start", 0) : ends.get("end", len(shape))], np.int64)


def _cheap(node: Any, shapes: Mapping[str, Shape]) -> bool:
    """Return whether a node's outputs are small or of unknown size, and it is no branch."""
    if any(a.HasField("g") or a.graphs for a in node.attribute):
        return False
    if node.op_type in RANDOM:
        return False
    return node.op_type not in ("ConstantOfShape", "Expand", "Tile", "Range") or all(
        math.prod(shapes.get(x, (_SMALL + 1,))) <= _SMALL for x in node.output if x
    )


def _computed(model: Any, node: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs of a node of constants, none where the reference cannot compute it."""
    import onnx.helper
    from onnx.reference import ReferenceEvaluator

    names = [x for x in node.output if x]
    graph = onnx.helper.make_graph(
        [node],
        "constants",
        [onnx.ValueInfoProto(name=x) for x in dict.fromkeys(node.input) if x],
        [onnx.ValueInfoProto(name=x) for x in names],
    )
    one = onnx.helper.make_model(graph, opset_imports=model.opset_import)
    try:
        found = ReferenceEvaluator(one).run(None, {x: values[x] for x in node.input if x})
    except Exception:  # whatever it raises, the value stays unknown
        return {}
    return dict(zip(names, found, strict=True))
