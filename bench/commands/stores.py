"""``splitopt compare``, ``merge`` and ``export-runs``: folders of results as a whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from bench.commands.output import echo_json, json_option

_FOLDER = click.Path(path_type=Path)


@click.command(
    epilog="""\b
Examples:
  splitopt compare results/main results/branch
\b
Times are compared over runs that are right in both; the interval is a bootstrap over seeds.
"""
)
@click.argument("before", metavar="A", type=_FOLDER)
@click.argument("after", metavar="B", type=_FOLDER)
@json_option
def compare(before: Path, after: Path, as_json: bool) -> None:
    """Compare two folders of results: what got faster, slower, right, wrong."""
    from bench.compare import compare as compare_stores
    from bench.compare import comparison_text

    found = compare_stores(before, after)
    if as_json:
        echo_json(dataclasses.asdict(found))
    else:
        click.echo(comparison_text(found))


@click.command(
    epilog="""\b
Examples:
  splitopt merge results/machine1 results/machine2 --out results/all
"""
)
@click.argument("sources", metavar="DIR...", nargs=-1, required=True, type=_FOLDER)
@click.option("--out", required=True, type=_FOLDER, metavar="DIR", help="Made if missing.")
@json_option
def merge(sources: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Bring the results of several machines together in one folder."""
    from bench.merge import merge as merge_stores

    found = merge_stores(out, sources)
    if as_json:
        echo_json({"out": str(out), "added": found.added, "there": found.there})
    else:
        click.echo(f"{found.added} runs added to {out}, {found.there} were there")


@click.command(
    "export-runs",
    epilog="""\b
Examples:
  splitopt export-runs results/quick rows.csv
  splitopt export-runs results/quick rows.parquet     # with trajectories and plans; needs pyarrow
""",
)
@click.argument("directory", metavar="DIR", type=_FOLDER)
@click.argument("file", metavar="FILE", type=_FOLDER)
@json_option
def export(directory: Path, file: Path, as_json: bool) -> None:
    """Write the rows of the results in DIR to FILE, .csv or .parquet."""
    from bench.frames import export as export_rows

    count = export_rows(directory, file)
    if as_json:
        echo_json({"file": str(file), "rows": count})
    else:
        click.echo(f"{count} rows written to {file}")
