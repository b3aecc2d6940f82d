"""Agreement with enumeration notices a wrong coefficient in any module that builds costs.

Every module below formulations and heuristics that reads a figure of an instance (such as
``kappa_j_s2_per_flop3``) and that an exact or approximate method imports is changed so that the
figure reads larger (then, if nobody noticed, smaller), run as a throwaway module, and some
method that uses it must then disagree with enumeration on one of a few instances. Modules that
come later are found by themselves.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import importlib
import importlib.util
import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from splitopt.bench.methods.conformance.fuzz.beyond import as_graph
from splitopt.bench.methods.registry import METHODS, Entry, load
from splitopt.heuristics.labels.api import KERNELS
from splitopt.instances.cift.distributions import Factor, Scenario, Spread
from splitopt.instances.cift.doubt import Doubt
from splitopt.instances.cift.judge import highest_throughput_per_s
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
    Training,
)
from splitopt.instances.contract.method import Budget, SolutionStatus, Termination
from splitopt.instances.core import kernels as compiled
from splitopt.instances.core.tolerances import not_above, values_agree
from splitopt.instances.judge import check, evaluate, read_instance
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.networks.profiles import Block, Layer, MultiExitProfile, Profile

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
ROOMS = ("splitopt.formulations.", "splitopt.heuristics.")
CIFT = (
    "kappa_j_s2_per_flop3", "busy_power_w", "memory_bytes", "rate_bit_per_s", "delay_s",
    "energy_j_per_bit", "flops_factor", "param_factor", "activation_factor", "compute_factor",
    "communication_factor", "batch_size", "memory_factor", "input_bits", "flops", "param_bytes",
    "activation_bits", "requests", "sample_passes", "expected_passes", "assured_passes",
    "inference_deadline_s", "fine_tuning_deadline_s",
)  # fmt: skip
MEPRA = (
    "edge_capacity_flop_per_s", "bandwidth_bit_per_s", "weight_time_per_s", "weight_energy_per_j",
    "speed_flop_per_s", "power_w", "transmit_power_w", "flops", "branch_flops",
    "activation_bits", "input_bits",
)  # fmt: skip
FIGURES = frozenset((*CIFT, *MEPRA))
# One figure a problem for the fast check; the slow one takes them all.
FAST = ("energy_j_per_bit", "kappa_j_s2_per_flop3", "branch_flops", "requests", "flops")

# Where a changed figure changes no answer, and why.
_STEERS = "only says where tangents are put: any tangent is a valid one"
_SIGN = "only asked whether it is there"
_CONES = "intervals of speeds, which the methods leave to highs-oa; the model is tested apart"
_CLOSED = "intervals of speeds in doubt, which enumeration does not take; closed forms try them"
_UNIT = "only a unit of work: shares of it times it are the FLOP of segments"
HARMLESS: dict[tuple[str, str], str] = {
    (
        "splitopt.formulations.cift.brute_force.plans",
        "expected_passes",
    ): "only counts plans; the costs use epochs",
    ("splitopt.formulations.cift.didp.states", "expected_passes"): _SIGN,
    ("splitopt.formulations.cift.flow.arcs", "inference_deadline_s"): _SIGN,
    ("splitopt.formulations.cift.flow.arcs", "fine_tuning_deadline_s"): _SIGN,
    ("splitopt.formulations.cift.flow.doubt", "expected_passes"): _SIGN,
    ("splitopt.formulations.cift.outer.model", "flops"): _UNIT,
    ("splitopt.formulations.cift.outer.model", "flops_factor"): _UNIT,
    ("splitopt.formulations.cift.outer.method", "busy_power_w"): _STEERS,
    ("splitopt.formulations.cift.outer.method", "kappa_j_s2_per_flop3"): _STEERS,
    ("splitopt.formulations.cift.outer.fitting", "busy_power_w"): _CLOSED,
    ("splitopt.formulations.cift.outer.fitting", "kappa_j_s2_per_flop3"): _CLOSED,
    ("splitopt.formulations.cift.scip.reading", "requests"): _SIGN,
    ("splitopt.formulations.cift.pyomo.cones", "busy_power_w"): _CONES,
    ("splitopt.formulations.cift.pyomo.cones", "kappa_j_s2_per_flop3"): _CONES,
    ("splitopt.heuristics.jqodi.cift.levels", "requests"): _SIGN,
    ("splitopt.heuristics.jqodi.cift.levels", "inference_deadline_s"): _SIGN,
    ("splitopt.heuristics.jqodi.cift.levels", "fine_tuning_deadline_s"): _SIGN,
}


# -- sharp instances: every figure matters ------------------------------------------------


def cift(continuous: bool, shipped: bool) -> CiftInstance:
    """An end, a relay, an edge and a cloud node, all figures above zero.

    The deadlines and the memory of the hosts are then drawn in to what the optimum needs, so
    that a figure that reads larger shuts it out and one that reads smaller lets in others.
    """

    def speeds(*levels):
        return SpeedInterval(levels[0], levels[-1]) if continuous else levels

    nodes = (
        Node("end", "end", speeds(4e9, 6e9, 9e9), 3e-29, 0.5, 0.0 if shipped else 3e6, 40),
        Node("relay", "edge", speeds(1e9, 2e9), 1e-28, 1.0, 0.0),
        Node("edge", "edge", speeds(1e10, 1.5e10, 2.5e10), 1e-30, 2.0, 8e6),
        Node("cloud", "cloud", speeds(6e10, 1e11), 4e-32, 40.0, 5e7),
    )
    links = (
        Link("end", "relay", 8e7, 0.004, 4e-8),
        Link("end", "cloud", 2e7, 0.03, 3e-7),
        Link("relay", "edge", 2e8, 0.002, 2e-8),
        Link("edge", "cloud", 3e8, 0.01, 1e-7),
    )
    model = Profile(
        "net",
        3e6,
        (
            Block("b1", 1e9, 1e6, 2e6),
            Block("b2", 2e9, 3e6, 1e6),
            Block("b3", 4e9, 6e6, 1.5e6),
            Block("b4", 3e9, 2e7, 1e4),
        ),
    )
    free = CiftInstance(
        "sharp",
        nodes,
        links,
        (model,),
        (Compression("some", 0.75, 0.5, 0.625),),
        (Configuration("net", "some", "end", 0.5, 3),),
        400,
        training=Training(3, 2, 4, 2),
    )
    oracle = load("brute-force", "cift")
    # A deadline between what the thriftiest plan takes and what is possible: it binds.
    cost = evaluate(free, oracle.solve(free, Budget(), 0, {}).plan)
    bound = free.replace(
        inference_deadline_s=cost.inference_latency_s * 0.85,
        fine_tuning_deadline_s=cost.fine_tuning_time_s * 0.85,
    )
    plan = oracle.solve(bound, Budget(), 0, {}).plan
    cost = evaluate(bound, plan)
    held = {}
    done = 0
    for stop in plan.stops:
        held[stop.node] = sum(b.param_bytes for b in model.blocks[done : done + stop.blocks])
        done += stop.blocks
    drawn_in = tuple(
        Node(
            n.name, n.tier, n.speeds_flop_per_s, n.kappa_j_s2_per_flop3, n.busy_power_w,
            held.get(n.name, 0.0) * 0.5 * 2 or n.memory_bytes, n.samples,
        )
        for n in nodes
    )  # fmt: skip
    return bound.replace(
        nodes=drawn_in,
        inference_deadline_s=cost.inference_latency_s,
        fine_tuning_deadline_s=cost.fine_tuning_time_s,
    )


def mepra(free: bool, input_bits: float = 8e6) -> MepraInstance:
    """Three devices, one of them cut inside, or one that ships a small input."""
    network = MultiExitProfile(
        "net",
        input_bits,
        (Layer("l1", 2e9, 3e8, 5e5), Layer("l2", 3e9, 2e8, 3e5), Layer("l3", 4e9, 4e8, 1e5)),
    )
    zero = np.zeros(3, dtype=np.int64)
    return MepraInstance(
        "sharp",
        3e10,
        5e6,
        1.0,
        0.25,
        (network,),
        ExitFractions.of([[0.25, 0.25, 0.5]]),
        np.array([4e9, 1e10, 2e10]),
        np.array([3.0, 5.0, 4.0]),
        np.array([1.0, 2.0, 1.5]),
        zero,
        zero,
        None if free else np.array([0b111, 0b101, 0b110]),
    )


def in_doubt(instance: CiftInstance, **doubt) -> CiftInstance:
    """The instance with a doubt of its network, deadlines drawn in to what the optimum needs."""
    loose = instance.replace(
        inference_deadline_s=instance.inference_deadline_s * 1.1,
        fine_tuning_deadline_s=instance.fine_tuning_deadline_s * 1.1,
        doubt=Doubt(**doubt, inference_confidence=0.75, fine_tuning_confidence=0.75),
    )
    cost = evaluate(loose, load("brute-force", "cift").solve(loose, Budget(), 0, {}).plan)
    return loose.replace(
        inference_deadline_s=cost.inference_latency_s * (1 + 1e-8),
        fine_tuning_deadline_s=cost.fine_tuning_time_s * (1 + 1e-8),
    )


def rated(instance: CiftInstance, slower: float) -> CiftInstance:
    """The instance at the highest throughput of its optimum, without deadlines; one link slowed."""
    loose = instance.replace(
        inference_deadline_s=None,
        fine_tuning_deadline_s=None,
        links=tuple(
            dataclasses.replace(link, rate_bit_per_s=link.rate_bit_per_s / slower)
            if link.tail == "edge"
            else link
            for link in instance.links
        ),
    )
    plan = load("brute-force", "cift").solve(loose, Budget(), 0, {}).plan
    return loose.replace(throughput_per_s=highest_throughput_per_s(loose, plan))


@functools.cache
def cases(problem: str):
    """Return (instance, what enumeration says) before anything is changed."""
    if problem == "doubt":
        plain = cift(False, False)
        worse = Scenario(0.5, (Factor("end", "cloud", 0.8),), (Factor("cloud", None, 0.75),))
        drawn = [Scenario(0.5), worse]
        spread = [Spread("end", "cloud", 1.1, 0.02), Spread("cloud", None, 1.2, 0.03)]
        found = [in_doubt(plain, scenarios=drawn), in_doubt(plain, spread=spread)]
        # Where the first plans met are not the best: what bounds them, and branches, decides.
        found += [read_instance(DATA / f"sharp-{name}.json") for name in ("scenarios", "spread")]
    elif problem == "rates":
        graph = cases("cift")[4][0]
        found = [rated(graph, 1.0), rated(graph, 110.0)]  # a host decides, or a link
    elif problem == "cift":
        found = [cift(c, s) for c in (False, True) for s in (False, True)]
        # What is read of graphs alone.
        found.append(found[0].replace(models=tuple(map(as_graph, found[0].models))))
        # Where Lagrangian bounds leave a gap for what comes behind them, or the first plans met are
        # not the best, so that a bound too high leaves them standing.
        names = ("open-continuous-22", "sharp-listed")
        found += [read_instance(DATA / f"{name}.json") for name in names]
    else:
        found = [mepra(False), mepra(True), mepra(False, 2e5)]
    oracle = load("brute-force", "mepra" if problem == "mepra" else "cift")
    return [(instance, oracle.solve(instance, Budget(), 0, {})) for instance in found]


def test_the_cases_are_sharp():
    for instance, optimum in cases("cift")[:4]:
        assert optimum.status is SolutionStatus.OPTIMAL
        cost = evaluate(instance, optimum.plan)
        assert len(optimum.plan.hosts) >= (1 if instance.nodes[0].memory_bytes == 0 else 2)
        assert cost.inference_latency_s == pytest.approx(instance.inference_deadline_s, rel=1e-6)
    instance, optimum = cases("cift")[-1]
    tightened = instance.replace(inference_deadline_s=instance.inference_deadline_s / 1.01)
    same = load("brute-force", "cift").solve(tightened, Budget(), 0, {})
    assert values_agree(same.objective, optimum.objective)
    fixed, free, small = (optimum.plan.splits for _, optimum in cases("mepra"))
    for splits in (fixed, free):
        assert ((splits > 0) & (splits < 3)).any()
        assert (splits < 3).sum() >= 2
    assert (small == 0).any()


# -- throwaway modules --------------------------------------------------------------------


def grown(value, factor):
    """Return a figure that reads too large (or too small)."""
    if callable(value):
        return lambda *args: grown(value(*args), factor)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, tuple):
        return tuple(grown(entry, factor) for entry in value)
    if isinstance(value, np.ndarray) and value.dtype.kind != "f":
        return value
    if isinstance(value, int) and factor != 1:
        return value * 2 if factor > 1 else max(1, value // 2)
    return value * factor


class Reads(ast.NodeTransformer):
    """Names the attributes that are read, outside compiled kernels or inside."""

    def __init__(self, kernels: bool = False) -> None:
        self.kernels = kernels
        self.inside = False
        self.names: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        names = [ast.unparse(decorator) for decorator in node.decorator_list]
        outer = self.inside
        self.inside = outer or any("jit" in name or name == "kernel" for name in names)
        self.generic_visit(node)
        self.inside = outer
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load) or self.inside != self.kernels:
            return node
        if isinstance(node.value, ast.Name) and node.value.id == "np":
            return node
        return self.read(node)

    def read(self, node: ast.Attribute) -> ast.AST:
        self.names.append(node.attr)
        return node


class Mutation(Reads):
    """Reads of one attribute become calls of `grown`."""

    def __init__(self, attribute: str, kernels: bool = False) -> None:
        super().__init__(kernels)
        self.attribute = attribute

    def read(self, node: ast.Attribute) -> ast.AST:
        if node.attr != self.attribute:
            return node
        self.names.append(node.attr)
        call = ast.Call(ast.Name("__grown__", ast.Load()), [node], [])
        return ast.copy_location(call, node)


def path_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text())


@functools.cache
def imports(module: str) -> frozenset[str]:
    """Return what a module imports from the rooms of methods, at any depth of its code."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in found if name.startswith(ROOMS) and path_of(name).is_file())


