"""The frozen set `uncertain-v1`: from measured curves, a run held out, closed by two programs."""

from __future__ import annotations

from fractions import Fraction

import pytest

from splitopt.instances import library
from splitopt.instances.library.best_known import registry
from splitopt.instances.library.uncertain import (
    DRIVING,
    SET,
    epochs_measured,
    uncertain,
    with_held_out,
)


@pytest.mark.parametrize("number", [6, 22, 35, 60])
def test_files_are_what_the_recipe_makes(number: int) -> None:
    instance = uncertain(number)
    stored = library.load(instance.name)
    assert stored == instance
    assert stored.content_hash == library.entry(instance.name).content_hash


def test_every_member_is_closed_by_two_programs() -> None:
    known = registry().entries
    members = library.names(SET)
    assert len(members) == 72
    for name in members:
        found = known[library.entry(name).content_hash]
        assert found.status == "optimal"
        assert {c.engine for c in found.confirmations} >= {"labels", "HiGHS"}


def test_the_held_out_run_is_in_no_distribution() -> None:
    instance = library.load("cift-uncertain-007")
    assert instance.origin["held_out_seed"] == 7
    for entry in instance.doubt.epochs:
        samples = round(entry.fraction * 600)
        runs = epochs_measured(entry.model, entry.compression, samples, instance.origin["target"])
        del runs[7]
        assert list(entry.values) == runs
        assert len(runs) == 9


def test_another_run_held_out_changes_epochs_alone() -> None:
    instance = library.load("cift-uncertain-007")
    other = with_held_out(instance, 2)
    assert other.doubt.epochs != instance.doubt.epochs
    assert other.fine_tuning_deadline_s == instance.fine_tuning_deadline_s
    assert with_held_out(other, 7).doubt == instance.doubt


def test_spreads_have_the_moments_of_the_deciles() -> None:
    (spread, *_) = library.load("cift-uncertain-011").doubt.spread
    times = [1 / Fraction(str(x)) for x in DRIVING]
    mean = sum(times) / 10
    assert spread.mean == pytest.approx(float(mean), rel=5e-3)
    assert spread.variance == pytest.approx(
        float(sum((t - mean) ** 2 for t in times) / 10), rel=5e-3
    )
