"""The Pyomo models against enumeration, as files read back by solvers and as plans."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import math
import re
import subprocess
import sys

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.gdp import GDP_Error

import splitopt
from splitopt.bench.methods.byfile.names import FORMULATIONS
from splitopt.bench.methods.exporting import unit_of_file, write
from splitopt.bench.methods.registry import load
from splitopt.formulations.cift.pyomo import gdp, gdp_arrays
from splitopt.formulations.cift.pyomo import models as pyomo_cift
from splitopt.formulations.cift.pyomo.energy import least_energy_j
from splitopt.formulations.mepra.pyomo import models as pyomo_mepra
from splitopt.formulations.solvers.highs import load as load_highs
from splitopt.formulations.solvers.highs import solve as solve_highs
from splitopt.formulations.solvers.pyomo import compiled, write_model
from splitopt.instances import library
from splitopt.instances.cift.model import (
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
)
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.core.documents import write_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import generate
from splitopt.instances.judge import check, evaluate
from splitopt.instances.library.recipes import TINY
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.networks.profiles import Block, Layer, MultiExitProfile, Profile

LISTED = ("cift-tiny-both", "cift-tiny-fine-tuning")
# SCIP keeps rows to 1e-6, of costs near one.
SCIP_TOLERANCE = 2e-5


@functools.cache
def tiny(name: str):
    recipe = next(r for r in TINY if r.name == name)
    return generate(recipe.family, recipe.seed, name=recipe.name, **recipe.knobs)


@functools.cache
def wards(exits: str) -> MepraInstance:
    """Two devices of three layers; an edge about ten times as fast as they are."""
    network = MultiExitProfile(
        "net",
        2e6,
        (Layer("l1", 4e8, 1e6, 8e5), Layer("l2", 9e8, 2e6, 3e5), Layer("l3", 2e9, 1e6, 1e4)),
    )
    return MepraInstance(
        f"wards-{exits}",
        1.2e10,
        1e7,
        1.0,
        0.1,
        (network,),
        ExitFractions.of([[30, 20, 50], [10, 60, 30]], 100),
        np.array([1e9, 2e9]),
        np.array([4.0, 3.0]),
        np.array([1.0, 0.8]),
        np.array([0, 0]),
        np.array([0, 1]),
        None if exits == "free" else np.array([0b101, 0b110]),
    )


@functools.cache
def two_nodes() -> CiftInstance:
    """One chain of two blocks, an end and an edge node of any speed, two compressions."""
    return CiftInstance(
        "two-nodes",
        (
            Node("end", "end", SpeedInterval(1e8, 1e9), 1e-27, 0.5, 1e9, 10),
            Node("edge", "edge", SpeedInterval(1e9, 1e10), 1e-29, 2.0, 1e9),
        ),
        (Link("end", "edge", 1e7, 0.01, 1e-7),),
        (Profile("chain", 1e6, (Block("b1", 1e8, 1e6, 2e5), Block("b2", 4e8, 1e6, 1e3))),),
        (Compression("none", 1, 1, 1), Compression("half", 0.5, 0.5, 0.5)),
        (
            Configuration("chain", "none", "end", 1.0, 1),
            Configuration("chain", "half", "end", 1.0, 4),
        ),
        100,
        inference_deadline_s=0.4,
    )


def optimum(instance) -> float:
    result = load("brute-force", instance.problem).solve(instance, Budget(), 0, {})
    assert result.status is SolutionStatus.OPTIMAL
    return result.objective


def by_highs(path) -> float:
    import highspy

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("mip_rel_gap", 1e-9)
    assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
    highs.run()
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return highs.getInfo().objective_function_value


def by_scip(path) -> float:
    import pyscipopt

    scip = pyscipopt.Model()
    scip.hideOutput()
    scip.setParam("limits/gap", 1e-6)
    scip.readProblem(str(path))
    scip.optimize()
    assert scip.getStatus() in ("optimal", "gaplimit")
    return scip.getObjVal()


@pytest.mark.parametrize("formulation", pyomo_cift.FORMULATIONS)
@pytest.mark.parametrize("name", LISTED)
def test_cift_files_have_the_optimum(tmp_path, name, formulation):
    instance = tiny(name)
    model = pyomo_cift.model(instance, formulation)
    for kind in ("mps", "lp"):
        path = tmp_path / f"model.{kind}"
        write_model(model, path, kind)
        assert by_highs(path) == pytest.approx(optimum(instance), rel=1e-6)
        assert by_scip(path) == pytest.approx(optimum(instance), rel=2e-6)


@pytest.mark.parametrize("kind", ["lp", "mps", "nl"])
@pytest.mark.parametrize("formulation", ["gdp-bigm", "gdp-hull"])
def test_cift_cones_have_the_optimum(tmp_path, formulation, kind):
    """Continuous speeds: rotated cones, read as quadratic rows."""
    instance = two_nodes()
    path = tmp_path / f"model.{kind}"
    write_model(pyomo_cift.model(instance, formulation), path, kind)
    assert by_scip(path) == pytest.approx(optimum(instance), rel=SCIP_TOLERANCE)


@pytest.mark.parametrize("exits", ["fixed", "free"])
@pytest.mark.parametrize("formulation", ["natural", "conic"])
def test_mepra_files_have_the_optimum(tmp_path, formulation, exits):
    instance = wards(exits)
    model = pyomo_mepra.model(instance, formulation)
    # SCIP takes seconds for the natural model: a format each.
    kinds = {"natural fixed": ("mps",), "natural free": ("lp",)}
    for kind in kinds.get(f"{formulation} {exits}", ("lp", "mps", "nl")):
        path = tmp_path / f"model.{kind}"
        write_model(model, path, kind)
        assert by_scip(path) == pytest.approx(optimum(instance), rel=SCIP_TOLERANCE)


@pytest.mark.parametrize(
    "instance",
    [wards("fixed"), wards("free"), tiny("mepra-tiny-dense"), tiny("mepra-tiny-partition")],
    ids=lambda instance: instance.name,
)
def test_tangents_bound_from_below_as_closely_as_they_say(tmp_path, instance):
    best = optimum(instance)
    model = pyomo_mepra.model(instance, "tangent")
    path = tmp_path / "model.mps"
    write_model(model, path, "mps")
    value = by_highs(path)
    assert value <= best * (1 + 1e-9)
    # R^2 is part of the cost, so what is missing is at most its share (STEP / 2)^2.
    assert value >= best * (1 - (pyomo_mepra.STEP / 2) ** 2 - 1e-9)
    assert by_scip(path) == pytest.approx(value, rel=1e-6)


def by_meaning(model, meaning):
    """Return columns and rows of arrays apart from their order; each column by its meaning."""
    columns = {
        meaning[k]: (model.cost[k], model.lower[k], model.upper[k], bool(model.integer[k]))
        for k in range(len(model.cost))
    }
    terms = [{} for _ in model.row_lower]
    for row, column, value in zip(model.row, model.column, model.value, strict=True):
        assert meaning[column] not in terms[row]
        terms[row][meaning[column]] = value
    rows = collections.Counter()
    for row, lower, upper in zip(terms, model.row_lower, model.row_upper, strict=True):
        row = sorted(row.items())
        if lower == upper == 0 and row[0][1] < 0:
            # Pyomo writes x = copy either way round.
            row = [(column, -value) for column, value in row]
        rows[lower, upper, tuple(row)] += 1
    return columns, rows


@pytest.mark.parametrize("transformation", ["bigm", "hull"])
@pytest.mark.parametrize(
    "name",
    [
        "cift-tiny-both",
        "cift-tiny-menu",
        "cift-crafted-zero-energy",
        "cift-crafted-zero-times",
        # No time at all, a node that nothing reaches, and configurations that do not fine-tune.
        "cift-crafted-no-time",
        "cift-crafted-no-way",
        "cift-crafted-no-training",
    ],
)
def test_arrays_are_what_pyomo_makes_of_the_disjuncts(name, transformation):
    """To the last bit: row for row, column for column, by Pyomo's own transformation."""
    instance = library.load(name)
    m = gdp.disjunctive_model(instance)
    transform = pyo.TransformationFactory(f"gdp.{transformation}")
    transform.apply_to(m)
    of_pyomo, variables = compiled(m)
    written = gdp_arrays.written(instance, transformation)
    meaning, shared, meant = [], [], {}
    for variable, keys in written.columns.items():
        for key in keys:
            if variable == "copy":
                meaning.append((*meaning[key[1]][:2], f"copy {key[0]}"))
            elif variable == "rest":
                meaning.append((*meaning[key][:2], "rest"))
            elif variable == "choice":
                meaning.append((variable, str(key[0]), ""))
                meant[id(m.choice[key[0]].binary_indicator_var)] = meaning[-1]
            else:
                meaning.append((variable, str(key), ""))
                shared.append(getattr(m, variable)[key])
                meant[id(shared[-1])] = meaning[-1]
    if transformation == "hull":
        for position, g in enumerate(m.G):
            for variable in shared:
                try:
                    copy = transform.get_disaggregated_var(variable, m.choice[g])
                except GDP_Error:
                    continue  # of no disjunct
                kind = f"copy {position}" if "relaxedDisjuncts" in copy.name else "rest"
                meant[id(copy)] = (*meant[id(variable)][:2], kind)
    found = by_meaning(written.model, meaning)
    assert len(found[0]) == len(written.model.cost)
    assert found == by_meaning(of_pyomo, [meant[id(v)] for v in variables])


