"""Generators: the same seed gives the same bytes, knobs do what they say, deadlines can be met."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.instances.cift.judge import check_cift, evaluate_cift
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.documents import canonical
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import families, generate, hardware, instance_name
from splitopt.instances.generators.chains import cift_chain, mepra_chain
from splitopt.instances.generators.draws import Draws, draws_for, round_digits, round_up
from splitopt.instances.generators.hardware import link_class, node_class
from splitopt.instances.generators.transfer import (
    compression_names,
    curve_for,
    epochs_needed,
    error_after,
    size_class,
)
from splitopt.instances.generators.witness import Prices, least
from splitopt.instances.judge import instance_from_document
from splitopt.instances.networks.profiles import load_profile


def small(family, seed, **knobs):
    """Return a member of a family, small where it would be large."""
    if family == "mepra-large":
        knobs = {"devices": 500} | knobs
    return generate(family, seed, **knobs)


NAMES = [family.name for family in families()]


# Pinned: a change here means that every generated instance, and every result on it, changes.
HASHES = {
    "cift-tiers": "e89cc977fa06cfab6ff71ecb84588995193a15f0ab08ddcec04cd84bdea33545",
    "cift-menu": "7528a041f3801a5d8fe350eb3fd57dad49fec75de7b3b47a0c828e225d97058b",
    "cift-ties": "0cb1281c00559097d3114220c7e94768c0331b907e7bcde3db1c697d705dc294",
    "cift-continuous": "f2a6ab23aabf85cdefc750e50397325a381bae2751ae228cd47e256da6f1297a",
    "cift-infeasible": "ad6808eda736896c6a2811cd7cb502d41679a64523e68016d92e3e7bad394241",
    "mepra-fleet": "b72763d9cae3dba3381b27eb1cc680b6302efcaee12f812091de8014a37ef6e0",
    "mepra-free": "5297c6ee09e3e5ef1fbfb76a61b5d066867ce751d53f8373b468da34a3f725f6",
    "mepra-partition": "79b5b612929e4b92deb8349d3a45972f5bb6740c97f1a1e0e9d674515751ae01",
    "mepra-lattice": "e7aecb6ace157f1e309295ee4588b1f57fc82a4a5a183879b34718ef9b4b85e6",
    "mepra-large": "e7e162ef463ae04551f98babbf90a4ee79d5095d27f8638f977eab841640f977",
}


@pytest.mark.parametrize("family", HASHES)
def test_the_same_seed_gives_the_same_bytes_on_any_machine(family):
    assert small(family, 7).content_hash == HASHES[family]


@pytest.mark.parametrize("family", NAMES)
def test_every_family_generates_names_itself_and_survives_its_document(family):
    instance = small(family, 3)
    assert instance.name.startswith(f"{family}-s3")
    assert instance.origin["family"] == family
    assert instance.assumptions
    again = instance_from_document(instance.to_document())
    assert canonical(again.to_document()) == canonical(instance.to_document())
    assert small(family, 4).content_hash != instance.content_hash


def test_names_tell_turned_knobs_apart():
    assert generate("cift-tiers", 7).name == "cift-tiers-s7"
    tight = generate("cift-tiers", 7, tightness=0.9)
    assert tight.name == instance_name("cift-tiers", 7, {"tightness": 0.9})
    assert tight.name != generate("cift-tiers", 7, tightness=0.8).name
    # A knob set to where it stands already is not turned.
    assert generate("cift-tiers", 7, tightness=0.5).name == "cift-tiers-s7"
    assert tight.origin["tightness"] == 0.9


def test_a_knob_leaves_the_other_parts_as_they_were():
    loose, tight = (generate("cift-tiers", 5, tightness=t) for t in (0.1, 0.9))
    assert loose.nodes == tight.nodes
    assert loose.links == tight.links
    assert loose.configurations == tight.configurations
    assert loose.inference_deadline_s > tight.inference_deadline_s


@pytest.mark.parametrize("family", [n for n in NAMES if n.startswith("cift") and "infeas" not in n])
@pytest.mark.parametrize("seed", [1, 2])
def test_deadlines_can_be_met_together(family, seed):
    instance = generate(family, seed)
    serving = evaluate_cift(instance, least(instance, Prices(inference=1.0)))
    tuning = evaluate_cift(instance, least(instance, Prices(fine_tuning=1.0)))
    prices = Prices(
        inference=1 / serving.inference_latency_s, fine_tuning=1 / tuning.fine_tuning_time_s
    )
    assert check_cift(instance, least(instance, prices)) == []


def test_deadlines_bind_on_the_cheapest_plan_when_tight():
    binding = 0
    for seed in range(12):
        instance = generate("cift-rising", seed)
        free = instance.replace(inference_deadline_s=None, fine_tuning_deadline_s=None)
        cheapest = least(free, Prices(energy=1.0))
        binding += check_cift(instance, cheapest) != []
    # FIN's hardware makes the fast plan dear, so that deadlines press nearly always.
    assert binding >= 10


def test_the_witness_is_a_cheapest_plan():
    # Without deadlines a shortest path is an optimum: enumeration must find no better.
    from splitopt.formulations.cift.brute_force.enumeration import METHOD

    for seed in (1, 2, 3):
        instance = generate(
            "cift-loose", seed, stages=3, blocks=5, width=2, levels=2, compressions=2
        )
        result = METHOD.solve(instance, Budget(), 0, {})
        witness = evaluate_cift(instance, least(instance, Prices(energy=1.0)))
        assert witness.objective == pytest.approx(result.objective, rel=1e-9)


@pytest.mark.parametrize("mode", ["deadline", "deadlines-together", "memory", "no-configuration"])
def test_infeasible_instances_are_infeasible(mode):
    from splitopt.formulations.cift.brute_force.enumeration import METHOD

    for seed in (1, 2):
        instance = generate(
            "cift-infeasible", seed, infeasible=mode, stages=3, blocks=4, width=2, levels=2
        )
        assert METHOD.solve(instance, Budget(), 0, {}).plan is None
        if mode == "no-configuration":
            assert instance.configurations == ()


def test_two_deadlines_that_cannot_be_kept_together_can_be_kept_each():
    instance = generate("cift-infeasible", 7)
    assert instance.deadlines == 2
    for prices, kept in (
        (Prices(inference=1.0), "inference_deadline_s"),
        (Prices(fine_tuning=1.0), "fine_tuning_deadline_s"),
    ):
        alone = instance.replace(inference_deadline_s=None, fine_tuning_deadline_s=None).replace(
            **{kept: getattr(instance, kept)}
        )
        assert check_cift(alone, least(alone, prices)) == []


def test_memory_calls_for_several_hosts():
    instance = generate("cift-llm", 2)
    cheapest = least(instance, Prices(energy=1.0))
    assert sum(stop.blocks > 0 for stop in cheapest.stops) >= 4


def test_routers_have_no_memory():
    instance = generate("cift-relay", 1)
    routers = [node for node in instance.nodes if node.memory_bytes == 0]
    assert routers
    assert {node.tier for node in routers} == {"edge"}


def test_continuous_speeds_are_intervals():
    assert generate("cift-tiers", 1, speeds="continuous").has_continuous_speeds
    assert not generate("cift-tiers", 1).has_continuous_speeds


def test_power_at_the_highest_speed_lies_in_its_class():
    # kappa f^3 + rho is the drawn power, up to the rounding of kappa and rho to three digits.
    low, high = node_class("fin-cloud").power_w
    for seed in range(5):
        for node in generate("cift-rising", seed).nodes:
            if node.tier == "cloud":
                speed = node.speeds_flop_per_s[-1]
                power = node.kappa_j_s2_per_flop3 * speed**3 + node.busy_power_w
                assert low * 0.99 <= power <= high * 1.01


def test_every_range_has_a_source():
    nodes, links, _ = hardware._tables()
    for kind in (*nodes.values(), *links.values()):
        assert kind.sources
        assert all(len(line) > 10 for line in kind.sources)
    with pytest.raises(InputError, match="datacentre-gpu"):
        node_class("mainframe")
    with pytest.raises(InputError, match="wide-area"):
        link_class("pigeon")


@pytest.mark.parametrize(
    ("family", "knobs", "field"),
    [
        ("cift-tiers", {"stages": 1}, "stages"),
        ("cift-tiers", {"tightness": 1.5}, "tightness"),
        ("cift-tiers", {"tightness": math.nan}, "tightness"),
        ("cift-tiers", {"deadlines": "some"}, "deadlines"),
        ("cift-tiers", {"models": ()}, "models"),
        ("cift-tiers", {"models": ("resnet18-cifar10", "resnet18-cifar10")}, "models"),
        ("cift-tiers", {"models": ("resnet-19",)}, "profile"),
        ("cift-tiers", {"access": "pigeon"}, "link class"),
        ("cift-tiers", {"requests": (10, 5)}, "requests"),
        ("cift-tiers", {"devices": 5}, "devices"),
        ("cift-tiers", {"blocks": True}, "blocks"),
        ("mepra-fleet", {"devices": 0}, "devices"),
        ("mepra-fleet", {"exits": "some"}, "exits"),
        ("mepra-fleet", {"weight_energy": (0, 1)}, "weight_energy"),
        ("mepra-fleet", {"edge_share": (2, 1)}, "edge_share"),
        ("mepra-fleet", {"node_classes": ("toaster",)}, "node class"),
        ("cift-none", {}, "family"),
    ],
)
def test_a_wrong_knob_is_named(family, knobs, field):
    with pytest.raises(InputError) as caught:
        generate(family, 1, **knobs)
    assert caught.value.field.startswith(field)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, 2**60])
def test_a_wrong_seed_is_named(seed):
    with pytest.raises(InputError, match="seed"):
        generate("cift-tiers", seed)


# -- draws and rounding --------------------------------------------------------------------


def test_draws_use_the_raw_words_of_pcg64():
    # First word of PCG64 seeded with 1: numpy keeps this stream fixed.
    generator = np.random.Generator(np.random.PCG64(1))
    word = int(np.random.PCG64(1).random_raw())
    assert Draws(generator).unit() == (word >> 11) / 2**53


def test_streams_of_parts_differ():
    assert draws_for("a", 1, "nodes").unit() != draws_for("a", 1, "links").unit()
    assert draws_for("a", 1, "nodes").unit() != draws_for("b", 1, "nodes").unit()
    assert draws_for("a", 1, "nodes").unit() == draws_for("a", 1, "nodes").unit()


@given(st.floats(1e-30, 1e30), st.integers(2, 8))
def test_rounding_up_never_rounds_down_and_stays_near(value, digits):
    up = round_up(value, digits)
    assert value <= up <= value * (1 + 10.0 ** (1 - digits)) * (1 + 1e-12)
    assert round_up(up, digits) == up == round_digits(up, digits)


@given(st.integers(0, 2**40), st.floats(1e-9, 1e9), st.floats(1.0, 1e6))
@settings(max_examples=50)
def test_log_uniform_draws_stay_in_range(seed, low, ratio):
    draws = draws_for("range", seed, "x")
    high = low * ratio
    assert low * (1 - 1e-12) <= draws.log_uniform(low, high) <= high * (1 + 1e-12)
    middle = draws.log_uniform(low, high, 0.0)
    assert middle == pytest.approx(math.sqrt(low * high), rel=1e-9)


def test_log_uniform_draws_are_even_over_decades():
    values = draws_for("decades", 1, "x").log_uniforms(1.0, 1000.0, 30_000)
    counts = np.histogram(values, [0.99, 10, 100, 1001])[0]
    assert np.all(np.abs(counts - 10_000) < 500)


def test_samples_keep_their_order_and_do_not_repeat():
    draws = draws_for("sample", 1, "x")
    for _ in range(50):
        found = draws.sample("abcdef", 3)
        assert found == sorted(set(found))
    assert {draws.integer(2, 4) for _ in range(100)} == {2, 3, 4}


# -- chains and curves ---------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [1, 2, 5, 17, 18, 40])
def test_merged_chains_keep_their_sums(blocks):
    whole, merged = load_profile("resnet50-imagenet"), cift_chain("resnet50-imagenet", blocks)
    assert len(merged.blocks) == min(blocks, 18)
    assert merged.flops == whole.flops
    assert merged.param_bytes == whole.param_bytes
    assert merged.input_bits == whole.input_bits
    assert merged.blocks[-1].activation_bits == whole.blocks[-1].activation_bits


def test_merged_layers_keep_the_last_branch_and_scale_features():
    whole = load_profile("vgg16-imagenet").multi_exit()
    merged = mepra_chain("vgg16-imagenet", 4, feature_bits_per_element=8)
    assert sum(x.flops for x in merged.layers) == sum(x.flops for x in whole.layers)
    assert merged.layers[-1].branch_flops == whole.layers[-1].branch_flops
    assert merged.layers[-1].activation_bits == whole.layers[-1].activation_bits / 4


@pytest.mark.parametrize("name", ["resnet18-cifar10", "resnet50-imagenet", "gpt2-large-128"])
@pytest.mark.parametrize("samples", [100, 600, 1000])
def test_decimal_epochs_follow_the_rule_of_the_curve(name, samples):
    for level in compression_names():
        curve = curve_for(load_profile(name), level)
        for target in (0.05, 0.09, 0.12, 0.2, 0.5):
            epochs = epochs_needed(curve, samples, target)
            assert epochs == curve.epochs(samples, target)
            if epochs is not None:
                assert error_after(curve, epochs, samples) <= target + 1e-9
        assert error_after(curve, 5, samples) == pytest.approx(curve.error(5, samples), rel=1e-12)


def test_size_classes():
    assert size_class(load_profile("resnet18-imagenet")) == "small"
    assert size_class(load_profile("alexnet-imagenet")) == "medium"
    assert size_class(load_profile("vgg16-imagenet")) == "large"


# -- MEPRA ---------------------------------------------------------------------------------


def test_partition_costs_are_squares_of_the_distance_to_half():
    from splitopt.instances.judge import evaluate
    from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights

    instance = generate("mepra-partition", 1, devices=6)
    numbers = np.sqrt([p.layers[0].flops for p in instance.profiles])[instance.profile]
    whole = numbers.sum()
    assert math.log2(whole).is_integer()
    for picked in ([1, 0, 1, 0, 1, 0], [1, 1, 0, 0, 0, 0], [0, 1, 1, 1, 0, 1]):
        on = np.array(picked)
        plan = MepraPlan(1 - on, shares_from_weights(numbers * on))
        expected = (numbers @ on - whole / 2) ** 2 + 0.75 * whole**2
        assert evaluate(instance, plan).objective == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_no_subset_of_a_lattice_comes_near_what_the_relaxation_promises(seed):
    instance = generate("mepra-lattice", seed, devices=12)
    roots = np.sqrt([p.layers[0].flops for p in instance.profiles])
    thetas = roots / instance.speed_flop_per_s / 2
    assert np.allclose(thetas, thetas[0], rtol=1e-14)
    sums = np.zeros(1)
    for root in roots:
        sums = np.concatenate([sums, sums + root])
    # Sums lie in [0, 4.5] modulo 10, theta between.
    assert np.abs(sums - thetas[0]).min() > 2.5


@given(st.integers(0, 10**6), st.sampled_from(["printed", "drawn"]))
@settings(max_examples=25, deadline=None)
def test_fractions_add_up_to_a_thousand(seed, fractions):
    instance = generate("mepra-fleet", seed, devices=3, fractions=fractions)
    assert np.all(instance.exit_fractions.rows.sum(axis=1) == 1000)


def test_heterogeneity_zero_makes_devices_of_a_class_alike():
    instance = generate("mepra-ties", 1, node_classes=("phone",), devices=9)
    assert len(set(instance.speed_flop_per_s.tolist())) == 1
    assert len(set(instance.power_w.tolist())) == 1
