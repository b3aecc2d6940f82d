"""``splitopt compare``, ``merge``, ``export-runs``, ``backup``: folders of results as a whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from splitopt.bench.commands.arguments import PATH, Figure
from splitopt.bench.commands.output import echo_json, json_option, note, say, say_all
from splitopt.instances.core.errors import InputError

_MOST_REFUTED = 20


@click.command(
    epilog="""\b
Examples:
  splitopt compare results/main results/branch
\b
  splitopt compare results/main results/branch --check
\b
Times are compared over runs that are right in both and were measured on the same kind of machine
with as many runs at a time; intervals are bootstraps over seeds. Exit code with --check: 1 where a
method got slower beyond its interval, less often right or more often wrong.
"""
)
@click.argument("before", metavar="A", type=PATH)
@click.argument("after", metavar="B", type=PATH)
@click.option(
    "--across", is_flag=True, help="Compare times of different machines or --jobs all the same."
)
@click.option("--level", type=Figure(most=1.0), default=0.95, metavar="P", help="Of the intervals.")
@click.option("--check", is_flag=True, help="Exit with 1 where something regressed.")
@json_option
@click.pass_context
def compare(
    ctx: click.Context,
    before: Path,
    after: Path,
    across: bool,
    level: float,
    check: bool,
    as_json: bool,
) -> None:
    """Compare two folders of results: what got faster, slower, right, wrong."""
    if not 0.0 < level < 1.0:
        raise InputError("--level", level, "0 < level < 1", "give 0.95")
    from splitopt.bench.compare.stores import compare as compare_stores
    from splitopt.bench.report.comparison import comparison_text

    found = compare_stores(before, after, level=level, across=across)
    if as_json:
        document = dataclasses.asdict(found)
        for line, method in zip(document["methods"], found.methods, strict=True):
            line["time"] = method.statement
        echo_json({**document, "regressed": found.regressed})
    else:
        say_all(comparison_text(found))
        if check and found.regressed:
            say()
            say("REGRESSED: " + ", ".join(found.regressed))
    if check and found.regressed:
        ctx.exit(1)


@click.command(
    epilog="""\b
Examples:
  splitopt merge results/machine1 results/machine2 --out results/all
\b
Exit code 1: a row says what the judge denies. It is merged, and called wrong. 2: a folder is no
store, or a row holds what no row can; nothing is written.
"""
)
@click.argument("sources", metavar="DIR...", nargs=-1, required=True, type=PATH)
@click.option("--out", required=True, type=PATH, metavar="DIR", help="Made if missing.")
@click.option(
    "--trust", is_flag=True, help="Take verdicts as they are; quicker, for stores of your own."
)
@json_option
@click.pass_context
def merge(
    ctx: click.Context, sources: tuple[Path, ...], out: Path, trust: bool, as_json: bool
) -> None:
    """Bring the results of several machines together in one folder, and judge them again."""
    from splitopt.bench.verdicts.merge import merge as merge_stores

    found = merge_stores(out, sources, trust=trust)
    if as_json:
        echo_json(
            {
                "out": str(out),
                "added": found.added,
                "there": found.there,
                "refuted": [
                    {
                        "key": row.key,
                        "instance": row.instance_name,
                        "method": row.method,
                        "reason": row.verdict_reason,
                    }
                    for row in found.refuted
                ],
                "unjudged": found.unjudged,
            }
        )
    else:
        say(f"{found.added} runs added to {out}, {found.there} were there")
        if found.unjudged:
            say(f"{found.unjudged} not judged: no folder holds their instance")
        for row in found.refuted[:_MOST_REFUTED]:
            note(
                f"splitopt: refuted: {row.instance_name}: {row.method} (seed {row.seed}): "
                f"{row.verdict_reason}"
            )
        if len(found.refuted) > _MOST_REFUTED:
            note(f"splitopt: refuted: {len(found.refuted) - _MOST_REFUTED} more")
    if found.refuted:
        ctx.exit(1)


@click.command(
    "export-runs",
    epilog="""\b
Examples:
  splitopt export-runs results/quick rows.csv
  splitopt export-runs results/quick rows.parquet     # with trajectories and plans; needs pyarrow
""",
)
@click.argument("directory", metavar="DIR", type=PATH)
@click.argument("file", metavar="FILE", type=PATH)
@json_option
def export(directory: Path, file: Path, as_json: bool) -> None:
    """Write the rows of the results in DIR to FILE, .csv or .parquet."""
    from splitopt.bench.compare.frames import export as export_rows

    count = export_rows(directory, file)
    if as_json:
        echo_json({"file": str(file), "rows": count})
    else:
        say(f"{count} rows written to {file}")


@click.command(
    epilog="""\b
Examples:
  splitopt backup results/large saved/runs.sqlite
  splitopt status saved
\b
While runs go on too: copying runs.sqlite alone would leave out what is in SQLite's log. An earlier
backup at FILE is replaced in one step.
"""
)
@click.argument("directory", metavar="DIR", type=PATH)
@click.argument("file", metavar="FILE", type=PATH)
@json_option
def backup(directory: Path, file: Path, as_json: bool) -> None:
    """Copy the results in DIR, as they stand now, to FILE."""
    from splitopt.bench.store.backup import backup as copy_store

    count = copy_store(directory, file)
    if as_json:
        echo_json({"file": str(file), "rows": count})
    else:
        say(f"{count} rows copied to {file}")
