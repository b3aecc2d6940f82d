"""Attacks: told as they end, and the page names those there are."""

from pathlib import Path

import pytest

from splitopt.bench.studies.faults import study
from splitopt.bench.studies.faults.attack import Attack, NotTriedError
from splitopt.bench.studies.faults.study import attacks, table, tried

PAGE = Path(__file__).parents[3] / "docs" / "running.md"


def ends(error=None):
    def attempt(folder):
        assert list(folder.iterdir()) == []
        if error is not None:
            raise error
        return "3 of 3"

    return Attack("k", "n", "h", attempt)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, ("held", "3 of 3")),
        (NotTriedError("needs root"), ("not tried", "needs root")),
        (AssertionError("2 of 3\nmore"), ("BROKEN", "2 of 3")),
    ],
)
def test_an_attack_is_held_broken_or_not_tried(error, outcome, monkeypatch, capsys):
    assert tried(ends(error)) == outcome
    monkeypatch.setattr(study, "attacks", lambda kinds: [ends(error)])
    assert study.main([]) == (outcome[0] == "BROKEN")
    assert f"| k | n | h | {outcome[0]} | {outcome[1]} |" in capsys.readouterr().out


def test_a_cell_cannot_break_the_table():
    assert table([("a|b", "c")]).splitlines()[-1] == "| a/b | c |"


def test_the_page_lists_the_attacks_on_machines():
    names = [attack.name for attack in attacks(["machine"])]
    assert len(set(names)) == len(names) == 21
    page = PAGE.read_text(encoding="utf-8")
    for attack in attacks(["machine"]):
        assert f"| {attack.name} | {attack.holds} | held |" in page
