"""The lessons run from top to bottom, assert what they say, and become pages that move."""

import itertools
import json
import re

import pytest

from splitopt.bench.teach import pages
from splitopt.bench.teach.moves import Control, moves
from splitopt.bench.teach.notebooks import Cell, lessons, number_of, run, title_of
from splitopt.bench.teach.pages import page, page_name, write_page
from splitopt.bench.teach.shown import Picture, shown
from splitopt.instances.core.errors import InputError

marimo = pytest.importorskip("marimo", reason="the extra `lessons` is not installed")

LESSONS = lessons()
MINUTES = """
import marimo

app = marimo.App(app_title="1. A toy")


@app.cell
def _(mo):
    mo.md("# 1. A toy")
    return


@app.cell
def _():
    import marimo as mo

    return (mo,)


@app.cell
def _(mo):
    minutes = mo.ui.slider(steps=[1, 2, 5], value=2, label="time, min")
    minutes
    return (minutes,)


@app.cell
def _(mo):
    twice = mo.ui.checkbox(value=False, label="twice")
    twice
    return (twice,)


@app.cell
def _(mo):
    unit = mo.ui.dropdown({"seconds": 60, "hours": 1 / 60}, value="seconds", label="unit")
    unit
    return (unit,)


@app.cell
def _(minutes, twice):
    time = minutes.value * (1 + twice.value)
    return (time,)


@app.cell
def _(mo, time, unit):
    mo.md(f"That is {time * unit.value:g}, and nothing is < 0 --> \\"<!--\\".")
    return


@app.cell
def _(mo):
    mo.md(f"The same {'always'}.")
    return
"""


def test_they_are_numbered_in_order():
    numbers = [int(title_of(path).split(".")[0]) for path in LESSONS]
    assert numbers == sorted(set(numbers))
    assert [number_of(path) for path in LESSONS] == numbers
    # So that the site lists 10 behind 2.
    assert sorted(LESSONS, key=page_name) == LESSONS
    assert len(numbers) >= 10


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "lesson_1_toy.py"
    path.write_text(MINUTES)
    return path


def as_html(text, folder):
    """Write the page of a lesson as a file for a browser, without the site around it."""
    docutils_parser = pytest.importorskip("myst_parser.docutils_").Parser
    from docutils.core import publish_string

    settings = {
        "myst_enable_extensions": ["dollarmath", "amsmath"],
        "math_output": "MathML",
        "embed_stylesheet": False,
        "stylesheet_path": "",
        "line_length_limit": 10_000_000,
        "report_level": 4,  # links to figures are for Sphinx
        "output_encoding": "unicode",
    }
    path = folder / "page.html"
    path.write_text(
        publish_string(text, parser=docutils_parser(), writer="html5", settings_overrides=settings)
    )
    return path


def seen(browser, number):
    """Return what the output of a cell shows: the drawing of a picture, or HTML."""
    box = f"document.getElementById('output-{number}')"
    return browser.run(
        f"(() => {{ const image = {box}.querySelector('img');"
        f"return image ? decodeURIComponent(image.src) : {box}.innerHTML; }})()"
    )


def normal(browser, markup):
    """Return HTML as the browser writes it."""
    return browser.run(
        "(() => { const box = document.createElement('div');"
        f"box.innerHTML = {json.dumps(markup)}; return box.innerHTML; }})()"
    )


def move(browser, control, place):
    """Bring a control to a place by the keyboard, as who has no mouse does."""
    identity = f"control-{control.name}"
    browser.run(f"document.getElementById('{identity}').focus()")
    field = f"document.activeElement.id === '{identity}' && document.activeElement"
    if control.kind == "box":
        if browser.run(f"{field}.checked") != bool(place):
            browser.press(" ", "Space", " ")
        return browser.run(f"Number({field}.checked)")
    now = browser.run(f"Number({field}.value)")
    for _ in range(abs(place - now)):
        key = "Arrow" + (
            ("Right" if place > now else "Left")
            if control.kind == "range"
            else ("Down" if place > now else "Up")
        )
        browser.press(key)
    return browser.run(f"Number({field}.value)")


