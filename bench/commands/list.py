"""``splitopt list``: what the library holds."""

from __future__ import annotations

from collections.abc import Mapping

import click
from click.shell_completion import CompletionItem

from splitopt.bench.commands.output import Cell, echo_json, echo_table, json_option

_PURPOSE = {
    "tiny": "every corner of both problems; enumeration solves each",
    "quick": "a benchmark of minutes, what make bench runs",
    "standard-v1": "comparisons: frozen files, chosen for diversity",
    "networks-v1": "networks that are graphs, factors and throughputs: frozen files",
    "uncertain-v1": "plans under doubt: epochs and links as measured, frozen files",
    "large": "MEPRA up to a million devices, CIFT with hundreds of nodes",
    "sources": "the article's two tables at 1 to 60 Mbit/s",
    "source-variants": "the same tables where partitioning matters",
}


def _complete_set(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from splitopt.instances import library

    return [CompletionItem(name) for name in library.sets() if name.startswith(incomplete)]


@click.command(
    "list",
    epilog="""\b
Examples:
  splitopt list                          # the sets and how large they are
  splitopt list quick --problem cift     # the instances of one set
  splitopt list --all --json             # every instance
\b
Any generated instance can be named too, by family and seed: cift-tiers-s7.
""",
)
@click.argument("set_name", metavar="[SET]", required=False, shell_complete=_complete_set)
@click.option("--all", "everything", is_flag=True, help="List the instances of every set.")
@click.option("--problem", type=click.Choice(["cift", "mepra"]), help="Only of this problem.")
@json_option
def list_(set_name: str | None, everything: bool, problem: str | None, as_json: bool) -> None:
    """List the sets of the library, or the instances of one SET."""
    from splitopt.instances import library

    names = library.names(set_name) if set_name is not None or everything else ()
    if set_name is None and not everything:
        _sets(problem, as_json)
        return
    entries = [library.entry(name) for name in names]
    entries = [entry for entry in entries if problem in (None, entry.problem)]
    if as_json:
        echo_json(
            [
                {
                    "name": entry.name,
                    "problem": entry.problem,
                    "sets": list(entry.sets),
                    "size": dict(entry.size),
                    "description": entry.description,
                    "content_hash": entry.content_hash or None,
                }
                for entry in entries
            ]
        )
        return
    echo_table(
        {"name": "instance", "problem": "problem", "size": "size", "description": "what it is"},
        [
            {
                "name": entry.name,
                "problem": entry.problem,
                "size": _size(entry.size),
                "description": entry.description,
            }
            for entry in entries
        ],
    )


def _sets(problem: str | None, as_json: bool) -> None:
    from splitopt.instances import library

    rows: list[dict[str, Cell]] = []
    for name in library.sets():
        problems = [library.entry(member).problem for member in library.names(name)]
        counts = {kind: problems.count(kind) for kind in ("cift", "mepra")}
        shown = counts if problem is None else {problem: counts[problem]}
        rows.append({"set": name, "instances": sum(shown.values()), **shown})
    if as_json:
        echo_json(rows)
        return
    columns = {key: key for key in rows[0]} | {"purpose": "what it is for"}
    echo_table(columns, [row | {"purpose": _PURPOSE.get(str(row["set"]))} for row in rows])


def _size(size: Mapping[str, int | str]) -> str:
    """Return counts with their nouns, and words as they are."""
    return ", ".join(
        f"{value} {name}" if isinstance(value, int) else f"{name} {value}"
        for name, value in size.items()
    )
