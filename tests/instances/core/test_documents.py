"""Documents: what is wrong is told in one line; what is right comes back byte for byte."""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import threading
import tracemalloc
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitopt.instances.core import documents, fields
from splitopt.instances.core.documents import canonical, content_hash, read_json, write_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.printable import printable
from splitopt.instances.judge import (
    instance_from_document,
    plan_from_document,
    read_instance,
    read_plan,
)
from splitopt.instances.mepra.model import ExitFractions, column
from splitopt.instances.mepra.plan import MepraPlan

DATA = Path(__file__).parents[2] / "data"
EXPECTED = json.loads((DATA / "malformed" / "expected.json").read_text())


def one_line(caught) -> str:
    """Return the message, after checking its form."""
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1500
    for part in (": ", ", expected ", "; "):
        assert part in message
    assert message.rpartition("; ")[2].strip()
    return message


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: row["file"])
def test_malformed_file_gets_one_line(row):
    path = DATA / "malformed" / row["file"]
    read = read_plan if "-plan-" in row["file"] else read_instance
    with pytest.raises(InputError) as caught:
        read(path)
    field, _, rest = one_line(caught).partition(": ")
    assert field == row["field"]
    assert row["allowed"] in rest.partition(", expected ")[2]


def test_every_malformed_file_is_expected():
    files = {path.name for path in (DATA / "malformed").iterdir()} - {"expected.json"}
    assert files == {row["file"] for row in EXPECTED}


def kept(text: str) -> bool:
    """Return whether a document of the one number `text` is read."""
    try:
        documents.parse_json(text.encode(), "file")
    except InputError:
        return False
    return True


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 40))
def test_what_programs_write_of_a_double_is_read(value, digits):
    for text in (repr(value), f"{value:.17g}", f"{value:.{16 + digits}e}", f"{Decimal(value):f}"):
        assert documents.parse_json(text.encode(), "file") == value
    short = f"{value:.{min(digits, 15) - 1}e}"
    assert kept(short) == (float(short) != 0 or value == 0)


@given(st.integers(-(10**40), 10**40))
def test_an_integer_is_read_where_a_double_holds_it(value):
    held = int(float(value)) == value or Decimal(repr(float(value))) == value
    assert kept(str(value)) == held


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("0.500000000000000001", "0.5"),
        ("0.30000000000000001", "0.3"),
        ("0." + "3" * 300, "0.3333333333333333"),
        ("9007199254740993", "9007199254740992.0"),
        ("9007199254740993.0", "9007199254740992.0"),
        ("1e-400", "0.0"),
        ("1e-99999999999999999999", "0.0"),
    ],
)
def test_digits_that_a_double_loses_are_refused(text, nearest):
    with pytest.raises(InputError) as caught:
        documents.parse_json(text.encode(), "file")
    assert one_line(caught).endswith(f"write {nearest}")


def test_columns_made_in_memory_hold_only_doubles():
    with pytest.raises(InputError, match=r"data\[1\].*a double holds"):
        column("data", [1.5, 2**53 + 1])
    assert column("data", [1.5, 2**53 + 2]).tolist() == [1.5, 2.0**53 + 2]
    with pytest.raises(InputError, match="a double holds"):
        fields.number("memory", 2**53 + 1)


BRACKETS = {
    "nested": (b"[", 10**8),
    "nested objects": (b'{"a":', 2 * 10**7),
    "flat": (b"[],", 10**8 // 3),
    "nested, few": (b"[", 2_000_000),
    "nested objects, few": (b'{"a":', 2_000_000),
}


@pytest.mark.parametrize("kind", BRACKETS)
def test_brackets_are_refused_without_being_parsed(kind, tmp_path):
    path = tmp_path / "brackets.json"
    bracket, times = BRACKETS[kind]
    path.write_bytes(b"[" + bracket * times)
    size = path.stat().st_size
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"brackets\.json") as caught:
            read_instance(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    one_line(caught)
    # The bytes, their text, and little else: each bracket parsed would take 50 bytes more.
    assert peak < 2.2 * size + 2**20


def test_gzip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "LARGEST_FILE_BYTES", 10**6)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b" " * 10**8))
    with pytest.raises(InputError, match="after unpacking"):
        read_json(path)


def test_large_and_endless_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "LARGEST_FILE_BYTES", 10**6)
    path = tmp_path / "large.json"
    path.write_bytes(b" " * (10**6 + 1))
    with pytest.raises(InputError, match="at most 1000000 bytes"):
        read_json(path)
    if Path("/dev/zero").exists():
        with pytest.raises(InputError, match="a file or a pipe"):
            read_json(Path("/dev/zero"))


def test_a_pipe_is_read_to_its_end(tmp_path):
    path = tmp_path / "pipe.json"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=('{"a": 1}',))
    writer.start()
    assert read_json(path) == {"a": 1}
    writer.join()


