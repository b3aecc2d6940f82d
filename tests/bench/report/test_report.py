"""The report: whole, escaped, without a network; and in a real browser where there is one."""

import html.parser
import json
import math
import re
import sqlite3
from pathlib import Path

import pytest
from running import run_set

from splitopt.bench.compare.metrics import performance_profile
from splitopt.bench.report import text_tables, write_report
from splitopt.bench.report.figure import figure
from splitopt.bench.report.figures import write_figures
from splitopt.bench.report.html import page, sortable_table, tag, text
from splitopt.bench.report.numbers import gap_text, time_text
from splitopt.bench.report.svg import Chart, Scale
from splitopt.bench.report.tables import number_cell
from splitopt.bench.report.text import table
from splitopt.bench.store.store import Store
from splitopt.instances.core.documents import write_json
from splitopt.instances.core.errors import InputError

PLUGINS = Path(__file__).parents[1] / "plugins"

HOSTILE = '<script>alert("x")</script> & <b>'


@pytest.fixture(scope="module")
def report(tmp_path_factory, make_mepra):
    """The folder of a report with right, wrong, failed and hostile things in it."""
    folder = tmp_path_factory.mktemp("report")
    files = []
    for k in range(4):
        path = folder / f"toy-{k}.json"
        instance = make_mepra(f"toy-{k}", speed=2e8 * (1 + k), devices=1 + k)
        write_json(path, instance.replace(description=HOSTILE).to_document())
        files.append(str(path))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGINS))
        run_set(
            files,
            ["honest", "raiser", "denier", "brute-force", "highs-tangent", "jqodi-exact", "jqodi"],
            folder / "out",
            time_limit_s=20.0,
            jobs=2,
            plugins=("rogues:METHODS",),
            command=["splitopt", "run", HOSTILE],
        )
        run_set(
            files,
            ["jqodi"],
            folder / "out",
            time_limit_s=20.0,
            jobs=2,
            options={"jqodi": {"epsilon": 0.5}},
        )
    return write_report(folder / "out").parent


class Checker(html.parser.HTMLParser):
    """Follow the tags of a page: all closed in order, ids once, what is linked."""

    VOID = ("meta", "link", "input", "br", "hr")

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.text = [], [], [], []

    def handle_starttag(self, name, attributes):
        found = dict(attributes)
        if "id" in found:
            self.ids.append(found["id"])
        self.links += [found[key] for key in ("href", "src") if key in found]
        if name not in self.VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.links += [value for key, value in attributes if key in ("href", "src")]

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.text.append(data)


def pages(report):
    return sorted(report.rglob("*.html"))


def test_there_is_a_page_for_each_problem_method_and_instance(report):
    names = {str(path.relative_to(report)) for path in pages(report)}
    assert "index.html" in names
    assert "problems/mepra.html" in names
    for method in ("honest", "raiser", "denier", "brute-force", "highs-tangent"):
        assert f"methods/mepra-{method}.html" in names
    assert sum(name.startswith("instances/toy-") for name in names) == 4


def test_pages_are_well_formed_and_every_link_leads_somewhere(report):
    for path in pages(report):
        checker = Checker()
        checker.feed(path.read_text())
        assert checker.open == [], path
        assert len(checker.ids) == len(set(checker.ids)), path
        for link in checker.links:
            if link.startswith(("#", "data:,")):
                assert link in ("#", "data:,") or link[1:] in checker.ids
                continue
            assert not link.startswith(("http", "//", "/")), link
            assert (path.parent / link).resolve().is_file(), (path, link)


