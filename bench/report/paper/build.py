"""Write the folder of a paper: tables, figures, references, and how to make them again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shlex
from collections.abc import Sequence
from pathlib import Path

from splitopt.bench.compare.data import PROBLEMS, ReportData, load
from splitopt.bench.compare.frames import csv_bytes, frame
from splitopt.bench.report.paper.bibliography import bibliography, keys_of, method_keys, solver_keys
from splitopt.bench.report.paper.drawing import draw
from splitopt.bench.report.paper.folder import check_folder, replace_files
from splitopt.bench.report.paper.latex import escape
from splitopt.bench.report.paper.parts import feature_part, figures, method_part, shown_methods
from splitopt.bench.report.paper.setting import limits, machines, solvers, versions
from splitopt.bench.report.parts import command_lines
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.printable import printable

_PREAMBLE = r"""% Made by splitopt report --paper; README.md says how.
\documentclass[11pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{lmodern,textcomp}
\usepackage[a4paper,margin=2.4cm]{geometry}
\usepackage{booktabs,longtable,graphicx}
\usepackage[hidelinks]{hyperref}
\renewcommand{\topfraction}{0.95}
\renewcommand{\bottomfraction}{0.95}
\renewcommand{\textfraction}{0.03}
\renewcommand{\floatpagefraction}{0.7}
"""


def write_paper(out: Path, folder: Path, shown: Sequence[str] = ()) -> Path:
    """Write the results of the store at `out` for a paper and return its main LaTeX file.

    Parameters
    ----------
    folder
        A new or empty folder, or one that this function wrote: its files are replaced.
    shown
        The methods in figures and in tables by features; by default some of each kind.

    Raises
    ------
    InputError
        When there is no store, or it has no run yet; for a method without runs; when the folder
        holds what this function did not write.
    """
    data = load(out)
    if not data.rows:
        raise InputError("store", str(out), "a store with at least one run", "splitopt run first")
    check_folder(folder)  # before the work
    asked = shown_methods(data, shown)
    files: dict[str, bytes] = {}
    keys = keys_of(data)
    body, appendix = [], []
    for problem in data.problems:
        names = [f"tables/{problem}-methods"]
        files[f"{names[0]}.tex"] = method_part(data, problem).encode()
        for figure in figures(data, problem, asked):
            names.append(f"figures/{figure.name}")
            files[f"{names[-1]}.tex"] = figure.latex.encode()
            for kind, drawing in draw(figure.chart, figure.styles).items():
                files[f"{names[-1]}.{kind}"] = drawing
            keys += figure.keys
        features = feature_part(data, problem, asked)
        if features is not None:
            appendix.append(rf"\input{{tables/{problem}-features}}")
            files[f"tables/{problem}-features.tex"] = features.encode()
        body += [rf"\section{{{escape(PROBLEMS.get(problem, problem))}}}"]
        body += [rf"\input{{{name}}}" for name in names] + [r"\clearpage"]
    if appendix:
        body += [r"\appendix", r"\section{By features of instances}", *appendix]
    digest = hashlib.sha256(csv_bytes(frame(out))).hexdigest()
    files["measurement.tex"] = _measurement(data).encode()
    files["references.bib"] = bibliography(data, keys).encode()
    files["README.md"] = _readme(data, folder, shown, digest).encode()
    files["main.tex"] = _main(data, body).encode()
    replace_files(folder, files, {"store": digest})
    return folder / "main.tex"


def _cite(keys: Sequence[str]) -> str:
    return rf"~\cite{{{','.join(keys)}}}"


def _measurement(data: ReportData) -> str:
    """Return how the runs were measured as a paragraph with its citations, LaTeX."""
    sources = [p for p in data.problems if p in PROBLEMS]
    problems = " and ".join(f"{p.upper()}{_cite([p])}" for p in sources) or "several problems"
    called = [key for package in solvers(data.rows) for key in solver_keys(package)]
    first = f"All runs were made and judged by splitopt{_cite(['splitopt'])} on {problems}"
    solver = f", with the solvers of{_cite(called)}" if called else ""
    taken = method_keys(data)
    methods = (
        f"; its methods include those of{_cite(taken)}, as its documentation says" if taken else ""
    )
    days = sorted({row.started_at[:10] for row in data.rows})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    rest = (
        f"Each run had a process of its own: {limits(data.rows)}. Machine: "
        f"{machines(data, data.rows)}. Software: {versions(data, data.rows)}. Date: {when}. Each "
        "plan, bound and proof was judged anew from the data, by a judge that shares no code with "
        "the methods, and all runs of an instance were held against each other."
    )
    notes = [note for note in data.caveats if note]
    caveats = f" Before comparing: {' '.join(notes)}" if notes else ""
    return f"{first}{solver}{methods}. {escape(rest + caveats)}\n"


def _main(data: ReportData, body: Sequence[str]) -> str:
    last = max(row.started_at[:10] for row in data.rows)
    return "\n".join(
        [
            _PREAMBLE + rf"\title{{Results: {escape(data.out.resolve().name)}}}",
            r"\author{}",
            rf"\date{{{escape(last)}}}",
            r"\begin{document}",
            r"\maketitle",
            r"\section{Method of measurement}",
            r"\input{measurement}",
            *body,
            r"\bibliographystyle{plain}",
            r"\bibliography{references}",
            r"\end{document}",
            "",
        ]
    )


def _readme(data: ReportData, folder: Path, shown: Sequence[str], digest: str) -> str:
    again = ["splitopt", "report", "DIR", "--paper", folder.name]
    again += ["--show", ",".join(shown)] if shown else []
    commands = "\n".join(f"    {printable(line)}" for line in command_lines(data))
    return f"""# Results for a paper

Made by splitopt {importlib.metadata.version("splitopt")} from {len(data.rows)} runs on
{len(data.by_instance)} instances. The numbers are those of its report, made by the same functions.

| file | holds |
|---|---|
| `main.tex` | all of it in one document: `pdflatex main`, `bibtex main`, twice `pdflatex main` |
| `tables/*.tex` | tables with caption and label; `*-features.tex` may run over pages |
| `figures/*.tex` | figures with caption and label, around the PDF of the same name; SVG beside it |
| `measurement.tex` | how it was measured, a paragraph with its citations |
| `references.bib` | what the results rest on: suite, sources, solvers, methods, metrics |

Tables and figures need `\\usepackage[T1]{{fontenc}}` and the packages `textcomp`, `booktabs`,
`graphicx`, and `longtable` for the tables by features. What the columns say is argued in the
suite's `docs/report.md`.

## From the store

    {shlex.join(again)}

writes this folder again; the same store gives the same bytes. It is the store whose rows, as

    splitopt export-runs DIR rows.csv
    sha256sum rows.csv

writes them, have the SHA-256

    {digest}

## From nothing

These commands made the runs. Times are of the machine; another folder for `--out` measures anew.

{commands}
"""