@pytest.mark.parametrize("name", ["no such file.json", "", "a\0b.json", "x" * 300])
def test_unreadable_path_is_told(name, tmp_path):
    with pytest.raises(InputError, match=r"^file: ") as caught:
        read_json(tmp_path / name)
    one_line(caught)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        "\x1b[31m\n",
        [[[[[[1]]]]]] * 1000,
        {"a" * 500: {"b": 1}},
        10**6000,
        -(10**6000),
        np.zeros((30, 30)),
        float("nan"),
        None,
        b"\xff",
        "\ud800",
    ],
    ids=type,
)
def test_any_value_is_shown_in_one_short_line(value):
    error = InputError("field\nname", value, "allowed\tfigures " + "x" * 5000, "a remedy")
    message = str(error)
    assert message.isprintable()
    assert len(message) < 1000
    assert str(error.within("outer[3]")).startswith("outer[3].field\\nname: ")


def test_deep_value_is_shown():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert str(InputError("f", deep, "a", "r")).isprintable()
    # Taken apart level by level: dropping it at once would recurse as deep.
    while deep:
        deep = deep.pop()


# -- round trips and hashes ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["small-cift", "small-mepra"])
def test_instance_comes_back(name):
    document = read_json(DATA / f"{name}.json")
    instance = instance_from_document(document)
    again = instance.to_document()
    assert again == document
    assert json.dumps(again, sort_keys=True) == json.dumps(document, sort_keys=True)
    assert instance_from_document(again).content_hash == instance.content_hash
    assert instance.replace(name="other", description="else").content_hash == instance.content_hash


@pytest.mark.parametrize("name", ["small-cift-plan", "small-mepra-plan"])
def test_plan_comes_back(name):
    document = read_json(DATA / f"{name}.json")
    assert plan_from_document(document).to_document() == document


def test_plan_inside_a_result_is_read(tmp_path):
    document = read_json(DATA / "small-cift-plan.json")
    write_json(tmp_path / "result.json", {"method": "m", "plan": document})
    assert read_plan(tmp_path / "result.json").to_document() == document
    write_json(tmp_path / "empty.json", {"method": "m", "plan": None})
    with pytest.raises(InputError, match="this run found none"):
        read_plan(tmp_path / "empty.json")


def test_content_hash_is_fixed_for_all_time():
    """A changed hash means that stored results no longer belong to their instances."""
    hashes = {
        name: read_instance(DATA / f"{name}.json").content_hash
        for name in ("small-cift", "small-mepra")
    }
    assert hashes == {
        "small-cift": "164c7dbc7e264fcc24f1229206230b92fdd4a39ed5fc5c768c52b8d76a02a70a",
        "small-mepra": "f0fd8ae3397d7e59f89179214f9ee5da605988e19782c01b0743f2b490670963",
    }


def test_content_hash_sees_every_figure():
    """Changing any number anywhere in the document changes the hash, or is refused."""
    for name in ("small-cift", "small-mepra"):
        document = read_json(DATA / f"{name}.json")
        base = instance_from_document(document).content_hash
        changed = 0
        for path in numbers(document):
            copy = json.loads(json.dumps(document))
            holder = copy
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] += 1 if isinstance(holder[path[-1]], int) else 0.125
            try:
                assert instance_from_document(copy).content_hash != base, path
                changed += 1
            except InputError:
                continue
        assert changed >= 20


def numbers(value, path=()):
    """Yield the path of every number in a document."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if key not in ("origin", "version"):
                yield from numbers(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from numbers(entry, (*path, index))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


# What a document may leave open by null.
OPEN = {
    "inference_deadline_s",
    "fine_tuning_deadline_s",
    "throughput_per_s",
    "error_target",
    "inference_speed_flop_per_s",
    "fine_tuning_speed_flop_per_s",
}


@pytest.mark.parametrize(
    "name", ["small-cift", "small-cift-plan", "small-mepra", "small-mepra-plan"]
)
def test_null_is_no_number(name):
    document = read_json(DATA / f"{name}.json")
    read = plan_from_document if name.endswith("plan") else instance_from_document
    read(document)
    tried = 0
    for *above, last in numbers(document):
        if last in OPEN:
            continue
        part = document
        for key in above:
            part = part[key]
        kept, part[last] = part[last], None
        with pytest.raises(InputError, match=f"{last}.*None"):
            read(document)
        part[last] = kept
        tried += 1
    assert tried >= 3


def test_negative_zero_and_whole_floats_do_not_change_the_hash():
    document = read_json(DATA / "small-cift.json")
    base = instance_from_document(document).content_hash
    document["nodes"][1]["memory_bytes"] = -0.0
    document["links"][2]["delay_s"] = 0
    document["requests"] = 100.0
    document["models"][0]["blocks"][0]["flops"] = 10.0
    assert instance_from_document(document).content_hash == base
    document = read_json(DATA / "small-mepra.json")
    document["devices"]["power_w"][0] = 0
    base = instance_from_document(document).content_hash
    document["devices"]["power_w"][0] = -0.0
    document["devices"]["profile"] = [0.0, -0.0]
    assert instance_from_document(document).content_hash == base


def test_canonical_bytes():
    assert canonical({"b": 0.1, "a": [1, None, "é"]}) == b'{"b":0.1,"a":[1,null,"\\u00e9"]}'
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="Out of range"):
        canonical({"a": float("nan")})


def test_write_is_atomic_and_repeatable(tmp_path):
    path = tmp_path / "deep" / "er" / "x.json.gz"
    write_json(path, {"a": 1})
    first = path.read_bytes()
    write_json(path, {"a": 1})
    assert path.read_bytes() == first
    assert read_json(path) == {"a": 1}
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["x.json.gz"]


@pytest.mark.skipif(sys.platform == "win32", reason="the mode is POSIX's")
def test_a_pipe_is_written_into_and_stays_one(tmp_path):
    """So is a device: as root, `--out /dev/null` made an ordinary file of it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write_json(pipe, {"a": 1})
    reader.join()
    assert found == [b'{"a":1}\n']
    assert pipe.is_fifo()


