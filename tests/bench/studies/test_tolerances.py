"""What solvers call optimal: exact optima of files, distances, and two solvers at hand."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from splitopt.bench.methods.conformance.cases import case
from splitopt.bench.studies.tolerances import solvers, study
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import generate

# min v, v >= |r - 3.5|, r = sqrt(2) x + sqrt(3) y + sqrt(5) z with binary x, y, z: nearest to 3.5
# is sqrt(2) + sqrt(5) = 3.65. Were r whole it could be 0 alone, and v 3.5, or 4 if whole too.
FILE = """NAME roots
ROWS
 N cost
 E sum
 L above
 G below
COLUMNS
 MARKER0 'MARKER' 'INTORG'
 x sum 1.4142135623730951
 y sum 1.7320508075688772
 z sum 2.23606797749979
 MARKER1 'MARKER' 'INTEND'
 r sum -1.0 above 1.0
 r below 1.0
 v cost 1.0 above -1.0
 v below 1.0
RHS
 RHS above 3.5 below 3.5
BOUNDS
 UP BOUND x 1.0
 UP BOUND y 1.0
 UP BOUND z 1.0
 UP BOUND r 100.0
 UP BOUND v 100.0
ENDATA
"""
TRUE = 1.4142135623730951 + 2.23606797749979 - 3.5


@pytest.fixture
def roots(tmp_path: Path) -> str:
    path = tmp_path / "roots.mps"
    path.write_text(FILE)
    return str(path)


def asked(solver: str, path: str, exact: bool) -> dict[str, object]:
    return solvers.answer({"solver": solver, "path": path, "exact": exact})


def test_highs_solves_the_file_and_says_its_gap(roots: str) -> None:
    said = asked("HiGHS", roots, False)
    assert said["objective"] == pytest.approx(TRUE, abs=1e-5)
    assert said["promised"]["mip_rel_gap"] == 1e-4  # type: ignore[index]


def test_cpsat_takes_continuous_columns_for_whole_numbers(roots: str) -> None:
    """What the page says of it: should a newer OR-tools do better, the page must change."""
    said = asked("CP-SAT", roots, True)
    assert (said["status"], said["objective"]) == ("OPTIMAL", 4.0)
    assert said["promised"]["mip_var_scaling"] == 1.0  # type: ignore[index]
    fine = asked("CP-SAT, scaled", roots, True)
    assert fine["objective"] == pytest.approx(TRUE, abs=2e-6)


def test_a_refused_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.mps"
    path.write_text("this is no model\n")
    for solver in ("HiGHS", "CP-SAT"):
        with pytest.raises(InputError) as caught:
            asked(solver, str(path), False)
        assert "\n" not in str(caught.value)


def test_the_optimum_of_tangents_is_below_the_true_one_by_what_they_may_miss() -> None:
    instance = generate("mepra-lattice", 9, devices=4)
    relaxed = study.exact_optimum(instance, "tangent", "enumeration")
    true = study.exact_optimum(instance, "conic", "brute-force")
    roots = [profile.layers[0].flops ** 0.5 for profile in instance.profiles]
    # Steps of 2 %: at most (0.02 / 2)^2 of the square of the sum of roots.
    assert 0 < true - relaxed <= Fraction(sum(roots)) ** 2 / 10000


def test_the_optimum_of_an_instance_is_a_rational() -> None:
    assert study.exact_optimum(case("cift", "cift-crafted-relay"), "flow", "brute-force") == 10806


def test_distances_are_relative_and_signed() -> None:
    truth = Fraction(1, 3)
    assert study.off(1 / 3, truth) == "0"
    assert study.off(0.3334, truth) == "+2.0e-04"
    assert study.off(0.33, truth) == "-1.0e-02"
    assert study.off(None, truth) == "-"


def test_tables_tell_a_status_and_a_bound_that_differ() -> None:
    promised = {"gap": 1e-4}
    reports = [
        study.Report("file", "HiGHS", exact, Fraction(100), said, why)
        for exact, said, why in (
            (
                False,
                {"status": "Optimal", "objective": 101.0, "bound": 100.0, "promised": promised},
                "",
            ),
            (True, {"status": "INFEASIBLE", "objective": None, "bound": None, "promised": {}}, ""),
        )
    ] + [study.Report("file", "GLPK", exact, Fraction(100), None, "refused") for exact in (0, 1)]
    parts = study.tables(reports)
    assert re.search(r"\| HiGHS [\d.]+ \| \+1.0e-02 \(0\) \|", parts["defaults"])
    assert re.search(r"\| HiGHS [\d.]+ \| INFEASIBLE: - \|", parts["gap 0"])
    assert "refused" in parts["gap 0"]
    assert "| file | 100 |" in parts["optima"]
