"""The names to import: there, light, and the same things that the suite uses."""

import subprocess
import sys
import typing
from pathlib import Path

import pytest

import splitopt

HEAVY = ("numpy", "pandas", "scipy", "numba", "highspy", "ortools", "pyomo", "pyscipopt", "click")


def test_every_name_is_there_and_documented():
    for name in splitopt.__all__:
        found = getattr(splitopt, name)
        assert found.__doc__, name
        assert name in dir(splitopt)
    with pytest.raises(AttributeError, match="no attribute 'instence'"):
        splitopt.instence  # noqa: B018


def test_the_type_checker_sees_what_is_loaded_late():
    """The imports it reads and the table that is used name the same homes."""
    source = Path(splitopt.__file__).read_text()
    for name, module in splitopt._HOMES.items():
        block = source.partition(f"from splitopt.{module} import ")[2].partition("from ")[0]
        assert name in block.replace(",", " ").split(), name
    assert set(splitopt._HOMES) < set(splitopt.__all__)


def test_importing_loads_nothing():
    code = "import sys, splitopt; print([m for m in sys.modules if m.startswith('splitopt.')]);"
    code += f"print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


def test_from_load_to_a_data_frame(tmp_path):
    instance = splitopt.load("cift-tiny-both")
    best = splitopt.solve(instance, "highs-flow", time_limit_s=60)
    assert splitopt.check(instance, best.plan) == []
    assert splitopt.evaluate(instance, best.plan).objective == best.objective
    lines = dict(line.split(None, 1) for line in str(best).split("\n"))
    assert lines["status"] == "optimal (termination: solved)"
    assert float(lines["objective"]) == pytest.approx(best.objective, rel=1e-9)
    assert "edge" in splitopt.explain(instance).findings[0].text
    done = splitopt.run(["cift-tiny-both"], ["single-cut"], tmp_path / "out", time_limit_s=60)
    assert (done.done_now, done.ok) == (1, True)
    (row,) = splitopt.frame(str(tmp_path / "out")).to_dict("records")
    assert row["best_objective"] == pytest.approx(best.objective)


def test_instances_are_loaded_built_and_listed(tmp_path):
    assert {i.name for i in splitopt.load_set("tiny")} == set(splitopt.names("tiny"))
    assert "tiny" in splitopt.sets()
    family = splitopt.families()[0].name
    made = splitopt.generate(family, 7)
    assert splitopt.load(f"{family}-s7").content_hash == made.content_hash
    assert isinstance(made, splitopt.CiftInstance | splitopt.MepraInstance)
    with pytest.raises(splitopt.InputError, match="cift-tiny-bth"):
        splitopt.load("cift-tiny-bth")


def test_a_method_of_ones_own_is_registered_by_name(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "plugins"))
    monkeypatch.setattr(splitopt, "_registered", [])
    before = {entry.name for entry in splitopt.methods("mepra")}
    splitopt.register("rogues:HONEST")
    assert {entry.name for entry in splitopt.methods("mepra")} - before == {"honest"}
    found = splitopt.solve("mepra-image-10mbps", "honest", time_limit_s=60)
    assert found.status == "feasible"
    with pytest.raises(splitopt.InputError, match="no_such_module"):
        splitopt.register("no_such_module:METHOD")
    assert splitopt._registered == ["rogues:HONEST"]


def test_signatures_can_be_read():
    for name in ("load", "solve", "run", "methods", "register", "load_set"):
        assert getattr(splitopt, name).__annotations__["return"]
    assert typing.get_type_hints(splitopt.register) == {"target": str, "return": type(None)}


QUIET = """
import splitopt
from splitopt.instances.contract.method import Budget

for problem, name, method in (
    ("cift", "cift-tiny-both", "highs-flow"),
    ("cift", "cift-tiny-both", "pyomo-flow"),
    ("cift", "cift-tiny-both", "scip-minlp"),
    ("mepra", "mepra-image-10mbps", "highs-tangent"),
):
    found = splitopt.method(method, problem)
    options = splitopt.read_options(method, tuple(found.options), {})
    result = found.solve(splitopt.load(name), Budget(time_limit_s=20.0), 0, options)
    assert result.status == "optimal"
assert splitopt.solve("mepra-image-10mbps", "highs-tangent").status == "optimal"
"""


def test_a_solve_prints_nothing_on_standard_output():
    """In this process or in one of its own: solvers have banners, in code that is not Python's."""
    done = subprocess.run(
        [sys.executable, "-c", QUIET], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
