"""A run that kernels are wanted for begins anew with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from splitopt.bench.methods.registry import load
from splitopt.bench.runs.solve_once import solve_once
from splitopt.instances.contract.method import Budget
from splitopt.instances.generators import generate


def test_kernels_are_announced_and_change_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    small, large = generate("mepra-dense", 1), generate("mepra-large", 3, devices=20_000)
    alone = load("jqodi", "mepra")
    for instance, said in ((small, 0), (large, 1), (large, 0)):
        found = solve_once(instance, "jqodi", time_limit_s=None)
        assert capfd.readouterr().err.count("splitopt: compiling once, about") == said
        expected = alone.solve(instance, Budget(None), 0, {})
        assert (found.objective, found.bound) == (expected.objective, expected.bound)
        assert found.termination == "solved"
        # Points of a run given up do not count: its clock began anew.
        assert found.trajectory
        assert max(point.time_s for point in found.trajectory) <= found.runtime_s
