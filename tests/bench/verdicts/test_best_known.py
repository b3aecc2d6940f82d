"""Updating the best-known registry and checking it: what gets in, what is refused, what is seen."""

import dataclasses
import json

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.methods.registry import METHODS
from splitopt.bench.store.rows import Row
from splitopt.bench.store.store import BestKnown, Store
from splitopt.bench.verdicts import optimum
from splitopt.bench.verdicts.known import registered, with_registry
from splitopt.bench.verdicts.library_check import check_library
from splitopt.bench.verdicts.optimum import proven_optimum, require_optimum
from splitopt.bench.verdicts.update_best_known import main, members, update
from splitopt.instances import library
from splitopt.instances.core.documents import read_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import evaluate, plan_from_document
from splitopt.instances.library.best_known import LABEL_ENGINE, Registry, plan_documents, registry

# Two ends of one line of blocks, solved in a moment; an infeasible one.
NAME, INFEASIBLE = "cift-crafted-one-block", "cift-quick-infeasible"
EMPTY = Registry({})


def hash_of(name):
    return library.entry(name).content_hash


def plan_for(name):
    return plan_documents()[hash_of(name)]


def cost_of(name):
    return evaluate(library.load(name), plan_from_document(plan_for(name))).objective


def row(method, *, name=NAME, plan=True, **changes):
    """Return what a run that proved the optimum leaves, but for the changes."""
    cost = cost_of(name) if plan else None
    fields = {field.name: None for field in dataclasses.fields(Row)}
    fields |= {
        "instance_hash": hash_of(name),
        "instance_name": name,
        "problem": "cift",
        "method": method,
        "options": {},
        "seed": 0,
        "repetition": 0,
        "time_limit_s": 10.0,
        "grace_s": 3.0,
        "threads": 1,
        "relative_gap": 1e-6,
        "jobs": 1,
        "enforced": {},
        "not_enforced": {},
        "environment_hash": "e",
        "started_at": "2026-01-01T00:00:00Z",
        "termination": "solved",
        "status": "optimal",
        "wall_time_s": 1.0,
        "cpu_time_s": 0.25,
        "overhead_s": 0.0,
        "objective": cost,
        "objective_claimed": cost,
        "bound": cost,
        "verdict": "right",
        "violations": (),
        "trajectory": (),
        "statistics": {},
        "plan": plan_for(name) if plan else None,
        "stdout": "",
        "stdout_bytes": 0,
        "stderr": "",
        "stderr_bytes": 0,
    }
    fields |= changes
    fields["key"] = f"{method} {name} {sorted(changes)}"
    return Row(**fields)


@pytest.fixture
def store(tmp_path):
    """Return a function that writes rows to a store and gives its folder."""

    def write(*rows):
        folder = tmp_path / f"store-{len(list(tmp_path.iterdir()))}"
        with Store(folder, create=True) as found:
            key = found.put_environment({"versions": {"highspy": "1"}, "python": "3"})
            for one in rows:
                found.add(dataclasses.replace(one, environment_hash=key))
        return folder

    return write


def updated(*folders, base=EMPTY, plans=None, name=NAME):
    found = update(folders, ("tiny", "quick"), base=base, plans=plans or {})
    return found, found.registry.entries[hash_of(name)]


def test_every_exact_method_has_an_engine():
    assert all((entry.engine is not None) == (entry.kind == "exact") for entry in METHODS)


def test_two_solvers_close_an_instance(store):
    found, entry = updated(store(row("highs-flow"), row("cpsat"), row("highs-oa")))
    assert found.contradictions == []
    assert (entry.status, entry.objective) == ("optimal", cost_of(NAME))
    assert [one.method for one in entry.confirmations] == ["cpsat", "highs-flow", "highs-oa"]
    assert entry.engines == ("CP-SAT", "HiGHS")
    assert found.plans[hash_of(NAME)] == plan_for(NAME)
    environment = found.registry.environments[entry.confirmations[0].environment]
    assert environment["versions"] == {"highspy": "1"}


def test_the_label_program_alone_closes_nothing(store):
    _, entry = updated(store(row("jqodi-exact")))
    assert entry.status == "open"
    assert entry.engines == (LABEL_ENGINE,)
    assert entry.bound is None
    _, entry = updated(
        store(row("jqodi-exact", name=INFEASIBLE, plan=False, status="infeasible")), name=INFEASIBLE
    )
    assert entry.status == "unknown"


def test_cpsat_after_prices_of_the_flow_is_no_opinion_apart(store):
    _, entry = updated(store(row("cpsat", statistics={"arcs_priced": 7})))
    assert entry.objective == cost_of(NAME)
    assert (entry.bound, entry.engines) == (None, ())


def test_a_heuristics_plan_counts_and_its_bound_does_not(store):
    cost = cost_of(NAME)
    _, entry = updated(store(row("single-cut", status="feasible", bound=cost)))
    assert (entry.objective, entry.bound, entry.plan_by) == (cost, None, "single-cut")
    assert entry.confirmations == ()


