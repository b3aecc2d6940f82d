"""The tangents' MILP, row by row against the quadratic it stands for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.formulations.mepra.options import OptionTable
from splitopt.formulations.mepra.tangent import TangentModel


def random_table(rng: np.random.Generator) -> OptionTable:
    counts = rng.integers(1, 5, rng.integers(1, 6))
    size = int(counts.sum())
    root = rng.uniform(0, 3, size)
    zeros = np.zeros(size, dtype=np.int64)
    return OptionTable(
        np.concatenate([[0], np.cumsum(counts)]),
        rng.uniform(0, 9, size),
        root**2,
        root,
        zeros,
        zeros,
        0.0,
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 50.0]))
def test_every_plan_is_a_solution_of_the_same_cost(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    table = random_table(rng)
    # Any subset with an option a device; the first ones may be gone.
    kept = np.concatenate(
        [
            np.sort(rng.choice(np.arange(a, b), rng.integers(1, b - a + 1), replace=False))
            for a, b in zip(table.start[:-1], table.start[1:], strict=True)
        ]
    )
    owner = table.device[kept]
    choice = np.array([rng.choice(kept[owner == i]) for i in range(table.devices)])
    form = TangentModel(table, kept, scale)
    columns = form.columns(choice)
    assert columns is not None
    assert form.picked(columns).tolist() == choice.tolist()
    here = float(table.root[choice].sum() * np.sqrt(scale))
    points = np.array([0.5 * here, 1.3 * here + 1])
    model = form.milp(points)
    rows = np.zeros(len(model.row_lower))
    np.add.at(rows, model.row, model.value * columns[model.column])
    assert (rows >= model.row_lower - 1e-9).all()
    assert (rows <= model.row_upper + 1e-9).all()
    assert (columns >= model.lower).all()
    assert (columns <= model.upper).all()
    assert model.cost @ columns == pytest.approx(table.cost(choice) * scale, rel=1e-12)
    # The tangent at the plan's own R lets v be R^2 and no less.
    left, where, values = form.tangent(here)
    assert values @ columns[where] == pytest.approx(left, rel=1e-9, abs=1e-9)
    assert np.isfinite(model.value).all()


def test_a_plan_outside_the_model_has_no_columns() -> None:
    table = random_table(np.random.default_rng(3))
    kept = table.start[:-1]
    full = TangentModel(table, np.arange(len(table.root)), 1.0)
    bare = TangentModel(table, kept, 1.0)
    last = table.start[1:] - 1
    assert full.columns(last) is not None
    assert bare.columns(last) is None
    assert bare.columns(kept) is not None
