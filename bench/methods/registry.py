"""The registry of methods: one explicit table, read without importing any solver."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from splitopt.instances.contract.method import Method
from splitopt.instances.core.errors import InputError

__all__ = ["METHODS", "Entry", "entries_for", "find", "load"]

Problem = Literal["cift", "mepra"]
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
    """

    name: str
    problem: Problem
    kind: Kind
    target: str
    summary: str


METHODS: tuple[Entry, ...] = (
    Entry(
        "brute-force",
        "cift",
        "exact",
        "splitopt.formulations.cift.brute_force.enumeration:METHOD",
        "enumerate every plan; continuous speeds by one multiplier a phase",
    ),
    Entry(
        "brute-force",
        "mepra",
        "exact",
        "splitopt.formulations.mepra.brute_force:METHOD",
        "enumerate every combination of splits and exit sets",
    ),
    Entry(
        "highs-tangent",
        "mepra",
        "exact",
        "splitopt.formulations.mepra.tangent:METHOD",
        "tangents to the square of the sum of roots, MILPs in HiGHS",
    ),
    Entry(
        "cpsat",
        "mepra",
        "exact",
        "splitopt.formulations.mepra.cpsat:METHOD",
        "integers with one product in CP-SAT, scaling error stated",
    ),
    Entry(
        "lagrangian",
        "mepra",
        "exact",
        "splitopt.formulations.mepra.lagrangian:METHOD",
        "certified Lagrangian bound, repair, branch and bound over devices",
    ),
    Entry(
        "scip-minlp",
        "mepra",
        "exact",
        "splitopt.formulations.mepra.scip:METHOD",
        "the natural model with shares in SCIP, a global solver",
    ),
    Entry(
        "highs-perspective",
        "mepra",
        "exact",
        "splitopt.formulations.mepra.perspective:METHOD",
        "the conic form with shares, cones cut by planes, MILPs in HiGHS",
    ),
    Entry(
        "ppo",
        "mepra",
        "learner",
        "splitopt.heuristics.learner.mepra.method:METHOD",
        "a policy trained by reinforcement on generated instances, run with NumPy alone",
    ),
    Entry(
        "highs-flow",
        "cift",
        "exact",
        "splitopt.formulations.cift.flow.method:METHOD",
        "a unit flow on the time-energy graph, a MILP in HiGHS; listed speeds",
    ),
    Entry(
        "jqodi",
        "cift",
        "approximation",
        "splitopt.heuristics.jqodi.cift.method:APPROXIMATE",
        "the time-energy program within a factor 1 + epsilon, with bounds",
    ),
    Entry(
        "jqodi-exact",
        "cift",
        "exact",
        "splitopt.heuristics.jqodi.cift.method:EXACT_PROGRAM",
        "the time-energy program without trimming; listed speeds",
    ),
    Entry(
        "device-only",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.tiers:DEVICE_ONLY",
        "all blocks on one end node, with the best speeds",
    ),
    Entry(
        "edge-only",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.tiers:EDGE_ONLY",
        "the raw input shipped, all blocks on one edge node",
    ),
    Entry(
        "cloud-only",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.tiers:CLOUD_ONLY",
        "the raw input shipped, all blocks on one cloud node",
    ),
    Entry(
        "single-cut",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.single_cut:METHOD",
        "the best plan with at most two hosts",
    ),
    Entry(
        "neurosurgeon",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.neurosurgeon:METHOD",
        "one cut behind the source, for energy (or latency), blind to deadlines",
    ),
    Entry(
        "neurosurgeon-latency",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.neurosurgeon:LATENCY",
        "one cut behind the source, for latency, blind to deadlines",
    ),
    Entry(
        "compression-blind",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.blind:COMPRESSION_BLIND",
        "the best partition without compression (what RightTrain can express)",
    ),
    Entry(
        "partition-blind",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.blind:PARTITION_BLIND",
        "the best compression and node without partition (what PACT can express)",
    ),
    Entry(
        "fin",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.fin:METHOD",
        "cheapest path with latency rounded up to gamma levels",
    ),
    Entry(
        "local-search",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.local_search:METHOD",
        "descents over paths, cuts and configurations, kicked and restarted",
    ),
    Entry(
        "pymoo-ga",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.pymoo:METHOD",
        "pymoo's genetic algorithm on vectors decoded to placements",
    ),
    Entry(
        "ppo",
        "cift",
        "learner",
        "splitopt.heuristics.learner.cift.method:METHOD",
        "a trained policy decides configuration, segments, speeds and links in turn",
    ),
    Entry(
        "random",
        "cift",
        "heuristic",
        "splitopt.heuristics.baselines.cift.random:METHOD",
        "the best of many random plans",
    ),
    Entry(
        "jqodi",
        "mepra",
        "approximation",
        "splitopt.heuristics.jqodi.mepra.method:APPROXIMATE",
        "the program over devices within a factor 1 + epsilon, with bounds",
    ),
    Entry(
        "jqodi-exact",
        "mepra",
        "exact",
        "splitopt.heuristics.jqodi.mepra.method:EXACT_PROGRAM",
        "the program over devices without trimming",
    ),
    Entry(
        "device-only",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.even:DEVICE_ONLY",
        "everything on the devices",
    ),
    Entry(
        "edge-only",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.even:EDGE_ONLY",
        "everything at the edge, even shares",
    ),
    Entry(
        "even-shares",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.even:EVEN_SHARES",
        "each device's best split at the share 1/n",
    ),
    Entry(
        "neurosurgeon",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.neurosurgeon:METHOD",
        "each device cuts as if the edge were its own; fixed exits",
    ),
    Entry(
        "spinn-ear",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.article:SPINN_EAR",
        "an exit each 15 % of the FLOPs, best splits at 1/n",
    ),
    Entry(
        "aco-ear",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.article:ACO_EAR",
        "exits by an ant colony, best splits at 1/n",
    ),
    Entry(
        "aco-device-only-ear",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.article:ACO_DEVICE_ONLY_EAR",
        "exits by an ant colony, everything on the devices",
    ),
    Entry(
        "aco-edge-only-ear",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.article:ACO_EDGE_ONLY_EAR",
        "exits by an ant colony, everything at the edge, even shares",
    ),
    Entry(
        "fp-ar",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.article:FP_AR",
        "every split at layer 6, the best of 1000 allocations",
    ),
    Entry(
        "local-search",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.local_search:METHOD",
        "descents over the devices' choices, square-root shares, kicked and restarted",
    ),
    Entry(
        "pymoo-ga",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.pymoo:METHOD",
        "pymoo's genetic algorithm on the devices' choices, square-root shares",
    ),
    Entry(
        "random",
        "mepra",
        "heuristic",
        "splitopt.heuristics.baselines.mepra.random:METHOD",
        "the best of many random splits, square-root shares",
    ),
    Entry(
        "highs-assignment",
        "cift",
        "exact",
        "splitopt.formulations.cift.assignment.method:METHOD",
        "blocks assigned to nodes, a small MILP in HiGHS; listed speeds",
    ),
    Entry(
        "highs-oa",
        "cift",
        "exact",
        "splitopt.formulations.cift.outer.method:METHOD",
        "outer approximation by MILPs in HiGHS; listed and continuous speeds",
    ),
    Entry(
        "scip-minlp",
        "cift",
        "exact",
        "splitopt.formulations.cift.scip:METHOD",
        "the natural nonlinear model in SCIP; listed and continuous speeds",
    ),
    Entry(
        "cpsat",
        "cift",
        "exact",
        "splitopt.formulations.cift.cpsat.method:METHOD",
        "blocks, hops and levels as booleans in CP-SAT, scaling error stated; listed speeds",
    ),
    Entry(
        "pyomo-flow",
        "cift",
        "exact",
        "splitopt.formulations.cift.pyomo.models:PYOMO_FLOW",
        "the flow MILP as a Pyomo model, solved by HiGHS; listed speeds",
    ),
    Entry(
        "gdp-bigm",
        "cift",
        "exact",
        "splitopt.formulations.cift.pyomo.models:GDP_BIGM",
        "one disjunct a configuration, relaxed by big-M, MILP in HiGHS; listed speeds",
    ),
    Entry(
        "fronts",
        "cift",
        "exact",
        "splitopt.formulations.cift.fronts.method:METHOD",
        "Pareto fronts of energy and times, backwards over the network; listed speeds",
    ),
    Entry(
        "gdp-hull",
        "cift",
        "exact",
        "splitopt.formulations.cift.pyomo.models:GDP_HULL",
        "one disjunct a configuration, by its hull, MILP in HiGHS; listed speeds",
    ),
)


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
    known = entries_for(problem)
    for entry in known:
        if entry.name == name:
            return entry
    raise InputError(
        "method",
        name,
        f"methods for {problem}: " + ", ".join(entry.name for entry in known),
        _remedy(name, problem),
    )


def _remedy(name: str, problem: str) -> str:
    """Return what to do about a name that no method of `problem` has."""
    others = sorted({entry.problem for entry in METHODS if entry.name == name})
    if others:
        return f"{name} solves {', '.join(others)} only: splitopt methods --problem {problem}"
    import difflib

    near = difflib.get_close_matches(name, [entry.name for entry in entries_for(problem)], n=2)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"splitopt methods --problem {problem} says what each does"


def load(name: str, problem: str) -> Method[Any, Any]:
    """Return the method of that name for a problem, importing its module.

    Raises
    ------
    InputError
        When the problem has no method of that name.
    """
    module, _, attribute = find(name, problem).target.partition(":")
    method: Method[Any, Any] = getattr(importlib.import_module(module), attribute)
    return method
