"""``splitopt import onnx``: what it says, and what it refuses before any work."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.commands.import_onnx import read_shapes
from splitopt.instances.core.errors import InputError

DATA = Path(__file__).parents[2] / "data" / "onnx"


def run(*arguments):
    return CliRunner().invoke(cli, ["import", "onnx", *map(str, arguments)])


def test_shapes_are_read():
    assert read_shapes(("a=1,3,224,224", "b=1x128")) == {"a": (1, 3, 224, 224), "b": (1, 128)}
    assert read_shapes(("scalar=",)) == {"scalar": ()}
    for text in ("a=1,-1", "a=N", "a", "a=1,,2"):
        with pytest.raises(InputError, match="--input"):
            read_shapes((text,))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--times", "t.csv"], "--times: 't.csv', expected nothing without --measure"),
        (["--measure", "--trace", "t.json"], "--trace: 't.json', expected nothing with --measure"),
        (["--input", "image=one"], "--input: 'image=one', expected whole numbers such as 1,3"),
    ],
)
def test_options_that_do_not_fit_are_told(options, said):
    done = run(DATA / "camera.onnx", "--name", "x", *options)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_profile_of_onnxruntime_goes_with_its_model():
    done = CliRunner().invoke(
        cli, ["import", "profile", "trace.json", "--name", "x", "--input-bits", "8"]
    )
    assert done.exit_code == 2
    assert "splitopt import onnx MODEL --trace FILE" in done.stderr


def test_what_is_made_is_told():
    pytest.importorskip("onnx")
    done = run(DATA / "unknown-operator.onnx", "--name", "x")
    assert done.exit_code == 0
    # Standard output is the profile alone.
    assert json.loads(done.stdout)["blocks"][0]["flops"] == 64
    assert "profile x: 1 blocks of 2 operators, 6.4e-08 GFLOP" in done.stderr
    assert "note: not known and counted as 0 FLOPs: nobody.example.Mystery (1)" in done.stderr
    assert "the chain is a single block; --merge operators keeps" in done.stderr


def test_the_raw_input_may_be_shipped_smaller():
    pytest.importorskip("onnx")
    small = 2 * 32 * 32 * 8
    for merge in ("blocks", "operators"):
        done = run(DATA / "camera.onnx", "--name", "x", "--merge", merge, "--input-bits", small)
        document = json.loads(done.stdout)
        found = document.get("input_bits") or document["tensors"][0]["bits"]
        assert found == small


def test_names_of_tensors_may_hold_anything(tmp_path):
    """ResNet-50 of the wheel, whose tensors are named gpu_0/data_0, was refused as a graph."""
    onnx = pytest.importorskip("onnx")
    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    done = run(light / "light_resnet50.onnx", "--name", "x", "--merge", "operators")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["tensors"][0]["name"] == "gpu_0-data_0"