def test_a_plan_that_the_judge_refuses_never_gets_in(store):
    broken = json.loads(json.dumps(plan_for(NAME)))
    broken["stops"][-1]["node"] = "nowhere"
    # The row lies in every field: it says right, and cheaper than anything.
    found, entry = updated(store(row("highs-flow", plan=True, objective=1e-9, bound=0.0)))
    assert entry.objective == cost_of(NAME)  # evaluate's, not the row's
    lie = dataclasses.replace(row("cpsat", bound=0.0), plan=broken)
    found, entry = updated(store(lie))
    assert entry.objective is None
    assert entry.status == "unknown"
    assert NAME in found.refused[0]


def test_a_bound_above_a_plan_is_a_contradiction_and_never_kept(store):
    cost = cost_of(NAME)
    found, entry = updated(store(row("highs-flow"), row("cpsat", bound=cost * 1.01)))
    assert [one.kind for one in found.contradictions] == ["bound above a plan"]
    assert entry.bound == cost
    assert [one.method for one in entry.confirmations] == ["highs-flow"]


def test_rounding_above_the_plan_is_cut_off(store):
    cost = cost_of(NAME)
    found, entry = updated(store(row("highs-flow", bound=cost * (1 + 1e-8))))
    assert found.contradictions == []
    assert entry.bound == cost


def test_the_better_stays(store):
    cost = cost_of(NAME)
    first, _ = updated(store(row("highs-flow")))
    loose = row("cpsat", status="feasible", bound=cost / 2, objective=cost * 2)
    second, entry = updated(store(loose), base=first.registry, plans=first.plans)
    assert (entry.objective, entry.bound, entry.plan_by) == (cost, cost, "highs-flow")
    assert second.plans == first.plans
    assert entry.engines == ("HiGHS",)


def test_a_registry_that_a_plan_refutes_is_a_contradiction(store):
    first, entry = updated(store(row("highs-flow")))
    high = dataclasses.replace(entry, objective=2 * entry.objective, bound=2 * entry.objective)
    wrong = Registry({entry.content_hash: high}, first.registry.environments)
    found, _ = updated(store(row("cpsat")), base=wrong, plans=first.plans)
    assert [(one.kind, one.method) for one in found.contradictions] == [("registry", "registry")]


def test_infeasible_needs_a_proof_and_no_plan(store):
    proof = row("highs-flow", name=INFEASIBLE, plan=False, status="infeasible", bound=None)
    _, entry = updated(store(proof), name=INFEASIBLE)
    assert (entry.status, entry.engines) == ("infeasible", ("HiGHS",))
    none = row("highs-flow", name=INFEASIBLE, plan=False, status="none", bound=None)
    _, entry = updated(store(none), name=INFEASIBLE)
    assert entry.status == "unknown"


def test_the_command_writes_only_what_nothing_contradicts(store, tmp_path, capsys):
    good, cost = store(row("highs-flow")), cost_of(NAME)
    bad = store(row("cpsat", bound=cost * 1.01))
    assert main([str(good), str(bad), "--sets", "tiny"], tmp_path) == 1
    assert "bound above a plan" in capsys.readouterr().err
    assert not (tmp_path / "best_known.json.gz").exists()
    assert main([str(good), "--sets", "tiny", "--dry-run"], tmp_path) == 0
    assert not (tmp_path / "best_known.json.gz").exists()
    assert main([str(good), "--sets", "tiny"], tmp_path) == 0
    written = Registry.from_document(read_json(tmp_path / "best_known.json.gz"))
    assert written.entries[hash_of(NAME)].objective == cost
    assert main([str(tmp_path / "nothing")], tmp_path) == 2


# -- the check -----------------------------------------------------------------------------


def test_the_committed_registry_stands():
    found = check_library(("tiny", "quick"))
    assert found.findings == ()
    assert found.checked == len(members(("tiny", "quick")))
    assert found.closed == found.twice == found.checked


@pytest.mark.slow
def test_the_committed_registry_stands_on_standard_v1():
    found = check_library(("standard-v1",))
    assert found.findings == ()
    assert found.checked == 220


def tampered(**changes):
    entry = dataclasses.replace(registry().entries[hash_of(NAME)], **changes)
    entries = {**registry().entries, hash_of(NAME): entry}
    return Registry(entries, registry().environments)


def kinds(found=None, plans=None, results=()):
    verdict = check_library(("tiny",), results, found=found, plans=plans)
    return {(one.instance, one.kind) for one in verdict.findings}


def test_a_wrong_value_is_found():
    assert (NAME, "value") in kinds(tampered(objective=cost_of(NAME) * (1 + 1e-7)))


def test_a_bound_above_the_value_is_found():
    assert (NAME, "bound") in kinds(tampered(bound=cost_of(NAME) * 1.01))


def test_a_proof_of_another_optimum_is_found():
    first, *rest = registry().entries[hash_of(NAME)].confirmations
    other = dataclasses.replace(first, objective=first.objective * 1.01)
    assert kinds(tampered(confirmations=(other, *rest))) == {(NAME, "confirmations")}


