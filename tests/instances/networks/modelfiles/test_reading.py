"""ONNX files: what is counted, by hand and against published figures; what is refused, and how."""

import math
import random
from pathlib import Path

import pytest

from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.profiles import Profile, load_profile

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx.reference")

import numpy as np  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from splitopt.instances.networks.modelfiles.profiles import import_onnx  # noqa: E402
from splitopt.instances.networks.modelfiles.reading import read_network  # noqa: E402

DATA = Path(__file__).parents[3] / "data" / "onnx"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
# Multiply-adds and parameters of the architectures inside the onnx wheel. Published: ResNet-50
# 4.09e9 and 25.6e6, DenseNet-121 2.83e9 and 8.0e6, SqueezeNet 1.1 0.35e9 and 1.24e6, Inception v1
# 1.43e9 and 7.0e6, VGG-19 19.6e9 and 143.67e6, AlexNet 61e6 parameters. Batch normalisation holds
# means and variances too, hence the difference to counts of what is trained.
ARCHITECTURES = {
    "bvlc_alexnet": (654_560_384, 60_965_224, 8),
    "densenet121": (2_834_161_664, 8_146_152, 63),
    "inception_v1": (1_431_556_352, 6_998_552, 13),
    "inception_v2": (2_018_851_840, 11_234_792, 14),
    "resnet50": (4_089_184_256, 25_610_152, 18),
    "shufflenet": (124_664_528, 1_420_152, 18),
    "squeezenet": (349_151_936, 1_235_496, 18),
    "vgg19": (19_632_062_464, 143_667_240, 19),
    "zfnet512": (1_481_727_008, 87_250_536, 8),
}


