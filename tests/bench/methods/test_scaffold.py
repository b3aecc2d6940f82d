"""Packages to begin from: they work as they are, and nothing of anybody's is overwritten."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import splitopt
from splitopt.bench.cli import cli
from splitopt.bench.methods.entry_points import GROUP
from splitopt.bench.methods.registry import references


def new(*arguments, code=0):
    result = CliRunner().invoke(cli, ["new", *arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("problem", ["cift", "mepra"])
def test_a_new_method_passes_the_conformance_suite_as_it_is(here, monkeypatch, problem):
    told = new("method", "half-way", "--problem", problem)
    assert "next: cd half-way && splitopt conform --plugin half_way:METHOD" in told
    monkeypatch.syspath_prepend(str(here / "half-way"))
    result = CliRunner().invoke(cli, ["conform", "--plugin", "half_way:METHOD"])
    assert result.exit_code == 0, result.output
    assert "7 of 7 checks passed" in result.output
    project = tomllib.loads((here / "half-way" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][GROUP] == {"half-way": "half_way:METHOD"}


@pytest.mark.parametrize("problem", ["cift", "mepra"])
def test_a_new_family_makes_instances_with_proven_optima(here, monkeypatch, problem):
    module = f"cells_{problem}"
    new("family", f"cells-{problem}", "--problem", problem)
    monkeypatch.syspath_prepend(str(here / f"cells-{problem}"))
    generate = importlib.import_module(module).generate
    instance = generate(3)
    assert instance.content_hash == generate(3).content_hash != generate(4).content_hash
    assert instance.origin["family"] == f"cells-{problem}"
    exact = splitopt.method(references(problem)[0], problem)
    assert exact.solve(instance, splitopt.Budget(60.0), 0, {}).status == "optimal"
    # The draws are the same in another process, whatever its hash seed.
    monkeypatch.setenv("PYTHONPATH", str(here / f"cells-{problem}"), prepend=":")
    command = [sys.executable, "-m", module, "made", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert instance.content_hash.startswith(done.stdout.split()[1])
    file = here / "made" / f"cells-{problem}-s3.json"
    assert splitopt.load(file).content_hash == instance.content_hash


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("method", "jqodi", "no method has"),
        ("family", "cift-tiers", "no family has"),
        ("method", "Half_Way", "small letters"),
        ("method", "../half", "small letters"),
        ("method", "-o", "No such option"),
        ("method", "class", "class is"),
        ("method", "json", "json is"),
        ("family", "numpy", "numpy is"),
        ("family", "splitopt", "splitopt is"),
    ],
)
def test_names_are_checked(here, kind, name, why):
    assert why in new(kind, name, code=2)
    assert list(here.iterdir()) == []


def test_nothing_is_overwritten(here):
    (here / "half-way").mkdir()
    assert "no folder of that name" in new("method", "half-way", code=2)
    (here / "gone").symlink_to(here / "nowhere")
    assert "no folder of that name" in new("method", "gone", code=2)
    assert sorted(p.name for p in here.iterdir()) == ["gone", "half-way"]


def test_files_are_named_and_free_of_marks(here):
    files = new("family", "my-cells").splitlines()[:-1]
    assert len(files) == 6
    for name in files:
        assert not {"{", "}"} & set(name)
        text = Path(name).read_text()
        assert "{module}" not in text
        assert "{name}" not in text
        assert text.isascii()
