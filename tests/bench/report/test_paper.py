"""A paper from a store: the report's numbers, LaTeX that nothing breaks, no files but ours."""

import hashlib
import json
import re
import shutil
import subprocess

import pytest
from click.testing import CliRunner
from stores import fill, row

from splitopt.bench.cli import cli
from splitopt.bench.compare.data import load
from splitopt.bench.compare.frames import export
from splitopt.bench.report.numbers import gap_text, time_text
from splitopt.bench.report.paper.bibliography import _entries
from splitopt.bench.report.paper.build import write_paper
from splitopt.bench.report.paper.folder import replace_files
from splitopt.bench.report.paper.latex import escape
from splitopt.bench.report.paper.parts import figures, shown_methods
from splitopt.bench.report.plots import profile_chart
from splitopt.bench.store.store import Store
from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.errors import InputError

HOSTILE = r"\end{tabular}} 100 % $x$ a_b & #1 ~^ --- <<é漢\input{/etc/passwd}"


def rows():
    """Two methods of ours and two runs of a stranger's on three instances."""
    found = []
    for k, instance in enumerate(("a", "b", "c")):
        proof = {
            "status": "optimal",
            "bound": 10.0,
            "trajectory": ((0.1, 12.0, 9.0), (1.0, 10.0, 10.0)),
        }
        found += [
            row("highs-tangent", 0, instance, 1.0 + k, **proof),
            row("jqodi", 0, instance, 0.01, objective=11.0, trajectory=((0.005, 11.0, None),)),
            row("mine", 0, instance, 2.0, objective=12.0, options={"mode": HOSTILE}),
            row("mine", 1, instance, 2.0, objective=15.0, options={"mode": "plain"}),
        ]
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("store"), rows())


@pytest.fixture(scope="module")
def paper(store):
    return write_paper(store, store / "paper").parent


def tex_files(paper):
    return sorted(paper.rglob("*.tex"))


def held(paper):
    return {
        p.relative_to(paper).as_posix(): p.read_bytes() for p in paper.rglob("*") if p.is_file()
    }


def check_syntax(text):
    """Raise unless braces and environments close in order and no special letter stands bare."""
    bare = re.sub(r"\\[\\{}$&%#_]", "", re.sub(r"(?m)^% .*$", "", text))
    assert "%" not in bare
    assert "$" not in bare
    assert "#" not in bare
    assert "^" not in bare
    assert "~" not in bare.replace(r"~\cite", "")
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    opened = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if what == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []


def test_every_file_is_sound_latex_whatever_a_store_holds(paper):
    assert len(tex_files(paper)) >= 7
    for path in tex_files(paper):
        text = path.read_text()
        assert text.isascii() or text.replace("é", "").isascii(), path
        check_syntax(text)
        body = re.search(r"\\toprule\n(.*)\\bottomrule", text, re.DOTALL)
        if body is None:
            continue
        columns = {
            len(re.findall(r"(?<!\\)&", line))
            for line in body[1].splitlines()
            if line.endswith(r"\\") and "multicolumn" not in line
        }
        assert len(columns) == 1, path


def test_escaping_shows_what_was_there():
    assert escape("a_b 5 %") == r"a\_b 5 \%"
    assert escape("--time") == "-{}-time"  # two would be a dash
    assert escape("x-y, z") == "x-y, z"
    assert escape("\x1b[2J\n") == r"\textbackslash{}x1b[2J\textbackslash{}n"
    assert escape("漢é") == r"\textbackslash{}u6f22é"
    check_syntax(escape(HOSTILE))


