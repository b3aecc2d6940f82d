"""The runner against methods that misbehave: each is named correctly and harms nobody."""

import math
from pathlib import Path

import psutil
import pytest
from running import plan, run_set

from splitopt.bench.compare.summary import is_right, is_solved, run_gap
from splitopt.bench.report import text_tables, write_report
from splitopt.bench.runs.plan import put_instance
from splitopt.bench.store.store import BestKnown, Store
from splitopt.bench.verdicts.references import Reference
from splitopt.instances.core.documents import write_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import read_instance

PLUGINS = Path(__file__).parents[1] / "plugins"
MEMORY_LIMIT_BYTES = 300 << 20
TIME_LIMIT_S = 0.4
GRACE_S = 0.4
ENDLESS = ("sleeper", "overrunner", "stubborn")
OTHERS = (
    "honest",
    "picky",
    "glutton",
    "family",
    "orphaner",
    "segfault",
    "cheat",
    "denier",
    "quitter",
    "chatterbox",
    "raiser",
    "stranger",
    "deserter",
    "forger",
)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory, make_mepra):
    """Every rogue once on one instance, two at a time, and the same folder once more."""
    folder = tmp_path_factory.mktemp("campaign")
    path = folder / "toy.json"
    write_json(path, make_mepra().to_document())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGINS))
        settings = {
            "memory_limit_bytes": MEMORY_LIMIT_BYTES,
            "jobs": 2,
            "plugins": ("rogues:METHODS",),
        }
        out = folder / "out"
        # Those that would go on for ever get little time; the others get more than they need.
        run_set([str(path)], ENDLESS, out, time_limit_s=TIME_LIMIT_S, grace_s=GRACE_S, **settings)
        settings |= {"time_limit_s": 60.0}
        summary = run_set([str(path)], OTHERS, out, **settings)
        again = run_set([str(path)], OTHERS, out, **settings)
    with Store(out) as store:
        rows = {row.method: row for row in store.rows()}
    return summary, again, rows, out


def test_every_run_has_one_row_and_the_second_call_does_nothing(campaign):
    summary, again, rows, _ = campaign
    assert set(rows) == {*ENDLESS, *OTHERS}
    assert (summary.planned, summary.done_now, summary.done_before) == (len(OTHERS), len(OTHERS), 0)
    assert (again.done_now, again.done_before) == (0, len(OTHERS))
    assert not summary.interrupted


@pytest.mark.parametrize(
    ("method", "termination", "status", "verdict", "says"),
    [
        ("honest", "solved", "feasible", "right", None),
        ("picky", "unsupported", "none", "not claimed", "takes no instance called two-devices"),
        ("sleeper", "killed", "none", "not claimed", "killed at 0.8 s"),
        ("overrunner", "killed", "feasible", "right", "killed at 0.8 s"),
        ("stubborn", "killed", "none", "not claimed", "killed at 0.8 s"),
        ("glutton", "memory", "none", "not claimed", "limit 314572800 bytes"),
        ("family", "memory", "none", "not claimed", "with its children"),
        ("orphaner", "solved", "feasible", "right", None),
        ("segfault", "crashed", "none", "not claimed", "SIGSEGV"),
        ("cheat", "solved", "feasible", "wrong", None),
        ("denier", "solved", "infeasible", "right", None),  # alone it cannot be refuted
        ("quitter", "time", "none", "not claimed", None),
        ("chatterbox", "solved", "feasible", "right", None),
        ("raiser", "crashed", "none", "not claimed", "ValueError: no luck <b>today</b>"),
        ("stranger", "crashed", "none", "not claimed", "returned dict, not a Result"),
        ("deserter", "crashed", "none", "not claimed", "exit code 0 and without a result"),
        ("forger", "solved", "feasible", "wrong", None),
    ],
)
def test_each_is_named_correctly(campaign, method, termination, status, verdict, says):
    row = campaign[2][method]
    assert (row.termination, row.status, row.verdict) == (termination, status, verdict)
    if says is None:
        assert row.detail is None
    else:
        assert says in row.detail


