"""Stores beside each other: comparison, merge, export."""

import csv
import json

import pytest
from stores import fill, row

from splitopt.bench.compare import frames
from splitopt.bench.compare.data import load
from splitopt.bench.compare.frames import export, frame
from splitopt.bench.compare.stores import compare
from splitopt.bench.report.comparison import comparison_text
from splitopt.bench.store.store import BestKnown, Store, StoreError
from splitopt.bench.verdicts.merge import merge
from splitopt.instances.core.errors import InputError


def test_what_got_faster_slower_and_neither(tmp_path):
    a, b = [], []
    for instance in "pqr":
        for seed in range(5):
            for method, before, after in (
                ("quick", 2.0, 1.0),
                ("slow", 1.0, 1.5),
                ("noisy", 1.0 + 0.2 * (seed % 2), 1.1 + 0.2 * ((seed + 1) % 2) - 0.1),
            ):
                a.append(row(method, seed, instance, before))
                b.append(row(method, seed, instance, after))
    found = compare(fill(tmp_path / "a", a), fill(tmp_path / "b", b))
    by = {m.method: m for m in found.methods}
    assert by["quick"].ratio.estimate == pytest.approx(0.5)
    assert (by["quick"].statement, by["slow"].statement) == ("faster", "slower")
    assert by["slow"].ratio.estimate == pytest.approx(1.5)
    assert by["noisy"].statement == "no difference shown"
    assert by["quick"].pairs == by["quick"].both_right == 15
    assert found.changes == ()
    text = comparison_text(found)
    assert "faster" in text
    assert "slower" in text


def test_what_became_right_wrong_better_and_worse(tmp_path):
    a = [
        row("m", 0),
        row("m", 1, termination="killed", status="none", verdict="not claimed", objective=None),
        row("m", 2),
        row("m", 3),
        row("m", 7),
    ]
    b = [
        row("m", 0, objective=9.0),
        row("m", 1),
        row("m", 2, verdict="wrong", verdict_reason="lies"),
        row("m", 3, objective=11.0),
        row("m", 8),
        row("m", 9),
    ]
    found = compare(fill(tmp_path / "a", a), fill(tmp_path / "b", b))
    (m,) = found.methods
    assert (m.pairs, m.right_before, m.right_after, m.wrong_after) == (4, 3, 3, 1)
    assert (m.better, m.worse) == (1, 1)
    assert [(c.seed, c.before, c.after) for c in found.changes] == [
        (1, "killed, none, not claimed", "solved, feasible, right"),
        (2, "solved, feasible, right", "solved, feasible, wrong"),
    ]
    assert (found.only_before, found.only_after) == (1, 2)


def test_times_at_different_parallelism_are_not_compared_unsaid(tmp_path):
    found = compare(fill(tmp_path / "a", [row()]), fill(tmp_path / "b", [row(jobs=2)]))
    assert any("runs at a time" in note for note in found.caveats)
    assert "Such times are not compared" in comparison_text(found)
    (m,) = found.methods
    # The outcomes are compared, the times are not, and that is said.
    assert (m.pairs, m.both_right, m.timed, m.ratio) == (1, 1, 0, None)
    assert m.statement == "not comparable"
    (m,) = compare(tmp_path / "a", tmp_path / "b", across=True).methods
    assert (m.timed, m.ratio.estimate) == (1, 1.0)


def test_times_of_another_machine_are_not_compared_unasked(tmp_path):
    folders = []
    for name, processor in (("a", "one"), ("b", "other")):
        folders.append(tmp_path / name)
        with Store(folders[-1], create=True) as store:
            key = store.put_environment({"processor": processor, "cores_usable": 2})
        fill(folders[-1], [row(seed=k, environment_hash=key) for k in range(2)])
    found = compare(*folders)
    assert any("machines" in note and "one" in note for note in found.caveats)
    assert found.methods[0].ratio is None
    assert compare(*folders, across=True).methods[0].timed == 2
    # Rows of the like machine in one store do compare.
    assert compare(folders[0], folders[0]).methods[0].timed == 2


