"""What was altered after it was stored is seen, and said in one line; code of others never runs."""

import contextlib
import dataclasses
import math
import sqlite3
import warnings
import zlib

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from stores import fill, restore, row

from splitopt.bench.cli import cli
from splitopt.bench.compare.data import load
from splitopt.bench.compare.frames import export
from splitopt.bench.store import ranges, records
from splitopt.bench.store.backup import backup
from splitopt.bench.store.records import CHECKSUMS, encode
from splitopt.bench.store.schema import COLUMNS
from splitopt.bench.store.store import Outcome, Store, UncheckedRowsWarning
from splitopt.bench.studies.faults import store as faults
from splitopt.bench.verdicts.merge import merge
from splitopt.instances.core.errors import InputError


def alter(folder, sql, values=()):
    with contextlib.closing(sqlite3.connect(folder / "runs.sqlite")) as connection, connection:
        assert connection.execute(sql, values).rowcount > 0


@pytest.fixture
def folder(tmp_path):
    return fill(
        tmp_path / "store", [row("m", seed, stdout="said", plan={"a": 1}) for seed in (0, 1)]
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("objective", 9.5), ("detail", "x"), ("seed", 7), ("options", '{"a":1}'), ("bound", -0.5)],
)
def test_an_altered_figure_is_named(folder, field, value):
    alter(folder, f"UPDATE runs SET {field} = ? WHERE seed = 1", (value,))
    for heavy in (True, False):
        with (
            Store(folder, readonly=True) as store,
            pytest.raises(InputError, match=f": runs: h-m-1: {field}: .*checksum"),
        ):
            store.rows(heavy=heavy)


def test_a_text_that_is_none_is_named(folder):
    alter(folder, "UPDATE runs SET detail = CAST(x'ff' AS TEXT) WHERE seed = 1")
    with Store(folder, readonly=True) as store, pytest.raises(InputError, match="h-m-1: detail"):
        store.rows()


@pytest.mark.parametrize(
    ("table", "column"),
    [("calls", "started_at"), ("environments", "document"), ("claims", "process_started")],
)
def test_a_column_whose_name_is_damaged_is_missing(folder, table, column):
    """A bit of the table's own statement: values come, under another name."""
    with contextlib.closing(sqlite3.connect(folder / "runs.sqlite")) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
    with Store(folder) as store:
        read = {"calls": store.calls, "environments": store.environments, "claims": store.claimed}
        with pytest.raises(InputError, match=f"no such column: {column}"):
            read[table]()


@pytest.mark.parametrize("readonly", [True, False])
def test_a_name_that_is_no_text_in_what_sqlite_says_is_damage(folder, tmp_path, readonly):
    path = folder / "runs.sqlite"
    damaged = path.read_bytes().replace(b"INDEX runs_by_instance", b"INDEX \xd8( s_by_instance")
    path.write_bytes(damaged.replace(b"runs_by_instance", b"\xd8uns_by_instance"))
    with pytest.raises(InputError, match="expected a store that is whole"):
        Store(folder, readonly=readonly)
    with pytest.raises(InputError, match="a new file or an earlier backup"):
        backup(fill(tmp_path / "other", [row()]), path)


def test_every_column_has_its_say():
    values = encode(row(objective=1.0, bound=None))
    found = CHECKSUMS.of(values)
    for place, name in enumerate(COLUMNS):
        other = list(values)
        other[place] = 3 if other[place] is None else None
        assert CHECKSUMS.differs(found, CHECKSUMS.whole(other)[0]), name
    assert not CHECKSUMS.differs(found, CHECKSUMS.whole(values)[0])


ODD = [None, 0.0, -0.0, 1, 2.5, 10.0, math.inf, -math.inf, 2**63, "", "x", "\ud800", "12", b"\1"]