@functools.cache
def reach(module: str) -> frozenset[str]:
    seen, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(imports(name))
    return frozenset(seen)


@functools.cache
def reads(module: str, kernels: bool) -> frozenset[str]:
    found = Reads(kernels)
    found.visit(tree_of(module))
    return frozenset(found.names)


@functools.cache
def figures(module: str) -> tuple[str, ...]:
    """Return the figures of instances that a module reads outside of compiled kernels."""
    return tuple(sorted(FIGURES & reads(module, kernels=False)))


# Models that are exported and no method of the registry solves: a method for them, made here.
DOORS = (
    Entry(
        "pyomo-assignment",
        "cift",
        "exact",
        "splitopt.formulations.cift.pyomo.models:PyomoCift",
        "a model",
    ),
)


def method_of(entry: Entry):
    """Return the method of an entry, from the modules that are imported now."""
    module, _, attribute = entry.target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if entry not in DOORS:
        return found
    method = found(entry.name, "flow")
    method.search = functools.partial(searched, importlib.import_module(module))
    return method


def searched(models, best, chosen, seed):
    """Solve the assignment model that Pyomo builds, and read its plan."""
    pyomo = importlib.import_module("splitopt.formulations.solvers.pyomo")
    milp = importlib.import_module("splitopt.formulations.cift.milp")
    model = models.model(best.instance, "assignment")
    arrays, columns = pyomo.compiled(model)

    def read(values):
        for variable in model.component_data_objects(pyomo.pyo.Var, descend_into=True):
            variable.set_value(0.0)
        for variable, value in zip(columns, values.tolist(), strict=True):
            variable.set_value(value, skip_validation=True)
        plan = models.plan_of(model, best.instance, "assignment")
        return plan, np.flatnonzero(arrays.integer & (values > 0.5))

    form = milp.Formulation(arrays, scale=1.0, read=read, support=100, start=lambda: None)
    return milp.prove(best, form, seed)


