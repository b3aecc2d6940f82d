"""The committed profiles against published totals and closed formulas, file by file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import splitopt.instances
from splitopt.instances.measure.profiles import main, measure_all, profile_text, readme_text

DATA = Path(splitopt.instances.__file__).parent / "data" / "profiles"
# The networks of the learning curves have profiles too; test_curve_fitting.py holds those.
PROFILES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(DATA.glob("*.json"))
    if not path.stem.startswith("digits-")
}
IMAGE_NETWORKS = ["alexnet", "vgg16", "resnet18", "resnet50", "mobilenetv2"]
NAMES = [
    *(f"{network}-{size}" for network in IMAGE_NETWORKS for size in ("imagenet", "cifar10")),
    "vit-b16-imagenet",
    "bert-base-128",
    *(f"gpt2-{size}-128" for size in ("small", "medium", "large")),
]
KIB = 8 * 1024


def total(name: str, column: str) -> int:
    return sum(block[column] for block in PROFILES[name]["blocks"])


def block(name: str, block_name: str) -> dict[str, Any]:
    (found,) = (b for b in PROFILES[name]["blocks"] if b["name"] == block_name)
    return found


def conv(k: int, c_in: int, c_out: int, side: int, groups: int = 1) -> int:
    """FLOPs of a convolution: 2 k^2 C_in C_out H W / groups, H x W the output."""
    return 2 * k * k * c_in * c_out * side * side // groups


def layer(s: int, h: int, i: int) -> int:
    """FLOPs of a transformer layer: 2 s (4 h^2 + 2 h i) + 4 s^2 h."""
    return 2 * s * (4 * h * h + 2 * h * i) + 4 * s * s * h


def layer_params(h: int, i: int) -> int:
    """Four h x h maps, two of the perceptron, their biases, two norms."""
    return 4 * (h * h + h) + (h * i + i) + (i * h + h) + 4 * h


# ---- the files themselves ------------------------------------------------------------------------


def test_every_network_is_there_and_no_other():
    assert sorted(PROFILES) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_form(name: str):
    profile = PROFILES[name]
    assert list(profile) == [
        *("format", "version", "name", "title", "source", "notes"),
        *("classes", "input_bits", "head_blocks", "blocks"),
    ]
    assert (profile["format"], profile["version"], profile["name"]) == ("splitopt-profile", 1, name)
    assert "FlopCounterMode" in profile["source"]
    assert all(isinstance(note, str) and note for note in profile["notes"])
    for field in ("classes", "input_bits"):
        assert type(profile[field]) is int
        assert profile[field] > 0
    assert 0 <= profile["head_blocks"] < len(profile["blocks"])


@pytest.mark.parametrize("name", NAMES)
def test_chain(name: str):
    profile = PROFILES[name]
    blocks = profile["blocks"]
    body = len(blocks) - profile["head_blocks"]
    assert len({b["name"] for b in blocks}) == len(blocks)
    for index, b in enumerate(blocks):
        assert list(b) == ["name", "flops", "param_bytes", "activation_bits", "exit_flops"]
        for column in ("flops", "param_bytes", "activation_bits"):
            assert type(b[column]) is int
            assert b[column] > 0
        assert b["param_bytes"] % 4 == 0  # whole fp32 numbers
        assert b["activation_bits"] % 32 == 0
        assert type(b["exit_flops"]) is int
        # An exit behind each block before the head, none in it.
        assert (b["exit_flops"] > 0) == (index < body)
    # The last block gives one logit a class; the language models for each of 128 tokens.
    logits = profile["classes"] * (128 if name.startswith("gpt2") else 1)
    assert blocks[-1]["activation_bits"] == 32 * logits


@pytest.mark.parametrize("name", NAMES)
def test_file_is_in_the_written_form(name: str):
    text = (DATA / f"{name}.json").read_text(encoding="utf-8")
    assert text == profile_text(PROFILES[name])


def test_readme_is_made_from_the_files():
    ordered = [PROFILES[name] for name in PROFILES]
    text = (DATA / "README.md").read_text(encoding="utf-8")
    assert sorted(text.splitlines()) == sorted(readme_text(ordered).splitlines())


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("vgg16-imagenet", 3 * 224 * 224 * 8),  # 8-bit RGB
        ("vit-b16-imagenet", 1_204_224),
        ("resnet18-cifar10", 3 * 32 * 32 * 8),
        ("bert-base-128", 128 * 32),  # 32-bit token ids
        ("gpt2-large-128", 4096),
    ],
)
def test_raw_input(name: str, bits: int):
    assert PROFILES[name]["input_bits"] == bits


# ---- published totals ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "gflop", "printed_to"),
    [
        # Two decimals are printed, so half a unit of the last place is the whole tolerance.
        ("alexnet-imagenet", 1.43, 0.005),
        ("vgg16-imagenet", 30.94, 0.005),
        ("resnet18-imagenet", 3.63, 0.005),
        ("resnet50-imagenet", 8.18, 0.005),
        ("mobilenetv2-imagenet", 0.60, 0.005),
        ("vit-b16-imagenet", 35.13, 0.005),
        ("bert-base-128", 22.35, 0.005),
        # torchvision's table of weights prints multiply-adds in 10^9, three decimals.
        ("alexnet-imagenet", 2 * 0.714, 0.001),
        ("vgg16-imagenet", 2 * 15.470, 0.001),
        ("resnet18-imagenet", 2 * 1.814, 0.001),
        ("resnet50-imagenet", 2 * 4.089, 0.001),
        ("mobilenetv2-imagenet", 2 * 0.301, 0.001),
        ("vit-b16-imagenet", 2 * 17.564, 0.001),
        # CIFAR: multiply-adds of the model zoo of DA2Lite, two decimals.
        ("vgg16-cifar10", 2 * 0.31, 0.01),
        ("resnet18-cifar10", 2 * 0.56, 0.01),
        ("resnet50-cifar10", 2 * 1.30, 0.01),
        ("mobilenetv2-cifar10", 2 * 0.09, 0.01),
    ],
)
def test_published_flops(name: str, gflop: float, printed_to: float):
    assert total(name, "flops") / 1e9 == pytest.approx(gflop, rel=0, abs=printed_to)


def test_published_flops_of_vgg16_on_cifar():
    # 313 to 314 million multiply-adds are printed: 313463808 with a head of 512-512-10, ours has
    # a single linear layer, 512-10.
    assert total("vgg16-cifar10", "flops") == 2 * (313_463_808 - 512 * 512)
    assert total("vgg16-cifar10", "flops") / 2 == pytest.approx(314e6, rel=0.005)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("alexnet-imagenet", 61_100_840),
        ("vgg16-imagenet", 138_357_544),
        ("resnet18-imagenet", 11_689_512),
        ("resnet50-imagenet", 25_557_032),
        ("mobilenetv2-imagenet", 3_504_872),
        ("vit-b16-imagenet", 86_567_656),
        # CIFAR variants; papers print 2.47, 14.73, 11.17 and 23.52 million.
        ("alexnet-cifar10", 2_472_266),
        ("vgg16-cifar10", 14_728_266),
        ("resnet18-cifar10", 11_173_962),
        ("resnet50-cifar10", 23_520_842),
        # The ImageNet network with 10 instead of 1000 rows of 1280 weights and a bias.
        ("mobilenetv2-cifar10", 3_504_872 - 990 * 1281),
        # 109482240 with the pooler, and the classifier of 2 classes.
        ("bert-base-128", 109_482_240 + 2 * 769),
        # The tied token table counts in the first and in the last block.
        ("gpt2-small-128", 124_439_808 + 50257 * 768),
        ("gpt2-medium-128", 354_823_168 + 50257 * 1024),
        ("gpt2-large-128", 774_030_080 + 50257 * 1280),
    ],
)
def test_published_parameters(name: str, parameters: int):
    assert total(name, "param_bytes") == 4 * parameters


@pytest.mark.parametrize(
    ("name", "kib"),
    [
        (
            "vgg16-imagenet",
            {"conv1_2": 3136, "conv2_2": 1568, "conv3_3": 784, "conv4_3": 392, "conv5_3": 98},
        ),
        ("resnet18-imagenet", {"conv2_2": 784, "conv3_2": 392, "conv4_2": 196, "conv5_2": 98}),
        ("resnet50-imagenet", {"conv2_3": 3136, "conv3_4": 1568, "conv4_6": 784, "conv5_3": 392}),
        ("bert-base-128", {"layer_1": 384, "layer_12": 384}),  # 128 x 768 x 4 bytes
    ],
)
def test_published_activations(name: str, kib: dict[str, int]):
    assert {b: block(name, b)["activation_bits"] / KIB for b in kib} == kib


def test_activations_of_mobilenetv2_as_in_table_2_of_its_paper():
    shapes = [(112, 32), (112, 16), *2 * [(56, 24)], *3 * [(28, 32)], *4 * [(14, 64)]]
    shapes += [*3 * [(14, 96)], *3 * [(7, 160)], (7, 320), (7, 1280)]
    blocks = PROFILES["mobilenetv2-imagenet"]["blocks"]
    assert [b["activation_bits"] for b in blocks[:-1]] == [32 * s * s * c for s, c in shapes]


@pytest.mark.parametrize(
    ("name", "blocks", "head"),
    [
        ("alexnet-imagenet", 8, 3),
        ("vgg16-imagenet", 16, 3),  # 13 logical layers and the classifier
        ("vgg16-cifar10", 14, 1),
        ("resnet18-imagenet", 1 + 8 + 1, 1),
        ("resnet50-cifar10", 1 + 16 + 1, 1),
        ("mobilenetv2-imagenet", 1 + 17 + 1 + 1, 1),
        ("vit-b16-imagenet", 1 + 12 + 1, 1),
        ("bert-base-128", 12 + 1, 1),
        ("gpt2-medium-128", 24 + 1, 1),
    ],
)
def test_number_of_blocks(name: str, blocks: int, head: int):
    assert (len(PROFILES[name]["blocks"]), PROFILES[name]["head_blocks"]) == (blocks, head)


# ---- closed formulas -----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "side", "norm"), [("imagenet", 224, 0), ("cifar10", 32, 2)])
def test_all_convolutions_of_vgg16(size: str, side: int, norm: int):
    blocks = iter(PROFILES[f"vgg16-{size}"]["blocks"])
    c_in = 3
    for width, depth in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for i in range(depth):
            b = next(blocks)
            assert b["flops"] == conv(3, c_in, width, side)
            # Weights, biases and (CIFAR) scale and shift of the norm.
            assert b["param_bytes"] == 4 * (9 * c_in * width + width + norm * width)
            side //= 2 if i == depth - 1 else 1  # the pooling after a stage is in its last block
            assert b["activation_bits"] == 32 * width * side * side
            c_in = width


def test_fully_connected_blocks():
    flops = [b["flops"] for b in PROFILES["vgg16-imagenet"]["blocks"][-3:]]
    assert flops == [2 * 25088 * 4096, 2 * 4096 * 4096, 2 * 4096 * 1000]
    flops = [b["flops"] for b in PROFILES["alexnet-imagenet"]["blocks"][-3:]]
    assert flops == [2 * 9216 * 4096, 2 * 4096 * 4096, 2 * 4096 * 1000]
    assert block("resnet50-imagenet", "fc")["flops"] == 2 * 2048 * 1000


def test_convolutions_of_alexnet():
    assert block("alexnet-imagenet", "conv1")["flops"] == conv(11, 3, 64, 55)
    assert block("alexnet-imagenet", "conv2")["flops"] == conv(5, 64, 192, 27)
    assert block("alexnet-imagenet", "conv3")["flops"] == conv(3, 192, 384, 13)
    assert block("alexnet-imagenet", "conv5")["activation_bits"] == 32 * 256 * 6 * 6
    assert block("alexnet-cifar10", "conv1")["flops"] == conv(11, 3, 64, 8)
    assert block("alexnet-cifar10", "conv5")["activation_bits"] == 32 * 256


@pytest.mark.parametrize(
    ("name", "block_name", "flops", "parameters"),
    [
        # Basic blocks: two 3 x 3; with a change of width a 1 x 1 in the shortcut.
        ("resnet18-imagenet", "conv2_1", 2 * conv(3, 64, 64, 56), 2 * (9 * 64 * 64 + 128)),
        (
            "resnet18-imagenet",
            "conv3_1",
            conv(3, 64, 128, 28) + conv(3, 128, 128, 28) + conv(1, 64, 128, 28),
            9 * 64 * 128 + 9 * 128 * 128 + 64 * 128 + 3 * 256,
        ),
        ("resnet18-cifar10", "conv1", conv(3, 3, 64, 32), 27 * 64 + 128),
        ("resnet18-cifar10", "conv5_2", 2 * conv(3, 512, 512, 4), 2 * (9 * 512**2 + 1024)),
        # Bottlenecks: 1 x 1, 3 x 3 (carries the stride), 1 x 1.
        (
            "resnet50-imagenet",
            "conv2_1",
            conv(1, 64, 64, 56) + conv(3, 64, 64, 56) + 2 * conv(1, 64, 256, 56),
            64 * 64 + 9 * 64 * 64 + 2 * 64 * 256 + 2 * 128 + 2 * 512,
        ),
        (
            "resnet50-imagenet",
            "conv3_1",
            conv(1, 256, 128, 56)
            + conv(3, 128, 128, 28)
            + conv(1, 128, 512, 28)
            + conv(1, 256, 512, 28),
            256 * 128 + 9 * 128 * 128 + 128 * 512 + 256 * 512 + 2 * 256 + 2 * 1024,
        ),
        # Inverted residual: expansion at the old size, depthwise, projection.
        (
            "mobilenetv2-imagenet",
            "bottleneck_2",
            conv(1, 16, 96, 112) + conv(3, 96, 96, 56, groups=96) + conv(1, 96, 24, 56),
            16 * 96 + 9 * 96 + 96 * 24 + 2 * (96 + 96 + 24),
        ),
        # The first has no expansion.
        (
            "mobilenetv2-imagenet",
            "bottleneck_1",
            conv(3, 32, 32, 112, groups=32) + conv(1, 32, 16, 112),
            9 * 32 + 32 * 16 + 2 * (32 + 16),
        ),
        ("mobilenetv2-cifar10", "conv_last", conv(1, 320, 1280, 4), 320 * 1280 + 2560),
    ],
)
def test_residual_blocks(name: str, block_name: str, flops: int, parameters: int):
    found = block(name, block_name)
    assert (found["flops"], found["param_bytes"]) == (flops, 4 * parameters)


@pytest.mark.parametrize(("size", "side"), [("imagenet", 56), ("cifar10", 32)])
@pytest.mark.parametrize(("depth", "stages"), [(18, (2, 2, 2, 2)), (50, (3, 4, 6, 3))])
def test_all_residual_blocks_of_resnets(depth: int, stages: tuple[int, ...], size: str, side: int):
    c_in = 64
    for stage, repeats in enumerate(stages):
        w = 64 * 2**stage
        for i in range(repeats):
            old = side
            if stage > 0 and i == 0:
                side //= 2
            if depth == 18:
                c_out = w
                flops = conv(3, c_in, w, side) + conv(3, w, w, side)
            else:
                c_out = 4 * w
                flops = conv(1, c_in, w, old) + conv(3, w, w, side) + conv(1, w, c_out, side)
            if (c_in, old) != (c_out, side):
                flops += conv(1, c_in, c_out, side)
            b = block(f"resnet{depth}-{size}", f"conv{stage + 2}_{i + 1}")
            assert b["flops"] == flops
            assert b["activation_bits"] == 32 * c_out * side * side
            c_in = c_out


@pytest.mark.parametrize(("size", "first_side"), [("imagenet", 112), ("cifar10", 32)])
def test_all_bottlenecks_of_mobilenetv2(size: str, first_side: int):
    blocks = PROFILES[f"mobilenetv2-{size}"]["blocks"]
    assert blocks[0]["flops"] == conv(3, 3, 32, first_side)
    widths = [16, *2 * [24], *3 * [32], *4 * [64], *3 * [96], *3 * [160], 320]
    # The block that halves the side: the CIFAR variant keeps it in the second.
    halving = {3, 6, 13} if size == "cifar10" else {1, 3, 6, 13}
    c_in, side = 32, first_side
    for index, (width, b) in enumerate(zip(widths, blocks[1:-2], strict=True)):
        hidden = c_in if index == 0 else 6 * c_in
        expansion = 0 if index == 0 else conv(1, c_in, hidden, side)
        side //= 2 if index in halving else 1
        depthwise = conv(3, hidden, hidden, side, groups=hidden)
        assert b["flops"] == expansion + depthwise + conv(1, hidden, width, side)
        weights = (hidden * c_in if index else 0) + 9 * hidden + hidden * width
        norms = 2 * ((hidden if index else 0) + hidden + width)
        assert b["param_bytes"] == 4 * (weights + norms)
        assert b["activation_bits"] == 32 * width * side * side
        c_in = width
    assert blocks[-2]["flops"] == conv(1, 320, 1280, side)


@pytest.mark.parametrize(
    ("name", "tokens", "width", "layers"),
    [
        ("vit-b16-imagenet", 197, 768, 12),
        ("bert-base-128", 128, 768, 12),
        ("gpt2-small-128", 128, 768, 12),
        ("gpt2-medium-128", 128, 1024, 24),
        ("gpt2-large-128", 128, 1280, 36),
    ],
)
def test_transformer_layers(name: str, tokens: int, width: int, layers: int):
    for number in range(1, layers + 1):
        b = block(name, f"layer_{number}")
        assert b["flops"] == layer(tokens, width, 4 * width)
        assert b["activation_bits"] == 32 * tokens * width
        if number > 1:  # layer_1 of a language model holds the embedding too
            assert b["param_bytes"] == 4 * layer_params(width, 4 * width)


def test_ends_of_the_transformers():
    patches = block("vit-b16-imagenet", "patch_embedding")
    assert patches["flops"] == 2 * 196 * (3 * 16 * 16) * 768
    assert patches["param_bytes"] == 4 * (768 * 768 + 768 + 768 + 197 * 768)
    assert block("vit-b16-imagenet", "head")["flops"] == 2 * 768 * 1000
    first = block("bert-base-128", "layer_1")
    embedding = (30522 + 512 + 2) * 768 + 2 * 768
    assert first["param_bytes"] == 4 * (embedding + layer_params(768, 3072))
    assert block("bert-base-128", "head")["flops"] == 2 * 768 * 768 + 2 * 768 * 2
    # 22.35 GFLOP is the twelve layers; pooler and classifier add less than a ten-thousandth.
    assert total("bert-base-128", "flops") == 12 * layer(128, 768, 3072) + 2 * 768 * (768 + 2)
    first = block("gpt2-small-128", "layer_1")
    assert first["param_bytes"] == 4 * ((50257 + 1024) * 768 + layer_params(768, 3072))
    head = block("gpt2-small-128", "lm_head")
    assert head["flops"] == 2 * 128 * 768 * 50257
    assert head["param_bytes"] == 4 * (50257 * 768 + 2 * 768)


@pytest.mark.parametrize(
    ("name", "block_name", "flops"),
    [
        # Additions of the pooling, C H W, and the linear layer, 2 C classes.
        ("vgg16-imagenet", "conv1_1", 64 * 224 * 224 + 2 * 64 * 1000),
        ("vgg16-imagenet", "conv5_3", 512 * 7 * 7 + 2 * 512 * 1000),
        ("resnet18-cifar10", "conv3_1", 128 * 16 * 16 + 2 * 128 * 10),
        ("mobilenetv2-imagenet", "bottleneck_17", 320 * 7 * 7 + 2 * 320 * 1000),
        ("vit-b16-imagenet", "layer_6", 2 * 768 * 1000),
        ("bert-base-128", "layer_6", 2 * 768 * 768 + 2 * 768 * 2),
        ("gpt2-small-128", "layer_6", 2 * 128 * 768 * 50257),
    ],
)
def test_exits(name: str, block_name: str, flops: int):
    assert block(name, block_name)["exit_flops"] == flops


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith(tuple(IMAGE_NETWORKS))])
def test_exits_of_all_image_networks(name: str):
    profile = PROFILES[name]
    for b in profile["blocks"][: -profile["head_blocks"]]:
        elements = b["activation_bits"] // 32
        channels, rest = divmod(b["exit_flops"] - elements, 2 * profile["classes"])
        assert rest == 0
        side = round((elements / channels) ** 0.5)
        assert channels * side * side == elements


# ---- the script ----------------------------------------------------------------------------------


def test_measuring_again_gives_the_committed_figures():
    pytest.importorskip("torch", reason="measuring needs the extra 'measure' (PyTorch)")
    measured = {profile["name"]: profile for profile in measure_all()}
    assert sorted(measured) == sorted(NAMES)
    for name, profile in measured.items():
        for field in ("classes", "input_bits", "head_blocks", "blocks", "title"):
            assert profile[field] == PROFILES[name][field], (name, field)
    ordered = list(measured.values())
    assert (DATA / "README.md").read_text(encoding="utf-8") == readme_text(ordered)


def test_without_pytorch_the_script_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    monkeypatch.setitem(sys.modules, "torch", None)  # import raises
    with pytest.raises(SystemExit) as stop:
        main(["--out", str(tmp_path / "out")])
    assert stop.value.code == 1
    assert "splitopt[measure]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
