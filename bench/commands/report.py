"""``splitopt report``: what a folder of results says."""

from __future__ import annotations

from pathlib import Path

import click

from splitopt.bench.commands.output import echo_json, json_option, say, say_all


@click.command(
    epilog="""\b
Examples:
  splitopt report results/quick
  splitopt report /media/archive/quick --out quick-report
\b
Writes the report into the folder, or into another one where that is only to be read; it opens in
any browser, without a network.
"""
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where to write the report; DIR/report by default.",
)
@json_option
def report(directory: Path, out: Path | None, as_json: bool) -> None:
    """Print a table for each problem and write the report of the results in DIR."""
    from splitopt.bench.report import tables_and_report

    tables, written = tables_and_report(directory, out)
    if as_json:
        echo_json({"report": str(written)})
        return
    say_all(tables)
    say()
    say(f"report: {written}")
