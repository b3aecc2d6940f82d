"""The frozen set `networks-v1`: what it was stays, what came later is what its recipe makes."""

from __future__ import annotations

import hashlib

import pytest

from splitopt.instances import library
from splitopt.instances.library.best_known import registry
from splitopt.instances.library.networks import CHOSEN, draw

MEMBERS = library.names("networks-v1")


def test_the_first_sixty_nine_are_what_they_were() -> None:
    hashes = "".join(library.entry(name).content_hash for name in MEMBERS[:69])
    assert hashlib.sha256(hashes.encode()).hexdigest() == (
        "4b399c2e31beb1ce7e0926ddb0ab3776aab2684a8d28c8146c9217cb9b0a5547"
    )


@pytest.mark.parametrize("number", [3, 67, 76, 78, 95, 106])
def test_files_are_what_the_recipe_makes(number: int) -> None:
    name = f"cift-networks-{number:03d}"
    stored = library.load(name)
    assert stored == draw(name, *CHOSEN[number - 1])
    assert stored.content_hash == library.entry(name).content_hash


def test_each_is_listed_once() -> None:
    assert tuple(f"cift-networks-{k:03d}" for k in range(1, len(CHOSEN) + 1)) == MEMBERS
    assert len({library.entry(name).content_hash for name in MEMBERS}) == 111


def test_every_member_is_closed_by_programs_that_share_no_code() -> None:
    known = registry().entries
    for name in MEMBERS:
        found = known[library.entry(name).content_hash]
        assert found.status == "optimal"
        engines = {c.engine for c in found.confirmations}
        assert "HiGHS" in engines
        assert engines & {"labels", "enumeration"}
