"""The documentation: every code block runs, generated pages are complete, the site builds."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import COMMANDS, cli
from splitopt.bench.site.commands_page import commands_page
from splitopt.bench.site.formats_page import formats_page, schemas

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
# These have tests of their own.
APART = {"commands.md", "from-a-model-to-a-rehearsal.md"}
PAGES = sorted(
    path for path in DOCS.rglob("*.md") if "generated" not in path.parts and path.name not in APART
)


def blocks(path, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "path",
    [p for p in PAGES if blocks(p, "console") or blocks(p, "python")],
    ids=lambda p: str(p.relative_to(DOCS)),
)
def test_the_code_of_a_page_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # What another solver would have written.
    shutil.copy(DOCS.parent / "tests/data/solutions/flow.highs.sol", tmp_path / "flow.sol")
    names = {"__name__": "page"}
    found = re.findall(
        r"^```(python|console)\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE
    )
    for kind, text in found:
        if kind == "python":
            exec(compile(text, str(path), "exec"), names)
            continue
        for line in re.findall(r"^\$ splitopt (.*)$", text, re.MULTILINE):
            result = CliRunner().invoke(cli, shlex.split(line), prog_name="splitopt")
            assert result.exit_code == 0, f"{line}\n{result.output}"


def test_the_reference_has_every_command_and_every_field():
    page = commands_page()
    for name in COMMANDS:
        assert f"### splitopt {name}\n" in page
    formats = formats_page()
    for name, schema in schemas().items():
        assert f"`{name}`" in formats
        for field in schema["properties"]:
            assert f"| `{field}` |" in formats


@pytest.mark.skipif(
    importlib.util.find_spec("sphinx") is None or importlib.util.find_spec("myst_parser") is None,
    reason="the extra `docs` is not installed",
)
def test_the_site_builds_without_a_warning(tmp_path):
    """Links between pages, references into the API and headings are all resolved, or it fails."""
    import shutil

    source = tmp_path / "docs"
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("generated", "lessons"))
    subprocess.run(
        [sys.executable, "-m", "splitopt.bench.site", "--out", str(source / "generated")],
        check=True,
        cwd=ROOT,
    )
    # The lessons' pages are made by a test of theirs; here stand-ins take their place.
    (source / "generated" / "lessons").mkdir()
    (source / "generated" / "lessons" / "one.md").write_text("# A lesson\n")
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [sys.executable, *command, str(source), str(tmp_path / "site")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "api.html").stat().st_size > 50_000