def promising(entries: tuple[Entry, ...]) -> list[Entry]:
    """Return the methods with a promise, without those whose optional solver is not installed."""
    return [
        entry
        for entry in entries
        if entry.kind in ("exact", "approximation")
        and (entry.solver is None or importlib.util.find_spec(entry.solver) is not None)
    ]


def users(module: str) -> list[Entry]:
    """Return the methods with a promise that reach a module."""
    found = [
        entry
        for entry in promising((*METHODS, *DOORS))
        if module in reach(entry.target.partition(":")[0])
    ]
    return sorted(found, key=lambda entry: (entry.name != "jqodi-exact", "scip" in entry.name))


@contextlib.contextmanager
def changed(module: str, figure: str, factor: float, kernels: bool = False):
    """Import `module` with one figure changed; every importer is imported anew.

    Kernels are interpreted meanwhile: Numba 0.68 takes a named tuple for another of the same name
    and types, so that those of throwaway modules and ours would not match each other's code. The
    label kernel, too slow for that, knows no problem and stays.
    """
    mine = {n: m for n, m in sys.modules.items() if renewed(n)}
    known, left = list(compiled._kernels), compiled._State.left
    compiled._State.left = math.inf
    for name in mine:
        forget(name)
    try:
        tree = Mutation(figure, kernels).visit(ast.parse(path_of(module).read_text()))
        code = compile(ast.fix_missing_locations(tree), str(path_of(module)), "exec")
        parent, _, child = module.rpartition(".")
        package = importlib.import_module(parent)
        spec = importlib.util.spec_from_file_location(module, path_of(module))
        throwaway = importlib.util.module_from_spec(spec)
        throwaway.__dict__["__grown__"] = lambda value: grown(value, factor)
        sys.modules[module] = throwaway
        setattr(package, child, throwaway)
        exec(code, throwaway.__dict__)
        yield
    finally:
        # Kernels of changed modules are nobody's business after this.
        compiled._kernels[:] = known
        compiled._State.left = left
        for name in [n for n in sys.modules if renewed(n)]:
            forget(name)
        sys.modules.update(mine)
        for name, original in mine.items():
            parent, _, child = name.rpartition(".")
            setattr(sys.modules[parent], child, original)


