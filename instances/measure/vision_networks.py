"""Image classifiers as chains of blocks, at ImageNet size (224 x 224) and CIFAR size (32 x 32).

Layer sizes follow the papers, and where the common implementation departs from its paper the
note says so. ``size`` is "imagenet" (1000 classes) or "cifar10" (10 classes, 8-bit 32 x 32
images) throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from splitopt.instances.measure.block_chain import NetworkChain

_SIDE = {"imagenet": 224, "cifar10": 32}
_CLASSES = {"imagenet": 1000, "cifar10": 10}
_PIXEL_BITS = 8

Blocks = list[tuple[str, Any]]


class Residual(nn.Module):  # type: ignore[misc]
    """``activation(body(x) + shortcut(x))``; an empty Sequential is the identity."""

    def __init__(self, body: Any, shortcut: Any, activation: Any) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        return self.activation(self.body(x) + self.shortcut(x))


class PooledLinear(nn.Module):  # type: ignore[misc]
    """Global average pooling and a linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Any) -> Any:
        """Return the logits."""
        return self.fc(x.mean(dim=(2, 3)))


def _pooled_exit(classes: int) -> Callable[[Any], tuple[Any, int]]:
    """Return the exit branch of a CNN: C x H x W additions of pooling, then C -> classes."""

    def build(x: Any) -> tuple[Any, int]:
        return PooledLinear(x.shape[1], classes), x.numel()

    return build


def _image_chain(
    name: str,
    title: str,
    size: str,
    source: str,
    notes: tuple[str, ...],
    blocks: Blocks,
    head_blocks: int,
) -> NetworkChain:
    side, classes = _SIDE[size], _CLASSES[size]
    return NetworkChain(
        name=f"{name}-{size}",
        title=f"{title}, {side} x {side}, {classes} classes",
        source=source,
        notes=notes,
        classes=classes,
        sample=torch.empty(1, 3, side, side),
        input_bits=3 * side * side * _PIXEL_BITS,
        head_blocks=head_blocks,
        blocks=tuple(blocks),
        exit_branch=_pooled_exit(classes),
        exit_note=(
            "global average pooling (one addition an element of the activation) and one linear "
            "layer to the classes (2 FLOPs a multiply-add); the head's own pooling is not in flops"
        ),
    )


def _fully_connected(widths: list[int], first_number: int) -> Blocks:
    """Return fully connected blocks ``fc6, fc7, ...``; ReLU after all but the last."""
    blocks: Blocks = []
    for i in range(len(widths) - 1):
        linear = nn.Linear(widths[i], widths[i + 1])
        layers = [nn.Flatten(), linear] if i == 0 else [linear]
        if i < len(widths) - 2:
            layers.append(nn.ReLU())
        blocks.append((f"fc{first_number + i}", nn.Sequential(*layers)))
    return blocks


def alexnet(size: str) -> NetworkChain:
    """Return AlexNet: five convolutions (pooling with the one before it) and its classifier."""
    if size == "imagenet":
        stem_padding, pool_side = 2, 3
        head = _fully_connected([256 * 6 * 6, 4096, 4096, 1000], 6)
        notes = (
            "The one-column variant of the 2014 paper (64, 192, 384, 256, 256 channels, no local "
            "response normalisation), as in torchvision.",
        )
    else:
        stem_padding, pool_side = 5, 2
        head = _fully_connected([256, 10], 6)
        notes = (
            "CIFAR variant of the pytorch-classification repository: padding 5 in the first "
            "convolution, 2 x 2 pooling, one linear layer as head.",
        )
    widths = [64, 192, 384, 256, 256]
    convolutions = [
        nn.Conv2d(3, 64, 11, stride=4, padding=stem_padding),
        nn.Conv2d(64, 192, 5, padding=2),
        *(nn.Conv2d(widths[i], widths[i + 1], 3, padding=1) for i in range(1, 4)),
    ]
    blocks: Blocks = []
    for i, convolution in enumerate(convolutions, start=1):
        layers = [convolution, nn.ReLU()]
        if i in (1, 2, 5):
            layers.append(nn.MaxPool2d(pool_side, 2))
        blocks.append((f"conv{i}", nn.Sequential(*layers)))
    source = (
        "A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet classification with deep convolutional "
        "neural networks, NIPS 2012; A. Krizhevsky, One weird trick for parallelizing "
        "convolutional neural networks, arXiv 1404.5997"
    )
    return _image_chain("alexnet", "AlexNet", size, source, notes, blocks + head, len(head))


def vgg16(size: str) -> NetworkChain:
    """Return VGG-16: 13 convolutions (pooling with the one before it) and its classifier."""
    batch_norm = size == "cifar10"
    blocks: Blocks = []
    channels = 3
    for stage, (width, depth) in enumerate(
        [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], start=1
    ):
        for i in range(1, depth + 1):
            layers: list[Any] = [nn.Conv2d(channels, width, 3, padding=1)]
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            if i == depth:
                layers.append(nn.MaxPool2d(2, 2))
            blocks.append((f"conv{stage}_{i}", nn.Sequential(*layers)))
            channels = width
    if size == "imagenet":
        title = "VGG-16"
        head = _fully_connected([512 * 7 * 7, 4096, 4096, 1000], 14)
        notes: tuple[str, ...] = ("Configuration D, without batch normalisation.",)
    else:
        title = "VGG-16 with batch normalisation"
        head = _fully_connected([512, 10], 14)
        notes = (
            "The usual CIFAR variant: configuration D with batch normalisation after each "
            "convolution (biases kept) and a single linear layer 512 -> 10 as head.",
        )
    source = (
        "K. Simonyan, A. Zisserman, Very deep convolutional networks for large-scale image "
        "recognition, ICLR 2015, arXiv 1409.1556"
    )
    return _image_chain("vgg16", title, size, source, notes, blocks + head, len(head))


