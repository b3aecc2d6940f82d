"""JQODI where the network is in doubt: its branching alone, and the parts of that."""

from __future__ import annotations

from fractions import Fraction

import pytest

from splitopt.heuristics.jqodi.cift import doubt
from splitopt.heuristics.jqodi.cift.branching import Branch, Scenarios
from splitopt.instances.core.tolerances import not_above, values_agree
from tests.formulations.cift.test_doubt import doubtful, solve


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kinds", ["s", "es"])
def test_branching_without_labels_or_plans_is_exact(
    seed: int, kinds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node with one label branches on its bound, whatever the path."""
    monkeypatch.setattr(doubt, "_LABELS", (1, None))
    monkeypatch.setattr(doubt.DoubtfulSearch, "_tightened", lambda *_: None)
    monkeypatch.setattr(doubt.DoubtfulSearch, "_met", lambda *_: None)
    instance = doubtful(seed, kinds)
    truth, found = solve("brute-force", instance), solve("jqodi-exact", instance)
    assert found.status == truth.status
    if truth.objective is not None:
        assert values_agree(found.objective, truth.objective)
        assert not_above(found.bound, truth.objective, 1e-9)


def test_what_has_no_room_to_fail_must_hold() -> None:
    """Of four scenarios of 1/4 one may fail: once one does, the other three hold."""
    scenarios = object.__new__(Scenarios)
    scenarios.atoms = ([(s, 1.0, Fraction(1, 4)) for s in range(4)], [])
    scenarios.shares = (Fraction(3, 4), Fraction(1))
    first, second = scenarios._parts(Branch(), 0, [2, 0])
    assert (first.must[0], first.may[0]) == ({2}, set())
    assert (second.must[0], second.may[0]) == ({0, 1, 3}, {2})
