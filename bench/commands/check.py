"""``splitopt check``: the judge's verdict on a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from splitopt.bench.commands.arguments import PATH, InstanceName, open_instance
from splitopt.bench.commands.output import echo_json, echo_table, json_option, note, say

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan

VIOLATED = 1


@click.command(
    epilog="""\b
Examples:
  splitopt check mepra-image-10mbps plan.json
  splitopt solve my.json --method fin --json > result.json; splitopt check my.json result.json
  splitopt check --library                              # the best-known registry
  splitopt check --library --programs                   # and who stands behind each value
  splitopt check --library --set tiny --results results/mine
\b
Exit code 0: the plan is feasible; nothing contradicts the registry. 1: a constraint is broken, or
a contradiction found. 2: a file is wrong.
"""
)
@click.argument("instance", type=InstanceName(), required=False)
@click.argument("plan", type=PATH, required=False)
@click.option("--library", is_flag=True, help="Check the best-known registry instead of a plan.")
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="SET",
    help="With --library: a set whose instances must all be there; may be repeated.",
)
@click.option(
    "--results",
    multiple=True,
    type=PATH,
    metavar="DIR",
    help="With --library: results to judge again and hold against it; may be repeated.",
)
@click.option(
    "--programs", is_flag=True, help="With --library: name the programs behind each value."
)
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    instance: str | None,
    plan: Path | None,
    library: bool,
    sets: tuple[str, ...],
    results: tuple[Path, ...],
    programs: bool,
    as_json: bool,
) -> None:
    """Judge PLAN on INSTANCE in exact arithmetic; a result of `solve --json` is a plan too."""
    from splitopt.instances.core.errors import InputError

    if library:
        if instance is not None:
            raise InputError("INSTANCE", instance, "nothing beside --library", "leave one out")
        ctx.exit(_check_library(sets, results, as_json, programs))
    if sets or results or programs:
        given = "--set, --results, --programs"
        raise InputError(given, "no --library", "--library with them", "add it")
    if instance is None or plan is None:
        raise InputError(
            "PLAN", plan, "INSTANCE and PLAN, or --library", "splitopt check --help has examples"
        )
    if not _check_plan(instance, plan, as_json):
        ctx.exit(VIOLATED)


def _check_library(
    sets: tuple[str, ...], results: tuple[Path, ...], as_json: bool, each: bool
) -> int:
    """Check the registry; return the exit code."""
    from splitopt.bench.commands.library_report import check_and_tell

    return VIOLATED if check_and_tell(sets, results, as_json, each) else 0


def _check_plan(instance: str, plan: Path, as_json: bool) -> bool:
    """Judge a plan, print the verdict, return whether it is feasible."""
    from splitopt.instances.judge import read_plan

    return tell_verdict(open_instance(instance), read_plan(plan), as_json)


def tell_verdict(
    problem_instance: Instance, decisions: Plan, as_json: bool, **more: object
) -> bool:
    """Judge a plan, print the verdict, with `more` in JSON; return whether it is feasible."""
    from splitopt.instances.core.errors import InputError
    from splitopt.instances.judge import certify, evaluate
    from splitopt.instances.problems import problem_of

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
                **more,
            }
        )
    elif verdict.feasible:
        unit = problem_of(problem_instance).unit
        say(f"feasible; objective {objective:.10g}{unit}")
    else:
        say(
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
        if any(violation.constraint == "configuration" for violation in verdict.violations):
            note(
                f"If the plan was made for another instance than {problem_instance.name}, name it."
            )
    return verdict.feasible
