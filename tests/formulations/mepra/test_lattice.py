"""Steps that roots have in common, and what counting them does for the tangents' MILP."""

from __future__ import annotations

import numpy as np
import pytest

from splitopt.bench.methods.registry import load
from splitopt.bench.store.sources import load_instance
from splitopt.bench.verdicts.optimum import require_optimum
from splitopt.formulations.mepra.lattice import lattice_of
from splitopt.formulations.mepra.options import option_table
from splitopt.formulations.mepra.tangent import TangentModel
from splitopt.instances.contract.method import Budget


def test_the_step_of_near_multiples_is_found() -> None:
    # 3, 2 and -1 steps of 10, off by 0.2, 0.1 and -0.3; the second device has two options.
    found = lattice_of(np.array([30.2, 20.1, 9.9, -10.3]), np.array([0, 1, 1, 2]))
    assert found is not None
    assert found.whole.tolist() == [3, 2, 1, -1]
    assert found.step * found.whole + found.rest == pytest.approx([30.2, 20.1, 9.9, -10.3])
    # Each device takes one option or none.
    assert found.least == pytest.approx(
        min(0.0, found.rest[0]) + min(0.0, *found.rest[1:3]) + min(0.0, found.rest[3])
    )
    assert found.most - found.least < found.step
    # Sums are 50.0 to 60.3 and the like: none lies from 52.6 to 57, and six steps reach 60.
    assert found.counts(52.6, 57.0) == (6.0, 5.0)
    assert found.counts(58.0, 61.0) == (6.0, 6.0)


def test_roots_without_a_step_have_none() -> None:
    rng = np.random.default_rng(0)
    assert lattice_of(rng.uniform(1, 2, 200), np.arange(200)) is None
    assert lattice_of(np.zeros(3), np.arange(3)) is None
    assert lattice_of(np.empty(0), np.empty(0, dtype=np.int64)) is None


def test_a_lattice_is_proven_by_counting_steps() -> None:
    # The relaxation does not see the gaps: without K 500 nodes leave a gap above 1e-6.
    instance = load_instance("mepra-standard-073")
    method, budget = load("highs-tangent", "mepra"), Budget(time_limit_s=120.0)
    limit = {"solver.mip_max_nodes": 500}
    counted = method.solve(instance, budget, 0, limit)
    plain = method.solve(instance, budget, 0, {**limit, "steps": False})
    assert counted.status == "optimal"
    assert plain.status != "optimal"
    assert counted.objective == pytest.approx(require_optimum(instance), rel=1e-6)
    assert counted.bound is not None
    assert counted.bound <= require_optimum(instance) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("name", "ends"), [("mepra-standard-073", True), ("mepra-tiny-free", False)]
)
def test_r_has_ends_where_its_steps_are_counted(name: str, ends: bool) -> None:
    """Elsewhere they bring nothing, and HiGHS propagated them for 24 s at a limit of 3 s."""
    table = option_table(load_instance(name))
    form = TangentModel(table, np.arange(len(table.root)), 1.0, (0.0, 5 * table.root.max()))
    assert (form.lattice is not None) == ends
    total = len(form.others) + 1
    assert np.isfinite(form.milp(np.array([1.0])).upper[total]) == ends