@pytest.mark.parametrize("formulation", ["flow", "gdp-bigm", "gdp-hull"])
def test_plans_are_read_from_arrays(formulation):
    instance = tiny("cift-tiny-both")
    arrays, read, _ = pyomo_cift.arrays(instance, formulation)
    values = solve_highs(load_highs(arrays), time_limit_s=20, relative_gap=1e-7, support=50).values
    plan = read(values)
    assert check(instance, plan) == []
    assert evaluate(instance, plan).objective == pytest.approx(optimum(instance), rel=1e-6)


def test_methods_do_not_import_pyomo():
    """Its import takes longer than most of their solves."""
    program = (
        "import sys\n"
        "import splitopt\n"
        "for method in ('pyomo-flow', 'gdp-bigm', 'gdp-hull'):\n"
        "    result = splitopt.solve(splitopt.load('cift-tiny-both'), method)\n"
        "    assert result.objective is not None\n"
        "assert 'pyomo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("formulation", pyomo_cift.FORMULATIONS)
def test_a_solution_is_read_back_as_a_plan(formulation):
    instance = tiny("cift-tiny-both")
    model = pyomo_cift.model(instance, formulation)
    arrays, columns = compiled(model)
    values = solve_highs(load_highs(arrays), time_limit_s=20, relative_gap=1e-7, support=50).values
    for variable, value in zip(columns, values.tolist(), strict=True):
        variable.set_value(value, skip_validation=True)
    plan = pyomo_cift.plan_of(model, instance, formulation)
    assert check(instance, plan) == []
    assert evaluate(instance, plan).objective == pytest.approx(optimum(instance), rel=1e-6)


def test_plans_of_mepra_are_read_back():
    """All on the device, then all at the edge, by hand: the values say which steps."""
    instance = wards("free")
    for formulation in ("natural", "conic"):
        model = pyomo_mepra.model(instance, formulation)
        for split in (3, 0):
            for data in model.x.values():
                data.set_value(0)
            for i in range(2):
                if formulation == "conic":
                    found = [k for k, o in enumerate(model.options[i]) if o.split == split]
                else:
                    # One step from the input to the last exit: no exit before it.
                    found = [
                        k
                        for k, s in enumerate(model.steps[i])
                        if (s.tail, s.head[0], s.split) == ((0, 0), 3, split)
                    ]
                if found:
                    model.x[i, found[0]].set_value(1)
                else:
                    break
            else:
                plan = pyomo_mepra.plan_of(model, instance)
                assert plan.splits.tolist() == [split, split]
                assert check(instance, plan) == []


def test_relaxations_are_as_strong_as_the_page_says():
    """Relaxed roots: big-M below hull, assignment below hull and flow, all below the optimum."""
    instance = tiny("cift-tiny-both")
    roots = {}
    for formulation in ("gdp-bigm", "gdp-hull", "assignment", "flow"):
        arrays, _ = compiled(pyomo_cift.model(instance, formulation))
        arrays.integer[:] = False
        roots[formulation] = solve_highs(
            load_highs(arrays), time_limit_s=20, relative_gap=0, support=0
        ).objective
    best = optimum(instance)
    assert roots["gdp-bigm"] < roots["gdp-hull"] <= best * (1 + 1e-9)
    # The hull keeps each configuration's deadlines apart, the assignment adds them up.
    assert roots["assignment"] <= roots["gdp-hull"] * (1 + 1e-9)
    assert roots["assignment"] <= roots["flow"] * (1 + 1e-9)
    assert roots["flow"] <= best * (1 + 1e-9)


def test_what_a_formulation_does_not_take_is_refused():
    for formulation in ("flow", "assignment"):
        with pytest.raises(InputError, match="gdp-hull"):
            pyomo_cift.model(two_nodes(), formulation)
    with pytest.raises(InputError, match="at least one configuration"):
        pyomo_cift.model(two_nodes().replace(configurations=()), "gdp-hull")


def test_names_in_files_are_plain_and_short(tmp_path):
    """The usual limit of LP readers is 255 characters; operators and blanks end a name."""
    for formulation in pyomo_cift.FORMULATIONS:
        path = tmp_path / "model.mps"
        write_model(pyomo_cift.model(tiny("cift-tiny-both"), formulation), path, "mps")
        names = {
            word
            for line in path.read_text().split("\n")
            for word in line.split()
            if "'" not in word
        }
        assert max(map(len, names)) <= 255
        numbers = r"-?[0-9.]+(e[+-]?[0-9]+)?"
        assert all(re.fullmatch(rf"[A-Za-z][A-Za-z0-9_]*|{numbers}", word) for word in names)


def test_the_command_knows_every_formulation():
    assert FORMULATIONS == {
        "cift": pyomo_cift.FORMULATIONS,
        "mepra": pyomo_mepra.FORMULATIONS,
    }


def test_export_writes_whole_files_or_none(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from splitopt.bench.cli import cli

    monkeypatch.chdir(tmp_path)

    def export(*arguments: str):
        return CliRunner().invoke(cli, ["export", *arguments], prog_name="splitopt")

    done = export("cift-tiny-both", "-f", "flow", "--out", "flow.lp", "--json")
    assert json.loads(done.stdout)["columns"] > 0
    assert by_highs("flow.lp") == pytest.approx(optimum(tiny("cift-tiny-both")), rel=1e-6)
    for arguments, says in (
        (["cift-tiny-both", "-f", "conic", "--out", "x.lp"], "assignment"),
        (["cift-tiny-both", "-f", "flow", "--out", "x.txt"], ".mps"),
        (["cift-tiny-continuous", "-f", "flow", "--out", "x.lp"], "gdp-hull"),
        (["no-such", "-f", "flow", "--out", "x.lp"], "no-such"),
    ):
        failed = export(*arguments)
        assert failed.exit_code == 2
        assert says in failed.stderr
        assert failed.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["flow.lp"]


def small(name: str, target_j: float):
    """Return a library instance with every energy times what brings its optimum to `target_j`."""
    instance = tiny(name)
    by = target_j / optimum(instance)
    return instance.replace(
        name=f"{name}-small",
        nodes=tuple(
            dataclasses.replace(
                n,
                kappa_j_s2_per_flop3=n.kappa_j_s2_per_flop3 * by,
                busy_power_w=n.busy_power_w * by,
            )
            for n in instance.nodes
        ),
        links=tuple(
            dataclasses.replace(k, energy_j_per_bit=k.energy_j_per_bit * by) for k in instance.links
        ),
    )


@pytest.mark.parametrize("target_j", [1e-5, 1e12])
@pytest.mark.parametrize("formulation", pyomo_cift.FORMULATIONS)
def test_solvers_as_they_are_find_small_and_large_optima(tmp_path, formulation, target_j):
    """HiGHS stops 1e-6 above the optimum, absolutely: a tenth of 10 microjoules in joules."""
    import highspy

    instance = small("cift-tiny-hosts", target_j)
    path = tmp_path / "model.mps"
    unit = write(instance, formulation, "mps", path)["objective_unit"]
    assert unit_of_file(path) == unit
    assert math.frexp(unit)[0] == 0.5  # a power of two: no digit changes
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
    highs.run()
    found = highs.getInfo().objective_function_value
    assert found >= 64
    # Its default relative gap.
    assert found * unit == pytest.approx(optimum(instance), rel=1.01e-4)


def test_the_recipe_of_the_howto_holds_for_small_energies():

    instance = small("cift-tiny-hosts", 1e-6)
    model = splitopt.model(instance, "flow")
    pyo.SolverFactory("appsi_highs").solve(model)
    plan = splitopt.plan_of(model, instance, "flow")
    assert not check(instance, plan)
    judged = evaluate(instance, plan).objective
    assert judged == pytest.approx(optimum(instance), rel=1.01e-4)
    assert pyo.value(model.cost) * model.objective_unit == pytest.approx(judged, rel=1e-9)


def test_mepra_in_its_unit_has_the_same_optimum(tmp_path):
    instance = wards("fixed").replace(weight_time_per_s=1e-9, weight_energy_per_j=1e-10)
    path = tmp_path / "conic.lp"
    unit = write(instance, "conic", "lp", path)["objective_unit"]
    assert unit_of_file(path) == unit
    assert math.log(unit, 4).is_integer()  # roots of costs change no digit either
    assert by_scip(path) * unit == pytest.approx(optimum(instance), rel=SCIP_TOLERANCE)


def test_the_unit_asked_for_is_the_unit_written(tmp_path):
    path = tmp_path / "model.mps"
    instance = tiny("cift-tiny-both")
    assert write(instance, "flow", "mps", path, 1.0)["objective_unit"] == 1.0
    assert unit_of_file(path) == 1.0
    assert by_highs(path) == pytest.approx(optimum(instance), rel=1e-6)
    with pytest.raises(InputError, match="unit"):
        write(instance, "flow", "mps", path, 0.0)
    path.write_text("* objective in units of a few J\nNAME x\n")
    with pytest.raises(InputError, match="export the model again"):
        unit_of_file(path)
    path.write_text("NAME x\n")
    assert unit_of_file(path) == 1.0


@pytest.mark.parametrize("recipe", [r for r in TINY if r.name.startswith("cift-")], ids=str)
def test_the_unit_rests_on_a_lower_bound(recipe):
    instance = tiny(recipe.name)
    bound = least_energy_j(instance)
    result = load("brute-force", "cift").solve(instance, Budget(), 0, {})
    if result.objective is not None:
        assert bound <= result.objective * (1 + 1e-12)
    if instance.inference_deadline_s is None and instance.fine_tuning_deadline_s is None:
        free = load("jqodi-exact", "cift")
        roomy = instance.replace(
            nodes=tuple(dataclasses.replace(n, memory_bytes=1e18) for n in instance.nodes)
        )
        if free.supports(roomy) and not instance.has_continuous_speeds:
            # Nothing left out binds: no plan goes back to a node, since links are acyclic.
            assert bound == pytest.approx(free.solve(roomy, Budget(), 0, {}).objective, rel=1e-9)


@pytest.mark.parametrize("kind", ["mps", "lp", "nl"])
def test_a_constant_objective_writes_no_warning_into_json(tmp_path, kind, capfd):
    from click.testing import CliRunner

    from splitopt.bench.cli import cli

    free = library.load("cift-crafted-zero-energy")
    library_file = tmp_path / "free.json"
    write_json(library_file, free.to_document())
    done = CliRunner().invoke(
        cli,
        ["export", str(library_file), "-f", "flow", "--out", str(tmp_path / f"x.{kind}"), "--json"],
    )
    assert json.loads(done.stdout)["objective_unit"] > 0
    assert capfd.readouterr().out == ""
