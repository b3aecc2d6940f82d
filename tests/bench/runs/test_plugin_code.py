"""A user's method is the code it is: changed code, or another file, is another method."""

import sys

import pytest
from running import plan, run_set

from splitopt.bench.compare.data import load
from splitopt.bench.compare.stores import compare
from splitopt.bench.isolation.source import source_hash
from splitopt.bench.report import text_tables
from splitopt.bench.runs.runner import solve_once
from splitopt.bench.store.store import Store
from splitopt.instances.core.errors import InputError

INSTANCE = "mepra-image-10mbps"
CODE = """
from splitopt.heuristics.baselines.mepra.even import {base} as BASE

class Own:
    name, problem, options = "own", "mepra", ()
    supports = BASE.supports
    def solve(self, *given, **more):
        {before}
        return BASE.solve(*given, **more)

METHOD = Own()
"""


def code(base="EVEN_SHARES", before="pass"):
    return CODE.format(base=base, before=before)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a function that does the runs of a plugin in this folder."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def do(target="own:METHOD", out=tmp_path / "out", how=run_set, **more):
        settings = {"time_limit_s": 20.0, "plugins": (target,)} | more
        return how([INSTANCE], ["own", "even-shares"], out, **settings)

    do.folder = folder
    return do


def counts(summary):
    return (summary.done_before, summary.done_now, dict(summary.changed))


def test_changed_code_is_told_and_run_and_the_old_rows_stay(own):
    file = own.folder / "own.py"
    file.write_text(code())
    assert counts(own()) == (0, 2, {})
    assert counts(own()) == (2, 0, {})
    file.write_text(code("DEVICE_ONLY"))
    chosen = own(how=plan)
    assert (len(chosen.left), list(chosen.changed.values())) == (1, ["own"])
    assert counts(own()) == (1, 1, {"own": 1})
    assert counts(own()) == (2, 0, {"own": 1})
    # What it was before is there still.
    file.write_text(code())
    assert counts(own()) == (2, 0, {"own": 1})


def test_another_file_with_the_same_method_is_another_method(own, tmp_path):
    (own.folder / "own.py").write_text(code())
    (own.folder / "other.py").write_text(code("DEVICE_ONLY"))
    own()
    assert counts(own("other:METHOD")) == (1, 1, {"own": 1})
    data = load(tmp_path / "out")
    names = {data.name(row) for row in data.rows}
    assert names == {
        "even-shares",
        *(f"own source={source_hash(f'{name}:METHOD')[:8]}" for name in ("own", "other")),
    }
    assert all(name in text_tables(tmp_path / "out") for name in names)


def test_a_file_of_the_same_code_is_the_same_method(own):
    """Its folder and its times do not count."""
    (own.folder / "own.py").write_text(code())
    own()
    (own.folder / "own.py").unlink()
    (own.folder / "own.py").write_text(code())
    assert counts(own()) == (2, 0, {})


@pytest.mark.parametrize(
    "version",
    ["    version = {!r}\n", "__version__ = {!r}\n"],
    ids=["method", "module"],
)
def test_a_version_is_recorded(own, tmp_path, version):
    """In the text here, so that the source changes too; the key holds both."""
    for number in ("1", "2"):
        line = version.format(number)
        if line.startswith(" "):
            text = code().replace("    supports", f"{line}    supports", 1)
        else:
            text = code() + line
        (own.folder / "own.py").write_text(text)
        own()
    with Store(tmp_path / "out") as store:
        rows = [row for row in store.rows() if row.method == "own"]
        ours = [row for row in store.rows() if row.method == "even-shares"]
    assert [row.method_version for row in rows] == ["1", "2"]
    assert len({row.method_source for row in rows}) == len({row.key for row in rows}) == 2
    assert [(row.method_source, row.method_version) for row in ours] == [(None, None)]


def test_a_version_alone_is_another_method(own):
    """As of data beside the code, which is not hashed."""
    line = "from pathlib import Path\n__version__ = Path(__file__).with_name('v').read_text()\n"
    (own.folder / "own.py").write_text(line + code())
    for number in ("1", "2"):
        (own.folder / "v").write_text(number)
        assert own().done_now == (2 if number == "1" else 1)


def test_what_counts_as_the_source(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [*sys.path, str(tmp_path)])
    for name, text in {
        "mine.py": "import helper\ndef f():\n    from late import x\nimport numpy, json, click\n",
        "helper.py": "import deep.part\n",
        "late.py": "x = 1\n",
        "stranger.py": "x = 1\n",
        "deep/__init__.py": "",
        "deep/part.py": "",
        "deep/data.txt": "",
        "notes.txt": "",
        "click/__init__.py": "",  # is installed, and found there first
        "venv/numpy.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def changes(target, name):
        before = source_hash(target)
        file = tmp_path / name
        text = file.read_text()
        file.write_text(text + "# changed\n")
        after = source_hash(target)
        file.write_text(text)
        assert source_hash(target) == before
        return before != after

    counted = ["mine.py", "helper.py", "late.py", "deep/__init__.py", "deep/part.py"]
    assert [name for name in counted if not changes("mine:METHOD", name)] == []
    left_out = ["stranger.py", "deep/data.txt", "notes.txt", "click/__init__.py", "venv/numpy.py"]
    assert [name for name in left_out if changes("mine:METHOD", name)] == []
    # Of a package all of it, and what is beside it not.
    assert changes("deep.part:METHOD", "deep/__init__.py")
    assert not changes("deep.part:METHOD", "late.py")
    assert source_hash("no_such_module:X") is None
    assert source_hash("sys:path") is None


def test_code_that_changes_meanwhile_ends_the_set(own, tmp_path):
    file = own.folder / "own.py"
    file.write_text(code())

    def change(event):
        if event.kind == "finished":
            file.write_text(code("DEVICE_ONLY"))

    with pytest.raises(InputError, match=r"own:METHOD.*the source that was planned.*start again"):
        own(on_event=change, seeds=(0, 1))
    with Store(tmp_path / "out") as store:
        assert len(store.rows()) == 1
        assert store.claimed() == 0
    # Started again, it does the rest with the code as it is.
    assert counts(own(seeds=(0, 1))) == (0, 4, {"own": 1})


def test_an_error_that_was_corrected_is_no_contradiction(own):
    """A row of the code that was wrong stays in the store, and speaks against nobody."""
    lie = "import dataclasses; found = BASE.solve(*given, **more); "
    lie += "return dataclasses.replace(found, objective=0.0)"
    (own.folder / "own.py").write_text(code(before=lie))
    assert [c.kind for c in own().contradictions] == ["judged wrong"]
    (own.folder / "own.py").write_text(code())
    assert own().ok


def test_a_comparison_says_that_the_code_differs(own, tmp_path):
    (own.folder / "own.py").write_text(code())
    own()
    (own.folder / "own.py").write_text(code("DEVICE_ONLY"))
    own(out=tmp_path / "b")
    found = compare(tmp_path / "out", tmp_path / "b")
    assert any("Other code in A than in B under one name: own." in text for text in found.caveats)
    assert {m.method: m.pairs for m in found.methods} == {"own": 1, "even-shares": 1}


def test_solving_once_takes_the_code_as_it_is(own):
    (own.folder / "own.py").write_text(code())
    result = solve_once(INSTANCE, "own", time_limit_s=20.0, plugins=("own:METHOD",))
    assert result.status == "feasible"
