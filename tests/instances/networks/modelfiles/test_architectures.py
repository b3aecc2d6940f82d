"""The graphs that come from the onnx package: imported again they are the same."""

import pytest

from splitopt.instances.generators.graphs import graph
from splitopt.instances.measure.architectures import ARCHITECTURES, imported, main
from splitopt.instances.networks.downsets import downsets_of
from splitopt.instances.networks.merging import merged_to_chain

onnx = pytest.importorskip("onnx")

# Multiply-adds are held to published figures in test_reading.py; parameters of four bytes.
FIGURES = {
    "resnet50-onnx": (70, 83, 18, 4_089_184_256),
    "densenet121-onnx": (179, 180, 63, 2_834_161_664),
    "inception-v1-onnx": (67, 329, 13, 1_431_556_352),
    "inception-v2-onnx": (82, 437, 14, 2_018_851_840),
    "shufflenet-onnx": (69, 79, 18, 124_664_528),
    "squeezenet-onnx": (34, 43, 18, 349_151_936),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_is_what_its_file_says(name):
    kept = graph(name)
    assert imported(name) == kept
    blocks, downsets, cuts, multiply_adds = FIGURES[name]
    assert (len(kept.blocks), len(downsets_of(kept))) == (blocks, downsets)
    # As many as the chain that the importer makes of the file itself.
    assert len(merged_to_chain(kept).blocks) == cuts
    assert kept.flops == 2 * multiply_adds
    assert kept.tensors[0].bits == 8 * 3 * 224 * 224


def test_all_of_them_are_written(tmp_path):
    main(tmp_path)
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(ARCHITECTURES)