def _conv_norm(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[Any]:
    """Return a convolution without bias that keeps the size at stride 1, and its batch norm."""
    convolution = nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(outputs)]


def _residual_block(channels: int, width: int, stride: int, bottleneck: bool) -> tuple[Any, int]:
    """Return a basic or bottleneck residual block and its number of output channels."""
    if bottleneck:
        outputs = 4 * width
        layers = [
            *_conv_norm(channels, width, 1),
            nn.ReLU(),
            *_conv_norm(width, width, 3, stride),
            nn.ReLU(),
            *_conv_norm(width, outputs, 1),
        ]
    else:
        outputs = width
        layers = [
            *_conv_norm(channels, width, 3, stride),
            nn.ReLU(),
            *_conv_norm(width, width, 3),
        ]
    projected = stride != 1 or channels != outputs
    shortcut = _conv_norm(channels, outputs, 1, stride) if projected else []
    return Residual(nn.Sequential(*layers), nn.Sequential(*shortcut), nn.ReLU()), outputs


def resnet(depth: int, size: str) -> NetworkChain:
    """Return ResNet-18 or ResNet-50: stem, residual blocks, pooling with the classifier."""
    stages, bottleneck = {18: ([2, 2, 2, 2], False), 50: ([3, 4, 6, 3], True)}[depth]
    notes: tuple[str, ...] = ()
    if size == "imagenet":
        stem = [*_conv_norm(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)]
        if bottleneck:
            notes = ("The stride sits in the 3 x 3 convolution (ResNet v1.5), as in torchvision.",)
    else:
        stem = [*_conv_norm(3, 64, 3), nn.ReLU()]
        notes = (
            "The usual CIFAR variant of the ImageNet network: 3 x 3 stem of stride 1, no pooling "
            "in the stem, same four stages (widths 64 to 512); not the narrower ResNet-20 family.",
        )
    blocks: Blocks = [("conv1", nn.Sequential(*stem))]
    channels = 64
    for stage, repeats in enumerate(stages):
        for i in range(repeats):
            stride = 2 if stage > 0 and i == 0 else 1
            block, channels = _residual_block(channels, 64 << stage, stride, bottleneck)
            blocks.append((f"conv{stage + 2}_{i + 1}", block))
    blocks.append(("fc", PooledLinear(channels, _CLASSES[size])))
    source = (
        "K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016, "
        "arXiv 1512.03385"
    )
    return _image_chain(f"resnet{depth}", f"ResNet-{depth}", size, source, notes, blocks, 1)


def _inverted_residual(inputs: int, outputs: int, stride: int, expansion: int) -> Any:
    """Return expansion (left out at 1), depthwise and linear projection; residual if it fits."""
    hidden = expansion * inputs
    layers: list[Any] = []
    if expansion != 1:
        layers += [*_conv_norm(inputs, hidden, 1), nn.ReLU6()]
    layers += [*_conv_norm(hidden, hidden, 3, stride, groups=hidden), nn.ReLU6()]
    body = nn.Sequential(*layers, *_conv_norm(hidden, outputs, 1))
    if stride == 1 and inputs == outputs:
        return Residual(body, nn.Sequential(), nn.Sequential())
    return body


def mobilenetv2(size: str) -> NetworkChain:
    """Return MobileNetV2 (width 1): stem, 17 inverted residuals, last convolution, classifier."""
    imagenet = size == "imagenet"
    early_stride = 2 if imagenet else 1
    blocks: Blocks = [
        ("conv_first", nn.Sequential(*_conv_norm(3, 32, 3, early_stride), nn.ReLU6()))
    ]
    channels, number = 32, 0
    for expansion, width, repeats, first_stride in [
        (1, 16, 1, 1),
        (6, 24, 2, early_stride),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]:
        for i in range(repeats):
            number += 1
            stride = first_stride if i == 0 else 1
            block = _inverted_residual(channels, width, stride, expansion)
            blocks.append((f"bottleneck_{number}", block))
            channels = width
    blocks.append(("conv_last", nn.Sequential(*_conv_norm(channels, 1280, 1), nn.ReLU6())))
    blocks.append(("fc", PooledLinear(1280, _CLASSES[size])))
    notes = (
        ()
        if imagenet
        else (
            "The usual CIFAR variant: stride 1 in the stem and in the 24-channel stage, so that "
            "the last feature map is 4 x 4; otherwise the ImageNet network of width 1.",
        )
    )
    source = (
        "M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, MobileNetV2: inverted residuals "
        "and linear bottlenecks, CVPR 2018, arXiv 1801.04381"
    )
    return _image_chain("mobilenetv2", "MobileNetV2", size, source, notes, blocks, 1)
