"""``splitopt methods``: what there is to compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from splitopt.bench.commands.arguments import MethodName, plugin_option
from splitopt.bench.commands.output import echo_json, echo_table, json_option, note, say

if TYPE_CHECKING:
    from splitopt.bench.methods.registry import Entry


@click.command(
    epilog="""\b
Examples:
  splitopt methods
  splitopt methods --problem cift --kind exact
  splitopt methods jqodi          # its options, with defaults and ranges
\b
FORMULATION@SOLVER, such as flow@cbc, is a method too: splitopt solvers lists solvers and versions.
"""
)
@click.argument("method", type=MethodName(), required=False)
@click.option("--problem", type=click.Choice(["cift", "mepra"]), help="Only of this problem.")
@click.option(
    "--kind",
    type=click.Choice(["exact", "approximation", "heuristic", "learner"]),
    help="Only of this kind.",
)
@plugin_option
@json_option
def methods(
    method: str | None,
    problem: str | None,
    kind: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the methods, or show the options of one METHOD."""
    from splitopt.bench.methods.plugins import all_entries

    known, broken = all_entries(plugins)
    for line in broken:
        note(f"splitopt: {line}")
    entries = [
        entry for entry in known if problem in (None, entry.problem) and kind in (None, entry.kind)
    ]
    if method is not None:
        _one_method(method, [entry for entry in known if problem in (None, entry.problem)], as_json)
        return
    rows = [
        {
            "name": entry.name,
            "problem": entry.problem,
            "kind": entry.kind,
            "summary": entry.summary,
        }
        for entry in entries
    ]
    if as_json:
        echo_json(rows)
        return
    echo_table(
        {"name": "method", "problem": "problem", "kind": "kind", "summary": "what it does"},
        [dict(row) for row in rows],
    )


def _one_method(name: str, known: list[Entry], as_json: bool) -> None:
    """Show one method with its options; this imports its module."""
    from splitopt.bench.isolation.targets import pick
    from splitopt.bench.methods.byfile.names import is_by_file
    from splitopt.bench.methods.registry import by_file
    from splitopt.instances.core.errors import InputError, did_you_mean

    found = [by_file(name)] if is_by_file(name) else [e for e in known if e.name == name]
    if not found:
        raise InputError(
            "method",
            name,
            "a method that splitopt methods lists",
            did_you_mean(name, dict.fromkeys(entry.name for entry in known), "correct the name"),
        )
    documents = []
    for entry in found:
        method = pick(entry.target, entry.name)
        options = method.options
        documents.append(
            {
                "name": entry.name,
                "problem": entry.problem,
                "kind": entry.kind,
                "summary": entry.summary,
                "passes_parameters": getattr(method, "parameters", None) is not None,
                "options": [
                    {
                        "name": option.name,
                        "default": option.default,
                        "allowed": option.allowed(),
                        "description": option.description,
                    }
                    for option in options
                ],
            }
        )
    if as_json:
        echo_json(documents)
        return
    for entry, document in zip(found, documents, strict=True):
        say(f"{entry.name} ({entry.problem}, {entry.kind}): {entry.summary}")
        if document["passes_parameters"]:
            say("  solver.NAME sets any parameter of its solver")
        rows = document["options"]
        assert isinstance(rows, list)
        if not rows:
            say("  no options")
            continue
        echo_table(
            {
                "name": "option",
                "default": "default",
                "allowed": "allowed",
                "description": "description",
            },
            rows,
        )
