"""``splitopt list``: what the library holds."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from bench.commands.output import echo_json, echo_table, json_option


def _complete_set(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from instances import library

    return [CompletionItem(name) for name in library.sets() if name.startswith(incomplete)]


@click.command(
    "list",
    epilog="""\b
Examples:
  splitopt list               # the sets and how large they are
  splitopt list quick         # the instances of one set
  splitopt list --all --json  # every instance with its set
""",
)
@click.argument("set_name", metavar="[SET]", required=False, shell_complete=_complete_set)
@click.option("--all", "everything", is_flag=True, help="List every instance of every set.")
@json_option
def list_(set_name: str | None, everything: bool, as_json: bool) -> None:
    """List the sets of the library, or the instances of one SET."""
    from instances import library

    if set_name is None and not everything:
        rows = [{"set": name, "instances": len(library.names(name))} for name in library.sets()]
        if as_json:
            echo_json(rows)
        else:
            echo_table({"set": "set", "instances": "instances"}, [dict(row) for row in rows])
        return
    chosen = library.sets() if set_name is None else (set_name,)
    listed = [
        {"instance": name, "set": member} for member in chosen for name in library.names(member)
    ]
    if as_json:
        echo_json(listed)
    else:
        echo_table({"instance": "instance", "set": "set"}, [dict(row) for row in listed])
