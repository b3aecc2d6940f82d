"""``splitopt read-solution``: what another solver found in an exported model, judged."""

from __future__ import annotations

from pathlib import Path

import click

from splitopt.bench.commands.arguments import PATH, Figure, InstanceName, open_instance
from splitopt.bench.commands.check import VIOLATED, tell_verdict
from splitopt.bench.commands.output import check_writable, json_option, note
from splitopt.bench.methods.byfile.names import FORMULATIONS


@click.command(
    "read-solution",
    epilog="""\b
Examples:
  splitopt export cift-tiny-both -f flow --out flow.mps
  highs flow.mps --solution_file flow.sol           # or SCIP, CBC, GLPK, Gurobi, CPLEX, COPT
  splitopt read-solution cift-tiny-both -f flow flow.sol --out plan.json
\b
FILE is what HiGHS, SCIP, CBC, GLPK (glpsol -o), Gurobi, CPLEX (.sol) or COPT writes; the format
is known by its content. Exit code 0: feasible. 1: the plan breaks a constraint.
""",
)
@click.argument("instance", type=InstanceName())
@click.argument("file", type=PATH)
@click.option(
    "--formulation",
    "-f",
    required=True,
    metavar="NAME",
    help="The one that was exported, such as flow or conic.",
)
@click.option(
    "--unit",
    type=Figure(1e-30, 1e30),
    metavar="U",
    help="Unit of the objective, where `export` was given one.",
)
@click.option("--out", type=PATH, metavar="PLAN", help="Write the plan.")
@json_option
@click.pass_context
def read_solution(
    ctx: click.Context,
    instance: str,
    file: Path,
    formulation: str,
    unit: float | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Make a plan of FILE, a solver's solution of an exported model of INSTANCE, and judge it."""
    from splitopt.bench.methods.exporting import unit_for
    from splitopt.bench.methods.solution_files import parse_solution, plan_of_solution
    from splitopt.instances.core import fields
    from splitopt.instances.core.documents import write_json
    from splitopt.instances.judge import evaluate

    found = open_instance(instance)
    fields.one_of("--formulation", formulation, FORMULATIONS[found.problem])
    if out is not None:
        check_writable("--out", out)
    solution = parse_solution(file)
    plan = plan_of_solution(found, formulation, solution, file.name)
    if out is not None:
        write_json(out, plan.to_document(), indent=1)
    claimed = None
    if solution.objective is not None:
        claimed = solution.objective * unit_for(found, unit)
    feasible = tell_verdict(
        found, plan, as_json, program=solution.program, objective_claimed=claimed
    )
    if claimed is not None and not as_json:
        priced = evaluate(found, plan).objective
        if abs(claimed - priced) > 1e-6 * max(abs(claimed), abs(priced)):
            note(
                f"{solution.program} says {claimed:.10g}, the plan costs {priced:.10g}: a "
                "relaxation, a tolerance, or another unit (--unit)"
            )
    if not feasible:
        ctx.exit(VIOLATED)