def renewed(module: str) -> bool:
    return module.startswith(ROOMS) and not module.startswith("splitopt.heuristics.labels")


def forget(module: str) -> None:
    """Drop a module, and its name in its package, where ``from package import`` looks first."""
    parent, _, child = module.rpartition(".")
    del sys.modules[module]
    if parent in sys.modules:
        vars(sys.modules[parent]).pop(child, None)


def sharp(entry: Entry, module: str) -> str:
    """Return which cases show what a module gets wrong: some run in doubt, or at a rate, alone."""
    last = module.rpartition(".")[2]
    if last in ("doubt", "chances", "branching", "twin"):
        return "doubt"
    return "rates" if last == "rates" else entry.problem


def disagrees(entry: Entry, of: str, kernels: bool = False) -> bool:
    """Return whether a method and enumeration differ on a sharp instance of some cases.

    Kernels run in the interpreter, hundreds of times slower: two small instances must do.
    """
    method = method_of(entry)
    ways: list[dict[str, object]] = [{}]
    # A reduction may leave nothing to the program behind it.
    ways += [{option.name: False} for option in method.options if option.name == "reduction"]
    chosen = cases(of)
    if kernels:
        chosen = [chosen[0], chosen[-1]]
    for (instance, optimum), options in itertools.product(chosen, ways):
        if options and entry.name == "jqodi" and getattr(instance, "has_continuous_speeds", False):
            continue  # a whole grid of speeds is too much for the interpreter
        try:
            if not method.supports(instance):
                continue
            result = method.solve(instance, Budget(20.0), 0, options)
        except Exception:
            return True
        late = result.termination is Termination.TIME  # on a slow machine: no error
        if result.plan is None:
            if late:
                continue
            return True
        if check(instance, result.plan) != []:
            return True
        if result.bound is not None and not not_above(result.bound, optimum.objective, 1e-9):
            return True
        if entry.kind == "exact":
            if late:
                continue
            if result.status is not SolutionStatus.OPTIMAL:
                return True
            if not values_agree(result.objective, optimum.objective):
                return True
        elif result.guarantee.factor is not None:
            # With two deadlines JQODI promises less, against a tightened optimum. Where a wrong
            # figure shows here alone, that is the optimum itself (`test_the_cases_are_sharp`).
            most = optimum.objective * result.guarantee.factor
            if result.objective > most * (1 + 1e-9):
                return True
    return False


