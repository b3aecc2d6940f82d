"""What ``splitopt check --library`` says."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.output import echo_json, echo_table

__all__ = ["check_and_tell"]


def check_and_tell(sets: tuple[str, ...], results: tuple[Path, ...], as_json: bool) -> bool:
    """Check the registry and print what was found; return whether something cannot stand."""
    from bench.library_check import check_library
    from bench.update_best_known import SETS

    found = check_library(sets or SETS, results)
    if as_json:
        echo_json(
            {
                "checked": found.checked,
                "closed": found.closed,
                "closed_by_two_solvers": found.twice,
                "open": list(found.open),
                "rows": found.rows,
                "findings": [
                    {"instance": one.instance, "kind": one.kind, "statement": one.statement}
                    for one in found.findings
                ],
            }
        )
        return bool(found.findings)
    click.echo(
        f"{found.checked} instances checked: {found.closed} closed, {found.twice} of them by two "
        f"solvers or more, {len(found.open)} open"
    )
    if found.open:
        click.echo("open: " + ", ".join(found.open))
    if results:
        click.echo(f"{found.rows} rows of results held against them")
    if found.findings:
        columns = {"instance": "instance", "kind": "kind", "statement": "what is wrong"}
        echo_table(
            columns,
            [
                {"instance": one.instance, "kind": one.kind, "statement": one.statement}
                for one in found.findings
            ],
        )
    else:
        click.echo("nothing contradicts anything")
    return bool(found.findings)
