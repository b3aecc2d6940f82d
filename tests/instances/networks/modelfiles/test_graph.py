"""Blocks of a network: which cuts are kept, and that none that matters is lost."""

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

from splitopt.instances.networks.modelfiles.graph import chain, graph, tensors  # noqa: E402
from splitopt.instances.networks.modelfiles.profiles import import_onnx  # noqa: E402
from splitopt.instances.networks.modelfiles.reading import read_network  # noqa: E402

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


@pytest.fixture
def two_branches(tmp_path):
    """x (4) -> a -> relu -> {b -> relu, pool of a quarter} -> sum: two ways side by side.

    The second way blows up again before the sum.
    """
    ones = helper.make_tensor("ones", TensorProto.FLOAT, [8, 8], [1.0] * 64)
    nodes = [
        helper.make_node("MatMul", ["x", "ones"], ["a"]),
        helper.make_node("Relu", ["a"], ["ar"]),
        helper.make_node("MatMul", ["ar", "ones"], ["b"]),
        helper.make_node("Relu", ["b"], ["br"]),
        helper.make_node("ReduceMean", ["ar"], ["m"], axes=[1]),
        helper.make_node("Expand", ["m", "to"], ["big"]),
        helper.make_node("Add", ["br", "big"], ["s"]),
        helper.make_node("Relu", ["s"], ["sr"]),
        helper.make_node("MatMul", ["sr", "ones"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 8])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 8])]
    size = helper.make_tensor("to", TensorProto.INT64, [2], [4, 8])
    made = helper.make_graph(nodes, "g", inputs, outputs, [ones, size])
    path = tmp_path / "two.onnx"
    onnx.save(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return read_network(path)


def kinds(network, blocks):
    return [[network.operators[place].kind for place in block.operators] for block in blocks]


def test_the_chain_has_the_cuts_that_one_tensor_crosses(two_branches):
    blocks = chain(two_branches)
    assert [block.name for block in blocks] == ["ar", "sr", "y"]
    assert kinds(two_branches, blocks) == [
        ["MatMul", "Relu"],
        ["MatMul", "Relu", "ReduceMean", "Expand", "Add", "Relu"],
        ["MatMul"],
    ]
    assert [block.flops for block in blocks] == [2 * 4 * 8 * 8] * 3


def test_the_graph_joins_what_no_cut_should_part(two_branches):
    """ReLU stays with its product, a mean (an eighth of the bits) and its expansion are two."""
    blocks = graph(two_branches)
    assert kinds(two_branches, blocks) == [
        ["MatMul", "Relu"],
        ["MatMul", "Relu"],
        ["ReduceMean"],
        ["Expand", "Add", "Relu"],
        ["MatMul"],
    ]
    assert tensors(two_branches, blocks) == [
        ("x", None, (0,)),
        ("ar", 0, (1, 2)),
        ("br", 1, (3,)),
        ("m", 2, (3,)),
        ("sr", 3, (4,)),
    ]


def done_so_far(network, blocks):
    """Yield all sets of blocks that may have run so far, by their definition."""
    needs = [set() for _ in blocks]
    for _, producer, consumers in tensors(network, blocks):
        for consumer in consumers:
            if producer is not None:
                needs[consumer].add(producer)
    seen, waiting = {frozenset()}, [frozenset()]
    while waiting:
        done = waiting.pop()
        yield done
        for block in set(range(len(blocks))) - done:
            more = done | {block}
            if needs[block] <= done and more not in seen:
                seen.add(more)
                waiting.append(more)


# The number of downsets decides what graph methods cost.
@pytest.mark.parametrize(
    ("name", "blocks", "downsets"),
    [("resnet50", 70, 83), ("shufflenet", 69, 79), ("squeezenet", 34, 43)],
)
def test_architectures_have_few_downsets(name, blocks, downsets):
    network = read_network(LIGHT / f"light_{name}.onnx")
    found = graph(network)
    assert len(found) == blocks
    assert len(list(done_so_far(network, found))) == downsets


@pytest.mark.parametrize("name", ["resnet50", "inception_v1", "densenet121"])
def test_chain_and_graph_hold_every_operator_once(name):
    network = read_network(LIGHT / f"light_{name}.onnx")
    every = list(range(len(network.operators)))
    for blocks in (chain(network), graph(network)):
        assert sorted(place for block in blocks for place in block.operators) == every
        home = {place: b for b, block in enumerate(blocks) for place in block.operators}
        maker = {x: home[k] for k, o in enumerate(network.operators) for x in o.outputs}
        # Each block comes after those that it needs.
        assert all(
            maker[x] <= home[k]
            for k, o in enumerate(network.operators)
            for x in o.inputs
            if x in maker
        )


def test_a_graph_is_written_as_version_2(two_branches):
    document = import_onnx(two_branches.path, "two", merge="operators").profile.to_document()
    assert (document["format"], document["version"]) == ("splitopt-profile", 2)
    assert document["blocks"][0] == {"name": "ar", "flops": 512, "param_bytes": 256}
    assert document["tensors"][1] == {
        "name": "ar", "bits": 32 * 32, "producer": 0, "consumers": [1, 2],
    }  # fmt: skip
    assert document["tensors"][0]["producer"] is None
