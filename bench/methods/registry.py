"""The registry of methods: one explicit table, read without importing any solver."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from splitopt.bench.isolation.targets import BY_FILE
from splitopt.bench.methods.byfile.names import Problem, is_by_file, parse
from splitopt.instances.contract.method import Method
from splitopt.instances.core.errors import InputError, did_you_mean

Speeds = Literal["any", "listed"]
Kind = Literal["exact", "approximation", "heuristic", "learner"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One method for one problem.

    Attributes
    ----------
    name, problem
        Together the key.
    kind
        ``exact`` proves optima, ``approximation`` has a guarantee, ``heuristic`` and
        ``learner`` promise nothing.
    target
        ``module:object`` of the method; imported on first use.
    summary
        One line for people.
    engine
        What proves its optima: two methods confirm each other where engines differ. The models
        share no code that builds rows in any case.
    solver
        The native library that it calls; two of them never share a process.
    speeds
        Which instances of CIFT it takes: ``listed`` speeds only, or ``any``.
    reference
        Its place among the methods that are asked for optima, the likely fastest first. None
        of them shares anything with the label kernel.
    source, version
        Of a user's method: the hash of its source, and what it calls itself. Of a solver that reads
        files: None, and its package with the version. None for ours.
    """

    name: str
    problem: Problem
    kind: Kind
    target: str
    summary: str
    engine: str | None = None
    solver: str | None = None
    speeds: Speeds = "any"
    reference: int | None = None
    source: str | None = None
    version: str | None = None


