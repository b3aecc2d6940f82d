"""The one registry of benchmarks: frozen specs, each with its phases."""

from __future__ import annotations

import benchmark_kernels
import benchmark_learner
import benchmark_methods
import benchmark_models
import benchmark_startup
from benchmark_spec import Phase, Spec

SPECS: tuple[Spec, ...] = (
    *benchmark_models.SPECS,
    *benchmark_methods.SPECS,
    *benchmark_kernels.SPECS,
    *benchmark_learner.SPECS,
    *benchmark_startup.SPECS,
)


def cases(small: bool) -> list[tuple[Spec, Phase]]:
    """Return every spec with each of its phases; with `small` those of the smoke run."""
    return [
        (spec, phase)
        for spec in SPECS
        for phase in spec.phases
        if not small or (spec.small and phase.smoke)
    ]