def test_the_incumbent_of_a_killed_run_is_kept_and_makes_it_no_better(campaign):
    row = campaign[2]["overrunner"]
    # What it sent after its limit would be a lie.
    assert (row.objective, row.objective_claimed) == (7.50525, 7.50525)
    assert row.trajectory[-1][1] == 7.50525 / 2
    assert not is_solved(row)
    assert not is_right(row, frozenset())
    assert run_gap(row, Reference(5.0, None, False, "m"), frozenset()) == pytest.approx(0.50105)


def test_wrong_answers_carry_the_reason(campaign):
    rows = campaign[2]
    assert "reports 3.752625 for a plan that costs 7.50525" in rows["cheat"].verdict_reason
    assert "does not fit the instance" in rows["forger"].verdict_reason
    # The objective is the judge's, and the claim is kept beside it.
    assert (rows["cheat"].objective, rows["cheat"].objective_claimed) == (7.50525, 3.752625)
    assert rows["forger"].objective is None
    assert rows["forger"].plan is None or rows["forger"].verdict == "wrong"


def test_contradictions_name_who_is_refuted(campaign):
    summary, _, rows, _ = campaign
    found = {(c.method, c.kind) for c in summary.contradictions}
    assert found == {
        ("cheat", "judged wrong"),
        ("forger", "judged wrong"),
        ("denier", "infeasible with a plan"),
    }
    assert not summary.ok
    refuted = {c.refuted for c in summary.contradictions}
    assert refuted == {rows[name].key for name in ("cheat", "forger", "denier")}


def test_what_a_killed_run_had_sent_is_kept(campaign):
    row = campaign[2]["sleeper"]
    assert row.bound == 0.25
    # Its incumbent is in the trajectory; without a plan it is no objective.
    assert [point[1:] for point in row.trajectory] == [(None, 0.25), (1000.0, 0.25)]
    assert row.objective is None


def test_limits_hold_in_time_and_memory(campaign):
    rows = campaign[2]
    for method in ("sleeper", "stubborn"):
        assert rows[method].solve_time_s >= TIME_LIMIT_S + GRACE_S
    for method in ("glutton", "family"):
        # Not much beyond the limit: a hundredth of a second of allocation.
        assert MEMORY_LIMIT_BYTES < rows[method].peak_memory_bytes < 3 * MEMORY_LIMIT_BYTES


def test_a_process_left_behind_is_killed(campaign):
    left = campaign[2]["orphaner"].statistics["left"]
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE


def test_a_gigabyte_of_output_is_counted_and_capped(campaign):
    row = campaign[2]["chatterbox"]
    assert row.stdout_bytes >= 1 << 30
    assert len(row.stdout) < 100_000
    assert "bytes left out" in row.stdout
    assert row.stdout.startswith("blah")


def test_output_of_failures_is_kept(campaign):
    rows = campaign[2]
    assert "Traceback" in rows["raiser"].stderr
    assert "Segmentation fault" in rows["segfault"].stderr


def test_rows_say_under_which_circumstances(campaign):
    row = campaign[2]["honest"]
    assert (row.jobs, row.threads, row.seed, row.repetition) == (2, 1, 0, 0)
    assert row.enforced["wall"] == "killed from outside"
    assert "process tree" in row.enforced["memory"]
    assert row.enforced["threads"].startswith("environment")
    assert row.options == {"pause": 0.0}
    assert 0 <= row.solve_time_s <= row.wall_time_s
    assert row.overhead_s >= 0
    assert row.cpu_time_s > 0
    with Store(campaign[3]) as store:
        environment = store.environments()[row.environment_hash]
    assert environment["versions"]["numpy"]
    assert environment["python"]


def test_the_table_counts_failures_as_failures(campaign):
    text = text_tables(campaign[3])
    assert text.startswith("CONTRADICTIONS: 3")
    line = {words[0]: words for words in map(str.split, text.splitlines()) if words}
    #                 runs solved right proved wrong
    assert line["honest"][1:6] == ["1", "1", "1", "0", "0"]
    assert line["cheat"][1:6] == ["1", "1", "0", "0", "1"]
    assert line["denier"][1:6] == ["1", "1", "0", "0", "1"]
    assert line["segfault"][1:6] == ["1", "0", "0", "0", "0"]
    # A quick wrong answer is charged with its time limit.
    assert line["cheat"][-2:] == ["60", "s"]


# -- the lie about an optimum ---------------------------------------------------------------


