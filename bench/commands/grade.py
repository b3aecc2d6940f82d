"""``splitopt grade``: judge the answer to an exercise of a lesson."""

from __future__ import annotations

from pathlib import Path

import click

from splitopt.bench.commands.output import echo_json, echo_table, json_option, say

FAILED = 1


@click.command(
    epilog="""\b
Examples:
  splitopt grade --list
  splitopt grade 1-optimal plan.json
  splitopt grade 2-stronger model.mps
\b
Exit code 0: passed. 1: not yet. 2: the exercise or the file is wrong.
"""
)
@click.argument("exercise", required=False)
@click.argument("answer", required=False, type=click.Path(path_type=Path))
@click.option("--list", "listed", is_flag=True, help="Show the exercises.")
@json_option
@click.pass_context
def grade(
    ctx: click.Context, exercise: str | None, answer: Path | None, listed: bool, as_json: bool
) -> None:
    """Grade the ANSWER to an EXERCISE of the lessons: a plan, or a model as an MPS file."""
    from splitopt.bench.teach.exercises import EXERCISES, find
    from splitopt.instances.core.errors import InputError

    if listed:
        rows = [
            {"exercise": e.name, "instance": e.instance, "answer": e.kind, "asked": e.asked}
            for e in EXERCISES
        ]
        if as_json:
            echo_json(rows)
        else:
            echo_table({key: key for key in rows[0]}, rows)
        return
    if exercise is None or answer is None:
        missing = "EXERCISE" if exercise is None else "ANSWER"
        raise InputError(
            missing,
            "nothing",
            "an exercise and the file of an answer, such as 1-optimal plan.json",
            "splitopt grade --list shows the exercises",
        )
    from splitopt.bench.teach.grading import grade as judge

    found = judge(find(exercise), answer)
    if as_json:
        echo_json(
            {
                "exercise": exercise,
                "passed": found.passed,
                "objective": found.objective,
                "optimum": found.optimum,
                "root": found.root,
                "remarks": list(found.remarks),
            }
        )
    else:
        say("passed" if found.passed else "not yet")
        for remark in found.remarks:
            say(f"  {remark}")
    if not found.passed:
        ctx.exit(FAILED)
