"""Measure the profiles in ``instances/data/profiles``.

``python -m splitopt.instances.measure.profiles [--out DIR]`` writes one JSON file a network and a
README. It needs the extra ``measure`` (PyTorch), no weights and no network. This module itself
imports PyTorch only when it measures.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

FORMAT = "splitopt-profile"
VERSION = 1
DATA = Path(__file__).resolve().parent.parent / "data" / "profiles"

_COMMON_NOTES = (
    "flops: forward pass of one sample, 2 a multiply-add, as FlopCounterMode counts them: "
    "convolutions and matrix products. It leaves out bias additions, normalisation, activation "
    "functions, softmax, pooling, residual additions and look-ups; besides biases they write "
    "{left_out} elements in all, {share} for each 100 FLOPs counted.",
    "param_bytes: learnable parameters in fp32. Buffers (batch-norm running statistics, {buffers} "
    "bytes in all) do not count.",
    "activation_bits: the block's output in fp32, one sample.",
    "exit_flops: {exit}; 0 in the head. From shapes, not part of flops.",
)


def _chains() -> Iterator[Any]:
    """Yield every network, one at a time, in the order of the README."""
    from splitopt.instances.measure import transformers as tr
    from splitopt.instances.measure import vision_networks as vision

    for size in ("imagenet", "cifar10"):
        yield vision.alexnet(size)
        yield vision.vgg16(size)
        yield vision.resnet(18, size)
        yield vision.resnet(50, size)
        yield vision.mobilenetv2(size)
    yield tr.vit_b16()
    yield tr.bert_base()
    yield tr.gpt2("gpt2-small", width=768, layers=12)
    yield tr.gpt2("gpt2-medium", width=1024, layers=24)
    yield tr.gpt2("gpt2-large", width=1280, layers=36)


def measure_all() -> list[dict[str, Any]]:
    """Measure every network on the meta device; return the profiles as JSON objects.

    Returns
    -------
    list of dict
        In the form of the files: FLOPs of one sample's forward pass, 2 a multiply-add;
        parameter bytes and activation bits in fp32.
    """
    import torch

    from splitopt.instances.measure.block_chain import measure_chain

    release = re.match(r"\d+\.\d+(\.\d+)?", torch.__version__)
    counter = (
        "measured on shapes (meta device) with torch.utils.flop_counter.FlopCounterMode, torch "
        f"{release.group() if release else torch.__version__}"
    )
    profiles = []
    with torch.device("meta"):
        for chain in _chains():
            figures = measure_chain(chain)
            total = sum(block.flops for block in figures.blocks)
            facts = {
                "left_out": figures.left_out_elements,
                "share": f"{100 * figures.left_out_elements / total:.2g}",
                "buffers": figures.buffer_bytes,
                "exit": chain.exit_note,
            }
            profiles.append(
                {
                    "format": FORMAT,
                    "version": VERSION,
                    "name": chain.name,
                    "title": chain.title,
                    "source": f"{chain.source}; {counter}",
                    "notes": [*chain.notes, *(note.format(**facts) for note in _COMMON_NOTES)],
                    "classes": chain.classes,
                    "input_bits": chain.input_bits,
                    "head_blocks": chain.head_blocks,
                    "blocks": [vars(block).copy() for block in figures.blocks],
                }
            )
    return profiles


def profile_text(profile: Mapping[str, Any]) -> str:
    """Return the text of a profile's file: JSON, one line a field, a note or a block."""
    lines = []
    for key, value in profile.items():
        if isinstance(value, list):
            items = ",\n".join("  " + json.dumps(item, ensure_ascii=False) for item in value)
            text = f"[\n{items}\n ]"
        else:
            text = json.dumps(value, ensure_ascii=False)
        lines.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def readme_text(profiles: Iterable[Mapping[str, Any]]) -> str:
    """Return the README of the profiles: what the files hold and a table of totals."""
    rows = [
        "| name | network | blocks (head) | GFLOP | parameters, MB | input, kB "
        "| activations, kB (least, most) |",
        "|---|---|---|---|---|---|---|",
    ]
    for profile in profiles:
        blocks = profile["blocks"]
        body = blocks[: len(blocks) - profile["head_blocks"]]
        sizes = [block["activation_bits"] / 8e3 for block in body]
        rows.append(
            f"| {profile['name']} | {profile['title']} | {len(blocks)} ({profile['head_blocks']}) "
            f"| {sum(block['flops'] for block in blocks) / 1e9:.3f} "
            f"| {sum(block['param_bytes'] for block in blocks) / 1e6:.1f} "
            f"| {profile['input_bits'] / 8e3:.1f} | {min(sizes):.1f}, {max(sizes):.1f} |"
        )
    return _README.format(table="\n".join(rows))


_README = """# Profiles: block chains of real architectures

Made by `python -m splitopt.instances.measure.profiles` (extra `measure`); this file too. Shapes
decide, no weights are needed. Figures are for one sample's forward pass, 2 FLOPs a multiply-add,
parameters and activations in fp32. 1 MB = 10^6 bytes, 1 kB = 10^3 bytes. Activations: before the
head.

{table}

- A block is a place where the network can be cut: a convolution with the pooling after it, a
  residual block, a transformer layer, a fully connected layer.
- FLOPs are what PyTorch's `FlopCounterMode` counts: convolutions and matrix products. The notes in
  each file say how much the operations left out write.
- Parameters are the learnable ones; batch-norm statistics do not count. The tied token table of
  GPT-2 counts in the first and in the last block, since the host of either needs it.
- Embeddings of BERT and GPT-2 are in `layer_1`: look-ups count no FLOPs.
- `exit_flops` is an early-exit branch after the block: global average pooling and a linear layer
  in the CNNs, the network's own head in the transformers.
- There is no ViT at CIFAR size: ViT-B/16 is fine-tuned on CIFAR at 224 x 224 or more, where its
  figures are those of `vit-b16-imagenet` but for the width of the head.
"""


def main(arguments: list[str] | None = None) -> None:
    """Measure and write all profiles."""
    parser = argparse.ArgumentParser(
        prog="python -m splitopt.instances.measure.profiles", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to")
    out: Path = parser.parse_args(arguments).out
    try:
        profiles = measure_all()
    except ModuleNotFoundError as error:
        parser.exit(1, f"{error}; remedy: pip install 'splitopt[measure]'\n")
    out.mkdir(parents=True, exist_ok=True)
    for profile in profiles:
        path = out / f"{profile['name']}.json"
        path.write_text(profile_text(profile), encoding="utf-8", newline="\n")
        sys.stdout.write(f"{path.name}: {len(profile['blocks'])} blocks\n")
    (out / "README.md").write_text(readme_text(profiles), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