def test_a_plan_that_breaks_a_constraint_is_found():
    plan = json.loads(json.dumps(plan_for(NAME)))
    plan["stops"][-1]["blocks"] += 1
    assert kinds(plans={**plan_documents(), hash_of(NAME): plan}) == {(NAME, "plan")}


def test_a_missing_plan_and_a_missing_entry_are_found():
    plans = {key: plan for key, plan in plan_documents().items() if key != hash_of(NAME)}
    assert kinds(plans=plans) == {(NAME, "plan")}
    entries = {key: e for key, e in registry().entries.items() if key != hash_of(NAME)}
    assert kinds(Registry(entries, registry().environments)) == {(NAME, "missing")}


def test_results_are_held_against_it(store):
    cost = cost_of(NAME)
    good = store(row("highs-flow"))
    assert kinds(results=(good,)) == set()
    bad = store(row("cpsat", bound=cost * 1.01))
    assert kinds(results=(good, bad)) == {(NAME, "bound above a plan")}
    refuted = store(row("cpsat", plan=False, status="infeasible", bound=None))
    assert kinds(results=(refuted,)) == {(NAME, "infeasible with a plan")}


# -- the registry in verdicts, and on the command line --------------------------------------


def test_the_registry_is_known_to_verdicts():
    known = registered(hash_of(NAME))
    assert known == with_registry(hash_of(NAME), None)
    assert known.objective == cost_of(NAME)
    assert registered("no such hash") is None
    better = with_registry(hash_of(NAME), BestKnown(objective=1e-9, source="paper"))
    assert (better.objective, better.source) == (1e-9, "paper")
    worse = with_registry(hash_of(NAME), BestKnown(objective=1e9, bound=1e8, source="paper"))
    assert (worse.objective, worse.bound) == (known.objective, 1e8)


def call(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def test_check_library_on_the_command_line(store):
    text = call("check", "--library", "--set", "tiny")
    assert "nothing contradicts anything" in text
    # Which programs stand behind a value: those of different engines share no code.
    behind = registry().entries[hash_of(NAME)].engines
    assert f"by {' + '.join(behind)}" in text
    each = call("check", "--library", "--set", "tiny", "--programs")
    line = next(line for line in each.splitlines() if line.startswith(NAME))
    assert all(f"{engine} (" in line for engine in behind)
    bad = store(row("cpsat", bound=cost_of(NAME) * 1.01))
    found = json.loads(
        call("check", "--library", "--set", "tiny", "--results", bad, "--json", code=1)
    )
    assert [one["kind"] for one in found["findings"]] == ["bound above a plan"]
    assert found["rows"] == 1
    assert [name.partition(" ")[0] for name in found["programs"][NAME]] == list(behind)
    call("check", "--library", NAME, code=2)
    call("check", NAME, "plan.json", "--programs", code=2)
    call("check", NAME, code=2)
    call("check", "--results", bad, code=2)


def test_best_known_lists_and_writes_plans(tmp_path):
    assert INFEASIBLE in call("best-known", "quick")
    assert INFEASIBLE not in call("best-known", "quick", "--open")
    found = json.loads(call("best-known", NAME, "--json"))
    assert found["entries"][0]["objective"] == cost_of(NAME)
    assert found["entries"][0]["status"] == "optimal"
    call("best-known", NAME, "--plan", tmp_path / "plan.json")
    assert read_json(tmp_path / "plan.json") == plan_for(NAME)
    assert "feasible" in call("check", NAME, tmp_path / "plan.json")
    call("best-known", INFEASIBLE, "--plan", tmp_path / "other.json", code=2)
    call("best-known", "no-such-instance", code=2)


def test_export_solu(tmp_path):
    call("export-solu", tmp_path / "quick.solu", "--set", "quick")
    lines = (tmp_path / "quick.solu").read_text().splitlines()
    assert len(lines) == len(library.names("quick"))
    assert f"=inf= {INFEASIBLE}" in lines
    for line in lines:
        mark, name, *value = line.split()
        assert mark in ("=opt=", "=best=", "=inf=", "=unkn=")
        if mark == "=opt=":
            assert float(value[0]) == registry().entries[hash_of(name)].objective


def test_an_optimum_comes_with_its_proof_or_not_at_all(monkeypatch):
    """The registry first, then exact methods; what is open is no optimum, however good its plan."""
    instance = library.load("cift-tiny-both")
    value = proven_optimum(instance)
    assert value == require_optimum(instance) == optimum.truth_of(instance, 1.0).optimum
    open_truth = optimum.Truth(value, False, None, 0.0, 0.9 * value)
    monkeypatch.setattr(optimum, "truth_of", lambda *_: open_truth)
    assert proven_optimum(instance) is None
    with pytest.raises(InputError, match="optimum is in the registry or proven in 60 s"):
        require_optimum(instance)
    fresh = instance.replace(name="fresh", requests=instance.requests + 1)
    solved = optimum.solved_truth(fresh, 60.0)
    assert solved.proven
    assert evaluate(fresh, solved.plan).objective == solved.optimum
