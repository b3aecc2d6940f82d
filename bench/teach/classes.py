"""Grade the answers of a class: a folder for each student, a file for each exercise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from splitopt.bench.teach.exercises import EXERCISES
from splitopt.bench.teach.grading import Grade, grade
from splitopt.instances.core.errors import InputError

Outcome = Literal["passed", "not yet", "refused"]
_ENDINGS = (".json", ".mps", ".mps.gz")
_BY_NAME = {exercise.name: exercise for exercise in EXERCISES}
_BETTER: Sequence[Outcome] = ("passed", "not yet", "refused")


@dataclass(frozen=True, slots=True)
class Submission:
    """A file of a student.

    Attributes
    ----------
    student
        Name of the folder it was in.
    exercise
        Name of the exercise, taken from that of the file; None where there is none.
    path
        The file.
    """

    student: str
    exercise: str | None
    path: Path


@dataclass(frozen=True, slots=True)
class Graded:
    """What became of a submission.

    Attributes
    ----------
    submission
        The file.
    outcome
        ``refused``: it could not be graded, and `remark` says why.
    grade
        None where it was refused.
    remark
        One line for the student.
    """

    submission: Submission
    outcome: Outcome
    grade: Grade | None
    remark: str


def submissions(folder: Path) -> list[Submission]:
    """Return the files of a class, by student and name; hidden ones are left out.

    A folder below `folder` is a student's; files beside such folders are those of one student, who
    is called as `folder` is.

    Raises
    ------
    InputError
        When there is no file.
    """
    found = []
    for entry in sorted(folder.iterdir()):
        inside = _inside(entry)
        student = folder.resolve().name if inside == [entry] else entry.name
        for path in inside:
            if entry.name.startswith((".", "__")) or path.name.startswith((".", "__")):
                continue
            ending = next((e for e in _ENDINGS if path.name.endswith(e)), "")
            name = path.name.removesuffix(ending)
            found.append(Submission(student, name if name in _BY_NAME else None, path))
    if not found:
        raise InputError(
            "folder",
            str(folder),
            "a folder a student, with files such as 1-optimal.json",
            "put the answers into it",
        )
    return found


def _inside(entry: Path) -> list[Path]:
    """Return the files of a student's folder; what is none, or a link, stands for itself."""
    if entry.is_symlink() or not entry.is_dir():
        return [entry]
    try:
        return sorted(entry.iterdir())
    except OSError:  # closed to us: listed, and refused
        return [entry]


def grade_all(
    files: Sequence[Submission], tell: Callable[[str], None] | None = None
) -> list[Graded]:
    """Return the grade of every file, each worked out in a process of its own.

    Parameters
    ----------
    tell
        Called with what is graded next.
    """
    found = []
    for submission in files:
        if tell is not None:
            tell(f"{submission.student}, {submission.path.name}")
        found.append(_graded(submission))
    return found


def _graded(submission: Submission) -> Graded:
    path = submission.path
    if path.is_symlink() or not path.is_file():
        # A link may lead to somebody else's answer.
        return Graded(submission, "refused", None, "no file of its own")
    if submission.exercise is None:
        known = "its name is not that of an exercise: splitopt grade --list shows them"
        return Graded(submission, "refused", None, known)
    try:
        grade_ = grade(_BY_NAME[submission.exercise], path)
    except InputError as error:
        return Graded(submission, "refused", None, str(error))
    except Exception as error:  # whatever a file does, the others are graded
        return Graded(submission, "refused", None, f"{type(error).__name__}: {error}")
    # Of a plan and of a model the last remark says the most.
    remark = grade_.remarks[-1] if grade_.remarks else ""
    return Graded(submission, "passed" if grade_.passed else "not yet", grade_, remark)


def table(graded: Sequence[Graded]) -> list[dict[str, str | int]]:
    """Return a line a student: the outcome of each exercise of the class, and how many passed.

    Of several files for one exercise the best counts.
    """
    asked = {g.submission.exercise for g in graded}
    names = [exercise.name for exercise in EXERCISES if exercise.name in asked]
    lines: list[dict[str, str | int]] = []
    for student in dict.fromkeys(g.submission.student for g in graded):
        line: dict[str, str | int] = {"student": student}
        for name in names:
            outcomes = [
                g.outcome
                for g in graded
                if (g.submission.student, g.submission.exercise) == (student, name)
            ]
            line[name] = min(outcomes, key=_BETTER.index) if outcomes else "-"
        lines.append({**line, "passed": sum(line[name] == "passed" for name in names)})
    return lines