def test_another_gap_is_another_run(tmp_path):
    a = fill(tmp_path / "a", [row(relative_gap=1e-6)])
    found = compare(a, fill(tmp_path / "b", [row(relative_gap=0.1)]))
    assert (found.methods, found.only_before, found.only_after) == ((), 1, 1)


def test_the_share_that_is_right_has_an_interval(tmp_path):
    gone = {"verdict": "not claimed", "status": "none", "objective": None}
    a = [row("m", seed, instance) for instance in "pq" for seed in range(4)]
    # On q two of four seeds fail in B: right falls by 0 on p and by 1/2 on q.
    b = [
        row("m", seed, instance, **(gone if instance == "q" and seed < 2 else {}))
        for instance in "pq"
        for seed in range(4)
    ]
    found = compare(fill(tmp_path / "a", a), fill(tmp_path / "b", b))
    (m,) = found.methods
    assert m.right.estimate == pytest.approx(-0.25)
    # Of four seeds with replacement 0 to 4 fail: -1/2 to 0, in steps of 1/8.
    assert m.right.low == pytest.approx(-0.5)
    assert m.right.high == pytest.approx(0.0)
    assert m.right.over == "seeds"
    assert m.regressed
    assert found.regressed == ["mepra m"]
    assert compare(tmp_path / "a", tmp_path / "a").regressed == []


def test_runs_spread_over_machines_are_not_compared_with_runs_on_one(tmp_path):
    """Four at a time is another thing on one machine than on four."""
    crowded = [row(jobs=4, jobs_on_machine=4)]
    spread = [row(jobs=4, jobs_on_machine=1, cluster="slurm")]
    one, other = fill(tmp_path / "a", crowded), fill(tmp_path / "b", spread)
    found = compare(one, other)
    assert any("A has 4; B has 4 (1 a machine)" in note for note in found.caveats)
    merge(tmp_path / "c", [one, fill(tmp_path / "d", [row("n", jobs=4, jobs_on_machine=1)])])
    (note,) = (n for n in load(tmp_path / "c").caveats if "runs at a time" in n)
    assert note == "Rows with different runs at a time stand together: 4, 4 (1 a machine)."


def test_stores_without_a_common_run(tmp_path):
    found = compare(fill(tmp_path / "a", [row("m")]), fill(tmp_path / "b", [row("n")]))
    assert "No run is in both" in comparison_text(found)


def test_merge_adds_what_is_new_and_keeps_the_first(tmp_path):
    one = fill(tmp_path / "one", [row("m", 0), row("m", 1)])
    other = fill(tmp_path / "other", [row("m", 1, objective=99.0), row("m", 2)])
    with Store(other) as store:
        store.put_best_known("h", BestKnown(1.0))
        store.put_call("then", {"command": ["x"]})
    out = tmp_path / "out"
    found = merge(out, [one, other])
    assert (found.added, found.there) == (3, 1)
    with Store(out) as store:
        assert [(r.seed, r.objective) for r in store.rows()] == [(0, 10.0), (1, 10.0), (2, 10.0)]
        # A figure without a plan: it would refute every proof, and is taken on trust alone.
        assert store.best_known() == {}
        assert [call["command"] for call in store.calls()] == [["x"]]
    # Once more changes nothing.
    found = merge(out, [one, other])
    assert (found.added, found.there) == (0, 4)
    with Store(out) as store:
        assert len(store.calls()) == 1
    merge(out, [other], trust=True)
    with Store(out) as store:
        assert store.best_known() == {"h": BestKnown(1.0)}


def test_merge_refuses_what_is_no_store_before_it_writes(tmp_path):
    one = fill(tmp_path / "one", [row()])
    with pytest.raises(InputError, match=r"^DIR: .*splitopt run"):
        merge(tmp_path / "out", [one, tmp_path / "nothing"])
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="other than"):
        merge(one, [one])


