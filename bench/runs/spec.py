"""Which runs are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from splitopt.bench.store.rows import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Every method on every instance, once for each seed and repetition.

    Attributes
    ----------
    instances
        Names in the library, or files.
    methods
        Names of methods; one that does not serve an instance's problem is skipped there.
    limits
        What each run may use.
    seeds, repetitions
        Every pair is run once for each.
    options
        Options by method.
    shared
        Options for each of the methods that has them; its own come first.
    plugins
        ``module:object`` of methods of the user's own.
    """

    instances: Sequence[str]
    methods: Sequence[str]
    limits: Limits
    seeds: Sequence[int] = (0,)
    repetitions: int = 1
    options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    shared: Mapping[str, object] = field(default_factory=dict)
    plugins: Sequence[str] = ()