# fmt: off
# name, what proves its optima, native library, speeds, place among the references;
# module; what it does
_EXACT: Mapping[Problem, tuple[tuple[str, str, str | None, Speeds, int | None, str, str], ...]] = {
    "cift": (
        ("brute-force", "enumeration", None, "any", 5,
         "formulations.cift.brute_force.enumeration:METHOD",
         "enumerate every plan; continuous speeds by one multiplier a phase"),
        ("highs-flow", "HiGHS", "highspy", "listed", 1,
         "formulations.cift.flow.method:METHOD",
         "a unit flow on the time-energy graph, a MILP in HiGHS; listed speeds"),
        ("jqodi-exact", "labels", None, "listed", None,
         "heuristics.jqodi.cift.method:EXACT_PROGRAM",
         "the time-energy program without trimming; listed speeds"),
        ("highs-assignment", "HiGHS", "highspy", "listed", 3,
         "formulations.cift.assignment.method:METHOD",
         "blocks assigned to nodes, a small MILP in HiGHS; listed speeds"),
        ("highs-oa", "HiGHS", "highspy", "any", 2,
         "formulations.cift.outer.method:METHOD",
         "outer approximation by MILPs in HiGHS; listed and continuous speeds"),
        ("scip-minlp", "SCIP", "pyscipopt", "any", None,
         "formulations.cift.scip.method:METHOD",
         "the natural nonlinear model in SCIP; listed and continuous speeds"),
        ("cpsat", "CP-SAT", "ortools", "listed", 4,
         "formulations.cift.cpsat.method:METHOD",
         "blocks, hops and levels as booleans in CP-SAT, scaling error stated; listed speeds"),
        ("pyomo-flow", "HiGHS", "highspy", "listed", None,
         "formulations.cift.pyomo.models:PYOMO_FLOW",
         "the flow MILP as a Pyomo model, solved by HiGHS; listed speeds"),
        ("gdp-bigm", "HiGHS", "highspy", "listed", None,
         "formulations.cift.pyomo.models:GDP_BIGM",
         "one disjunct a configuration, relaxed by big-M, MILP in HiGHS; listed speeds"),
        ("fronts", "fronts", None, "listed", None,
         "formulations.cift.fronts.method:METHOD",
         "Pareto fronts of energy and times, backwards over the network; listed speeds"),
        ("gdp-hull", "HiGHS", "highspy", "listed", None,
         "formulations.cift.pyomo.models:GDP_HULL",
         "one disjunct a configuration, by its hull, MILP in HiGHS; listed speeds"),
        ("didp", "DIDP", "didppy", "listed", None,
         "formulations.cift.didp.method:METHOD",
         "a domain-independent dynamic program in didppy, if installed; listed speeds"),
    ),
    "mepra": (
        ("brute-force", "enumeration", None, "any", 3,
         "formulations.mepra.brute_force:METHOD",
         "enumerate every combination of splits and exit sets"),
        ("highs-tangent", "HiGHS", "highspy", "any", 2,
         "formulations.mepra.tangent:METHOD",
         "tangents to the square of the sum of roots, MILPs in HiGHS"),
        ("cpsat", "CP-SAT", "ortools", "any", None,
         "formulations.mepra.cpsat:METHOD",
         "integers with one product in CP-SAT, scaling error stated"),
        ("lagrangian", "Lagrangian", None, "any", 1,
         "formulations.mepra.lagrangian:METHOD",
         "certified Lagrangian bound, repair, branch and bound over devices"),
        ("scip-minlp", "SCIP", "pyscipopt", "any", None,
         "formulations.mepra.scip:METHOD",
         "the natural model with shares in SCIP, a global solver"),
        ("highs-perspective", "HiGHS", "highspy", "any", None,
         "formulations.mepra.perspective:METHOD",
         "the conic form with shares, cones cut by planes, MILPs in HiGHS"),
        ("jqodi-exact", "labels", None, "any", None,
         "heuristics.jqodi.mepra.method:EXACT_PROGRAM",
         "the program over devices without trimming"),
        ("didp", "DIDP", "didppy", "any", None,
         "formulations.mepra.didp.method:METHOD",
         "a domain-independent dynamic program in didppy, if installed"),
    ),
}
# name, kind, module; line
_OTHERS: Mapping[Problem, tuple[tuple[str, Kind, str, str], ...]] = {
    "cift": (
        ("jqodi", "approximation", "heuristics.jqodi.cift.method:APPROXIMATE",
         "the time-energy program within a factor 1 + epsilon, with bounds"),
        ("device-only", "heuristic", "heuristics.baselines.cift.tiers:DEVICE_ONLY",
         "all blocks on one end node, with the best speeds"),
        ("edge-only", "heuristic", "heuristics.baselines.cift.tiers:EDGE_ONLY",
         "the raw input shipped, all blocks on one edge node"),
        ("cloud-only", "heuristic", "heuristics.baselines.cift.tiers:CLOUD_ONLY",
         "the raw input shipped, all blocks on one cloud node"),
        ("single-cut", "heuristic", "heuristics.baselines.cift.single_cut:METHOD",
         "the best plan with at most two hosts"),
        ("neurosurgeon", "heuristic", "heuristics.baselines.cift.neurosurgeon:METHOD",
         "one cut behind the source, for energy (or latency), blind to deadlines"),
        ("neurosurgeon-latency", "heuristic", "heuristics.baselines.cift.neurosurgeon:LATENCY",
         "one cut behind the source, for latency, blind to deadlines"),
        ("min-cut", "heuristic", "heuristics.baselines.cift.min_cut:METHOD",
         "the cheapest cut between the source and one node, by a maximum flow"),
        ("compression-blind", "heuristic", "heuristics.baselines.cift.blind:COMPRESSION_BLIND",
         "the best partition without compression (what RightTrain can express)"),
        ("partition-blind", "heuristic", "heuristics.baselines.cift.blind:PARTITION_BLIND",
         "the best compression and node without partition (what PACT can express)"),
        ("fin", "heuristic", "heuristics.baselines.cift.fin:METHOD",
         "cheapest path with latency rounded up to gamma levels"),
        ("local-search", "heuristic", "heuristics.baselines.cift.local_search:METHOD",
         "descents over paths, cuts and configurations, kicked and restarted"),
        ("pymoo-ga", "heuristic", "heuristics.baselines.cift.pymoo:METHOD",
         "pymoo's genetic algorithm on vectors decoded to placements"),
        ("random", "heuristic", "heuristics.baselines.cift.random:METHOD",
         "the best of many random plans"),
        ("ppo", "learner", "heuristics.learner.cift.method:METHOD",
         "a trained policy decides configuration, segments, speeds and links in turn"),
    ),
    "mepra": (
        ("jqodi", "approximation", "heuristics.jqodi.mepra.method:APPROXIMATE",
         "the program over devices within a factor 1 + epsilon, with bounds"),
        ("device-only", "heuristic", "heuristics.baselines.mepra.even:DEVICE_ONLY",
         "everything on the devices"),
        ("edge-only", "heuristic", "heuristics.baselines.mepra.even:EDGE_ONLY",
         "everything at the edge, even shares"),
        ("even-shares", "heuristic", "heuristics.baselines.mepra.even:EVEN_SHARES",
         "each device's best split at the share 1/n"),
        ("neurosurgeon", "heuristic", "heuristics.baselines.mepra.neurosurgeon:METHOD",
         "each device cuts as if the edge were its own; fixed exits"),
        ("spinn-ear", "heuristic", "heuristics.baselines.mepra.article:SPINN_EAR",
         "an exit each 15 % of the FLOPs, best splits at 1/n"),
        ("aco-ear", "heuristic", "heuristics.baselines.mepra.article:ACO_EAR",
         "exits by an ant colony, best splits at 1/n"),
        ("aco-device-only-ear", "heuristic",
         "heuristics.baselines.mepra.article:ACO_DEVICE_ONLY_EAR",
         "exits by an ant colony, everything on the devices"),
        ("aco-edge-only-ear", "heuristic", "heuristics.baselines.mepra.article:ACO_EDGE_ONLY_EAR",
         "exits by an ant colony, everything at the edge, even shares"),
        ("fp-ar", "heuristic", "heuristics.baselines.mepra.article:FP_AR",
         "every split at layer 6, the best of 1000 allocations"),
        ("local-search", "heuristic", "heuristics.baselines.mepra.local_search:METHOD",
         "descents over the devices' choices, square-root shares, kicked and restarted"),
        ("pymoo-ga", "heuristic", "heuristics.baselines.mepra.pymoo:METHOD",
         "pymoo's genetic algorithm on the devices' choices, square-root shares"),
        ("random", "heuristic", "heuristics.baselines.mepra.random:METHOD",
         "the best of many random splits, square-root shares"),
        ("ppo", "learner", "heuristics.learner.mepra.method:METHOD",
         "a policy trained by reinforcement on generated instances, run with NumPy alone"),
    ),
}
# fmt: on