def test_export_to_csv(tmp_path):
    rows = [row("m", 0, statistics={"nodes": 3}), row("liar", 0, status="none", bound=11.0)]
    folder = fill(tmp_path / "a", rows)
    assert export(folder, tmp_path / "rows.csv") == 2
    with (tmp_path / "rows.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["method"] for line in lines] == ["m", "liar"]
    assert json.loads(lines[0]["statistics"]) == {"nodes": 3}
    assert [line["verdict"] for line in lines] == ["right", "right"]
    # The bound of the second is above the plan of the first.
    assert [line["verdict_after_cross_check"] for line in lines] == ["right", "wrong"]
    assert {line["best_objective"] for line in lines} == {"10.0"}
    assert list(frame(folder)["seed"]) == [0, 0]


FORMULAS = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "\n=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_is_no_formula(tmp_path, text):
    folder = fill(tmp_path / "a", [row(detail=text, verdict_reason=text, cluster=text)])
    export(folder, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as stream:
        (line,) = csv.DictReader(stream)
    shown = "'" + text.replace("\r", "\n")
    assert {line[name] for name in ("detail", "verdict_reason", "cluster")} == {shown}
    assert not any(cell.startswith(tuple("=+-@\t\r\n")) for cell in line.values())


def test_a_carriage_return_forges_no_row(tmp_path):
    """The writer quotes line feeds alone: the rest of the text was a row of its own."""
    texts = [f"a{end}forged,mepra,right" for end in ("\r", "\r\n", "\n")]
    rows = [row("m", seed, detail=text) for seed, text in enumerate(texts)]
    export(fill(tmp_path / "a", rows), tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["detail"] for line in lines] == ["a\nforged,mepra,right"] * 3


def test_numbers_and_honest_texts_stay_as_they_are_in_csv(tmp_path):
    rows = [
        row("m", 0, objective=-1.5, bound=-1e-300, detail="-1.5", verdict_reason="a = b - c"),
        row("m", 1, objective=None, bound=1e300, detail=None, memory_limit_bytes=2**62),
        row("m", 2, solve_time_s=None, cores=(0, 1), options={"a": -1}, detail="'quoted'"),
    ]
    folder = fill(tmp_path / "a", rows)
    export(folder, tmp_path / "rows.csv")
    plain = frame(folder).to_csv(index=False, lineterminator="\n")
    assert (tmp_path / "rows.csv").read_text() == plain
    with (tmp_path / "rows.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["objective"] for line in lines] == ["-1.5", "", "10.0"]
    assert [line["detail"] for line in lines] == ["-1.5", "", "'quoted'"]


def test_export_to_parquet_keeps_types_trajectories_and_plans(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rows = [
        row("m", 2**62, trajectory=((0.5, 3.0, None),), plan={"format": "p"}, cores=(0, 1)),
        row("n", 1, objective=None, status="none", memory_limit_bytes=1 << 40),
    ]
    folder = fill(tmp_path / "a", rows)
    assert export(folder, tmp_path / "new" / "rows.parquet") == 2
    table = pd.read_parquet(tmp_path / "new" / "rows.parquet")
    assert list(table["method"]) == ["m", "n"]
    assert list(table["seed"]) == [2**62, 1]  # no float has been in between
    assert json.loads(table["trajectory"][0]) == [[0.5, 3.0, None]]
    assert json.loads(table["plan"][0]) == {"format": "p"}
    assert json.loads(table["cores"][0]) == [0, 1]
    assert table["objective"].isna().tolist() == [False, True]
    # The same figures as in the other format, which leaves out what is large.
    export(folder, tmp_path / "rows.csv")
    other = pd.read_csv(tmp_path / "rows.csv")
    for name in ("solve_time_s", "best_objective", "verdict_after_cross_check"):
        assert list(other[name]) == list(table[name])
    assert set(table.columns) - set(other.columns) == {"trajectory", "plan"}
    # Nothing but the two files was left behind.
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["rows.parquet"]


@pytest.mark.parametrize("piece", [500, 1000])
def test_a_store_is_exported_in_pieces_as_it_is_in_a_frame(piece, tmp_path, monkeypatch):
    """Whole pieces and a rest, or pieces alone: rows, plans and what follows stay together."""
    pd = pytest.importorskip("pandas")
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(frames, "_PIECE", piece)
    monkeypatch.setattr(frames, "_PART", 300)
    rows = [
        row("m", k, objective=k + 1.0, trajectory=((0.5, float(k), None),) * (k % 3),
            plan={"k": k, "of": "h\u00e9"} if k % 4 else None)
        for k in range(1000)
    ]  # fmt: skip
    folder = fill(tmp_path / "a", rows)
    assert export(folder, tmp_path / "rows.parquet") == 1000
    file = parquet.ParquetFile(tmp_path / "rows.parquet")
    sizes = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
    assert sizes == [piece] * (1000 // piece) + [0]
    table, heavy = pd.read_parquet(tmp_path / "rows.parquet"), frames.frame(folder, heavy=True)
    assert list(table.columns) == list(heavy.columns)
    for found in (table, heavy):
        plans = [json.loads(t) if isinstance(t, str) else None for t in found["plan"]]
        assert plans == [one.plan for one in rows]
        points = [json.loads(text) for text in found["trajectory"]]
        assert points == [[list(point) for point in one.trajectory] for one in rows]
        assert list(found["seed"]) == list(range(1000))
        assert set(found["best_objective"]) == {1.0}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_export_that_cannot_be_written_is_no_fault_of_the_store(kind, tmp_path):
    folder = fill(tmp_path / "a", [row()])
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file") as caught:
        export(folder, tmp_path / "file" / f"rows.{kind}")
    assert not isinstance(caught.value, StoreError)
    assert "runs.sqlite" not in str(caught.value)


def test_rows_and_plans_of_an_export_are_of_one_moment(tmp_path, monkeypatch):
    """A runner that does a run again between rows and plans would shift plans by a row."""
    pytest.importorskip("pyarrow")
    rows = [row("m", k, plan={"k": k}) for k in range(3)]
    folder = fill(tmp_path / "a", rows)
    known = Store.best_known

    def meanwhile(store):
        with Store(folder) as runner:
            runner.forget([rows[0].key])
            runner.add(rows[0])
        return known(store)

    monkeypatch.setattr(Store, "best_known", meanwhile)
    with pytest.raises(StoreError, match="written while it was read"):
        export(folder, tmp_path / "rows.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("written", "said"), [(True, StoreError), (False, InputError)])
def test_what_looks_damaged_while_a_runner_writes_is_no_damage(written, said, tmp_path):
    """Pages of before and after lie side by side then: a row without a payload, say."""
    folder = fill(tmp_path / "a", [row("m", k) for k in range(3)])

    def read():
        with Store(folder, readonly=True) as store, store.snapshot():
            assert store.count() == 3
            if written:
                with Store(folder) as runner:
                    runner.forget(["h-m-0"])
            raise InputError("payloads", "none is there", "one", "restore a backup")

    with pytest.raises(said):
        read()


def test_export_says_what_is_missing(tmp_path, monkeypatch):
    folder = fill(tmp_path / "a", [row()])
    with pytest.raises(InputError, match=r"\.csv or \.parquet"):
        export(folder, tmp_path / "rows.txt")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'splitopt\[parquet\]'"):
        export(folder, tmp_path / "rows.parquet")
    assert not (tmp_path / "rows.parquet").exists()


def test_runs_beside_those_of_other_runners_are_not_compared_unsaid(tmp_path):
    """Three runners with a run at a time each: none of them can say more than that of itself."""
    alone = row(jobs=2, jobs_on_machine=2, runs_beside=1)  # the other is of its own runner
    assert alone.parallelism == row(jobs=2, runs_beside=None).parallelism == "2"
    crowded = row(jobs=1, runs_beside=2)
    assert crowded.parallelism == "1 beside 2 of other runners"
    found = compare(fill(tmp_path / "a", [row(runs_beside=0)]), fill(tmp_path / "b", [crowded]))
    assert found.methods[0].timed == 0
    assert any("A has 1; B has 1 beside 2 of other runners" in note for note in found.caveats)


def test_a_row_of_an_instance_that_is_not_there_is_named(tmp_path):
    folder = fill(tmp_path / "a", [row()])
    with Store(folder) as store:
        store.add(row(instance="other"))
    with pytest.raises(InputError, match=r"runs: other-m-0: instance_hash: 'other', expected one"):
        load(folder)