def test_the_table_has_the_numbers_of_the_report(store, paper):
    table = (paper / "tables" / "mepra-methods.tex").read_text()
    for s in load(store).of("mepra"):
        cells = (s.variant, s.runs, s.solved, s.right, s.proved, s.wrong)
        cells += (gap_text(s.gap_median), gap_text(s.gap_worst), time_text(s.time_s))
        assert " & ".join(map(escape, cells)) + r" \\" in table
    # By hand: optimum 10, plans of 11; 0.01 s each, so their shifted mean is 0.01 s.
    assert r"jqodi & 3 & 3 & 3 & 0 & 0 & 10.0 \% & 10.0 \% & 10 ms \\" in table
    # Limits, and how it was measured, in the caption.
    assert "time limit 10 s a run, 1 thread, 1 at a time" in table
    assert "shifted geometric mean, shift 10 s" in table


def test_figures_draw_the_charts_of_the_report(store, paper):
    data = load(store)
    found = {figure.name: figure for figure in figures(data, "mepra", None)}
    assert {"mepra-profile", "mepra-data-profile", "mepra-gap-over-time"} <= set(found)
    assert found["mepra-profile"].chart.series == profile_chart(data, "mepra").series
    for name, figure in found.items():
        svg = (paper / "figures" / f"{name}.svg").read_text()
        assert (paper / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF-1.4")
        label = figure.chart.x_label.replace("|", "|")
        unit = {"time": " (s)", "gap": " (%)"}.get(figure.chart.x.kind, "")
        assert f">{label}{unit}<" in svg
    # Told apart without colour: no two methods have both dashes and marks alike.
    assert len(set(found["mepra-gap-over-time"].styles.values())) == 4


def test_what_is_cited_is_in_the_bibliography_and_nothing_else(paper):
    cited = set()
    for path in tex_files(paper):
        for keys in re.findall(r"\\cite\{([^}]*)\}", path.read_text()):
            cited |= set(keys.split(","))
    entries = set(re.findall(r"(?m)^@\w+\{([^,]+),", (paper / "references.bib").read_text()))
    assert cited <= entries
    assert {"splitopt", "mepra", "highs", "cift"} <= entries  # jqodi is of CIFT's source
    assert not {"scip", "cpsat", "pymoo"} & entries


def test_solvers_that_read_files_are_cited_in_their_own_versions(tmp_path):
    read = {"flow@highs==1.14.0": "highspy==1.14.0", "flow@cbc": "pulp==3.3.2", "flow@none": None}
    runs = [row(name, method_version=version, problem="cift") for name, version in read.items()]
    store = fill(tmp_path / "store", runs)
    with Store(store) as opened:
        key = opened.put_environment({"versions": {"highspy": "1.16.0", "numpy": "2.4.0"}})
        opened.add(row("greedy", environment_hash=key))
    folder = write_paper(store, tmp_path / "paper").parent
    entries = (folder / "references.bib").read_text()
    assert "@article{highs," in entries
    assert "@misc{pulp," in entries
    assert "title = {{pulp}},\n  note = {Version 3.3.2}" in entries
    said = (folder / "measurement.tex").read_text()
    assert r"solvers of~\cite{highs,pulp}" in said
    assert "Software: NumPy 2.4.0, HiGHS 1.14.0, PuLP (CBC) 3.3.2." in said


def test_entries_are_whole():
    for key, entry in _entries().items():
        assert re.match(rf"@\w+\{{{key},\n  author = ", entry)
        assert all(f"  {field} = " in entry for field in ("title", "year"))
        assert entry.count("{") == entry.count("}")


def test_the_readme_says_how_to_make_it_again(store, paper, tmp_path):
    readme = (paper / "README.md").read_text()
    assert "splitopt report DIR --paper paper\n" in readme
    export(store, tmp_path / "rows.csv")
    assert hashlib.sha256((tmp_path / "rows.csv").read_bytes()).hexdigest() in readme


def test_the_same_store_gives_the_same_bytes(store, paper):
    before = held(paper)
    write_paper(store, paper)
    assert held(paper) == before


def test_files_that_are_not_made_any_more_go_and_others_stay(store, paper, tmp_path):
    folder = tmp_path / "paper"
    shutil.copytree(paper, folder)
    (folder / "notes.txt").write_text("mine")
    few = fill(tmp_path / "few", [row("mine", objective=12.0)])
    write_paper(few, folder)
    names = set(held(folder))
    assert "notes.txt" in names
    assert "figures/mepra-profile.pdf" not in names  # nothing is proved
    assert names - {"notes.txt", "paper.json"} == set(
        json.loads((folder / "paper.json").read_text())["files"]
    )


def refused(store, folder):
    result = CliRunner().invoke(cli, ["report", str(store), "--paper", str(folder)])
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    return result.output


def test_a_folder_of_somebody_else_is_refused(store, paper, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "main.tex").write_text("my thesis")
    assert "theirs" in refused(store, tmp_path / "theirs")
    assert held(tmp_path / "theirs") == {"main.tex": b"my thesis"}
    (tmp_path / "link").symlink_to(paper)
    assert "link" in refused(store, tmp_path / "link")


@pytest.mark.parametrize("name", ["file", "file/below", "file/far/below"])
def test_what_is_no_folder_is_refused_in_one_line(store, tmp_path, name):
    (tmp_path / "file").write_text("ours")
    with pytest.raises(
        InputError, match=rf"--paper: '.*{name}', expected a folder; .*file is none"
    ):
        write_paper(store, tmp_path / name)
    assert (tmp_path / "file").read_text() == "ours"


def test_a_file_changed_by_hand_is_not_lost(store, paper, tmp_path):
    folder = tmp_path / "paper"
    shutil.copytree(paper, folder)
    (folder / "main.tex").write_text("better")
    assert "main.tex" in refused(store, folder)
    assert (folder / "main.tex").read_text() == "better"


def test_a_forged_list_leads_nowhere_else(tmp_path):
    few = fill(tmp_path / "few", [row("mine", objective=12.0)])
    folder = write_paper(few, tmp_path / "paper").parent
    (tmp_path / "precious").write_text("x")
    document = json.loads((folder / "paper.json").read_text())
    document["files"]["../precious"] = [hashlib.sha256(b"x").hexdigest()]
    (folder / "paper.json").write_text(json.dumps(document))
    write_paper(few, folder)
    assert (tmp_path / "precious").exists()


def test_a_call_that_was_killed_is_no_hindrance(tmp_path, monkeypatch):
    folder = tmp_path / "paper"
    replace_files(folder, {"a.tex": b"1", "b.tex": b"1"}, {})

    def killed(path, data):
        if path.name == "b.tex":
            raise KeyboardInterrupt
        write_bytes(path, data)

    monkeypatch.setattr("splitopt.bench.report.paper.folder.write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        replace_files(folder, {"a.tex": b"2", "b.tex": b"2"}, {})
    monkeypatch.undo()
    replace_files(folder, {"a.tex": b"3"}, {})
    assert set(held(folder)) == {"a.tex", "paper.json"}
    assert (folder / "a.tex").read_bytes() == b"3"


def test_methods_are_chosen(store, tmp_path):
    data = load(store)
    chosen = shown_methods(data, ("mine", "highs-tangent"))
    assert len(chosen) == 3  # two variants of one method
    found = {figure.name: figure for figure in figures(data, "mepra", chosen)}
    assert set(found["mepra-gap-over-time"].styles) == set(chosen)
    assert "Shown are 3 of 4 methods" in found["mepra-gap-over-time"].latex
    with pytest.raises(InputError, match="jqody"):
        write_paper(store, tmp_path / "p", ("jqody",))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_it_compiles(paper, tmp_path):
    folder = tmp_path / "paper"
    shutil.copytree(paper, folder)
    latex = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main"]
    for command in (latex, ["bibtex", "main"], latex, latex):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "main.pdf").read_bytes().startswith(b"%PDF")
    log = (folder / "main.log").read_text(errors="replace")
    assert "Citation `" not in log