def _entries(problem: Problem) -> Iterator[Entry]:
    for name, engine, solver, speeds, reference, target, summary in _EXACT[problem]:
        known = (engine, solver, speeds, reference)
        yield Entry(name, problem, "exact", f"splitopt.{target}", summary, *known)
    for name, kind, target, summary in _OTHERS[problem]:
        yield Entry(name, problem, kind, f"splitopt.{target}", summary)


METHODS: tuple[Entry, ...] = (*_entries("cift"), *_entries("mepra"))


def references(problem: str) -> tuple[str, ...]:
    """Return the exact methods that share nothing with the label kernel, fastest first."""
    ranked = sorted((e.reference, e.name) for e in entries_for(problem) if e.reference is not None)
    return tuple(name for _, name in ranked)


def by_file(name: str) -> Entry:
    """Return the entry of a method named ``FORMULATION@SOLVER`` or ``...==VERSION``.

    Raises
    ------
    InputError
        When there is none, or the solver is not installed.
    """
    from splitopt.bench.methods.byfile.environments import find as find_environment

    parsed = parse(name)
    return Entry(
        name,
        parsed.problem,
        "exact",
        f"{BY_FILE}:{name}",
        f"{parsed.formulation}, by file: written, read and solved by {parsed.solver.summary}",
        parsed.solver.engine,
        "by file",
        version=str(find_environment(parsed.solver, parsed.version)),
    )


def entry_at(target: str) -> Entry | None:
    """Return the entry of our own whose method stands at ``module:object``."""
    module, _, name = target.partition(":")
    if module == BY_FILE:
        return by_file(name)
    return next((entry for entry in METHODS if entry.target == target), None)


def engine_of(method: str) -> str | None:
    """Return what proves the optima of a method; None for what proves none, or is not ours."""
    if is_by_file(method):
        try:
            return parse(method).solver.engine
        except InputError:
            return None
    return next((e.engine for e in METHODS if e.name == method and e.engine is not None), None)


def entries_for(problem: str) -> tuple[Entry, ...]:
    """Return the methods of a problem, in table order."""
    return tuple(entry for entry in METHODS if entry.problem == problem)


def find(name: str, problem: str) -> Entry:
    """Return the entry of a method by name.

    Raises
    ------
    InputError
        When the problem has no method of that name.
    """
    if is_by_file(name):
        entry = by_file(name)
        if entry.problem == problem:
            return entry
        formulation = name.partition("@")[0]
        raise InputError(
            "method", name, f"a formulation of {problem}", f"{formulation} is of {entry.problem}"
        )
    for entry in entries_for(problem):
        if entry.name == name:
            return entry
    raise InputError("method", name, f"a method for {problem}", _remedy(name, problem))


def _remedy(name: str, problem: str) -> str:
    """Return what to do about a name that no method of `problem` has."""
    others = sorted({entry.problem for entry in METHODS if entry.name == name})
    if others:
        return f"it solves {', '.join(others)}; see splitopt methods --problem {problem}"
    known = [entry.name for entry in entries_for(problem)]
    return did_you_mean(name, known, f"see splitopt methods --problem {problem}")


def load(name: str, problem: str) -> Method[Any, Any]:
    """Return the method of that name for a problem, importing its module.

    Raises
    ------
    InputError
        When the problem has no method of that name.
    """
    module, _, attribute = find(name, problem).target.partition(":")
    found = importlib.import_module(module)
    method: Method[Any, Any] = (
        found.method(name) if module == BY_FILE else getattr(found, attribute)
    )
    return method
