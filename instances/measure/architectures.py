"""Graphs of the architectures that the ``onnx`` package brings, as its test data.

Run ``python -m splitopt.instances.measure.architectures`` to import them again. Kept are the
networks that branch or skip, each with the cuts that its file allows, the raw input shipped as 8
bits a pixel; AlexNet, VGG-19 and ZFNet-512 are chains. Weights are not in those files, and nothing
here depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from splitopt.instances.core.documents import write_json
from splitopt.instances.networks.profiles import Profile

FOLDER = Path(__file__).parent.parent / "data" / "graphs"
# Profile to the name in the package's files, and a title.
ARCHITECTURES: Mapping[str, tuple[str, str]] = {
    "resnet50-onnx": ("resnet50", "ResNet-50, 224 x 224"),
    "densenet121-onnx": ("densenet121", "DenseNet-121, 224 x 224"),
    "inception-v1-onnx": ("inception_v1", "Inception v1, 224 x 224"),
    "inception-v2-onnx": ("inception_v2", "Inception v2, 224 x 224"),
    "shufflenet-onnx": ("shufflenet", "ShuffleNet, 224 x 224"),
    "squeezenet-onnx": ("squeezenet", "SqueezeNet 1.1, 224 x 224"),
}
_PIXELS = 3 * 224 * 224


def imported(name: str) -> Profile:
    """Return the graph of an architecture, read from the file in the ``onnx`` package."""
    import onnx

    from splitopt.instances.networks.modelfiles.profiles import import_onnx

    file, title = ARCHITECTURES[name]
    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    return import_onnx(
        light / f"light_{file}.onnx",
        name,
        merge="operators",
        input_bits=8.0 * _PIXELS,
        title=title,
    ).profile


def main(folder: Path = FOLDER) -> None:
    """Write the profiles."""
    for name in ARCHITECTURES:
        write_json(folder / f"{name}.json", imported(name).to_document())


if __name__ == "__main__":
    main()
