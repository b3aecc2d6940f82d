"""Networks that are graphs: with measured times, of ONNX files, and drawn ones of known shapes.

Shapes decide, as they do for the measured chains: a convolution of k x k over h x w with c_in and
c_out channels takes ``2 k^2 c_in c_out h w`` FLOP, holds ``4 (k^2 c_in + 1) c_out`` bytes and puts
out ``32 c_out h w`` bits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import resources

from splitopt.instances.core.documents import parse_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.merging import merged_runs
from splitopt.instances.networks.profiles import Block, Profile
from splitopt.instances.networks.tensors import Tensor


class _Graph:
    """A network in the making: each block puts out one tensor, named as the block."""

    def __init__(self, name: str, size: int, channels: int) -> None:
        self.name = name
        self.blocks: list[Block] = []
        self.bits: list[float] = [8.0 * channels * size * size]  # the raw input first
        self.inputs: list[tuple[int, ...]] = []
        self.shape: list[tuple[int, int]] = [(size, channels)]

    def conv(self, *inputs: int, out: int, kernel: int = 3, size: int | None = None) -> int:
        """Add a convolution over the channels of all inputs (0: the raw one); return its number."""
        came = self.shape[inputs[0]][0]
        size = came if size is None else size
        channels = sum(self.shape[k][1] for k in inputs)
        number = len(self.bits)
        self.blocks.append(
            Block(
                f"b{number}",
                2 * kernel**2 * channels * out * size * size,
                4 * (kernel**2 * channels + 1) * out,
                0,
            )
        )
        self.bits.append(32.0 * out * size * size)
        self.inputs.append(inputs)
        self.shape.append((size, out))
        return number

    def profile(self, title: str) -> Profile:
        """Return the network."""
        tensors = []
        for number, bits in enumerate(self.bits):
            users = tuple(b for b, inputs in enumerate(self.inputs) if number in inputs)
            producer = None if number == 0 else number - 1
            tensors.append(Tensor(f"t{number}", bits, producer, users))
        return Profile.graph(self.name, self.blocks, tensors, title=title)


def u_net(name: str, depth: int = 4, channels: int = 32, size: int = 256) -> Profile:
    """Return a U: down to 1 / 2^depth of the size and up again, each level joined by a skip."""
    net = _Graph(name, size, 3)
    here, skips = 0, []
    for level in range(depth):
        here = net.conv(here, out=channels << level, size=size >> level)
        skips.append(net.conv(here, out=channels << level))
        here = skips[-1]
    here = net.conv(here, out=channels << depth, size=size >> depth)
    for level in reversed(range(depth)):
        up = net.conv(here, out=channels << level, kernel=2, size=size >> level)
        here = net.conv(skips[level], up, out=channels << level)
    net.conv(here, out=1, kernel=1)
    return net.profile(f"U of depth {depth}, {channels} channels, {size} x {size}")


def branches(name: str, width: int = 4, length: int = 2, size: int = 128) -> Profile:
    """Return a stem, `width` branches of `length` convolutions beside each other, and a head."""
    net = _Graph(name, size, 3)
    stem = net.conv(0, out=32, size=size // 2)
    ends = []
    for w in range(width):
        here = stem
        for k in range(length):
            here = net.conv(here, out=32 + 16 * w, size=size // (4 if k else 2))
        ends.append(here)
    joined = net.conv(*ends, out=64, kernel=1, size=size // 8)
    net.conv(joined, out=10, kernel=1, size=1)
    return net.profile(f"{width} branches of {length} convolutions, {size} x {size}")


def dense(name: str, layers: int = 6, growth: int = 24, size: int = 64) -> Profile:
    """Return two dense blocks: each layer sees the outputs of all before it in its block."""
    net = _Graph(name, 2 * size, 3)
    here = net.conv(0, out=2 * growth, size=size)
    for part in range(2):
        seen = [here]
        for _ in range(layers):
            seen.append(net.conv(*seen, out=growth))
        here = net.conv(*seen, out=2 * growth, kernel=1, size=size >> part + 1)
    net.conv(here, out=10, kernel=1, size=1)
    return net.profile(f"two dense blocks of {layers} layers, growth {growth}")


def inception(name: str, modules: int = 3, size: int = 112) -> Profile:
    """Return modules of four branches, two of them with a reduction and a wide kernel."""
    net = _Graph(name, 2 * size, 3)
    here: tuple[int, ...] = (net.conv(0, out=64, kernel=7, size=size // 2),)
    for m in range(modules):
        wide = 64 << m
        small = size // 2 >> m
        reduce3 = net.conv(*here, out=wide // 2, kernel=1, size=small)
        reduce5 = net.conv(*here, out=wide // 8, kernel=1, size=small)
        here = (
            net.conv(*here, out=wide // 2, kernel=1, size=small),
            net.conv(reduce3, out=wide, kernel=3),
            net.conv(reduce5, out=wide // 4, kernel=5),
            net.conv(*here, out=wide // 4, kernel=1, size=small),
        )
    net.conv(*here, out=10, kernel=1, size=1)
    return net.profile(f"{modules} modules of four branches")


@functools.cache
def _stored(name: str) -> Profile:
    path = resources.files("splitopt.instances") / "data" / "graphs" / f"{name}.json"
    return Profile.from_document(parse_json(path.read_bytes(), f"{name}.json"))


# What the set networks-v1 is drawn over.
GRAPHS: dict[str, Callable[[], Profile]] = {
    "bert24-msr": lambda: _stored("bert24-msr"),
    "resnet50-msr": lambda: _stored("resnet50-msr"),
    "resnet50-msr-runs": lambda: merged_runs(_stored("resnet50-msr")),
    "inceptionv3-msr-runs": lambda: _stored("inceptionv3-msr-runs"),
    "u-small": lambda: u_net("u-small", 3, 16, 128),
    "u-large": lambda: u_net("u-large", 4, 32, 256),
    "branches-4x2": lambda: branches("branches-4x2", 4, 2),
    "branches-6x1": lambda: branches("branches-6x1", 6, 1),
    "dense-6": lambda: dense("dense-6", 6),
    "dense-12": lambda: dense("dense-12", 12, 16),
    "inception-3": lambda: inception("inception-3", 3),
    "resnet50-onnx": lambda: _stored("resnet50-onnx"),
    "densenet121-onnx": lambda: _stored("densenet121-onnx"),
    "inception-v1-onnx": lambda: _stored("inception-v1-onnx"),
    "inception-v2-onnx": lambda: _stored("inception-v2-onnx"),
    "shufflenet-onnx": lambda: _stored("shufflenet-onnx"),
    "squeezenet-onnx": lambda: _stored("squeezenet-onnx"),
}


def graph_names() -> tuple[str, ...]:
    """Return the names of the graphs that come with the suite."""
    return tuple(GRAPHS)


def graph(name: str) -> Profile:
    """Return a network that is a graph, by name.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    if name not in GRAPHS:
        raise InputError("graph", name, "one of " + ", ".join(GRAPHS), "choose one of them")
    return GRAPHS[name]()
