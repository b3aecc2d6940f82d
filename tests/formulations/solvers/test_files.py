"""The files we write, read by every solver at hand, and to the last bit by HiGHS."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitopt.bench.methods.exporting import build, readers_of, write
from splitopt.bench.methods.registry import load
from splitopt.formulations.cift.pyomo.flow_rows import named
from splitopt.formulations.solvers.files import NamedModel, plain, write_named
from splitopt.formulations.solvers.highs import SparseModel
from splitopt.formulations.solvers.pyomo import write_model
from splitopt.instances import library
from splitopt.instances.contract.method import Budget

sys.path.append(str(Path(__file__).parent))
import readers

CIFT = ("cift-tiny-both", "cift-crafted-menu", "cift-crafted-zero-energy")
LISTED = ("flow", "assignment", "gdp-bigm", "gdp-hull")


def optimum(instance):
    return load("brute-force", instance.problem).solve(instance, Budget(), 0, {}).objective


def read_by_highs(path):
    """Return the model in a file as HiGHS reads it: names, and entries by their names."""
    import highspy

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
    lp = highs.getLp()
    columns, rows = list(lp.col_names_), list(lp.row_names_)
    matrix = lp.a_matrix_
    entries = {}
    for k, column in enumerate(columns):
        for at in range(matrix.start_[k], matrix.start_[k + 1]):
            entries[rows[matrix.index_[at]], column] = matrix.value_[at]
    kinds = [kind != highspy.HighsVarType.kContinuous for kind in lp.integrality_]
    return {
        "columns": dict(
            zip(columns, zip(lp.col_cost_, lp.col_lower_, lp.col_upper_, strict=True), strict=True)
        ),
        "integers": {c for c, whole in zip(columns, kinds, strict=False) if whole},
        "rows": dict(zip(rows, zip(lp.row_lower_, lp.row_upper_, strict=True), strict=True)),
        "entries": entries,
        "offset": lp.offset_,
    }


def as_read(model):
    """Return a model as `read_by_highs` does, entries that are 0 left out."""
    a = model.arrays
    return {
        "columns": dict(
            zip(model.columns, zip(a.cost, a.lower, a.upper, strict=True), strict=True)
        ),
        "integers": {c for c, whole in zip(model.columns, a.integer, strict=True) if whole},
        "rows": dict(zip(model.rows, zip(a.row_lower, a.row_upper, strict=True), strict=True)),
        "entries": {
            (model.rows[r], model.columns[c]): v
            for r, c, v in zip(a.row, a.column, a.value, strict=True)
            if v
        },
        "offset": 0.0,
    }


finite = st.floats(-1e12, 1e12).filter(lambda x: x == 0 or abs(x) > 1e-6)  # HiGHS drops less


@st.composite
def models(draw):
    """Small models with every kind of row, bound and column."""
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    places = [(r, c) for r in range(m) for c in range(n)]
    # Each column stands in a row, each row has a column: readers drop what stands nowhere.
    chosen = sorted(
        draw(st.sets(st.sampled_from(places)))
        | {(k % m, k) for k in range(n)}
        | {(k, k % n) for k in range(m)}
    )
    values = [draw(finite.filter(bool)) for _ in chosen]
    low = [draw(st.sampled_from([0.0, -3.5, 1.0, -np.inf])) for _ in range(n)]
    high = [max(x, draw(st.sampled_from([1.0, 7.25, np.inf]))) for x in low]
    rows = [draw(st.sampled_from([(0.1, 0.1), (-np.inf, 2.5), (1e-7, np.inf)])) for _ in range(m)]
    return NamedModel(
        SparseModel(
            np.array([draw(finite) for _ in range(n)]),
            np.array(low),
            np.array(high),
            np.array([draw(st.booleans()) for _ in range(n)]),
            np.array([r[0] for r in rows]),
            np.array([r[1] for r in rows]),
            np.array([r for r, _ in chosen]),
            np.array([c for _, c in chosen]),
            np.array(values),
        ),
        tuple(f"x_{k}" for k in range(n)),
        tuple(f"r_{k}" for k in range(m)),
    )


@pytest.mark.parametrize("kind", ["mps", "lp"])
@given(model=models())
def test_every_number_reads_back_to_the_same_double(tmp_path_factory, kind, model):
    path = tmp_path_factory.mktemp("file") / f"model.{kind}"
    write_named(model, path, kind, "any")
    assert read_by_highs(path) == as_read(model)


@pytest.mark.parametrize("kind", ["mps", "lp"])
def test_a_row_between_two_ends_becomes_two_and_a_constant_a_column(tmp_path, kind):
    model = NamedModel(
        SparseModel(
            np.array([1.0]),
            np.array([0.0]),
            np.array([9.0]),
            np.array([True]),
            np.array([1.5]),
            np.array([4.5]),
            np.array([0]),
            np.array([0]),
            np.array([1.0]),
        ),
        ("x",),
        ("between",),
        offset=-7.0,
    )
    path = tmp_path / f"model.{kind}"
    write_named(model, path, kind, "any")
    assert set(read_by_highs(path)["rows"].values()) == {(1.5, np.inf), (-np.inf, 4.5)}
    # The least whole number above 1.5, and the constant.
    for name, read in readers.LINEAR.items():
        if (name, kind) not in (("OR-tools", "lp"), ("PuLP", "lp")):
            assert read(path) == pytest.approx(2.0 - 7.0), name


@given(st.lists(st.text(max_size=300), max_size=30))
def test_plain_names_are_what_every_reader_takes_each_once(names):
    made = plain(names)
    assert len(set(made)) == len(names)
    for name in made:
        assert re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,254}", name)
        assert not re.fullmatch("(?i)e[0-9]*", name)
    assert plain(names) == made


def test_names_are_those_of_the_model():
    assert plain(["serve[0,1,2]", "choice[0].v", "x", "e12", "x_"]) == (
        "serve_0_1_2",
        "choice_0_v",
        "x",
        "x_e12",
        "x_2",
    )


@pytest.mark.parametrize("name", ["cift-tiny-both", "cift-tiny-menu", "cift-crafted-no-training"])
def test_the_flow_without_pyomo_is_the_flow_with_it(tmp_path, name):
    instance = library.load(name)
    write_model(build(instance, "flow", 1.0), tmp_path / "pyomo.mps", "mps")
    through = read_by_highs(tmp_path / "pyomo.mps")
    direct = as_read(named(instance)[0])
    # Pyomo leaves out what stands in no row and costs nothing.
    for column in direct["columns"].keys() - through["columns"].keys():
        assert direct["columns"].pop(column)[0] == 0
        direct["integers"].remove(column)
    assert direct == through


@pytest.mark.parametrize("reader", readers.LINEAR)
@pytest.mark.parametrize("kind", ["mps", "lp"])
def test_every_reader_finds_the_optimum_of_every_linear_file(tmp_path, reader, kind):
    if kind == "lp" and reader in ("OR-tools", "PuLP"):
        pytest.skip("reads no LP files, or another dialect of them")
    for name in CIFT:
        instance = library.load(name)
        # Big-M takes GLPK minutes there, and the hull takes every reader longest.
        for formulation in LISTED if name != "cift-tiny-both" else LISTED[:2]:
            path = tmp_path / f"{name}-{formulation}.{kind}"
            unit = write(instance, formulation, kind, path)["objective_unit"]
            found = readers.LINEAR[reader](path) * unit
            assert found == pytest.approx(optimum(instance), rel=1e-6, abs=1e-9), path.name


@pytest.mark.parametrize("reader", readers.LINEAR)
def test_every_reader_finds_the_bound_of_the_tangents(tmp_path, reader):
    instance = library.load("mepra-crafted-one-device")
    path = tmp_path / "tangent.mps"
    unit = write(instance, "tangent", "mps", path)["objective_unit"]
    bounds = {
        name: read(path) * unit
        for name, read in readers.LINEAR.items()
        if name in (reader, "HiGHS")
    }
    assert bounds[reader] == pytest.approx(bounds["HiGHS"], rel=1e-6)
    assert bounds[reader] <= optimum(instance) * (1 + 1e-9)


def test_export_says_who_reads_products_and_who_does_not(tmp_path):
    """The words of `readers_of` on quadratic files, held to HiGHS, GLPK, CBC and SCIP."""
    import highspy

    instance = library.load("mepra-crafted-one-device")
    best = optimum(instance)
    for kind in ("mps", "lp"):
        path = tmp_path / f"natural.{kind}"
        size = write(instance, "natural", kind, path)
        assert not size["linear"]
        said = readers_of(linear=False, kind=kind)
        assert readers.by_scip(path) * size["objective_unit"] == pytest.approx(best, rel=1e-4)
        assert "HiGHS" in said.partition(";")[2]
        assert highspy.Highs().readModel(str(path)) == highspy.HighsStatus.kError
        with pytest.raises(AssertionError):
            readers.by_glpk(path)
    # CBC says "Optimal" of the LP file of two devices, and is wrong: none waits for another.
    assert "CBC MISREADS" in said
    instance = library.load("mepra-crafted-alike")
    unit = write(instance, "natural", "lp", path)["objective_unit"]
    assert readers.by_cbc(path) * unit < 0.99 * optimum(instance)


@pytest.mark.parametrize("kind", ["mps", "lp"])
def test_what_readers_stumble_over_is_not_in_the_files(tmp_path, kind):
    for formulation in LISTED:
        path = tmp_path / f"model.{kind}"
        write(library.load("cift-tiny-both"), formulation, kind, path)
        text = path.read_text("ascii")
        assert not re.search(r"OBJSENSE|RANGES|\bBV\b", text)
        assert max(map(len, text.splitlines())) <= 255
