"""Parts of a network as ONNX models of their own, and sessions of onnxruntime that run them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.modelfiles.reading import Network, reads

_LEAST_IR = 4  # before it, every weight had to be an input as well


@dataclass(frozen=True, slots=True)
class Part:
    """A model of some operators: what it takes, what it gives, and its bytes."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    model: bytes


def part(network: Network, operators: Iterable[int]) -> Part:
    """Return the model of some operators, their places in `Network.operators`.

    It gives what operators outside it read and what the whole network gives, and holds the
    parameters it needs.

    Raises
    ------
    InputError
        Where weights stand in files that are not there, or the part has more than 2 GiB.
    """
    import onnx.helper
    from google.protobuf.message import EncodeError

    inside = set(operators)
    graph = network.model.graph
    _load_external(network)
    chosen = [network.operators[place] for place in sorted(inside)]
    made = {x for operator in chosen for x in operator.outputs}
    inputs = tuple(dict.fromkeys(x for o in chosen for x in o.inputs if x not in made))
    wanted = set(network.outputs)
    for place, operator in enumerate(network.operators):
        if place not in inside:
            wanted |= set(operator.inputs)
    outputs = tuple(x for o in chosen for x in o.outputs if x in wanted)
    nodes, constants = _constants(network, {x for o in chosen for x in o.constants})
    values = {v.name: v for v in (*graph.input, *graph.value_info, *graph.output)}
    small = onnx.helper.make_graph(
        [graph.node[place] for place in sorted({*nodes, *(o.node for o in chosen)})],
        "part",
        [values[x] for x in inputs],
        [values[x] for x in outputs],
        [x for x in graph.initializer if x.name in constants],
        sparse_initializer=[x for x in graph.sparse_initializer if x.values.name in constants],
    )
    model = onnx.helper.make_model(
        small,
        opset_imports=network.model.opset_import,
        ir_version=max(network.model.ir_version, _LEAST_IR),
    )
    try:
        return Part(inputs, outputs, model.SerializeToString())
    except (EncodeError, ValueError):
        raise InputError(
            network.path.name, "a part of more than 2 GiB", "parts of at most 2 GiB", "cut finer"
        ) from None


def session(model: bytes, threads: int = 1) -> Any:
    """Return a session of onnxruntime on the processor.

    Raises
    ------
    InputError
        Where onnxruntime is not installed or cannot run the model.
    """
    try:
        import onnxruntime
    except ImportError:
        raise InputError(
            "onnxruntime",
            "not installed",
            "the package onnxruntime",
            "pip install 'splitopt[onnx]'",
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception for each of its codes
        raise InputError(
            "model",
            " ".join(str(error).split()),
            "a model that onnxruntime runs",
            "see its message",
        ) from None


def made_up(runner: Any, seed: int = 0) -> Mapping[str, Any]:
    """Return inputs for a session: noise, ones for what is no real number."""
    import numpy as np

    draw = np.random.default_rng(seed)
    found = {}
    for value in runner.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in value.shape]
        kind = {"float": "float32", "double": "float64", "bool": "bool"}.get(
            value.type[7:-1], value.type[7:-1]
        )
        real = kind in ("float16", "float32", "float64")
        found[value.name] = (draw.random(shape) if real else np.ones(shape)).astype(kind)
    return found


def _constants(network: Network, wanted: Iterable[str]) -> tuple[set[int], set[str]]:
    """Return the constant nodes behind some parameters, and all names they need."""
    graph = network.model.graph
    maker = {x: place for place in network.constant_nodes for x in graph.node[place].output}
    waiting, nodes, names = list(wanted), set(), set()
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        names.add(name)
        if name in maker:
            nodes.add(maker[name])
            waiting += reads(graph.node[maker[name]])
    return nodes, names


def _load_external(network: Network) -> None:
    """Bring weights that stand beside the file into the model, once."""
    if not network.external:
        return
    import onnx.checker
    import onnx.external_data_helper

    try:
        onnx.external_data_helper.load_external_data_for_model(
            network.model, str(network.path.absolute().parent)
        )
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise InputError(
            network.path.name,
            " ".join(str(error).split()),
            "its weights beside it: " + ", ".join(network.external),
            "copy them into its folder",
        ) from None
