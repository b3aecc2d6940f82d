"""What HiGHS is told."""

import numpy as np
import pytest

from splitopt.formulations.solvers.highs import SparseModel, load


def test_probing_is_what_load_leaves_out(capfd):
    """The rule has a number and no name in HiGHS's options: a new version may count anew."""
    one = np.ones(2)
    model = SparseModel(
        cost=-one, lower=0 * one, upper=one, integer=one > 0, row_lower=-one[:1], row_upper=one[:1],
        row=np.array([0, 0]), column=np.array([0, 1]), value=one,
    )  # fmt: skip
    assert load(model).getOptionValue("presolve_rule_off")[1] == 0
    highs = load(model, probing=False)
    if tuple(map(int, highs.version().split(".")[:2])) < (1, 12):
        pytest.skip("HiGHS 1.11 has no such rule")
    highs.setOptionValue("output_flag", True)
    highs.run()
    assert "32768): Probing" in capfd.readouterr().out
