"""``splitopt solvers``: versions of solvers beside each other, for methods that go by file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from splitopt.bench.commands.output import Cell, echo_json, echo_table, json_option, note, say

if TYPE_CHECKING:
    from splitopt.bench.methods.byfile.environments import Environment


@click.group(
    epilog="""\b
Examples:
  splitopt solvers list
  splitopt solvers add highspy==1.15.1
  splitopt solve cift-tiny-both -m flow@highs==1.15.1
  splitopt run tiny -m flow@highs==1.15.1,flow@scip,flow@cbc --out results/versions
\b
A method FORMULATION@SOLVER, such as flow@cbc, writes the model to a file, which the solver reads
and solves in a process of its own; ==VERSION is the version of its package. Versions that are
added live in virtual environments of their own in $SPLITOPT_SOLVERS, by default a folder in the
user's cache. Without ==VERSION the one beside splitopt is taken, else the newest that was added.
"""
)
def solvers() -> None:
    """List, add, remove and try the solvers that read files, each in its versions."""


@solvers.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List solvers, their packages, and the versions that are there."""
    from splitopt.bench.methods.byfile.environments import beside, cache_folder, installed
    from splitopt.bench.methods.byfile.names import SOLVERS

    rows = []
    for solver in SOLVERS.values():
        here = beside(solver.package)
        rows.append(
            {
                "solver": solver.name,
                "package": solver.package,
                "beside": None if here is None else here.version,
                "added": [environment.version for environment in installed(solver.package)],
                "takes": solver.takes,
                "summary": solver.summary,
            }
        )
    if as_json:
        echo_json({"folder": str(cache_folder()), "solvers": rows})
        return
    headings = dict(zip(rows[0], rows[0], strict=True)) | {
        "beside": "beside splitopt",
        "summary": "what it is",
    }
    shown: list[dict[str, Cell]] = [
        {key: ", ".join(cell) if isinstance(cell, list) else cell for key, cell in row.items()}
        for row in rows
    ]
    echo_table(headings, shown)
    say(f"added versions are in {cache_folder()}")


@solvers.command()
@click.argument("specs", nargs=-1, required=True, metavar="PACKAGE[==VERSION]...")
def add(specs: tuple[str, ...]) -> None:
    """Install packages by pip, each into an environment of its own, and try them.

    PACKAGE is one of highspy, pyscipopt, ortools, pulp (CBC), swiglpk (GLPK), gurobipy, xpress,
    cplex, coptpy. This is the one command that uses the network.
    """
    from splitopt.bench.methods.byfile import environments

    for spec in specs:
        environments.read_spec(spec)  # nothing is installed where one of them is wrong
    for spec in specs:
        made, new = environments.add(spec)
        say(f"{made}: {'added' if new else 'was there'}, {made.folder}")
        _tell(made)


@solvers.command()
@click.argument("specs", nargs=-1, required=True, metavar="PACKAGE==VERSION...")
def remove(specs: tuple[str, ...]) -> None:
    """Remove environments that were added."""
    from splitopt.bench.methods.byfile.environments import remove as remove_one

    for spec in specs:
        say(f"{remove_one(spec)}: removed")


@solvers.command()
@click.argument("specs", nargs=-1, metavar="[PACKAGE==VERSION...]")
@click.pass_context
def verify(ctx: click.Context, specs: tuple[str, ...]) -> None:
    """Let every solver that is there, or those named, solve a tiny model, and compare.

    Exit code 1: one of them cannot be used, or says something else.
    """
    from splitopt.bench.methods.byfile.environments import beside, installed
    from splitopt.bench.methods.byfile.names import PACKAGES
    from splitopt.instances.core.errors import InputError

    here = [found for package in PACKAGES if (found := beside(package)) is not None]
    every = [*here, *installed()]
    chosen = [one for one in every if not specs or str(one) in specs or one.package in specs]
    unknown = [s for s in specs if s not in [str(one) for one in chosen]
               and s not in [one.package for one in chosen]]  # fmt: skip
    if unknown:
        raise InputError("solver", unknown[0], ", ".join(map(str, every)), "splitopt solvers list")
    good = [_tell(one) for one in chosen]
    if not all(good):
        ctx.exit(1)


def _tell(environment: Environment) -> bool:
    """Say what became of a tiny model in an environment; return whether it is right."""
    from splitopt.bench.methods.byfile.trial import trials

    good = True
    for solver, version, problem in trials(environment):
        if problem is None:
            say(f"{environment}: {solver} is {version}, and solves a tiny model right")
        else:
            note(f"splitopt: {environment}: {solver}: {problem}")
            good = False
    return good
