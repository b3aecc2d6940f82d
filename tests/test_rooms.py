"""Who imports whom: the contracts in pyproject.toml see the whole tree."""

import sys
from pathlib import Path

import grimp
import pytest

LINKS = Path(__file__).parents[1] / ".typing"


@pytest.mark.skipif(not LINKS.is_dir(), reason="make setup writes the links")
def test_the_graph_that_is_checked_is_not_empty(monkeypatch):
    """Without the links grimp walks the face alone, and every contract is kept."""
    monkeypatch.syspath_prepend(str(LINKS))
    for name in [n for n in sys.modules if n == "splitopt" or n.startswith("splitopt.")]:
        monkeypatch.delitem(sys.modules, name)
    graph = grimp.build_graph("splitopt", cache_dir=None)
    assert len(graph.modules) > 400
    assert graph.find_modules_directly_imported_by("splitopt.bench.runs.record") >= {
        "splitopt.bench.verdicts.verdict",
        "splitopt.instances.cift.claims",
    }


def test_the_hallway_is_empty():
    here = Path(__file__).parents[1] / "bench"
    assert {path.name for path in here.glob("*.py")} == {"__init__.py", "cli.py"}