def test_nothing_is_loaded_from_a_network(report):
    for path in report.rglob("*.*"):
        content = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|url\(", content), path


def test_text_from_files_is_escaped(report):
    together = "".join(path.read_text() for path in pages(report))
    assert "<script>alert" not in together
    assert "no luck <b>today</b>" not in together
    assert "no luck &lt;b&gt;today&lt;/b&gt;" in together
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &lt;b&gt;" in together


def test_contradictions_come_first(report):
    index = (report / "index.html").read_text()
    assert index.index("4 contradictions") < index.index("Methods for MEPRA")
    instance = next((report / "instances").glob("toy-0*")).read_text()
    assert "denier says there is no plan" in instance


def test_without_contradictions_the_report_says_so(tmp_path, rogues, instance_file):
    run_set([instance_file()], ["honest"], tmp_path, time_limit_s=5.0, plugins=rogues)
    assert "No contradictions" in write_report(tmp_path).read_text()


def test_the_report_says_how_to_reproduce(report):
    index = (report / "index.html").read_text()
    assert "How to reproduce" in index
    assert "splitopt run &#x27;&lt;script&gt;" in index  # the command, quoted for a shell
    assert "numpy" in index


def test_options_that_differ_are_apart(report):
    page = (report / "problems" / "mepra.html").read_text()
    assert "jqodi epsilon=0.01" in page
    assert "jqodi epsilon=0.5" in page
    # One page a method, whatever its options.
    assert len(list((report / "methods").glob("*jqodi.html"))) == 1


def test_data_in_pages_cannot_end_their_element():
    chart = Chart("t", "d", Scale(0.0, 1.0), Scale(0.0, 1.0), "x", "y")
    name = "</script><b>&"
    chart.points(name, [(0.5, 0.5, name)])
    written = str(figure(chart))
    assert written.count("</script>") == 1
    assert "<b>" not in written
    data = re.search(r'<script type="application/json">(.*)</script>', written)[1]
    assert json.loads(data)["names"] == [name]


def test_pages_of_an_earlier_report_go(tmp_path, rogues, instance_file):
    run_set([instance_file()], ["honest"], tmp_path, time_limit_s=5.0, plugins=rogues)
    folder = write_report(tmp_path).parent
    (folder / "methods" / "mepra-gone.html").write_text("old")
    (folder / "notes.txt").write_text("the reader's own")
    write_report(tmp_path)
    assert not (folder / "methods" / "mepra-gone.html").exists()
    assert (folder / "notes.txt").exists()


def small_results(tmp_path, rogues, instance_file):
    out = tmp_path / "out"
    run_set([instance_file()], ["honest"], out, time_limit_s=20.0, plugins=rogues)
    return out


@pytest.mark.parametrize(
    ("statement", "field"),
    [
        ("UPDATE runs SET method = '../../../aside/x'", "method"),
        ("UPDATE runs SET problem = '/tmp/../x'", "problem"),
        ("UPDATE runs SET instance_name = 'a/b'", "instance_name"),
        ("UPDATE instances SET name = '../../../aside/x'", "instances: name"),
        ("UPDATE instances SET hash = '../../x'", "instances: hash"),
    ],
)
def test_names_of_a_stranger_are_no_paths(tmp_path, rogues, instance_file, statement, field):
    """They become names of pages: none is written, in the folder or beside it."""
    out = small_results(tmp_path, rogues, instance_file)
    (tmp_path / "aside").mkdir()
    with sqlite3.connect(out / "runs.sqlite") as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement)
        for table in ("runs", "payloads", "instances"):  # as who forges them would
            connection.execute(f"UPDATE {table} SET checksum = NULL")
    before = sorted(path for path in tmp_path.rglob("*") if "sqlite" not in path.name)
    with pytest.raises(InputError, match=f": {re.escape(field)}: .*do not trust"):
        write_report(out)
    assert sorted(path for path in tmp_path.rglob("*") if "sqlite" not in path.name) == before


@pytest.mark.parametrize("link", ["report", "report/methods", "report/assets"])
def test_a_link_in_the_results_is_not_followed(tmp_path, rogues, instance_file, link):
    """Pages behind it were deleted as those of an earlier report, and others put there."""
    out = small_results(tmp_path, rogues, instance_file)
    aside = tmp_path / "aside"
    (aside / "methods").mkdir(parents=True)
    for name in ("mine.html", "methods/mine.html", "index.html"):
        (aside / name).write_text("mine")
    (out / link).parent.mkdir(exist_ok=True)
    (out / link).symlink_to(aside)
    before = sorted(aside.rglob("*"))
    with pytest.raises(InputError, match=f"{link}', expected a folder of its own"):
        write_report(out)
    assert sorted(aside.rglob("*")) == before
    assert {path.read_text() for path in aside.rglob("*.html")} == {"mine"}


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_a_store_that_is_a_link_is_not_opened(tmp_path, suffix):
    """Opening makes tables and a log: into the file of somebody who only asked for a report."""
    (tmp_path / "out").mkdir()
    mine = tmp_path / "mine.sqlite"
    with sqlite3.connect(mine) as connection:
        connection.execute("CREATE TABLE mine (x)")
    if suffix:
        with Store(tmp_path / "out", create=True):
            pass
    before = mine.read_bytes()
    (tmp_path / "out" / f"runs.sqlite{suffix}").symlink_to(mine)
    with pytest.raises(InputError, match="a file of its own, no link"):
        write_report(tmp_path / "out")
    assert mine.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.sqlite", "out"]


