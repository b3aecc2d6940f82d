"""Documents that commands write: to a file, or to stdout."""

from __future__ import annotations

from pathlib import Path

import click

from splitopt.bench.commands.arguments import PATH
from splitopt.bench.commands.output import say_all

out_option = click.option(
    "--out", type=PATH, metavar="FILE", help="Write to FILE (.json or .json.gz) instead of stdout."
)


def write_document(document: dict[str, object], out: Path | None) -> None:
    """Write a document to a file or to stdout."""
    from splitopt.instances.core.documents import canonical, write_json

    if out is None:
        say_all(canonical(document, indent=1).decode())
    else:
        write_json(out, document, indent=None if out.suffix == ".gz" else 1)