@given(st.data())
def test_many_rows_are_held_against_their_checksums_as_each_is(data):
    """By columns or one by one: the same bytes, and the same rows that are not sound."""
    places = st.integers(0, len(COLUMNS) - 1)
    plain = encode(row(objective=1.0, bound=None))
    found = []
    for _ in range(data.draw(st.integers(1, 4))):
        values = list(plain)
        for place, value in data.draw(st.dictionaries(places, st.sampled_from(ODD))).items():
            values[place] = value
        whole = data.draw(st.booleans())
        stored = CHECKSUMS.of(values if whole else plain)
        found.append((*values, data.draw(st.sampled_from([stored, stored, None, "text", b"\0"]))))
    columns = list(zip(*found, strict=True))
    each = [CHECKSUMS.whole(values[:-1]) for values in found]
    together = CHECKSUMS.wholes(columns)
    assert (together is not None) == all(sound for _, sound in each)
    assert together is None or together == [whole for whole, _ in each]
    parts = zip(found, each, CHECKSUMS.singly(columns), strict=True)
    told = [CHECKSUMS.of(values, whole, singly) for values, (whole, _), singly in parts]
    assert told == [CHECKSUMS.of(values[:-1]) for values in found]
    for wholly in (False, True):
        said = []
        for values in found:
            with contextlib.suppress(InputError):
                said.append(records.checked("", values, wholly=wholly))
        assert records.all_sound(columns, wholly=wholly) == (said == [True] * len(found))


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [None, 0, 1.5, -2.0, 1e308, 10**400, -(10**400), math.inf, math.nan, True, "1"]
            ),
            max_size=4,
        ),
        max_size=4,
    )
)
@example([[0, 10**400, None], [1, -(10**400), None]])
@example([[10**400, 1.0, 1.0], [-(10**400), 1.0, 1.0]])
def test_points_told_column_by_column_are_points(points):
    """What is taken at once is what passes one by one."""
    from splitopt.bench.store.rows import _finite, _plain

    one_by_one = all(
        len(point) == 3
        and _finite(point[0])
        and all(value is None or _finite(value) for value in point[1:])
        for point in points
    )
    assert not _plain(points) or one_by_one


@pytest.mark.parametrize("part", ["document", "output"])
def test_an_altered_payload_is_named(folder, part):
    alter(folder, f"UPDATE payloads SET {part} = x'789c' WHERE key = 'h-m-0'")
    with (
        Store(folder, readonly=True) as store,
        pytest.raises(InputError, match=f": payloads: h-m-0: {part}: .*checksum"),
    ):
        store.rows()


def test_the_payload_of_another_row_is_seen(folder):
    alter(folder, "DELETE FROM payloads WHERE key = 'h-m-0'")
    alter(folder, "UPDATE payloads SET key = 'h-m-0' WHERE key = 'h-m-1'")
    with Store(folder, readonly=True) as store, pytest.raises(InputError, match="h-m-0: document"):
        store.rows()


def test_status_counts_what_is_as_it_was_stored(folder):
    with Store(folder, readonly=True) as store:
        assert store.outcomes() == [Outcome("mepra", "m", "solved", "right", 2)]
    alter(folder, "UPDATE runs SET verdict = 'wrong' WHERE seed = 1")
    done = CliRunner().invoke(cli, ["status", str(folder)])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "runs: h-m-1: verdict: 'wrong'" in done.stderr


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE instances SET name = 'other'",
        "UPDATE best_known SET objective = 2.5",
        "UPDATE calls SET document = '{}'",
        "UPDATE environments SET document = '{}'",
    ],
)
def test_what_rows_refer_to_has_checksums_too(folder, sql):
    from splitopt.bench.store.store import BestKnown

    with Store(folder) as store:
        key = store.put_environment({"processor": "p"})
        store.put_best_known("h", BestKnown(2.0))
        store.put_call("then", {"command": ["x"]})
        store.add(row("m", 2, environment_hash=key))
    load(folder)
    alter(folder, sql)
    with pytest.raises(InputError, match=sql.split()[1]):
        load(folder)