def test_a_lie_about_the_optimum_is_refuted_by_a_better_plan(tmp_path, rogues, instance_file):
    path = instance_file(speed=1e8)
    settings = {"time_limit_s": 5.0, "plugins": rogues}
    alone = run_set([path], ["liar"], tmp_path / "out", **settings)
    # Nothing speaks against it yet.
    assert alone.ok
    both = run_set([path], ["liar", "brute-force"], tmp_path / "out", **settings)
    assert [(c.kind, c.method) for c in both.contradictions] == [("bound above a plan", "liar")]
    assert "brute-force has a plan" in both.contradictions[0].statement


def test_a_lie_about_the_optimum_is_refuted_by_what_is_known(tmp_path, rogues, instance_file):
    path = instance_file(speed=1e8)
    with Store(tmp_path / "out", create=True) as store:
        put_instance(store, read_instance(Path(path)), path)
        known = BestKnown(objective=1e-3, source="paper")
        store.put_best_known(read_instance(Path(path)).content_hash, known)
    summary = run_set([path], ["liar"], tmp_path / "out", time_limit_s=5.0, plugins=rogues)
    assert summary.verdicts == {"wrong": 1}
    assert [c.kind for c in summary.contradictions] == ["judged wrong"]


# -- selections -------------------------------------------------------------------------------


def test_the_plan_counts_and_bounds_the_time(tmp_path, rogues, instance_file):
    paths = [instance_file(), instance_file()]
    chosen = plan(
        paths,
        ["honest", "highs-flow"],
        tmp_path / "none",
        time_limit_s=10.0,
        grace_s=3.0,
        seeds=(0, 1, 2),
        jobs=2,
        plugins=rogues,
    )
    # honest: 2 instances x 3 seeds; highs-flow is for CIFT.
    assert len(chosen) == 6
    assert chosen.worst_case_s == 6 * 13.0 / 2
    assert [(s.method, "no method for mepra" in s.reason) for s in chosen.skipped] == [
        ("highs-flow", True)
    ] * 2
    assert not (tmp_path / "none").exists()


def test_the_plan_knows_what_is_done(tmp_path, rogues, instance_file):
    path = instance_file()
    settings = {"time_limit_s": 5.0, "plugins": rogues}
    run_set([path], ["honest"], tmp_path, seeds=(0, 1), **settings)
    chosen = plan([path], ["honest"], tmp_path, seeds=(0, 1, 2), **settings)
    assert (len(chosen), len(chosen.done), len(chosen.left)) == (3, 2, 1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"methods": ["no-such"]}, "method"),
        ({"methods": []}, "methods"),
        ({"instances": []}, "instances"),
        ({"seeds": ()}, "seeds"),
        ({"seeds": (-1,)}, "seeds"),
        ({"jobs": 0}, "jobs"),
        ({"options": {"honest": {"nonsense": 1}}}, "option nonsense"),
        ({"options": {"honest": {"pause": "soon"}}}, "option pause"),
        ({"options": {"cheat": {}}}, "options of cheat"),
        ({"plugins": ("no_such_module:X",)}, "method"),
        ({"plugins": ("rogues:NOTHING",)}, "method"),
        ({"time_limit_s": -1.0}, "time_limit_s"),
    ],
)
def test_a_selection_that_does_not_exist_is_one_line(
    tmp_path, rogues, instance_file, changes, field
):
    settings = {
        "instances": [instance_file()],
        "methods": ["honest"],
        "time_limit_s": 1.0,
        "plugins": rogues,
    }
    with pytest.raises(InputError) as caught:
        plan(**(settings | changes))
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_the_same_instance_under_two_names_is_run_once(tmp_path, rogues, instance_file):
    paths = [instance_file(name="one", speed=1e9), instance_file(name="two", speed=1e9)]
    chosen = plan(paths, ["honest"], time_limit_s=1.0, plugins=rogues)
    assert len(chosen) == 1
    assert [(s.instance_name, s.reason) for s in chosen.skipped] == [("two", "the same as one")]


def test_retry_does_failed_runs_again_and_keeps_the_rest(tmp_path, rogues, instance_file):
    path = instance_file()
    settings = {"time_limit_s": 5.0, "plugins": rogues}
    run_set([path], ["honest", "raiser"], tmp_path, **settings)
    again = run_set([path], ["honest", "raiser"], tmp_path, retry=("crashed",), **settings)
    assert (again.done_before, again.done_now) == (1, 1)