def write(path, nodes, inputs, outputs, constants=(), opset=23):
    """Write a model; inputs and outputs are (name, shape) or (name, shape, type)."""

    def values(given):
        return [
            helper.make_tensor_value_info(name, kind[0] if kind else TensorProto.FLOAT, shape)
            for name, shape, *kind in given
        ]

    graph = helper.make_graph(
        nodes,
        "g",
        values(inputs),
        values(outputs),
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def counted(network):
    return sum(operator.flops for operator in network.operators)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_have_the_published_work(name):
    multiply_adds, parameters, blocks = ARCHITECTURES[name]
    made = import_onnx(LIGHT / f"light_{name}.onnx", name)
    assert counted(made.network) == made.profile.flops == 2 * multiply_adds
    assert sum(made.network.constant_bytes.values()) == made.profile.param_bytes == 4 * parameters
    assert len(made.profile.blocks) == blocks
    assert made.profile.input_bits == 3 * 224 * 224 * 32
    assert made.network.unknown == {}


def test_resnet_is_the_profile_that_another_program_made():
    """The committed profile was counted by torch on torchvision's network."""
    ours = import_onnx(LIGHT / "light_resnet50.onnx", "ours").profile
    theirs = load_profile("resnet50-imagenet")
    assert [block.flops for block in ours.blocks] == [block.flops for block in theirs.blocks]
    # The last cut is behind the pooling here, which costs nothing and leaves a 49th of the bits.
    assert [b.activation_bits for b in ours.blocks[:16]] == [
        b.activation_bits for b in theirs.blocks[:16]
    ]
    assert 49 * ours.blocks[16].activation_bits == theirs.blocks[16].activation_bits


def test_a_convolution_by_hand():
    made = import_onnx(DATA / "conv.onnx", "conv")
    (block,) = made.profile.blocks
    # 4 x 8 x 8 outputs, each of 2 x 3 x 3 products; the bias is element-wise.
    assert block.flops == 2 * 4 * 8 * 8 * 2 * 3 * 3
    assert block.param_bytes == 4 * (4 * 2 * 3 * 3 + 4)
    assert block.activation_bits == 32 * 4 * 8 * 8
    assert made.profile.input_bits == 32 * 2 * 8 * 8


@pytest.mark.parametrize(
    ("node", "inputs", "output", "constants", "multiply_adds"),
    [
        # 6 channels in 3 groups: 4 x 4 inputs of each meet 2 channels of a 2 x 2 kernel.
        (
            helper.make_node("ConvTranspose", ["x", "w"], ["y"], group=3, strides=[2, 2]),
            [("x", [1, 6, 4, 4])],
            [1, 6, 8, 8],
            [("w", np.ones((6, 2, 2, 2), np.float32))],
            6 * 16 * 2 * 4,
        ),
        # Depthwise: one product a tap.
        (
            helper.make_node("Conv", ["x", "w"], ["y"], group=6, pads=[1, 1, 1, 1]),
            [("x", [1, 6, 4, 4])],
            [1, 6, 4, 4],
            [("w", np.ones((6, 1, 3, 3), np.float32))],
            6 * 16 * 9,
        ),
        (
            helper.make_node("MatMul", ["x", "z"], ["y"]),
            [("x", [2, 3, 5]), ("z", [2, 5, 7])],
            [2, 3, 7],
            [],
            2 * 3 * 5 * 7,
        ),
        (
            helper.make_node("Gemm", ["x", "w", "b"], ["y"], transA=1, transB=1),
            [("x", [5, 3])],
            [3, 7],
            [("w", np.ones((7, 5), np.float32)), ("b", np.ones(7, np.float32))],
            3 * 5 * 7,
        ),
        # 4 queries of 2 heads meet 6 keys of one shared head: 8 wide, values 8 wide.
        (
            helper.make_node("Attention", ["x", "k", "v"], ["y"], q_num_heads=2, kv_num_heads=1),
            [("x", [1, 4, 16]), ("k", [1, 6, 8]), ("v", [1, 6, 8])],
            [1, 4, 16],
            [],
            2 * 4 * 6 * (8 + 8),
        ),
        # 5 steps, batch 2, both directions, 4 gates of 3 over input 7 and state 3.
        (
            helper.make_node(
                "LSTM", ["x", "w", "r"], ["y"], hidden_size=3, direction="bidirectional"
            ),
            [("x", [5, 2, 7])],
            [5, 2, 2, 3],
            [("w", np.ones((2, 12, 7), np.float32)), ("r", np.ones((2, 12, 3), np.float32))],
            5 * 2 * 2 * 12 * (7 + 3),
        ),
        (
            helper.make_node("GRU", ["x", "w", "r"], ["y"], hidden_size=3),
            [("x", [5, 2, 7])],
            [5, 1, 2, 3],
            [("w", np.ones((1, 9, 7), np.float32)), ("r", np.ones((1, 9, 3), np.float32))],
            5 * 2 * 9 * (7 + 3),
        ),
        (
            helper.make_node("Einsum", ["x", "z"], ["y"], equation="bij,bkj->bik"),
            [("x", [2, 3, 5]), ("z", [2, 7, 5])],
            [2, 3, 7],
            [],
            2 * 3 * 5 * 7,
        ),
        # Nothing is summed: element-wise.
        (
            helper.make_node("Einsum", ["x", "z"], ["y"], equation="bi,bi->bi"),
            [("x", [2, 3]), ("z", [2, 3])],
            [2, 3],
            [],
            0,
        ),
    ],
    ids=lambda x: x.op_type if hasattr(x, "op_type") else None,
)
def test_operators_by_hand(tmp_path, node, inputs, output, constants, multiply_adds):
    path = write(tmp_path / "one.onnx", [node], inputs, [("y", output)], constants)
    network = read_network(path)
    assert counted(network) == 2 * multiply_adds
    assert network.bits["y"] == 32 * math.prod(output)
    assert network.unknown == {}


def test_what_depends_on_constants_and_shapes_alone_is_folded(tmp_path):
    """Weights made by nodes are parameters, and a shape that is computed is known."""
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["w"]),
        helper.make_node("Transpose", ["w"], ["wt"]),
        helper.make_node("Shape", ["x"], ["all"]),
        helper.make_node("Gather", ["all", "zero"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "axis"], ["batch1"]),
        helper.make_node("Concat", ["batch1", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["flat"]),
        helper.make_node("MatMul", ["flat", "wt"], ["y"]),
        helper.make_node("Relu", ["y"], ["unused"]),
    ]
    constants = [
        ("size", np.array([5, 24], np.int64)),
        ("zero", np.array(0, np.int64)),
        ("axis", np.array([0], np.int64)),
        ("rest", np.array([24], np.int64)),
    ]
    path = write(
        tmp_path / "folded.onnx", nodes, [("x", ["batch", 2, 3, 4])], [("y", None)], constants
    )
    network = read_network(path, {"x": (3, 2, 3, 4)})
    assert [operator.kind for operator in network.operators] == ["Reshape", "MatMul"]
    assert counted(network) == 2 * 3 * 24 * 5
    # 5 x 24 weights; the list of sizes is no parameter.
    assert network.constant_bytes == {"wt": 4 * 5 * 24}
    assert network.bits == {"x": 32 * 72, "flat": 32 * 72, "y": 32 * 15}