def test_a_damaged_row_is_thrown_away_and_done_again(folder):
    alter(folder, "UPDATE runs SET objective = 1.0 WHERE seed = 1")
    with Store(folder) as store:
        assert store.discard_damaged() == 1
        assert [r.seed for r in store.rows()] == [0]
        assert store.discard_damaged() == 0


@pytest.mark.parametrize(("place", "seen"), [(0, ["status", "merge"]), (-1, ["merge"])])
def test_a_damaged_checksum_is_not_copied_and_can_be_thrown_away(folder, tmp_path, place, seen):
    """Beside the bytes that tell whether the row is sound: what tables count, names of columns."""
    with contextlib.closing(sqlite3.connect(folder / "runs.sqlite")) as connection:
        found = bytearray(connection.execute("SELECT checksum FROM runs").fetchone()[0])
    found[place] ^= 1
    alter(folder, "UPDATE runs SET checksum = ? WHERE seed = 0", (bytes(found),))
    for call in (["status"], ["merge", "--out", str(tmp_path / "all")]):
        done = CliRunner().invoke(cli, [call[0], str(folder), *call[1:]])
        assert ("h-m-0: checksum: 'other bytes'" in done.stderr) == (call[0] in seen)
    with pytest.raises(InputError, match="h-m-0: checksum"):
        merge(tmp_path / "all", [folder], trust=True)
    with Store(folder) as store:
        assert store.discard_damaged() == 1
        assert [r.seed for r in store.rows()] == [1]


@pytest.mark.parametrize("field", ranges.SECONDS)
@pytest.mark.parametrize("seconds", [-1.0, 1e10])
def test_seconds_that_none_can_be_are_named_whatever_their_checksum(folder, field, seconds):
    alter(folder, f"UPDATE runs SET {field} = ? WHERE seed = 0", (seconds,))
    with contextlib.closing(sqlite3.connect(folder / "runs.sqlite")) as connection, connection:
        faults._sealed(connection)
    done = CliRunner().invoke(cli, ["report", str(folder)])
    said = " ".join(done.stderr.split())
    assert done.exit_code == 2
    assert f"h-m-0: {field}: {seconds}, expected seconds from 0 to 1e9;" in said


@pytest.mark.parametrize("field", ["options", "statistics", "violations"])
def test_a_text_that_is_no_json_is_not_exported_whatever_its_checksum(folder, tmp_path, field):
    alter(folder, f"UPDATE runs SET {field} = '[[' WHERE seed = 0")
    with contextlib.closing(sqlite3.connect(folder / "runs.sqlite")) as connection, connection:
        faults._sealed(connection)
    with pytest.raises(InputError, match=f"h-m-0: {field}: .*the JSON that was stored"):
        export(folder, tmp_path / "rows.csv")


def test_rows_of_an_older_store_are_read_and_that_is_said_once(tmp_path):
    (tmp_path / "store").mkdir()
    rows = restore(3, tmp_path / "store")
    done = CliRunner().invoke(cli, ["merge", str(tmp_path / "store"), "--out", str(tmp_path / "n")])
    assert done.exit_code == 0
    assert done.stderr.count(f"{len(rows)} rows without a checksum") == 1
    with pytest.warns(UncheckedRowsWarning), Store(tmp_path / "n", readonly=True) as store:
        assert store.unchecked() == len(rows)
    # A row of today has one, and a merged row that the judge marks gets a new one.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fill(tmp_path / "new", [row()])
        with Store(tmp_path / "new", readonly=True) as store:
            assert store.unchecked() == 0


def test_floats_that_sqlite_stores_otherwise_keep_their_checksum(tmp_path):
    fill(tmp_path, [row(objective=-0.0, bound=float("nan"), time_limit_s=10, seed=2**62)])
    with Store(tmp_path, readonly=True) as store:
        (found,) = store.rows()
    assert (found.objective, found.bound, found.seed) == (0.0, None, 2**62)