def test_an_instance_that_changed_stops_the_run_set(tmp_path, rogues, instance_file, make_mepra):
    path = Path(instance_file())

    def change(event):
        if event.kind == "started":
            write_json(path, make_mepra(speed=123.0).to_document())

    with pytest.raises(InputError, match="changed"):
        run_set(
            [str(path)],
            ["honest"],
            tmp_path / "out",
            time_limit_s=1.0,
            plugins=rogues,
            on_event=change,
        )


def test_events_count_up_and_estimate(tmp_path, rogues, instance_file):
    events = []
    path = instance_file()
    run_set(
        [path],
        ["honest"],
        tmp_path,
        seeds=(0, 1, 2),
        time_limit_s=5.0,
        plugins=rogues,
        on_event=events.append,
    )
    assert [(e.kind, e.done) for e in events] == [
        ("planned", 0),
        ("started", 0),
        ("finished", 1),
        ("started", 1),
        ("finished", 2),
        ("started", 2),
        ("finished", 3),
    ]
    assert events[0].remaining_s is None
    assert events[-1].remaining_s == 0.0
    assert all(math.isfinite(e.remaining_s) for e in events[2:])
    assert events[-1].row.verdict == "right"


def test_a_figure_that_is_not_finite_costs_no_more_than_itself(tmp_path, rogues, instance_file):
    run_set([instance_file()], ["boundless"], tmp_path, time_limit_s=5.0, plugins=rogues)
    with Store(tmp_path) as store:
        (row,) = store.rows()
    assert (row.termination, row.status, row.verdict) == ("solved", "feasible", "right")
    assert row.objective is not None
    assert row.bound is None
    assert row.statistics["left_out"] == "bound -inf, trajectory[0].objective nan"


def test_a_relaxed_plan_has_a_status_of_its_own_in_rows_tables_and_reports(tmp_path):
    """A plan that misses a deadline by 1.21 is neither solved nor wrong, and has no gap."""
    out = tmp_path / "out"
    for deadlines in ("relaxed", "strict"):
        options = {"jqodi": {"epsilon": 1.0, "deadlines": deadlines}}
        run_set(["cift-tiny-not-together"], ["jqodi"], out, time_limit_s=120.0, options=options)
    with Store(out) as store:
        rows = {str(row.options["deadlines"]): row for row in store.rows()}
    relaxed, strict = rows["relaxed"], rows["strict"]
    assert (relaxed.status, relaxed.verdict, relaxed.gap) == ("relaxed", "right", None)
    assert [v["constraint"] for v in relaxed.violations] == ["inference-deadline"]
    assert not is_solved(relaxed)
    assert not is_right(relaxed, frozenset())
    assert strict.status in ("none", "infeasible")
    assert "relaxed" in text_tables(out)
    write_report(out)
    pages = "".join(path.read_text() for path in (out / "report").rglob("*.html"))
    assert ">relaxed<" in pages


@pytest.mark.parametrize(
    "wrong",
    [
        {"relative_gap": 1.0},
        {"relative_gap": -0.1},
        {"relative_gap": math.nan},
        {"relative_gap": math.inf},
        {"time_limit_s": math.nan},
        {"threads": 0},
        {"jobs": 0},
        {"repetitions": 0},
        {"seeds": ()},
        {"seeds": (-1,)},
        {"options": {"single-cut": {"no-such": 1}}},
        {"options": {"random": {"samples": 3}}},
        {"instances": ["cift-tiny-bth"]},
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_before_anything_is_written(wrong, tmp_path):
    settings = {"time_limit_s": 5.0, "instances": ["cift-tiny-both"], **wrong}
    with pytest.raises(InputError):
        run_set(settings.pop("instances"), ["single-cut"], tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_set_of_runs_holds_no_process_that_none_of_its_runs_can_use(threads, tmp_path):
    """The process that told of methods has one thread: runs of two start another."""
    held = []

    def count(_):
        commands = [process.cmdline() for process in psutil.Process().children()]
        held.append(sum("splitopt.bench.isolation.zygote" in command for command in commands))

    settings = {"time_limit_s": 20.0, "threads": threads, "on_event": count}
    run_set(["cift-tiny-both"], ["single-cut"], tmp_path / "out", **settings)
    assert max(held) == 1
