"""The lessons run from top to bottom, assert what they say, and become pages."""

import re

import pytest

from splitopt.bench.teach.notebooks import Cell, lessons, run, title_of
from splitopt.bench.teach.pages import page
from splitopt.instances.core.errors import InputError

marimo = pytest.importorskip("marimo", reason="the extra `lessons` is not installed")

LESSONS = lessons()


def test_there_are_nine_in_order():
    titles = [title_of(path) for path in LESSONS]
    assert [title.split(".")[0] for title in titles] == [str(k) for k in range(1, len(titles) + 1)]
    assert len(titles) == 9


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_and_its_page_shows_it(path, tmp_path):
    cells = run(path)
    text = page(path, cells, tmp_path)
    assert text.startswith("# " + title_of(path))
    # Every picture the page names is there, and every control says where it stood.
    for name in re.findall(r"\]\((\S+\.png)\)", text):
        assert (tmp_path / name).stat().st_size > 1000
    assert text.count("<details>") == sum(
        bool(cell.code) and not cell.code.startswith("mo.md(r") for cell in cells
    )
    assert "## Exercises" in text
    # A lesson asserts what it claims; its code has to hold at least five such lines.
    assert sum(cell.code.count("assert ") for cell in cells) >= 5


def test_text_and_numbers_of_a_cell_reach_the_page(tmp_path):
    cells = [
        Cell('mo.md(r"""\n# Title\n\nProse with $x^2$.\n""")', None),
        Cell("1 + 1", 2),
        Cell("", None),
    ]
    text = page(LESSONS[0], cells, tmp_path)
    assert "Prose with $x^2$." in text
    assert "```text\n2\n```" in text


def test_without_lessons_the_remedy_is_named(tmp_path):
    with pytest.raises(InputError, match="clone it"):
        lessons(tmp_path)