def hold(browser, path, found):
    """Move every control of an open page through its positions; hold what the page shows."""
    browser.errors.clear()
    browser.requests.clear()
    browser.open(path)
    for place in itertools.product(*(range(len(c.values)) for c in found.controls)):
        for control, to in zip(found.controls, place, strict=True):
            assert move(browser, control, to) == to
            if control.kind == "range":
                field = f"document.getElementById('control-{control.name}')"
                assert browser.run(f"{field}.ariaValueText") == control.said[to]
        for number, output in found.moved.items():
            expected = output.outputs[tuple(place[k] for k in output.by)]
            if isinstance(expected, Picture):
                drawn = seen(browser, number)
                if drawn.startswith("file:"):  # never moved: the picture in the page itself
                    drawn = "data:image/svg+xml," + (path.parent / drawn.split("/")[-1]).read_text()
                assert drawn == f"data:image/svg+xml,{expected.svg}"
            else:
                assert seen(browser, number).strip() == normal(browser, expected or "")
    # Every control has a label, and the page asks nobody for anything.
    unnamed = "Array.from(document.querySelectorAll('input, select')).filter(i => !i.labels.length)"
    assert browser.run(f"{unnamed}.length") == 0
    assert browser.errors == []
    assert all(url.startswith(("file:", "data:")) for url in browser.requests)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_and_its_page_moves(path, tmp_path, request):
    cells, names = run(path)
    found = moves(cells, names, shown, 2)
    text = page(path, cells, found, tmp_path)
    assert text.startswith("# " + title_of(path))
    assert text.count("<details>") == sum(
        bool(cell.code) and not cell.code.startswith("mo.md(r") for cell in cells
    )
    assert "## Exercises" in text
    # A lesson asserts what it claims; its code has to hold at least five such lines.
    assert sum(cell.code.count("assert ") for cell in cells) >= 5
    # Every picture the page names is there, one of them for a slide.
    pictures = re.findall(r"\]\((\S+\.svg)\)", text)
    assert pictures
    for name in pictures:
        assert (tmp_path / name).stat().st_size > 1000
    # It moves, and from where it opens on it is what the notebook shows.
    assert found.moved
    for number, output in found.moved.items():
        start = tuple(found.controls[k].start for k in output.by)
        assert output.outputs[start] == shown(cells[number].output)
    assert any(len(set(output.outputs.values())) > 1 for output in found.moved.values())
    hold(request.getfixturevalue("browser"), as_html(text, tmp_path), found)


def test_only_what_depends_on_a_control_moves_and_every_position_is_its_own(toy):
    cells, names = run(toy)
    found = moves(cells, names, shown)
    assert found.controls == (
        Control("minutes", "range", "time, min", (1, 2, 5), ("1", "2", "5"), 1),
        Control("twice", "box", "twice", (False, True), ("no", "yes"), 0),
        Control("unit", "choice", "unit", (60, 1 / 60), ("seconds", "hours"), 0),
    )
    assert list(found.moved) == [6]
    assert found.moved[6].by == (0, 1, 2)
    figures = {
        place: re.search(r"That is (\S+),", output)[1]
        for place, output in found.moved[6].outputs.items()
    }
    # minutes x (1 or 2) x seconds or hours in a minute
    assert figures == {
        (i, j, k): f"{m * n * u:g}"
        for i, m in enumerate((1, 2, 5))
        for j, n in enumerate((1, 2))
        for k, u in enumerate((60, 1 / 60))
    }


def test_a_page_moves_by_keyboard_through_every_position(toy, tmp_path, browser):
    found = write_page(toy, tmp_path)
    text = (tmp_path / "lesson_01_toy.md").read_text()
    path = as_html(text, tmp_path)
    hold(browser, path, found)
    # A sentence that changes is read out; one that stays is not.
    assert browser.run("document.querySelectorAll('[aria-live=polite]').length") == 1


def test_fewer_positions_keep_the_start(toy):
    cells, names = run(toy)
    found = moves(cells, names, shown, 2)
    assert found.controls[0].values == (2, 5)
    assert found.controls[0].start == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("steps=[1, 2, 5], value=2", "1, 300, value=2", "600 positions of 2 controls"),
        (
            "def _(mo):\n    twice = mo.ui.checkbox(value=False",
            "def _(minutes, mo):\n    twice = mo.ui.checkbox(value=minutes.value > 1",
            "depends on another",
        ),
    ],
)
def test_what_cannot_be_worked_out_beforehand_is_refused(toy, tmp_path, old, new, says):
    assert old in MINUTES
    toy.write_text(MINUTES.replace(old, new))
    with pytest.raises(InputError, match=says):
        write_page(toy, tmp_path)


def test_a_page_that_is_too_large_is_refused(toy, tmp_path, monkeypatch):
    assert pages.LARGEST == 2_000_000
    monkeypatch.setattr(pages, "LARGEST", 3000)
    with pytest.raises(InputError, match="at most 3,000"):
        write_page(toy, tmp_path)
    assert not (tmp_path / "lesson_01_toy.md").exists()


def test_text_and_numbers_of_a_cell_reach_the_page(tmp_path):
    cells = [
        Cell('mo.md(r"""\n# Title\n\nProse with $x^2$.\n""")', None),
        Cell("1 + 1", 2),
        Cell("", None),
    ]
    text = page(LESSONS[0], cells, moves(cells, {}, shown), tmp_path)
    assert "Prose with $x^2$." in text
    assert "<pre>2</pre>" in text
    assert "<script" not in text  # nothing moves


def test_without_lessons_the_remedy_is_named(tmp_path):
    with pytest.raises(InputError, match="clone it"):
        lessons(tmp_path)


def test_two_controls_of_a_list_and_a_box_are_there_for_readers_without_scripts(toy, tmp_path):
    write_page(toy, tmp_path)
    text = (tmp_path / "lesson_01_toy.md").read_text()
    assert '<option value="0" selected>seconds</option>' in text
    # Off until the script runs: without it nothing would happen.
    assert text.count("disabled") >= 3
    assert "That is 120," in text.split("<script")[0]