def test_written_files_follow_the_umask(tmp_path):
    code = (
        "import os, sys; os.umask(0o027); from pathlib import Path; "
        "from splitopt.instances.core.documents import write_json; write_json(Path(sys.argv[1]), 1)"
    )
    path = tmp_path / "x.json"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.stat().st_mode & 0o777 == 0o640


# -- by hand, not by file ------------------------------------------------------------------


def test_replace_checks_like_the_constructor():
    instance = read_instance(DATA / "small-cift.json")
    assert instance.replace(requests=7).requests == 7
    assert instance.requests == 100
    with pytest.raises(InputError, match=r"^requests: -1"):
        instance.replace(requests=-1)
    with pytest.raises(AttributeError):
        instance.requests = 3
    fleet = read_instance(DATA / "small-mepra.json")
    with pytest.raises(InputError, match=r"^bandwidth_bit_per_s"):
        fleet.replace(bandwidth_bit_per_s=0)


def test_columns_are_read_only_copies():
    fleet = read_instance(DATA / "small-mepra.json")
    mine = np.array([1.0, 2.0])
    changed = fleet.replace(power_w=mine)
    mine[0] = 9.0
    assert changed.power_w.tolist() == [1.0, 2.0]
    for array in (changed.power_w, changed.profile, changed.exit_set):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_lists_given_for_tuples_are_copied():
    instance = read_instance(DATA / "small-cift.json")
    nodes = list(instance.nodes)
    again = instance.replace(nodes=nodes)
    nodes.clear()
    assert again.nodes == instance.nodes


@pytest.mark.parametrize("bits", [[0.5, 1.0], ["a", "b"], [[5, 7]], [True, True]])
def test_exit_sets_given_as_anything_but_integers(bits):
    fleet = read_instance(DATA / "small-mepra.json")
    with pytest.raises(InputError, match=r"^devices\.exit_set"):
        fleet.replace(exit_set=bits)
    with pytest.raises(InputError, match=r"^exit_set"):
        MepraPlan(np.zeros(2), np.zeros(2), bits)


@pytest.mark.parametrize(
    ("rows", "lengths"),
    [(np.ones(3) / 3, [3]), (np.full((1, 3), 1 / 3), [2]), (np.full((1, 2), 0.5), [2, 2])],
)
def test_exit_fractions_given_as_ill_formed_arrays(rows, lengths):
    with pytest.raises(InputError, match=r"^rows"):
        ExitFractions(rows, np.array(lengths), 1.0, "as-given")


def test_plan_columns_too_large_for_integers_are_refused():
    with pytest.raises(InputError, match=r"^splits\[1\].*whole number"):
        MepraPlan([0, 1e300], [0.0, 0.0])


def test_peak_memory_of_reading_is_bounded(tmp_path):
    """A child with little memory reads a hostile file and still answers in one line."""
    path = tmp_path / "x.json"
    path.write_bytes(b'{"format":"splitopt-mepra","devices":' + b"[" * 50_000_000)
    code = (
        "import sys; from pathlib import Path; from splitopt.instances.judge import read_instance\n"
        "from splitopt.instances.core.errors import InputError\n"
        "try: read_instance(Path(sys.argv[1]))\n"
        "except InputError as error: print(error)"
    )
    limit = 1 << 30

    def confine():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=confine,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("x.json: '50000001 brackets'")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 12.5 %, größer ≤ ∑ 漢字 🙂", "plain, 12.5 %, größer ≤ ∑ 漢字 🙂"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x9b31m\x07\x00\x7f", "\\x9b31m\\x07\\x00\\x7f"),
        ("\u202eabc\u2066\u200b\ufeff", "\\u202eabc\\u2066\\u200b\\ufeff"),
        ("\u2028\x85", "\\u2028\\x85"),
        ("\ud800", "\\ud800"),  # half of a pair, which no encoding has
    ],
)
def test_what_a_terminal_acts_on_is_shown_instead(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown
