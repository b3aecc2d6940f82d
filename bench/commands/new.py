"""``splitopt new``: a package to begin from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from splitopt.bench.commands.output import echo_json, json_option, say


@click.group(
    epilog="""\b
Examples:
  splitopt new method half-way --problem mepra
  splitopt new family my-cells
"""
)
def new() -> None:
    """Write a small package to begin from: a method of your own, or a family of instances."""


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    problem = click.option(
        "--problem", type=click.Choice(["cift", "mepra"]), default="cift", help="What it is for."
    )
    return click.argument("name")(problem(json_option(function)))


@new.command(
    epilog="""\b
Examples:
  splitopt new method half-way --problem mepra
  cd half-way && splitopt conform --plugin half_way:METHOD
"""
)
@_options
def method(name: str, problem: str, as_json: bool) -> None:
    """Write a method with its test, its entry point and a README into the folder NAME."""
    module = name.replace("-", "_")
    _make("method", name, problem, as_json, f"splitopt conform --plugin {module}:METHOD")


@new.command(
    epilog="""\b
Examples:
  splitopt new family my-cells
  cd my-cells && python -m my_cells instances 0 1 2
"""
)
@_options
def family(name: str, problem: str, as_json: bool) -> None:
    """Write a generator of instances with its test and a README into the folder NAME."""
    module = name.replace("-", "_")
    _make("family", name, problem, as_json, f"python -m {module} instances 0 1 2")


def _make(kind: str, name: str, problem: str, as_json: bool, then: str) -> None:
    from splitopt.bench.methods.scaffold.make import make

    folder = make(kind, name, "cift" if problem == "cift" else "mepra", Path.cwd())
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    if as_json:
        echo_json({"folder": name, "files": files})
        return
    for file in files:
        say(f"{name}/{file}")
    say(f"next: cd {name} && {then}")
