"""What HiGHS is told."""

import numpy as np
import pytest

from splitopt.formulations.solvers.highs import SparseModel, load


def test_searches_are_what_load_leaves_out_unless_they_are_asked_for():
    """A name that HiGHS does not know is passed over in silence: it must not change unseen."""
    none = np.empty(0)
    whole = none.astype(np.int64)
    model = SparseModel(none, none, none, none > 0, none, none, whole, whole, none)
    if tuple(map(int, load(model).version().split(".")[:2])) < (1, 16):
        pytest.skip("older versions may lack some")
    asked = {"mip_heuristic_run_rins": True}
    highs = load(model, searches=False, parameters=asked)
    for name in ("feasibility_jump", "rens", "rins", "root_reduced_cost"):
        told = f"mip_heuristic_run_{name}"
        assert load(model).getOptionValue(told)[1]
        assert highs.getOptionValue(told)[1] == (told in asked)


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
