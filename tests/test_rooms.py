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


def test_a_wheel_has_every_file_that_the_code_reads(monkeypatch):
    """Each folder of the four rooms with code or data is a package of the installed tree."""
    root = Path(__file__).parents[1]
    said = {}
    monkeypatch.setattr("setuptools.setup", lambda **given: said.update(given))
    monkeypatch.chdir(root)
    exec(compile((root / "setup.py").read_text(), "setup.py", "exec"), {})
    mapped = {
        f"splitopt.{'.'.join(path.parent.relative_to(root).parts)}"
        for room in ("instances", "formulations", "heuristics", "bench")
        for path in (root / room).rglob("*")
        if path.suffix in (".py", ".json", ".gz", ".npz", ".csv", ".js", ".css")
    } - {"splitopt.bench.face"}
    assert mapped <= set(said["packages"])
    assert "splitopt.instances.data.library" in mapped
    assert said["package_dir"]["splitopt"] == "bench/face"
