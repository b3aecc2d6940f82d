"""``splitopt report``: what a folder of results says."""

from __future__ import annotations

from pathlib import Path

import click

from splitopt.bench.commands.arguments import FOLDER, PATH, MethodNames
from splitopt.bench.commands.output import echo_json, json_option, say, say_all


@click.command(
    epilog="""\b
Examples:
  splitopt report results/quick
  splitopt report /media/archive/quick --out quick-report
  splitopt report results/quick --paper paper --show my-method,jqodi,highs-flow
\b
Writes the report into the folder, or into another one where that is only to be read; it opens in
any browser, without a network. With --paper: LaTeX tables, figures as PDF and SVG, references and
how to reproduce them, instead; pages too where --out is given.
"""
)
@click.argument("directory", metavar="DIR", type=PATH)
@click.option(
    "--out", type=FOLDER, metavar="FOLDER", help="Where to write the report; DIR/report by default."
)
@click.option(
    "--paper",
    type=FOLDER,
    metavar="FOLDER",
    help="Write tables, figures and references for a paper into this folder.",
)
@click.option(
    "--show",
    type=MethodNames(),
    metavar="M,...",
    default=(),
    help="With --paper: the methods in figures; some of each kind by default.",
)
@json_option
def report(
    directory: Path, out: Path | None, paper: Path | None, show: tuple[str, ...], as_json: bool
) -> None:
    """Print a table for each problem and write the report of the results in DIR."""
    from splitopt.bench.report import tables_and_report, text_tables, write_paper
    from splitopt.instances.core.errors import InputError

    if show and paper is None:
        raise InputError("--show", ",".join(show), "--paper beside it", "give --paper too")
    written = {}
    if paper is not None:
        written["paper"] = str(write_paper(directory, paper, show))
    if paper is None or out is not None:
        tables, page = tables_and_report(directory, out)
        written["report"] = str(page)
    else:
        tables = "" if as_json else text_tables(directory)
    if as_json:
        echo_json(written)
        return
    say_all(tables)
    say()
    for what, path in written.items():
        say(f"{what}: {path}")
