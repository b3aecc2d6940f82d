"""The study of rehearsals: its plans fit any chain, its table says what was seen."""

import pytest

pytest.importorskip("onnx")

from splitopt.bench.rehearse.rehearsal import Rehearsal, StageTimes
from splitopt.bench.studies.rehearsals.study import plans, row, table
from splitopt.instances.judge import check
from splitopt.instances.networks.profiles import Block, Profile


@pytest.mark.parametrize("count", [5, 18])
def test_the_plans_are_feasible_and_cut_where_least_crosses(count):
    blocks = tuple(Block(f"b{k}", 1e6, 1, 1000 - k) for k in range(count))
    profile = Profile("net", 5000, blocks, origin={"measured_speed_flop_per_s": 4e9})
    instance = row(profile, 1e7, 1e-3)
    found = list(plans(instance))
    assert all(check(instance, plan) == [] for plan in found)
    assert [len(plan.hosts) for plan in found] == [1, 2, 3]
    # The later the fewer bits: the last cut of the first half, and the last there is.
    assert [stop.blocks for stop in found[2].stops] == [count // 2, count - 1 - count // 2, 1]


def test_the_table_has_both_deviations():
    stages = (
        StageTimes("host", "board", 0.008, (0.012,), (0.001,)),
        StageTimes("hop", "board -> box", 0.002, (0.003,)),
    )
    total = StageTimes("request", "all", 0.010, (0.015,), (0.001,))
    text = table({"net": [Rehearsal(stages, total, 4e9, 0.8, 1.0, 2, 2, True)]})
    # 15 ms of 10; 14 ms of the 12 that a machine at four fifths would take.
    line = "| net | 10 to 10 | 50.0, 50.0 to 50.0 | 16.7, 16.7 to 16.7; 0 of 1 within 10 |"
    assert line in text.splitlines()
