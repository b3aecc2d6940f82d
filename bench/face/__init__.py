"""Exact references for split DNN inference: the names to import.

How far from the optimum is a method that splits a network over device, edge and cloud? ::

    import splitopt

    instance = splitopt.load("cift-tiny-both")
    best = splitopt.solve(instance, "highs-flow")
    print(best)
    splitopt.check(instance, best.plan)

What is listed in ``__all__`` is stable; everything below `splitopt.instances`,
`splitopt.formulations`, `splitopt.heuristics` and `splitopt.bench` is the suite's own. Nothing is
loaded before it is used, so that importing this costs a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from splitopt.bench.compare.frames import frame
    from splitopt.bench.explain import explain
    from splitopt.bench.methods.registry import Entry
    from splitopt.bench.runs.runner import RunSummary
    from splitopt.heuristics.labels import PathResult, constrained_shortest_path
    from splitopt.instances.cift.model import (
        CiftInstance,
        Compression,
        Configuration,
        Link,
        Node,
        SpeedInterval,
        Training,
    )
    from splitopt.instances.cift.plan import CiftPlan, Stop
    from splitopt.instances.contract.method import (
        Budget,
        Guarantee,
        Instance,
        Method,
        Option,
        Plan,
        Progress,
        Recorder,
        Result,
        SolutionStatus,
        Support,
        Termination,
        read_options,
    )
    from splitopt.instances.contract.outcome import conclude, nothing_found
    from splitopt.instances.core.errors import InputError
    from splitopt.instances.generators import families, generate
    from splitopt.instances.judge import certify, check, evaluate, read_plan
    from splitopt.instances.library import names, sets
    from splitopt.instances.mepra.model import ExitFractions, MepraInstance
    from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights
    from splitopt.instances.networks.calibration import EpochsDistribution, epochs_distribution
    from splitopt.instances.networks.profiles import (
        Block,
        Layer,
        MultiExitProfile,
        Profile,
        load_profile,
    )
    from splitopt.instances.networks.tensors import Tensor

__all__ = [
    "Block",
    "Budget",
    "CiftInstance",
    "CiftPlan",
    "Compression",
    "Configuration",
    "EpochsDistribution",
    "ExitFractions",
    "Guarantee",
    "InputError",
    "Layer",
    "Link",
    "MepraInstance",
    "MepraPlan",
    "MultiExitProfile",
    "Node",
    "Option",
    "PathResult",
    "Profile",
    "Progress",
    "Recorder",
    "Result",
    "SolutionStatus",
    "SpeedInterval",
    "Stop",
    "Support",
    "Tensor",
    "Termination",
    "Training",
    "certify",
    "check",
    "conclude",
    "constrained_shortest_path",
    "epochs_distribution",
    "evaluate",
    "explain",
    "families",
    "frame",
    "generate",
    "load",
    "load_profile",
    "load_set",
    "method",
    "methods",
    "model",
    "names",
    "nothing_found",
    "plan_of",
    "read_options",
    "read_plan",
    "register",
    "run",
    "save",
    "sets",
    "shares_from_weights",
    "solve",
]

# Name to the module below `splitopt` that has it.
_HOMES = {
    name: module
    for module, found in {
        "bench.compare.frames": ("frame",),
        "bench.explain": ("explain",),
        "heuristics.labels": ("PathResult", "constrained_shortest_path"),
        "instances.cift.model": (
            "CiftInstance", "Compression", "Configuration", "Link", "Node", "SpeedInterval",
            "Training",
        ),
        "instances.cift.plan": ("CiftPlan", "Stop"),
        "instances.contract.method": (
            "Budget", "Guarantee", "Option", "Progress", "Recorder", "Result", "SolutionStatus",
            "Support", "Termination", "read_options",
        ),
        "instances.contract.outcome": ("conclude", "nothing_found"),
        "instances.core.errors": ("InputError",),
        "instances.generators": ("families", "generate"),
        "instances.judge": ("certify", "check", "evaluate", "read_plan"),
        "instances.library": ("names", "sets"),
        "instances.mepra.model": ("ExitFractions", "MepraInstance"),
        "instances.mepra.plan": ("MepraPlan", "shares_from_weights"),
        "instances.networks.tensors": ("Tensor",),
        "instances.networks.calibration": ("EpochsDistribution", "epochs_distribution"),
        "instances.networks.profiles": (
            "Block", "Layer", "MultiExitProfile", "Profile", "load_profile",
        ),
    }.items()
    for name in found
}  # fmt: skip
_registered: list[str] = []


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'splitopt' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(f"splitopt.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load(name: str | Path) -> Instance:
    """Return an instance: a name in the library, ``family-sSEED``, or a file.

    Raises
    ------
    InputError
        When there is none of that name, or the file is damaged.
    """
    from splitopt.bench.store.sources import load_instance

    return load_instance(str(name))


def load_set(name: str) -> tuple[Instance, ...]:
    """Return the instances of a set of the library, such as ``tiny``; `sets` names them."""
    from splitopt.instances import library

    return tuple(library.load(member) for member in library.names(name))


def save(path: str | Path, what: Instance | Plan) -> None:
    """Write an instance or a plan to a JSON file, in one step."""
    from pathlib import Path

    from splitopt.instances.core.documents import write_json

    write_json(Path(path), what.to_document())


def method(name: str, problem: str) -> Method[Any, Any]:
    """Return a method of the suite as an object, to call its `solve` in this process.

    Nothing watches it there: it may overrun its limit, and nobody judges what it says.
    """
    from splitopt.bench.methods.registry import load as load_method

    return load_method(name, problem)


def model(instance: Instance, formulation: str, unit: float | None = None) -> Any:
    """Return a formulation of an instance as a Pyomo model, for any solver that Pyomo knows.

    For CIFT ``flow``, ``assignment``, ``gdp-bigm``, ``gdp-hull``; for MEPRA ``natural``,
    ``conic``, ``tangent``, of which the last is a relaxation.

    Parameters
    ----------
    unit
        Of the objective, in J for CIFT. By default 1, or a power of two that brings the optimum
        to 64 or more, since solvers stop at absolute gaps as well. ``model.objective_unit`` keeps
        it: times that, the objective is the instance's.

    Raises
    ------
    InputError
        Where the formulation does not take the instance, or the unit is no number above 0.
    """
    from splitopt.bench.methods.exporting import build

    return build(instance, formulation, unit)


def plan_of(model: Any, instance: Instance, formulation: str) -> Plan:
    """Return the plan that the values of a `model`'s variables stand for."""
    from splitopt.bench.methods.exporting import read_back

    return read_back(model, instance, formulation)