def test_a_page_that_is_a_link_is_replaced_and_its_aim_left(tmp_path, rogues, instance_file):
    out = small_results(tmp_path, rogues, instance_file)
    (tmp_path / "mine").write_text("mine")
    (out / "report").mkdir()
    (out / "report" / "index.html").symlink_to(tmp_path / "mine")
    assert not write_report(out).is_symlink()
    assert (tmp_path / "mine").read_text() == "mine"


def test_failures_show_their_output(report):
    page = (report / "methods" / "mepra-raiser.html").read_text()
    assert "Traceback" in page
    assert "ValueError" in page


def test_figures_stand_alone(report, tmp_path):
    written = write_figures(report.parent, tmp_path)
    assert {path.name for path in written} == {
        "mepra-time-quality.svg",
        "mepra-profile.svg",
        "mepra-quality.svg",
    }
    for path in written:
        content = path.read_text()
        assert content.startswith("<svg ")
        assert "<style>" in content
        assert "brute-force" in content


def test_an_empty_store_and_none(tmp_path):
    from splitopt.bench.store.store import Store

    with pytest.raises(InputError, match=r"^DIR: .*splitopt run"):
        text_tables(tmp_path)
    Store(tmp_path, create=True).close()
    assert "No runs" in text_tables(tmp_path)
    with pytest.raises(InputError, match="at least one run"):
        write_report(tmp_path)


# -- small parts -------------------------------------------------------------------------------


def test_escaping():
    assert text("a<b>&\"'") == "a&lt;b&gt;&amp;&quot;&#x27;"
    assert text("bell\x07\x1b[31m") == "bell\ufffd\ufffd[31m"
    assert tag("p", "<", tag("b", "x"), title='"') == '<p title="&quot;">&lt;<b>x</b></p>'
    assert tag("line", x1=1) == '<line x1="1"/>'


def test_figures_of_tables():
    assert [gap_text(g) for g in (None, 0.0, 1e-9, 0.00123, 0.5, float("inf"))] == [
        "-",
        "0 %",
        "0 %",
        "0.12 %",
        "50.0 %",
        "inf",
    ]
    assert [time_text(t) for t in (None, 5e-6, 0.0123, 0.99999, 12.345)] == [
        "-",
        "5 us",
        "12.3 ms",
        "1 s",
        "12.3 s",
    ]
    assert table(("a", "b"), [("x", "10"), ("yy", "1")]) == "a    b\n--  --\nx   10\nyy   1"


def test_scales():
    linear = Scale(0.0, 1.0)
    assert [label for _, label in linear.ticks()] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert linear.place(2.0) == 1.0
    log = Scale.over([0.002, 30.0], log=True)
    assert (log.low, log.high) == (pytest.approx(0.001), pytest.approx(100.0))
    assert log.place(log.low) == 0.0
    assert log.place(1.0) == pytest.approx(0.6)
    assert [label for _, label in log.ticks()] == ["0.001", "0.01", "0.1", "1", "10", "100"]


# -- in a browser ------------------------------------------------------------------------------


def test_every_page_loads_without_errors_or_requests(browser, report):
    browser.errors.clear()
    browser.requests.clear()
    for path in pages(report):
        browser.open(path)
    assert browser.errors == []
    assert browser.requests
    assert all(url.startswith(("file:", "data:")) for url in browser.requests)


def column(browser, number):
    return browser.run(
        "Array.from(document.querySelectorAll('table.sortable')[1].tBodies[0].rows)"
        f".map(row => row.cells[{number}].textContent)"
    )


def test_tables_sort_by_numbers_and_by_text(browser, report):
    browser.open(report / "index.html")
    # The second table is the methods'; its first column is text, its time is a number.
    heads = browser.run(
        "Array.from(document.querySelectorAll('table.sortable')[1].tHead.rows[0].cells)"
        ".map(cell => cell.textContent)"
    )
    click = (
        "document.querySelectorAll('table.sortable')[1].tHead.rows[0].cells[{}]"
        ".querySelector('button').click()"
    )
    browser.run(click.format(0))
    assert column(browser, 0) == sorted(column(browser, 0))
    browser.run(click.format(0))
    assert column(browser, 0) == sorted(column(browser, 0), reverse=True)
    assert (
        browser.run(
            "document.querySelectorAll('table.sortable')[1].tHead.rows[0].cells[0].ariaSort"
        )
        == "descending"
    )
    right = heads.index("right")
    browser.run(click.format(right))
    # Figures go down first.
    assert list(map(int, column(browser, right))) == [4, 4, 4, 4, 4, 4, 0, 0]
    browser.run(click.format(right))
    assert list(map(int, column(browser, right))) == [0, 0, 4, 4, 4, 4, 4, 4]
    # What stays at the foot is not sorted in.
    assert "virtual best" not in column(browser, 0)


