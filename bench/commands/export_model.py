"""``splitopt export``: an instance as a model file, for any solver."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from splitopt.bench.commands.arguments import PATH, Figure, InstanceName, open_instance
from splitopt.bench.commands.output import echo_json, json_option, note, say
from splitopt.bench.methods.byfile.names import FORMULATIONS

if TYPE_CHECKING:
    from splitopt.bench.methods.byfile.checking import ReadBack

FORMATS = ("mps", "lp", "nl")


@click.command(
    epilog="""\b
Formulations:
  CIFT   flow, assignment       MILPs; listed speeds
         gdp-bigm, gdp-hull     MILPs for listed speeds, else with rotated cones
  MEPRA  natural                with shares, bilinear: for a global solver
         conic                  second-order cones; exits listed if free
         tangent                a MILP and a relaxation: its optimum is a lower bound
\b
Examples:
  splitopt export cift-tiny-both --formulation flow --format mps --out flow.mps
  splitopt export mepra-image-10mbps --formulation conic --format lp --out conic.lp
  splitopt export cift-tiny-both --formulation assignment --out assignment.mps --check
\b
The file says the unit of its objective: joules, or a power of two where the optimum is small.
docs/formulations.md says what each is. Results are exported by `splitopt export-runs`.
"""
)
@click.argument("instance", type=InstanceName())
@click.option(
    "--formulation",
    "-f",
    required=True,
    metavar="NAME",
    help="flow, assignment, gdp-bigm, gdp-hull; natural, conic, tangent.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    help="Taken from the name of the file where it is left out.",
)
@click.option(
    "--unit",
    type=Figure(1e-30, 1e30),
    metavar="U",
    help="Unit of the objective, J for CIFT; by default the optimum becomes 64 or more.",
)
@click.option("--out", required=True, type=PATH, metavar="FILE")
@click.option(
    "--check/--no-check",
    "check",
    default=None,
    help="Read it back by HiGHS, GLPK, SCIP, CBC and OR-tools, those at hand, and compare size "
    "and, where it is small, optimum; by default one of them reads it, where it is small.",
)
@json_option
@click.pass_context
def export(
    ctx: click.Context,
    instance: str,
    formulation: str,
    kind: str | None,
    unit: float | None,
    out: Path,
    check: bool | None,
    as_json: bool,
) -> None:
    """Write INSTANCE as a mathematical program to a file that solvers read."""
    from splitopt.instances.core.errors import InputError

    if kind is None:
        kind = out.suffix.removeprefix(".")
        if kind not in FORMATS:
            raise InputError(
                "--out", out.name, "a name that ends in .mps, .lp or .nl", "or give --format"
            )
    if check and kind == "nl":
        raise InputError("--check", kind, "mps or lp: a .nl file is not read back", "leave it out")
    found = open_instance(instance)
    known = FORMULATIONS[found.problem]
    if formulation not in known:
        raise InputError(
            "--formulation",
            formulation,
            f"formulations of {found.problem}: " + ", ".join(known),
            "choose one of these",
        )
    from splitopt.bench.methods.exporting import readers_of, write

    size = write(found, formulation, kind, out, unit)
    read = _read_back(out, size, every=bool(check)) if check is not False and kind != "nl" else []
    wrong = [one for one in read if not one.right]
    if as_json:
        document = {"instance": found.name, "formulation": formulation, "file": str(out), **size}
        echo_json(document | {"read_back": [dataclasses.asdict(one) for one in read]})
    else:
        say("{}: {rows} rows, {columns} columns, {integers} of them integer".format(out, **size))
        joules = " J" if found.problem == "cift" else ""
        say(
            f"objective in units of {size['objective_unit']:.17g}{joules}; solvers also stop at "
            "absolute gaps (HiGHS 1e-6): set them to 0 for a proof"
        )
        say(readers_of(linear=bool(size.get("linear")), kind=kind))
        for one in read:
            say(f"read back by {one.solver}: {one.said}")
    for one in wrong:
        note(f"splitopt: {one.solver} reads another model in {out}: {one.said}")
    if wrong:
        ctx.exit(1)


def _read_back(path: Path, size: Mapping[str, float], *, every: bool) -> list[ReadBack]:
    from splitopt.bench.methods.byfile.checking import MOST_COLUMNS, read_back

    if not every and size["columns"] > MOST_COLUMNS:
        return []
    return read_back(path, size, every=every)
