"""Whatever a method sends: it is checked, bounded, and never ends a set of runs."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
from running import run_set

from splitopt.bench.isolation.streams import Outcome
from splitopt.bench.methods.plugins import Catalogue
from splitopt.bench.methods.registry import Entry
from splitopt.bench.report import text_tables, write_report
from splitopt.bench.runs import record
from splitopt.bench.runs.cluster import task
from splitopt.bench.runs.cluster.payload import Answer, read_answer
from splitopt.bench.store.store import Store
from splitopt.instances.core.documents import write_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.printable import printable

# What is sent, in the order of the plugin's BABBLE; how the run ends; what the line about it says.
ENDS = {
    "": ("solved", None),
    "statistics": ("solved", None),
    "points": ("solved", None),
    "surrogates": ("solved", None),
    "depth": ("solved", None),
    "whole numbers": ("solved", None),
    "guarantee": ("crashed", "guarantee"),
    "deadlines": ("crashed", "a factor of relaxed_deadlines is no number"),
    "huge": ("crashed", "the bound is not finite"),
    "plan": ("solved", None),
    "infinite": ("solved", None),
    "large": ("crashed", "sent what is no message"),
    "texts": ("solved", None),
    "ready": ("crashed", "sent something that is no result"),
    "reason": ("unsupported", "xxxx"),
    "error": ("crashed", "{}: "),
    "input": ("crashed", "InputError: None"),
    "nothing": ("crashed", "the result is no object"),
    "noise": ("crashed", "MalformedMessage"),
}


@pytest.fixture(scope="module")
def sent(tmp_path_factory, make_mepra):
    """Every kind of it, in one set."""
    folder = tmp_path_factory.mktemp("sent")
    path = folder / "toy.json"
    write_json(path, make_mepra().to_document())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "plugins"))
        settings = {"plugins": ("rogues:METHODS",), "time_limit_s": 60.0}
        run_set([str(path)], ["babbler"], folder / "out", seeds=range(len(ENDS)), **settings)
    with Store(folder / "out") as store:
        rows = dict(zip(ENDS, sorted(store.rows(), key=lambda row: row.seed), strict=True))
    return folder / "out", rows


@pytest.mark.parametrize("what", ENDS)
def test_it_ends_that_run_at_most(sent, what):
    termination, says = ENDS[what]
    row = sent[1][what]
    assert row.termination == termination
    if says is None:
        assert row.detail is None
    else:
        assert says in row.detail
        assert len(row.detail) <= 4000


def test_it_is_bounded(sent):
    out, rows = sent
    # Every 21st of 200,000 and the last: as many as there may be, or a few less.
    assert len(rows["points"].trajectory) == 9525
    assert rows["points"].trajectory[0] == (0.0, 1e7, None)
    assert rows["points"].trajectory[-1] == (0.199999, 9800001.0, None)
    (left,) = rows["statistics"].statistics.values()
    assert "at most 1048576 are kept" in left
    assert rows["surrogates"].statistics == {"?": "?", "list": ["?"]}
    assert rows["whole numbers"].statistics == {"n": "13288 bits"}
    assert rows["plan"].verdict == "wrong"
    # A figure that is not finite costs no more than itself, and its time is ours.
    (point,) = rows["infinite"].trajectory
    assert point[1:] == (None, None) or point[1] == rows[""].objective
    assert (out / "runs.sqlite").stat().st_size < 5_000_000


def test_the_store_can_be_shown_as_any_other(sent):
    out, rows = sent
    assert printable(text_tables(out).replace("\n", ""))
    write_report(out)
    assert len(rows) == len(ENDS)


def test_what_no_check_foresees_is_a_crash_and_the_set_goes_on(
    tmp_path, rogues, instance_file, monkeypatch
):
    """Our own reading of it may have a hole."""
    read = record.read_claims

    def blind(document):
        claims = read(document)
        object.__setattr__(claims, "statistics", {"figure": float("inf")})
        return claims

    monkeypatch.setattr(record, "read_claims", blind)
    summary = run_set(
        [instance_file(), instance_file()], ["honest"], tmp_path, time_limit_s=60.0, plugins=rogues
    )
    assert summary.done_now == 2
    with Store(tmp_path) as store:
        rows = store.rows()
    assert {row.termination for row in rows} == {"crashed"}
    assert all("sent what cannot be stored: ValueError" in row.detail for row in rows)
    assert all(
        (row.plan, row.objective, row.verdict) == (None, None, "not claimed") for row in rows
    )

    def fails(*_):
        raise KeyError("a hole")

    monkeypatch.setattr(record, "read_claims", read)
    monkeypatch.setattr(record, "judge", lambda *a: fails() if a[1].plan else judge(*a))
    judge = __import__("splitopt.bench.verdicts.verdict", fromlist=["judge"]).judge
    run_set([instance_file()], ["honest"], tmp_path, time_limit_s=60.0, plugins=rogues)
    with Store(tmp_path) as store:
        row = store.rows()[-1]
    assert (row.termination, row.detail) == (
        "crashed",
        "sent what cannot be stored: KeyError: 'a hole'",
    )


def test_a_worker_answers_for_it_too(sent, monkeypatch):
    row = dataclasses.replace(sent[1][""], statistics={"figure": float("inf")})
    monkeypatch.setattr(task, "read_task", lambda text: None)
    monkeypatch.setattr(task, "_do", lambda *_: Answer(row, {"python": "3"}))
    answer = read_answer(task.do_run(""))
    assert (answer.row.key, answer.row.termination) == (row.key, "crashed")
    assert "sent what cannot be stored" in answer.row.detail


@pytest.mark.parametrize("said", [[], [7], [{"name": 7}], [{"name": "a"}], {"a": 1}, None])
def test_a_plugin_that_describes_itself_as_no_method_is_one_line(said):
    outcome = Outcome(message={"kind": "description", "methods": said})
    zygote = SimpleNamespace(run=lambda *_: outcome)
    with pytest.raises(InputError, match=r"^method: "):
        Catalogue((), zygote).options(Entry("a", "cift", "exact", "t", ""), {})
