"""The documentation: every code block runs, generated pages are complete, the site builds."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import COMMANDS, cli
from splitopt.bench.site.commands_page import commands_page
from splitopt.bench.site.formats_page import formats_page, schemas
from splitopt.bench.teach.notebooks import lessons, title_of
from splitopt.bench.teach.pages import page_name, write_page

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
# These have tests of their own.
APART = {"commands.md", "from-a-model-to-a-rehearsal.md"}
LESSON = DOCS / "lessons" / "lesson_8_reading_a_benchmark.py"
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
def test_the_site_builds_without_a_warning(tmp_path, request):
    """Links between pages, references into the API and headings are all resolved, or it fails."""
    source = tmp_path / "docs"
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("generated", "lessons"))
    subprocess.run(
        [sys.executable, "-m", "splitopt.bench.site", "--out", str(source / "generated")],
        check=True,
        cwd=ROOT,
    )
    # The lessons' pages are made by a test of theirs; here one stands for all.
    pages = source / "generated" / "lessons"
    pages.mkdir()
    for lesson in lessons():
        (pages / f"{page_name(lesson)}.md").write_text(f"# {title_of(lesson)}\n")
    moving = importlib.util.find_spec("marimo") is not None
    if moving:
        write_page(LESSON, pages, 2)
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [sys.executable, *command, str(source), str(tmp_path / "site")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    assert (site / "reference" / "api.html").stat().st_size > 50_000
    for made in site.rglob("*.html"):
        text = made.read_text()
        if 'id="furo-main-content"' in text:
            assert f"splitopt {metadata.version('splitopt')}" in text, made
            assert "The splitopt authors" in text, made
            assert "Apache-2.0" in text, made
    if not moving:
        return
    lesson = site / "generated" / "lessons" / f"{page_name(LESSON)}.html"
    # The controls of a lesson move within the theme of the site too, without a server.
    browser = request.getfixturevalue("browser")
    browser.open(lesson)
    table = "document.querySelector('.lesson-output table').textContent"
    before = browser.run(table)
    browser.run("document.getElementById('control-penalty').focus()")
    browser.press("ArrowLeft")
    assert "PAR10" in before
    assert "PAR1," in browser.run(table)
    assert browser.errors == []
    assert all(url.startswith(("file:", "data:")) for url in browser.requests)
