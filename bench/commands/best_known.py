"""``splitopt best-known`` and ``export-solu``: what is known of the library's instances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from splitopt.bench.commands.arguments import PATH, SetOrInstance
from splitopt.bench.commands.output import echo_json, echo_table, json_option, say

if TYPE_CHECKING:
    from splitopt.instances.library.best_known import KnownInstance


def _entries(references: tuple[str, ...]) -> list[KnownInstance]:
    """Return the entries of the instances named, of all where none is named."""
    from splitopt.instances import library
    from splitopt.instances.core.errors import InputError
    from splitopt.instances.library.best_known import registry

    known = registry().entries
    if not references:
        return list(known.values())
    names: list[str] = []
    for reference in references:
        names += library.names(reference) if reference in library.sets() else [reference]
    found = []
    for name in dict.fromkeys(names):
        entry = known.get(library.entry(name).content_hash)
        if entry is not None:
            found.append(entry)
        elif name in references:
            raise InputError(
                "instance",
                name,
                "an instance of the best-known registry",
                "splitopt best-known lists it",
            )
    return found


@click.command(
    "best-known",
    epilog="""\b
Examples:
  splitopt best-known tiny
  splitopt best-known standard-v1 --open
  splitopt best-known mepra-image-10mbps --json
  splitopt best-known mepra-image-10mbps --plan plan.json
\b
`confirmed by` names solvers, each with a formulation of its own. Label programs confirm, never
alone. docs/instances.md says how the registry is made; `splitopt check --library` checks it.
""",
)
@click.argument("references", nargs=-1, type=SetOrInstance(), metavar="[SET|INSTANCE...]")
@click.option("--open", "only_open", is_flag=True, help="Only what is not closed to 1e-6.")
@click.option(
    "--plan", type=PATH, metavar="FILE", help="Write the best plan of the one instance named."
)
@json_option
def best_known(
    references: tuple[str, ...], only_open: bool, plan: Path | None, as_json: bool
) -> None:
    """Show value, bound and who confirms them, of the library's instances."""
    from splitopt.instances.library.best_known import registry

    found = _entries(references)
    if plan is not None:
        _write_plan(found, plan)
    if only_open:
        found = [entry for entry in found if not entry.closed]
    if as_json:
        environments = registry().environments
        echo_json(
            {
                "tolerance": registry().tolerance,
                "environments": [dict(one) for one in environments],
                "entries": [
                    entry.to_document() | {"status": entry.status, "gap": entry.gap}
                    for entry in found
                ],
            }
        )
        return
    echo_table(
        {
            "name": "instance",
            "status": "status",
            "objective": "value",
            "gap": "gap",
            "engines": "confirmed by",
        },
        [
            {
                "name": entry.name,
                "status": entry.status,
                "objective": entry.objective,
                "gap": entry.gap,
                "engines": ", ".join(entry.engines) or "-",
            }
            for entry in found
        ],
    )


def _write_plan(found: list[KnownInstance], path: Path) -> None:
    from splitopt.instances.core.documents import write_json
    from splitopt.instances.core.errors import InputError
    from splitopt.instances.library.best_known import plan_documents

    if len(found) != 1:
        raise InputError("--plan", f"{len(found)} instances", "one instance", "name one")
    document = plan_documents().get(found[0].content_hash)
    if document is None:
        raise InputError("--plan", found[0].name, "an instance with a plan", "name another")
    write_json(path, document, indent=1)


@click.command(
    "export-solu",
    epilog="""\b
Examples:
  splitopt export-solu standard.solu
  splitopt export-solu tiny.solu --set tiny
\b
One line an instance, as MIPLIB has them: =opt= NAME VALUE, =best= NAME VALUE, =inf= NAME,
=unkn= NAME.
""",
)
@click.argument("file", metavar="FILE", type=PATH)
@click.option(
    "--set", "sets", multiple=True, metavar="SET", help="Default: standard-v1; may be repeated."
)
@json_option
def export_solu(file: Path, sets: tuple[str, ...], as_json: bool) -> None:
    """Write what is known of a set's instances to FILE, in the format of MIPLIB's .solu."""
    from splitopt.instances import library
    from splitopt.instances.core.documents import write_bytes
    from splitopt.instances.library.best_known import KnownInstance, registry, solu

    known = registry().entries
    entries = []
    for name in dict.fromkeys(n for one in sets or ("standard-v1",) for n in library.names(one)):
        about = library.entry(name)
        nothing = KnownInstance(
            name, about.problem, about.content_hash, None, None, None, None, False, ()
        )
        entries.append(known.get(about.content_hash, nothing))
    write_bytes(file, solu(entries).encode("ascii"))
    counts = dict.fromkeys(("optimal", "open", "infeasible", "unknown"), 0)
    for entry in entries:
        counts[entry.status] += 1
    if as_json:
        echo_json({"file": str(file), **counts})
    else:
        parts = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        say(f"{file}: {parts or 'no instance'}")