def test_bits_follow_the_type(tmp_path):
    half, token = TensorProto.FLOAT16, TensorProto.INT64
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        helper.make_node("Relu", ["e"], ["y"]),
    ]
    path = write(
        tmp_path / "half.onnx",
        nodes,
        [("ids", [1, 9], token)],
        [("y", [1, 9, 4], half)],
        [("table", np.ones((11, 4), np.float16))],
    )
    network = read_network(path)
    assert network.bits == {"ids": 64 * 9, "e": 16 * 36, "y": 16 * 36}
    assert network.constant_bytes == {"table": 2 * 44}


@pytest.mark.parametrize(
    ("file", "inputs", "said"),
    [
        ("cut-short.onnx", {}, "cut-short.onnx: 'no ONNX model', expected an .onnx file"),
        ("open-batch.onnx", {}, "input x: 'N,2,8,8', expected whole numbers; give its shape, such"),
        ("open-batch.onnx", {"x": (1, 3, 8, 8)}, "--input: 'x=1,3,8,8', expected x=?,2,8,8"),
        ("open-batch.onnx", {"xx": (1,)}, "--input: 'xx', expected an input of the model: x; did"),
        ("values-decide.onnx", {}, "a shape that depends on values, as after NonZero"),
        (
            "wrong-channels.onnx",
            {},
            "wrong-channels.onnx: 'Conv conv', expected operators that fit",
        ),
        ("constants-alone.onnx", {}, "no operator that depends on an input"),
        ("newer-opset.onnx", {}, "newer-opset.onnx: 'opset 999', expected opset 1 to"),
        ("texts.onnx", {}, "tensor x of type STRING"),
        ("README.md", {}, "README.md: "),
        ("none.onnx", {}, "file: "),
    ],
)
def test_what_is_wrong_is_told(file, inputs, said):
    with pytest.raises(InputError) as error:
        import_onnx(DATA / file, "x", inputs=inputs)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_open_batch_is_what_is_given():
    one = import_onnx(DATA / "open-batch.onnx", "x", inputs={"x": (1, 2, 8, 8)}).profile
    three = import_onnx(DATA / "open-batch.onnx", "x", inputs={"x": (3, 2, 8, 8)}).profile
    assert three.flops == 3 * one.flops
    assert three.param_bytes == one.param_bytes


def test_an_unknown_operator_counts_nothing_and_is_named():
    made = import_onnx(DATA / "unknown-operator.onnx", "x")
    assert made.profile.flops == 2 * 8 * 4
    assert made.network.unknown == {"nobody.example.Mystery": 1}
    assert made.profile.notes[1] == (
        "not known and counted as 0 FLOPs: nobody.example.Mystery (1); 1 of 2 operators, 50 %."
    )


def test_weights_beside_the_file_are_counted_without_them():
    made = import_onnx(DATA / "external.onnx", "x")
    assert made.profile.param_bytes == 4 * 8 * 4
    assert "weights stand beside the file, in weights.bin" in made.profile.notes[1]


def test_a_profile_keeps_how_it_was_made():
    made = import_onnx(DATA / "conv.onnx", "conv", input_bits=2 * 8 * 8 * 8).profile
    assert isinstance(made, Profile)
    assert made.input_bits == 1024
    assert made.origin["onnx_inputs"] == "x=1,2,8,8"
    assert Profile.from_document(made.to_document()) == made


def test_a_damaged_file_is_read_or_told(tmp_path):
    """A byte or two changed: a figure or one clear line, never an exception of a library."""
    draw = random.Random(2)
    path = tmp_path / "damaged.onnx"
    told = 0
    for number in range(200):
        file = ("conv.onnx", "external.onnx", "unknown-operator.onnx", "values-decide.onnx")[
            number % 4
        ]
        data = bytearray((DATA / file).read_bytes())
        for _ in range(draw.choice((1, 2))):
            data[draw.randrange(len(data))] = draw.choice((0, 255, draw.randrange(256)))
        path.write_bytes(data)
        try:
            import_onnx(path, "x", merge=draw.choice(("blocks", "operators")))
        except InputError:
            told += 1
    assert 50 < told < 200


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18-cifar10", "bert-base-128"])
def test_what_torch_exports_counts_what_torch_counts(name, tmp_path):
    """The recipe of docs/howto: the exported file has the work of the committed profile."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from splitopt.instances.measure import transformers, vision_networks

    network = {
        "resnet18-cifar10": lambda: vision_networks.resnet(18, "cifar10"),
        "bert-base-128": lambda: transformers.bert_base(128),
    }[name]()
    model = torch.nn.Sequential(*(module for _, module in network.blocks)).eval()
    torch.onnx.export(model, (network.sample,), tmp_path / "model.onnx", dynamo=True)
    made = import_onnx(tmp_path / "model.onnx", name)
    assert made.profile.flops == load_profile(name).flops
    assert made.network.unknown == {}
