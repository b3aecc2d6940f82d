"""``splitopt grade``: judge the answer to an exercise of a lesson."""

from __future__ import annotations

from pathlib import Path

import click

from splitopt.bench.commands.arguments import PATH
from splitopt.bench.commands.output import (
    check_writable,
    echo_json,
    echo_table,
    json_option,
    note,
    say,
)

FAILED = 1


@click.command(
    epilog="""\b
Examples:
  splitopt grade --list
  splitopt grade 1-optimal plan.json
  splitopt grade 2-stronger model.mps
  splitopt grade answers/ --out grades.csv       # answers/STUDENT/1-optimal.json and so on
\b
Exit code 0: passed, or the class is graded. 1: not yet. 2: the exercise or the file is wrong.
"""
)
@click.argument("exercise", metavar="[EXERCISE|FOLDER]", required=False)
@click.argument("answer", required=False, type=PATH)
@click.option("--list", "listed", is_flag=True, help="Show the exercises.")
@click.option("--out", type=PATH, help="Of a class: a line for each answer, as CSV.")
@json_option
@click.pass_context
def grade(
    ctx: click.Context,
    exercise: str | None,
    answer: Path | None,
    listed: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Grade the ANSWER to an EXERCISE of the lessons: a plan, or a model as an MPS file.

    With a FOLDER instead of both: the answers of a class, a folder for each student in it, with
    files that are called as the exercises are.
    """
    from splitopt.bench.teach.exercises import EXERCISES, find
    from splitopt.instances.core.errors import InputError

    if listed:
        _list(as_json)
        return
    if exercise is not None and answer is None:
        if Path(exercise).is_dir():
            _class(Path(exercise), out, as_json)
            return
        if exercise not in {e.name for e in EXERCISES}:
            raise InputError(
                "FOLDER",
                exercise,
                "a folder that is there, or an exercise and the file of an answer",
                "splitopt grade --list shows the exercises",
            )
    if out is not None:
        raise InputError(
            "--out", str(out), "with the folder of a class", "give one, or leave it out"
        )
    if exercise is None or answer is None:
        missing = "EXERCISE" if exercise is None else "ANSWER"
        raise InputError(
            missing,
            "nothing",
            "an exercise and the file of an answer, such as 1-optimal plan.json, or a folder",
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


def _list(as_json: bool) -> None:
    """Show the exercises."""
    from splitopt.bench.teach.exercises import EXERCISES

    rows = [
        {"exercise": e.name, "instance": e.instance, "answer": e.kind, "asked": e.asked}
        for e in EXERCISES
    ]
    if as_json:
        echo_json(rows)
    else:
        echo_table({key: key for key in rows[0]}, rows)


def _class(folder: Path, out: Path | None, as_json: bool) -> None:
    """Grade a class; show a table, and what each answer lacks that did not pass."""
    from splitopt.bench.commands.step_progress import progress
    from splitopt.bench.teach.classes import grade_all, submissions, table

    if out is not None:
        check_writable("--out", out)
    files = submissions(folder)
    with progress(len(files)) as tell:
        graded = grade_all(files, tell)
    answers = [
        {
            "student": one.submission.student,
            "file": one.submission.path.name,
            "exercise": one.submission.exercise,
            "outcome": one.outcome,
            "objective": None if one.grade is None else one.grade.objective,
            "optimum": None if one.grade is None else one.grade.optimum,
            "root": None if one.grade is None else one.grade.root,
            "remark": one.remark,
        }
        for one in graded
    ]
    if out is not None:
        import pandas as pd

        from splitopt.bench.compare.frames import csv_bytes
        from splitopt.instances.core.documents import write_bytes

        write_bytes(out, csv_bytes(pd.DataFrame(answers)))
    if as_json:
        echo_json(answers)
        return
    lines = table(graded)
    echo_table({key: key for key in lines[0]}, lines)
    for one in graded:
        if one.outcome != "passed":
            say(
                f"{one.submission.student}, {one.submission.path.name}: {one.outcome}: {one.remark}"
            )
    if out is not None:
        note(f"{len(answers)} answers written to {out}")
