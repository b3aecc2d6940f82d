"""``splitopt report``: what a folder of results says."""

from __future__ import annotations

from pathlib import Path

import click

from splitopt.bench.commands.output import echo_json, json_option, say, say_all


@click.command(
    epilog="""\b
Examples:
  splitopt report results/quick
\b
Writes the report into the folder; it opens in any browser, without a network.
"""
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@json_option
def report(directory: Path, as_json: bool) -> None:
    """Print a table for each problem and write the report of the results in DIR."""
    from splitopt.bench.report import text_tables, write_report

    tables = "" if as_json else text_tables(directory)
    written = write_report(directory)
    if as_json:
        echo_json({"report": str(written)})
        return
    say_all(tables)
    say()
    say(f"report: {written}")