def noticed(
    module: str, figure: str, factors: tuple[float, ...] = (1.375, 0.625), kernels: bool = False
) -> bool:
    """Return whether a method that uses the module goes wrong when the figure does."""
    for factor in factors:
        for entry in users(module):
            problem = CIFT if entry.problem == "cift" else MEPRA
            if figure not in problem and not kernels:
                continue
            cases(sharp(entry, module))  # what enumeration says, before it is changed itself
            if "jqodi" in entry.name:
                compiled.load(*KERNELS)  # no run is to compile them
            with changed(module, figure, factor, kernels):
                if disagrees(entry, sharp(entry, module), kernels):
                    return True
    return False


def modules() -> list[str]:
    """Return the modules that read figures and that a method with a promise reaches."""
    reached = set()
    for entry in promising(METHODS):
        reached |= reach(entry.target.partition(":")[0])
    return sorted(name for name in reached if figures(name))


MUTANTS = [(module, figure) for module in modules() for figure in figures(module)]


@pytest.mark.slow
@pytest.mark.parametrize("module", modules())
def test_a_throwaway_module_without_a_change_agrees(module):
    """The other way round: what is noticed is the change, not that a module is imported anew."""
    assert not noticed(module, figures(module)[0], (1.0,))


@pytest.mark.parametrize("module", modules())
def test_one_wrong_figure_a_module_is_noticed(module):
    found = [figure for figure in figures(module) if (module, figure) not in HARMLESS]
    if not found:
        return
    figure = next((name for name in FAST if name in found), found[0])
    assert noticed(module, figure)


