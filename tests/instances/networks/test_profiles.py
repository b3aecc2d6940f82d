"""Profiles: chains, heads, and the multi-exit network made of them."""

from __future__ import annotations

import dataclasses

import pytest

from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.profiles import (
    Block,
    Layer,
    MultiExitProfile,
    Profile,
    load_profile,
    profile_names,
)

CHAIN = Profile(
    "net",
    8,
    (
        Block("b1", 10, 4, 2, 1),
        Block("b2", 20, 6, 1, 3),
        Block("h1", 5, 1, 1),
        Block("h2", 7, 1, 1),
    ),
    head_blocks=2,
    classes=10,
    title="A net",
    source="made up",
    notes=("one", "two"),
)


def test_sums():
    assert CHAIN.flops == 42
    assert CHAIN.param_bytes == 12


def test_head_becomes_the_last_branch():
    """Two layers: an exit of 1 FLOP behind the first, the head of 5 + 7 behind the second."""
    network = CHAIN.multi_exit()
    assert [(x.flops, x.branch_flops, x.activation_bits) for x in network.layers] == [
        (10, 1, 2),
        (20, 12, 1),
    ]
    headless = dataclasses.replace(CHAIN, head_blocks=0).multi_exit()
    assert [x.branch_flops for x in headless.layers] == [1, 3, 0, 0]


def test_bare_keeps_what_an_optimum_depends_on():
    bare = CHAIN.bare()
    assert (bare.name, bare.input_bits, bare.head_blocks, bare.title) == ("net", 8, 0, "")
    assert [b.exit_flops for b in bare.blocks] == [0, 0, 0, 0]
    assert bare.flops == CHAIN.flops


def test_round_trips():
    assert Profile.from_document(CHAIN.to_document()) == CHAIN
    network = CHAIN.multi_exit()
    assert MultiExitProfile.from_document(network.to_document()) == network


def test_whole_figures_are_integers():
    """So that the same figure is the same text in a file, however it was given."""
    assert repr(Block("b", 1e3, 2.0, 0.5).to_document()["flops"]) == "1000"
    assert repr(Layer("l", 0.0, -0.0, 1.5).branch_flops) == "0"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"blocks": ()}, "blocks"),
        ({"head_blocks": 4}, "head_blocks"),
        ({"input_bits": -1}, "input_bits"),
        ({"blocks": (CHAIN.blocks[0],) * 2}, "blocks"),
        ({"name": "a/b"}, "name"),
        ({"title": "\x07"}, "title"),
    ],
)
def test_bad_profiles(change, field):
    with pytest.raises(InputError, match=rf"^{field}"):
        dataclasses.replace(CHAIN, **change)


def test_committed_profiles_load_by_name():
    assert len(profile_names()) >= 8
    for name in profile_names():
        profile = load_profile(name)
        assert profile.name == name
        assert profile.multi_exit().layers
    with pytest.raises(InputError, match=r"one of .*vgg16"):
        load_profile("vgg-17")