def methods(problem: str | None = None) -> tuple[Entry, ...]:
    """Return the methods for a problem, ``cift`` or ``mepra``, or all.

    Those of the suite, of installed packages, and those registered here.
    """
    from splitopt.bench.methods.plugins import all_entries

    entries, _ = all_entries(tuple(_registered))
    return tuple(entry for entry in entries if problem in (None, entry.problem))


def register(target: str) -> None:
    """Add a method of your own, named as ``module:object``, to what this session knows.

    Processes of their own import it by that name, so it has to stand in a module.

    Raises
    ------
    InputError
        When it cannot be loaded, or has a name that is taken.
    """
    from splitopt.bench.methods.plugins import all_entries

    if target not in _registered:
        all_entries((*_registered, target))
        _registered.append(target)


def solve(
    instance: Instance | str | Path,
    method: str,
    *,
    time_limit_s: float | None = None,
    seed: int = 0,
    options: Mapping[str, object] | None = None,
    warm_start: Plan | None = None,
    threads: int = 1,
    memory_limit_bytes: int | None = None,
    relative_gap: float | None = None,
) -> Result:
    """Solve an instance in a process of its own, judged, and killed when it breaks its limits.

    Parameters
    ----------
    instance
        An instance, a name in the library, or a file.
    method
        Name of a method for its problem; `methods` lists them. ``flow@scip`` or
        ``flow@highs==1.16.0`` writes the model to a file, which that solver reads and solves.
    time_limit_s
        Seconds the method is told; it is killed 2 s and a tenth later. None for no limit.
    seed, options, warm_start
        Of what is random; of the method; a plan to start from.
    threads, memory_limit_bytes, relative_gap
        Threads a solver may start; bytes of all its processes; gap at which it may stop.

    Returns
    -------
    Result
        Objective and violations are the judge's; see `splitopt.bench.runs.solve_once`.

    Raises
    ------
    InputError
        For an instance, method or option that is not what it should be.
    """
    from splitopt.bench.runs.solve_once import solve_once

    return solve_once(
        instance,
        method,
        time_limit_s=time_limit_s,
        seed=seed,
        options=options,
        warm_start=warm_start,
        threads=threads,
        memory_limit_bytes=memory_limit_bytes,
        relative_gap=relative_gap,
        plugins=tuple(_registered),
    )


def run(
    instances: Sequence[str],
    methods: Sequence[str],
    out: str | Path,
    *,
    time_limit_s: float,
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    options: Mapping[str, Mapping[str, object]] | None = None,
    threads: int = 1,
    memory_limit_bytes: int | None = None,
    relative_gap: float | None = None,
) -> RunSummary:
    """Run methods on instances into the store in `out`, as ``splitopt run`` does; resumes.

    Parameters
    ----------
    instances
        Names of the library or files; `names` gives those of a set.
    methods
        Names of methods; where one does not serve a problem it is skipped.
    seeds, jobs
        Every pair is run once for each seed; so many runs at a time.
    options
        Options by method.
    time_limit_s, threads, memory_limit_bytes, relative_gap
        Of each run, as for `solve`.

    See `splitopt.bench.runs.runner.run_set` for what else a set of runs can be told.
    """
    from pathlib import Path

    from splitopt.bench.runs.runner import RunSpec, run_set
    from splitopt.bench.store.rows import Limits

    limits = Limits.of(
        time_limit_s,
        threads=threads,
        memory_limit_bytes=memory_limit_bytes,
        relative_gap=relative_gap,
    )
    spec = RunSpec(
        instances=instances,
        methods=methods,
        limits=limits,
        seeds=seeds,
        options=options or {},
        plugins=tuple(_registered),
    )
    return run_set(spec, Path(out), jobs=jobs)