def test_a_marked_row_has_a_checksum_that_fits(folder, tmp_path):
    with Store(folder, readonly=True) as source, Store(tmp_path / "all", create=True) as target:
        (first, _) = source.rows(heavy=False)
        marked = dataclasses.replace(first, verdict="wrong", verdict_reason="no")
        with target.taking(source):
            assert target.take({first.key: marked}) == (2, 0)
        assert [r.verdict for r in target.rows()] == ["wrong", "right"]


@pytest.mark.parametrize("name", faults.DAMAGES)
def test_damage_is_one_line_or_harms_nothing(name, tmp_path):
    """A short version of ``python -m splitopt.bench.studies faults store``."""
    said = faults.damaged_at_random(
        tmp_path, name, 8, ("status", "compare", "export-runs", "merge")
    )
    assert said.startswith("8 readings: ")


@pytest.mark.parametrize(
    "name", [n for n in faults.HOSTILE if "gigabyte" not in n and "million" not in n]
)
def test_a_hostile_store_is_one_line_or_harms_nothing(name, tmp_path):
    assert "one line" in faults.hostile(tmp_path, name, ("status", "compare", "merge"))


def test_a_payload_that_inflates_is_cut_off_early(monkeypatch):
    with pytest.raises(ValueError, match="more than 1 MiB when unpacked"):
        records.inflate(faults._bomb(4 << 20), 1 << 20)


def test_rows_that_printed_something_are_merged_and_judged(folder, tmp_path):
    found = merge(tmp_path / "all", [folder])
    assert (found.added, found.unjudged) == (2, 2)
    with Store(tmp_path / "all", readonly=True) as store:
        assert [r.stdout for r in store.rows()] == ["said", "said"]


@pytest.mark.parametrize("trust", [True, False])
def test_what_a_run_printed_is_held_against_its_checksum_in_a_merge(folder, tmp_path, trust):
    alter(folder, "UPDATE payloads SET output = ? WHERE key = 'h-m-0'", (zlib.compress(b"{}"),))
    with pytest.raises(InputError, match="payloads: h-m-0: output: 'other bytes'"):
        merge(tmp_path / "all", [folder], trust=trust)
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize("trust", [True, False])
def test_a_payload_without_its_row_is_not_merged_and_stops_nothing(folder, tmp_path, trust):
    alter(folder, "INSERT INTO payloads VALUES ('other', x'00', NULL, x'00')")
    alter(folder, "INSERT INTO payloads VALUES (NULL, x'00', NULL, x'00')")
    assert merge(tmp_path / "all", [folder], trust=trust).added == 2
    alter(folder, "DELETE FROM payloads WHERE key = 'h-m-1'")
    with pytest.raises(InputError, match="payloads: h-m-1: 'none is there'"):
        merge(tmp_path / "more", [folder], trust=trust)


def test_rows_that_a_runner_stores_while_they_are_judged_stay_where_they_are(
    folder, tmp_path, monkeypatch
):
    def check(store, **more):
        checked(store, **more)
        with Store(folder) as runner:
            runner.add(row("m", 7))

    checked = Store.check
    with Store(folder):  # a runner at work: what it writes is in SQLite's log
        monkeypatch.setattr(Store, "check", check)
        assert merge(tmp_path / "all", [folder], trust=True).added == 2
    monkeypatch.undo()
    assert merge(tmp_path / "all", [folder]).added == 1


def test_rows_that_a_copied_page_hides_are_missed(tmp_path):
    """A leaf of the table in place of its root: SQLite reads on, with fewer rows."""
    fill(tmp_path / "store", [row("m", seed) for seed in range(30)])
    path = tmp_path / "store" / "runs.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'runs'"
        ).fetchone()
    data = bytearray(path.read_bytes())
    at = (root - 1) * 4096
    leaf = int.from_bytes(data[at + 8 : at + 12], "big")  # the page on the right
    data[at : at + 4096] = data[(leaf - 1) * 4096 : leaf * 4096]
    path.write_bytes(data)
    with pytest.raises(InputError, match="expected a store that is whole"):
        Store(tmp_path / "store", readonly=True)
