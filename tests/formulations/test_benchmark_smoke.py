"""The benchmark of building, loading and solving, once, on its smallest specs."""

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).with_name("benchmark_build_load_solve.py")
found = importlib.util.spec_from_file_location("benchmark_build_load_solve", PATH)
bench = importlib.util.module_from_spec(found)
sys.modules[found.name] = bench
found.loader.exec_module(bench)


@pytest.mark.parametrize("spec", bench.SPECS[:2], ids=lambda spec: spec.name)
def test_every_route_has_the_same_optimum(spec):
    instance = spec.instance()
    values = {}
    for route in bench.ROUTES:
        values[route] = bench.load_into(bench.build(spec, instance, route), route)()
    assert values["direct"] > 0
    for value in values.values():
        assert value == pytest.approx(values["direct"], rel=2e-6)
