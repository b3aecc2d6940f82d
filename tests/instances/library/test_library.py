"""The library: names, sets, the committed index, distributions for learners."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys

import pytest

from splitopt.instances import library, sources
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.errors import InputError
from splitopt.instances.library.index import rows
from splitopt.instances.library.recipes import LARGE, QUICK, TINY
from splitopt.instances.library.splits import SEEDS, SPLITS, sample
from splitopt.instances.problems import problem_of

SAFE = re.compile(r"[a-z0-9][a-z0-9.-]*")


def test_names_are_safe_and_unique():
    names = library.names()
    assert len(names) == len(set(names))
    assert all(SAFE.fullmatch(name) for name in names)


def test_every_name_has_an_entry_that_agrees_with_its_sets():
    for member in library.sets():
        for name in library.names(member):
            found = library.entry(name)
            assert found.name == name
            assert member in found.sets
            assert found.problem == name.split("-")[0]
            assert found.description
            assert library.knows(name)


def test_sets_have_their_sizes():
    assert 35 <= len(library.names("tiny")) <= 60
    assert 20 <= len(library.names("quick")) <= 32
    assert len(library.names("sources")) == 120
    assert len(library.names("large")) >= 10


def test_tiny_covers_the_corners():
    found = [library.entry(name) for name in library.names("tiny")]
    sizes = [entry.size for entry in found if entry.problem == "cift"]
    assert {size["deadlines"] for size in sizes} == {0, 1, 2}
    assert {size["speeds"] for size in sizes} == {"listed", "continuous"}
    assert {entry.size["exits"] for entry in found if entry.problem == "mepra"} == {"fixed", "free"}
    assert any(size["blocks"] == 1 for size in sizes)
    assert any(size["configurations"] == 0 for size in sizes)


@pytest.mark.parametrize("member", ["tiny", "quick"])
def test_the_index_says_what_loading_gives(member):
    for name in library.names(member):
        instance, entry = library.load(name), library.entry(name)
        assert instance.name == name
        assert instance.problem == entry.problem
        assert problem_of(instance).size(instance).items() >= dict(entry.size).items()
        if entry.content_hash:
            assert instance.content_hash == entry.content_hash, (
                "run splitopt.instances.library.build"
            )


def test_the_index_lists_the_recipes():
    for member, recipes in (("tiny", TINY), ("quick", QUICK), ("large", LARGE)):
        for recipe in recipes:
            entry = library.entry(recipe.name)
            assert member in entry.sets
            assert (entry.made["family"], entry.made["seed"]) == (recipe.family, recipe.seed)
            written = json.loads(json.dumps(dict(recipe.knobs)))
            assert entry.made["knobs"] == written, "run splitopt.instances.library.build"


def test_brute_force_enumerates_tiny():
    from splitopt.bench.methods.registry import load

    infeasible = 0
    for name in library.names("tiny"):
        instance = library.load(name)
        method = load("brute-force", instance.problem)
        assert method.supports(instance).reason is None, name
        infeasible += method.solve(instance, Budget(), 0, {}).plan is None
    assert infeasible == 6


def test_large_loads_a_hundred_thousand_devices():
    instance = library.load("mepra-large-100000")
    assert instance.devices == 100_000
    assert instance.content_hash == library.entry("mepra-large-100000").content_hash


def test_any_generated_instance_loads_by_name():
    assert library.load("cift-tiers-s7").name == "cift-tiers-s7"
    assert library.knows("mepra-fleet-s0")
    assert not library.knows("cift-tiers-s07")
    assert not library.knows("cift-none-s1")


def test_unknown_names_are_answered_with_similar_ones():
    with pytest.raises(InputError, match="mepra-image-10mbps"):
        library.load("mepra-image-10mbs")
    with pytest.raises(InputError, match="did you mean cift-quick-tiers"):
        library.entry("cift-tiers-s7")
    with pytest.raises(InputError, match="splitopt list --all"):
        library.entry("nothing-alike-at-all")
    with pytest.raises(InputError, match="standard-v1"):
        library.names("standard")


def test_listing_needs_neither_numpy_nor_a_solver():
    code = (
        "import sys; from splitopt.instances import library; library.names(); "
        "[library.entry(n) for n in library.names('tiny')]; "
        "print([m for m in ('numpy', 'scipy', 'highspy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- distributions -------------------------------------------------------------------------


@pytest.mark.parametrize("problem", ["cift", "mepra"])
def test_splits_do_not_meet(problem):
    seeds, hashes = set(), set()
    for split in SPLITS:
        for index in range(4):
            instance = sample(split, problem, index)
            assert instance.name == f"{problem}-{split}-{index}"
            seeds.add(instance.origin["seed"])
            hashes.add(instance.content_hash)
    assert len(seeds) == len(hashes) == 12


def test_seeds_of_splits_lie_apart_from_each_other_and_from_the_sets():
    starts = sorted(SEEDS.values())
    assert all(b - a >= 10**9 for a, b in itertools.pairwise(starts))
    used = [entry.made["seed"] for entry in rows().values() if "seed" in entry.made]
    assert max(used) < starts[0]
    assert all("seed" not in library.entry(name).made for name in sources.names())


def test_split_index_out_of_range_is_named():
    with pytest.raises(InputError, match="index"):
        sample("train", "cift", 10**9)
    with pytest.raises(InputError, match="split"):
        sample("all", "cift", 0)
