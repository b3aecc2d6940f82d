"""Benchmarks import each other by name; continuous integration runs the small ones, once."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))


def pytest_generate_tests(metafunc):
    if {"spec", "phase"} <= set(metafunc.fixturenames):
        from benchmark_registry import cases

        small = not metafunc.config.getoption("benchmark_enable")
        found = cases(small)
        ids = [f"{spec.name}-{phase.name}".replace(" ", "-") for spec, phase in found]
        metafunc.parametrize(("spec", "phase"), found, ids=ids)
