"""Every phase of every spec: timed by ``make benchmark``, run once by the suite."""

import json
import math
from pathlib import Path

import pytest
from benchmark_registry import SPECS

FROZEN = Path(__file__).with_name("frozen.json")


def frozen():
    return json.loads(FROZEN.read_text())


def skip_without(spec):
    if spec.missing:
        pytest.skip(f"needs {', '.join(spec.missing)}: pip install {' '.join(spec.missing)}")


def test_phase(benchmark, spec, phase):
    skip_without(spec)
    benchmark.group = f"{spec.group} {phase.name}"
    found = benchmark.pedantic(
        phase.run, setup=lambda: (phase.prepare(), {}), rounds=phase.rounds, iterations=1
    )
    if phase.answer is None:
        return
    answer = phase.answer(found)
    benchmark.extra_info["answer"] = answer
    wanted = frozen()[spec.name]["answers"].get(phase.name)
    if math.isnan(answer):
        # No answer within the cap: the time is a lower bound, and what is saved says so.
        benchmark.extra_info["censored"] = True
        assert wanted is None or not spec.small
    else:
        # Solvers stop at a gap of 1e-6.
        assert wanted is None or answer <= wanted * (1 + 4e-6)
        assert wanted is None or not phase.optimal or answer >= wanted * (1 - 4e-6)


def test_the_registry_names_each_spec_once():
    names = [spec.name for spec in SPECS]
    assert len(names) == len(set(names))
    assert set(names) == set(frozen())
    for spec in SPECS:
        assert len({phase.name for phase in spec.phases}) == len(spec.phases)


@pytest.mark.parametrize("spec", [s for s in SPECS if s.small], ids=lambda spec: spec.name)
def test_specs_are_frozen(spec):
    # A benchmark whose input changed is another benchmark: give it another name.
    assert spec.fingerprint() == frozen()[spec.name]["input"]


def test_specs_of_one_group_have_one_answer():
    groups = {}
    for spec in SPECS:
        for name, answer in frozen()[spec.name]["answers"].items():
            if spec.suite == "models" or spec.name.endswith(("-labels", "-highs", "-cspy")):
                groups.setdefault((spec.group, name), {})[spec.name] = answer
    assert any(len(found) > 1 for found in groups.values())
    for found in groups.values():
        first = next(iter(found.values()))
        assert all(answer == pytest.approx(first, rel=4e-6) for answer in found.values()), found