def sorted_by(browser, table, column):
    """Click a heading and return its order and the keys of the cells below it."""
    return browser.run(
        f"(() => {{ const table = document.querySelectorAll('table.sortable')[{table}];"
        f"const heading = table.tHead.rows[0].cells[{column}];"
        "heading.querySelector('button').click();"
        "return [heading.ariaSort, Array.from(table.tBodies[0].rows).map(row => {"
        f"const cell = row.cells[{column}];"
        "return cell.dataset.figure === undefined ? null : cell.dataset.key; })]; })()"
    )


def test_infinite_unknown_and_zero_figures_sort_in_their_place(browser, report):
    inf = math.inf
    figures = [0.0, inf, None, 0.5, -inf, 1e308, None, -1.0, 0.0, inf]
    cells = [["a", number_cell(figure, gap_text)] for figure in figures]
    path = report / "sorting.html"
    body = [sortable_table("Figures", ("name", "figure"), cells)]
    path.write_text(page("Sorting", body, root=".", trail=()))
    browser.open(path)
    order, keys = sorted_by(browser, 0, 1)
    down = ["Infinity", "Infinity", "1e+308", "0.5", "0.0", "0.0", "-1.0", "-Infinity"]
    assert (order, keys) == ("descending", [*down, "NaN", "NaN"])
    order, keys = sorted_by(browser, 0, 1)
    assert (order, keys) == ("ascending", [*reversed(down), "NaN", "NaN"])
    path.unlink()


def test_every_column_of_every_table_sorts(browser, report):
    figures = 0
    for path in pages(report):
        browser.open(path)
        widths = browser.run(
            "Array.from(document.querySelectorAll('table.sortable'))"
            ".map(table => table.tHead.rows[0].cells.length)"
        )
        for number, width in enumerate(widths):
            for column in range(width):
                for _ in range(2):
                    order, keys = sorted_by(browser, number, column)
                    values = [float(key) for key in keys if key is not None]
                    known = [value for value in values if not math.isnan(value)]
                    figures += len(known)
                    if len(values) == len(keys):
                        assert known == sorted(known, reverse=order == "descending")
                        assert all(map(math.isnan, values[len(known) :]))
    assert figures > 1000


def test_headings_work_by_keyboard(browser, report):
    browser.open(report / "index.html")
    browser.run(
        "document.querySelectorAll('table.sortable')[1].tHead.querySelector('button').focus()"
    )
    browser.press("Enter", text="\r")
    assert column(browser, 0) == sorted(column(browser, 0))


def test_tables_filter(browser, report):
    browser.open(report / "problems" / "mepra.html")
    shown = (
        "(() => { const box = Array.from(document.querySelectorAll('.filtered')).at(-1);"
        "const input = box.querySelector('input'); input.value = 'RAISER toy-2';"
        "input.dispatchEvent(new Event('input'));"
        "return [Array.from(box.querySelectorAll('tbody tr')).filter(r => !r.hidden).length,"
        "box.querySelector('.count').textContent]; })()"
    )
    assert browser.run(shown) == [1, "1 of 32 rows"]


def test_plots_are_there_and_series_switch_off(browser, report):
    browser.open(report / "problems" / "mepra.html")
    titles = browser.run(
        "Array.from(document.querySelectorAll('figure.chart figcaption strong'))"
        ".map(e => e.textContent)"
    )
    assert titles == [
        "Performance profile",
        "Good plans over time",
        "Time against quality",
        "Quality of plans",
        "Gap over time",
        "Ratio against epsilon",
    ]
    drawn = browser.run(
        "Array.from(document.querySelectorAll('figure.chart')).map(figure =>"
        "Math.min(...Array.from(figure.querySelectorAll('.wide g[data-series]'))"
        ".map(g => g.getBBox().width + g.getBBox().height)))"
    )
    assert all(size > 0 for size in drawn)
    switch = (
        "(() => { const figure = document.querySelector('figure.chart');"
        "const button = figure.querySelector('.legend button'); button.click();"
        "return [button.ariaPressed,"
        "getComputedStyle(figure.querySelector('g[data-series=\"0\"]')).display]; })()"
    )
    assert browser.run(switch) == ["false", "none"]
    assert browser.run(switch) == ["true", "inline"]


