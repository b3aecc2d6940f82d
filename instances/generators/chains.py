"""Shorter chains from measured ones: neighbouring blocks merged, nothing invented."""

from __future__ import annotations

from itertools import accumulate

from splitopt.instances.networks.profiles import (
    Block,
    Layer,
    MultiExitProfile,
    Profile,
    load_profile,
)


def _ends(flops: list[float], groups: int) -> list[int]:
    """Return where `groups` groups end (exclusive), of about equal FLOPs, none empty."""
    count = len(flops)
    if groups >= count:
        return list(range(1, count + 1))
    done = list(accumulate(flops))
    ends: list[int] = []
    for g in range(1, groups):
        # First block at which g of `groups` parts of the FLOPs are done.
        k = next(i for i in range(count) if done[i] * groups >= done[-1] * g) + 1
        k = max(k, ends[-1] + 1 if ends else 1)
        ends.append(min(k, count - (groups - g)))
    return [*ends, count]


def cift_chain(name: str, blocks: int | None = None) -> Profile:
    """Return a committed profile with at most `blocks` blocks.

    A merged block has the sums of FLOPs and parameters and the last activation.
    """
    profile = load_profile(name).bare()
    if blocks is None or blocks >= len(profile.blocks):
        return profile
    merged, start = [], 0
    for g, end in enumerate(_ends([b.flops for b in profile.blocks], blocks), start=1):
        part = profile.blocks[start:end]
        merged.append(
            Block(
                f"part{g}",
                sum(b.flops for b in part),
                sum(b.param_bytes for b in part),
                part[-1].activation_bits,
            )
        )
        start = end
    return Profile(f"{name}-in-{blocks}", profile.input_bits, tuple(merged))


def mepra_chain(
    name: str, layers: int | None = None, feature_bits_per_element: float = 32.0
) -> MultiExitProfile:
    """Return a committed multi-exit profile with at most `layers` layers.

    A merged layer keeps the branch and the activation of its last; feature maps are measured
    in fp32 and sent in `feature_bits_per_element`.
    """
    profile = load_profile(name).multi_exit()
    factor = feature_bits_per_element / 32.0
    count = len(profile.layers) if layers is None else min(layers, len(profile.layers))
    merged, start = [], 0
    for g, end in enumerate(_ends([x.flops for x in profile.layers], count), start=1):
        part = profile.layers[start:end]
        merged.append(
            Layer(
                part[0].name if len(part) == 1 else f"part{g}",
                sum(x.flops for x in part),
                part[-1].branch_flops,
                part[-1].activation_bits * factor,
            )
        )
        start = end
    title = name if count == len(profile.layers) else f"{name}-in-{count}"
    return MultiExitProfile(title, profile.input_bits, tuple(merged))
