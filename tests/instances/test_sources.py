"""The sources' instances: the printed figures, the gaps filled around them, the names."""

from __future__ import annotations

import math

import numpy as np
import pytest

from splitopt.instances import sources
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import evaluate, instance_from_document
from splitopt.instances.mepra.model import exit_set_of
from splitopt.instances.mepra.plan import MepraPlan
from splitopt.instances.networks.profiles import load_profile
from splitopt.instances.sources.mepra import build, exits_at_quarters, place_exits
from splitopt.instances.sources.settings import SourceSettings
from splitopt.instances.sources.tables import printed_devices


def test_printed_rows_add_up_as_the_article_prints_them():
    # The second table's sums are odd in print; changing them would be correcting the source.
    assert [sum(d.exit_percent) for d in printed_devices("image")] == [100] * 5
    assert [sum(d.exit_percent) for d in printed_devices("video")] == [
        126, 111, 103, 102, 99, 95, 93,
    ]  # fmt: skip


def test_printed_speeds_and_powers():
    assert [d.speed_gflops for d in printed_devices("image")] == [50, 80, 100, 150, 200]
    assert [d.power_w for d in printed_devices("image")] == [0.5, 0.8, 1.2, 1.5, 2.0]
    assert [d.transmit_power_w for d in printed_devices("image")] == [0.1, 0.15, 0.2, 0.3, 0.4]
    assert [d.speed_gflops for d in printed_devices("video")] == [30, 60, 100, 120, 200, 250, 300]
    assert [d.power_w for d in printed_devices("video")] == [0.3, 0.6, 1.2, 2, 3, 4, 5]
    assert [d.transmit_power_w for d in printed_devices("video")] == [
        0.08, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6,
    ]  # fmt: skip


def test_named_instance_holds_the_printed_figures():
    instance = sources.load("mepra-video-10mbps")
    assert instance.name == "mepra-video-10mbps"
    assert instance.devices == 7
    assert instance.bandwidth_bit_per_s == 10e6
    assert instance.exits == "fixed"
    assert exit_set_of(int(instance.exit_set[0])) == tuple(range(1, 14))
    assert instance.exit_fractions.rows.sum(axis=1).tolist() == [126, 111, 103, 102, 99, 95, 93]
    assert instance.exit_fractions.total == 100
    assert np.allclose(instance.exit_fractions.normalised.sum(axis=1), 1)


def test_edge_only_cost_of_one_device_by_hand():
    # All on the edge at an even share: a_0 / B + work / (C / 5), weights 1 and 1.
    instance = sources.load("mepra-image-20mbps")
    plan = MepraPlan(np.zeros(5), np.full(5, 0.2))
    network = load_profile("vgg16-imagenet").multi_exit()
    work, stay = 0.0, 1.0
    for layer, percent in zip(
        network.layers, printed_devices("image")[0].exit_percent, strict=True
    ):
        work += stay * (layer.flops + layer.branch_flops)
        stay -= percent / 100
    upload = 224 * 224 * 3 * 8 / 20e6
    expected = upload + work / 0.2e12 + 0.1 * upload
    assert evaluate(instance, plan).device_cost[0] == pytest.approx(expected, rel=1e-12)


def test_every_name_of_every_variant_is_one_of_the_sources():
    for variant in sources.VARIANTS:
        known = sources.names(variant)
        assert len(known) == len(set(known)) == 120
        assert all(map(sources.is_source_name, known))


@pytest.mark.parametrize("variant", list(sources.VARIANTS))
def test_every_variant_loads_and_survives_its_document(variant):
    name = sources.names(variant)[9]
    instance = sources.load(name)
    again = instance_from_document(instance.to_document())
    assert again.content_hash == instance.content_hash
    assert again.assumptions == instance.assumptions
    assert instance.origin["variant"] == variant
    assert (instance.exits == "free") == ("free" in variant)
    assert instance.description == sources.describe(name)


@pytest.mark.parametrize(
    "name", ["mepra-image-0mbps", "mepra-image-61mbps", "mepra-audio-5mbps", "mepra-image-x-5mbps"]
)
def test_unknown_names_are_told_what_is_allowed(name):
    assert not sources.is_source_name(name)
    with pytest.raises(InputError, match="60"):
        sources.load(name)


def test_assumptions_name_every_gap():
    lines = " ".join(sources.load("mepra-video-resnet50-7mbps").assumptions)
    for word in (
        "Table:", "Edge capacity", "Weights", "Bandwidth", "Backbone", "Input", "Features",
        "Branches", "Exits", "Fractions: printed", "Fractions: rows",
    ):  # fmt: skip
        assert word in lines


def test_leftovers_go_to_the_last_exit_only_where_a_row_lacks_something():
    either = sources.load("mepra-video-5mbps").exit_fractions.normalised
    last = sources.load("mepra-video-leftover-5mbps").exit_fractions.normalised
    assert np.allclose(either[:4], last[:4])  # rows above 100 %
    assert last[6, 12] == pytest.approx(0.09)  # 2 % printed, 93 % in all
    assert either[6, 12] == pytest.approx(2 / 93)


def test_exits_move_to_other_backbones_at_equal_shares_of_flops():
    assert place_exits([1, 1, 1, 1], [2, 2]) == [1, 3]
    assert place_exits([1, 2, 3], [1, 2, 3]) == [0, 1, 2]
    assert place_exits([10], [1, 1, 1]) == [0, 0, 0]
    assert exits_at_quarters([1] * 8) == [2, 4, 6, 8]
    assert exits_at_quarters([9, 1]) == [1, 2]
    instance = sources.load("mepra-image-resnet50-5mbps")
    assert instance.exit_fractions.rows.sum(axis=1).tolist() == [100] * 5


def test_no_default_optimum_cuts_inside_but_variants_can():
    # With one device the optimum over splits is cost(s) = a(s) + r(s)^2: enumerate it.
    def best_split(settings):
        instance = build(settings, "one")
        layers = int(instance.layers[0])
        costs = []
        for split in range(layers + 1):
            share = np.full(instance.devices, 1 / instance.devices)
            plan = MepraPlan(np.full(instance.devices, split), share)
            costs.append(evaluate(instance, plan).device_cost[0])
        return int(np.argmin(costs)), layers

    for bandwidth in (1, 3, 10, 60):
        split, layers = best_split(SourceSettings("image", bandwidth))
        assert split in (0, layers)
    split, layers = best_split(
        SourceSettings("image", 10, backbone="resnet50-imagenet", feature_bits_per_element=2)
    )
    assert 0 < split < layers


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("table", "audio"),
        ("bandwidth_mbit_per_s", 0),
        ("bandwidth_mbit_per_s", math.nan),
        ("exits", "some"),
        ("edge_capacity_flop_per_s", -1.0),
        ("weight_time_per_s", -1.0),
        ("feature_bits_per_element", 0.0),
        ("input_bits", -1.0),
        ("reading", "as-given"),
    ],
)
def test_settings_name_the_field_that_is_wrong(field, value):
    arguments = {"table": "image", "bandwidth_mbit_per_s": 10, field: value}
    with pytest.raises(InputError, match=field):
        SourceSettings(**arguments)


def test_both_weights_zero_is_no_objective():
    with pytest.raises(InputError, match="one weight above 0"):
        SourceSettings("image", 10, weight_time_per_s=0, weight_energy_per_j=0)