def test_a_pointer_reads_a_chart(browser, report):
    browser.open(report / "problems" / "mepra.html")
    found = browser.run(
        "(() => { const figure = document.querySelectorAll('figure.chart')[1];"
        "const svg = figure.querySelector('.drawing.wide'), box = svg.getBoundingClientRect();"
        "const at = (x, y) => figure.querySelector('.plot').dispatchEvent(new PointerEvent("
        "'pointermove', {clientX: box.left + x * box.width, clientY: box.top + y * box.height}));"
        "const tip = figure.querySelector('.tip'); at(0.97, 0.05);"
        "const said = [tip.hidden, tip.textContent, figure.querySelectorAll('.cross').length];"
        "at(0.01, 0.5); return [...said, tip.hidden]; })()"
    )
    # At the right end every method that has good plans has them on 100 % of the tasks.
    assert found[0] is False
    assert "brute-force: 100 %" in found[1]
    assert "time: " in found[1]
    assert found[2] == 1
    assert found[3] is True


def test_arrow_keys_read_a_chart(browser, report):
    browser.open(report / "problems" / "mepra.html")
    browser.run("document.querySelector('figure.chart .plot').focus()")
    said = []
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "Escape"):
        browser.press(key)
        said.append(browser.run("document.querySelector('figure.chart .tip').textContent"))
    names = browser.run(
        "JSON.parse(document.querySelector('figure.chart script').textContent).names"
    )
    assert said[0].startswith(f"{names[0]}: ")
    assert said[1].startswith(f"{names[1]}: ")
    assert browser.run("document.querySelector('figure.chart .tip').hidden")
    assert (
        browser.run("document.querySelector('figure.chart .tip').getAttribute('role')") == "status"
    )


def test_all_and_none_of_the_series(browser, report):
    browser.open(report / "problems" / "mepra.html")
    for word, count in (("none", 0), ("all", 5)):
        browser.run(f"document.querySelector('figure.chart [data-show={word}]').click()")
        shown = browser.run(
            "Array.from(document.querySelectorAll('figure.chart:first-child .wide g.series'))"
            ".filter(g => getComputedStyle(g).display !== 'none').length"
        )
        assert shown == count


def test_a_profile_is_drawn_anew_among_the_methods_shown(browser, report):
    browser.open(report / "problems" / "mepra.html")
    figure = "document.querySelector('figure.chart')"
    data = browser.run(f"JSON.parse({figure}.querySelector('script').textContent)")
    # Without the quickest method others become the best: what Gould and Scott warn of.
    best = min(
        range(len(data["names"])),
        key=lambda k: sum(9e9 if c is None else c for c in data["costs"][k]),
    )
    browser.run(f"{figure}.querySelector('.legend button[data-series=\"{best}\"]').click()")
    browser.run(f"{figure}.querySelector('.among').click()")
    kept = {
        name: [math.inf if c is None else c for c in costs]
        for k, (name, costs) in enumerate(zip(data["names"], data["costs"], strict=True))
        if k != best
    }
    scale = Scale(data["x"]["low"], data["x"]["high"], log=True)
    for name, steps in performance_profile(kept, floor=data["floor"]).items():
        chart = Chart("", "", scale, Scale(0.0, 1.0), "", "")
        chart.line(name, list(zip(steps.x, steps.y, strict=True)), steps=True)
        wanted = re.search(r' d="([^"]*)" class="line"', chart.drawing())[1]
        drawn = browser.run(
            f"{figure}.querySelector('.wide g[data-series=\"{data['names'].index(name)}\"] path')"
            ".getAttribute('d')"
        )
        figures = [[float(x) for x in re.findall(r"[\d.]+", path)] for path in (wanted, drawn)]
        # The page has costs to six digits, and both round to a tenth of a unit.
        assert figures[0] == pytest.approx(figures[1], abs=0.21), name


