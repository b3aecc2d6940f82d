"""The best-known registry as data: what an entry amounts to, and that it survives reading."""

import dataclasses

import pytest

from splitopt.instances import library
from splitopt.instances.core.documents import canonical, parse_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import plan_from_document
from splitopt.instances.library.best_known import (
    LABEL_ENGINE,
    Confirmation,
    KnownInstance,
    Registry,
    plan_documents,
    registry,
    solu,
)


def plan_of(content_hash):
    """Return the best plan known of an instance, None where none is stored."""
    document = plan_documents().get(content_hash)
    return None if document is None else plan_from_document(document)


def confirmation(method="highs-flow", engine="HiGHS", objective=10.0, bound=10.0):
    return Confirmation(method, engine, objective, bound, 1e-6, 10.0, 0.5, 0)


def entry(objective=10.0, bound=10.0, infeasible=False, name="a", confirmations=None):
    if confirmations is None:
        confirmations = (confirmation(objective=objective, bound=bound),)
    return KnownInstance(
        name,
        "cift",
        "hash",
        objective,
        bound,
        "highs-flow",
        "highs-flow",
        infeasible,
        confirmations,
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "optimal"),
        ({"bound": 10 - 9e-6}, "optimal"),  # a gap of 9e-7
        ({"bound": 10 - 2e-5}, "open"),
        ({"bound": None}, "open"),
        ({"objective": 0.0, "bound": 0.0}, "optimal"),
        ({"objective": 1e-9, "bound": 0.0}, "open"),
        ({"objective": None, "bound": None, "infeasible": True}, "infeasible"),
        ({"objective": None, "bound": 3.0}, "unknown"),
    ],
)
def test_the_status_follows_from_the_figures(changes, status):
    found = entry(**changes)
    assert found.status == status
    assert found.closed == (status in ("optimal", "infeasible"))


def test_engines_are_counted_once():
    found = entry(
        confirmations=(
            confirmation(),
            confirmation("highs-oa"),
            confirmation("cpsat", "CP-SAT"),
        )
    )
    assert found.engines == ("CP-SAT", "HiGHS")


def test_reading_back_gives_the_same():
    known = Registry({"hash": entry()}, ({"python": "3.11"},))
    again = Registry.from_document(parse_json(canonical(known.to_document()), "registry"))
    assert again == known


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"version": 2}, "best_known"),
        ({"format": "other"}, "best_known"),
        ({"extra": 1}, "extra"),
        ({"tolerance": -1}, "tolerance"),
    ],
)
def test_another_document_is_refused(change, field):
    document = Registry({}).to_document() | change
    with pytest.raises(InputError, match=field):
        Registry.from_document(document)


def test_a_figure_that_is_none_is_refused():
    document = entry().to_document() | {"objective": "10"}
    with pytest.raises(InputError, match="objective"):
        KnownInstance.from_document(document)


def test_solu_has_miplibs_lines():
    entries = [
        entry(),
        entry(bound=9.0, name="b"),
        entry(None, None, infeasible=True, name="c"),
        entry(None, None, name="d"),
    ]
    assert solu(entries) == "=opt= a 10.0\n=best= b 10.0\n=inf= c\n=unkn= d\n"


def test_the_committed_registry_covers_tiny_and_quick():
    known = registry().entries
    for set_name in ("tiny", "quick"):
        for name in library.names(set_name):
            about = library.entry(name)
            found = known[about.content_hash]
            assert found.closed, name
            assert len(found.engines) >= 2, name
            assert (plan_of(about.content_hash) is None) == (found.objective is None)


def test_the_committed_registry_closes_standard_v1():
    """At least 95 % to 1e-6, and each by a method that is no label program."""
    known = registry().entries
    entries = [known[library.entry(name).content_hash] for name in library.names("standard-v1")]
    assert len(entries) == 220
    closed = [found for found in entries if found.closed]
    assert len(closed) >= 0.95 * len(entries)
    for found in closed:
        assert set(found.engines) - {LABEL_ENGINE}, found.name
    assert sum(found.infeasible for found in entries) == 10
    for found in entries:
        assert (plan_of(found.content_hash) is None) == (found.objective is None)


def test_confirmations_refer_to_environments():
    known = registry()
    used = {one.environment for e in known.entries.values() for one in e.confirmations}
    assert used == set(range(len(known.environments)))
    for environment in known.environments:
        assert {"highspy", "ortools", "pyscipopt"} <= set(environment["versions"])
    assert dataclasses.asdict(confirmation())["environment"] == 0