@pytest.mark.slow
@pytest.mark.parametrize(("module", "figure"), MUTANTS)
def test_every_wrong_figure_is_noticed(module, figure):
    if (module, figure) in HARMLESS:
        return
    assert noticed(module, figure)


def test_nothing_harmless_is_stale():
    assert set(HARMLESS) <= set(MUTANTS)
    assert all(reason.strip() for reason in HARMLESS.values())


# -- inside the kernels -------------------------------------------------------------------


@functools.cache
def kernel_figures(module: str) -> tuple[str, ...]:
    """Return what the kernels of a module read of the records they are given."""
    return tuple(sorted(reads(module, kernels=True)))


def kernel_modules() -> list[str]:
    reached = set()
    for entry in promising(METHODS):
        reached |= reach(entry.target.partition(":")[0])
    return sorted(name for name in reached if kernel_figures(name))


def kernel_that_is_not_watched(module: str) -> bool:
    """Return whether no figure read inside a module's kernels is noticed when it is wrong."""
    # What sounds like a coefficient first: most of the others are sizes and positions.
    order = sorted(kernel_figures(module), key=lambda name: name not in COEFFICIENTS)
    return not any(noticed(module, figure, (1.375,), kernels=True) for figure in order)


COEFFICIENTS = ("bit_energy", "compute", "work", "rate", "delay", "communication", "energy")


@pytest.mark.slow
def test_a_wrong_figure_inside_each_kernel_module_is_noticed():
    """In a process of its own, where Numba compiles nothing and a change costs no compilation."""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "not watched: none"


if __name__ == "__main__":
    unwatched = []
    for name in kernel_modules():
        if kernel_that_is_not_watched(name):
            unwatched.append(name)
        print(name, name not in unwatched, flush=True)
    print("not watched:", ", ".join(unwatched) or "none")