def test_choices_filter_and_one_is_made_at_first(browser, report):
    browser.open(report / "problems" / "mepra.html")
    box = (
        "Array.from(document.querySelectorAll('.filtered'))"
        ".find(b => b.querySelector('caption').textContent === 'Methods in pairs')"
    )
    shown = (
        f"Array.from({box}.querySelectorAll('tbody tr')).filter(r => !r.hidden)"
        ".map(r => r.cells[1].textContent)"
    )
    against = browser.run(f"{box}.querySelector('select').value")
    assert set(browser.run(shown)) == {against}
    browser.run(
        f"(() => {{ const s = {box}.querySelector('select'); s.value = '';"
        "s.dispatchEvent(new Event('change')); })()"
    )
    assert len(set(browser.run(shown))) > 1


def test_charts_have_their_figures_as_tables(browser, report):
    browser.open(report / "problems" / "mepra.html")
    tables = browser.run(
        "Array.from(document.querySelectorAll('figure.chart details.figures table'))"
        ".map(t => [t.caption.textContent, t.tBodies[0].rows.length])"
    )
    assert [caption for caption, _ in tables] == [
        f"{title}: figures"
        for title in (
            "Performance profile",
            "Good plans over time",
            "Time against quality",
            "Quality of plans",
            "Gap over time",
            "Ratio against epsilon",
        )
    ]
    assert all(rows > 0 for _, rows in tables)


def test_a_phone_gets_charts_of_its_own_size(browser, report):
    browser.open(report / "index.html")
    shown = (
        "Array.from(document.querySelectorAll('svg.drawing'))"
        ".filter(s => getComputedStyle(s).display !== 'none').map(s => s.classList[1])"
    )
    assert set(browser.run(shown)) == {"wide"}
    browser.width(390)
    try:
        assert set(browser.run(shown)) == {"narrow"}
        # Letters are letters: no less than 10 px high.
        scale = browser.run(
            "(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width)"
            "(document.querySelector('svg.drawing.narrow'))"
        )
        assert 12.5 * scale >= 10
    finally:
        browser.width(1200)


def test_pages_are_whole_without_a_script(browser, report):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(report / "problems" / "mepra.html", scripted=False)
        nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
        rows = sum(node.get("role", {}).get("value") == "row" for node in nodes)
        assert rows > 32
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_an_instance_has_its_picture(browser, report):
    browser.open(next((report / "instances").glob("toy-3*")))
    assert browser.run("document.querySelectorAll('.picture svg rect').length") >= 4 * 2
    # Two plans, the best and the honest method's: each with bars of latency, energy and shares.
    pictures = "Array.from(document.querySelectorAll('.picture'))"
    assert browser.run(f"{pictures}.map(p => p.querySelectorAll('.bartable').length)") == [3, 3]
    assert browser.run("document.querySelector('details.plan summary').textContent").startswith(
        "honest: "
    )


def test_it_is_readable_on_a_phone(browser, report):
    browser.width(390)
    try:
        for path in pages(report):
            browser.open(path)
            # Wide tables scroll inside their box; the page itself does not.
            assert browser.run("document.documentElement.scrollWidth") <= 390, path
    finally:
        browser.width(1200)


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(browser, report, scheme):
    browser.prefer(scheme)
    browser.open(report / "index.html")
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (luminance(paper) > 0.5) == (scheme == "light")
    for selector in (
        ".subtitle",
        ".caveats li, .findings li",
        "a",
        "td.bad",
        "thead button",
        ".tiles strong.good",
        ".tiles li",
        "svg text.tick",
        "figcaption .about",
    ):
        colour = browser.run(
            f"(e => e && (e.closest('svg') ? getComputedStyle(e).fill : getComputedStyle(e).color))"
            f"(document.querySelector('{selector}'))"
        )
        assert colour, selector
        one, other = sorted([luminance(colour), luminance(paper)])
        assert (other + 0.05) / (one + 0.05) >= 4.5, (selector, colour, paper)


def test_light_and_dark_can_be_switched(browser, report):
    browser.prefer("light")
    browser.open(report / "index.html")
    browser.run("document.getElementById('theme').click()")
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert luminance(paper) < 0.5
    browser.run("document.getElementById('theme').click()")
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert luminance(paper) > 0.5


def test_a_screen_reader_finds_names_for_everything(browser, report):
    browser.call("Accessibility.enable")
    for path in (report / "index.html", report / "problems" / "mepra.html"):
        browser.open(path)
        nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
        roles = set()
        for node in nodes:
            role = node.get("role", {}).get("value")
            roles.add(role)
            if node.get("ignored") or role not in ("button", "image", "link", "searchbox", "table"):
                continue
            assert node.get("name", {}).get("value"), (path, node)
        assert {"main", "navigation", "table", "columnheader", "rowheader", "button"} <= roles
