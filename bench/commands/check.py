"""``splitopt check``: the judge's verdict on a plan."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.arguments import InstanceName, open_instance
from bench.commands.output import echo_json, echo_table, json_option

VIOLATED = 1


@click.command(
    epilog="""\b
Examples:
  splitopt check mepra-image-10mbps plan.json
  splitopt solve my.json --method fin --json > result.json; splitopt check my.json result.json
\b
Exit code 0: the plan is feasible. 1: it breaks a constraint. 2: a file is wrong.
"""
)
@click.argument("instance", type=InstanceName())
@click.argument("plan", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def check(ctx: click.Context, instance: str, plan: Path, as_json: bool) -> None:
    """Judge PLAN on INSTANCE in exact arithmetic; a result of `solve --json` is a plan too."""
    from instances.errors import InputError
    from instances.judge import certify, evaluate, read_plan

    problem_instance = open_instance(instance)
    decisions = read_plan(plan)
    verdict = certify(problem_instance, decisions)
    objective = None
    if verdict.low is not None:
        try:
            objective = evaluate(problem_instance, decisions).objective
        except InputError:  # pragma: no cover - certify has evaluated the same plan
            objective = None
    if as_json:
        echo_json(
            {
                "instance": problem_instance.name,
                "feasible": verdict.feasible,
                "objective": objective,
                "objective_low": None if verdict.low is None else float(verdict.low),
                "objective_high": None if verdict.high is None else float(verdict.high),
                "violations": [violation.to_document() for violation in verdict.violations],
            }
        )
    elif verdict.feasible:
        click.echo(f"feasible; objective {objective:.10g}")
    else:
        click.echo(
            f"infeasible: {len(verdict.violations)} constraint"
            f"{'s' if len(verdict.violations) > 1 else ''} broken"
        )
        echo_table(
            {
                "constraint": "constraint",
                "where": "where",
                "amount": "exceeded by",
                "statement": "what is wrong",
            },
            [
                {
                    "constraint": violation.constraint,
                    "where": violation.where,
                    "amount": violation.amount,
                    "statement": violation.statement,
                }
                for violation in verdict.violations
            ],
        )
    if not verdict.feasible:
        ctx.exit(VIOLATED)
