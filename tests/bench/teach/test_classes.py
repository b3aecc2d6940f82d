"""A class is graded to the end, whatever somebody hands in."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.bench.teach import classes
from splitopt.bench.teach.grading import Grade

SOLUTIONS = Path(__file__).parents[3] / "docs" / "lessons" / "solutions"


@pytest.fixture
def folder(tmp_path):
    """Ada's answers are right; Bob's are damaged, of another problem, somebody else's, unnamed."""
    ada, bob = tmp_path / "class" / "=ada", tmp_path / "class" / "bob"
    ada.mkdir(parents=True)
    bob.mkdir()
    shutil.copy(SOLUTIONS / "1-optimal.json", ada)
    (bob / "1-optimal.json").write_text("{")
    shutil.copy(SOLUTIONS / "1-optimal.json", bob / "6-optimal.json")
    (bob / "3-close.json").symlink_to(SOLUTIONS / "3-close.json")
    (bob / "notes.txt").write_text("I tried")
    (bob / ".DS_Store").write_text("")
    return tmp_path / "class"


def test_one_table_and_a_file_for_spreadsheets(folder, tmp_path):
    out = tmp_path / "grades.csv"
    result = CliRunner().invoke(cli, ["grade", str(folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["student", "1-optimal", "3-close", "6-optimal", "passed"]
    assert lines[1] == ["=ada", "passed", "-", "-", "1"]
    assert lines[2] == ["bob", "refused", "refused", "refused", "0"]
    assert "whole JSON document" in result.stdout
    assert "bob, 3-close.json: refused: no file of its own" in result.stdout
    assert "bob, notes.txt: refused: its name is not that of an exercise" in result.stdout
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 5
    # A name that a spreadsheet would run as a formula is a text.
    assert rows[0]["student"] == "'=ada"
    assert rows[0]["outcome"] == "passed"
    assert float(rows[0]["objective"]) == float(rows[0]["optimum"])
    assert {row["outcome"] for row in rows[1:]} == {"refused"}


def test_for_programs_it_is_one_object_an_answer(folder):
    shutil.rmtree(folder / "bob")
    result = CliRunner().invoke(cli, ["grade", str(folder), "--json"])
    (answer,) = json.loads(result.stdout)
    assert (answer["student"], answer["exercise"], answer["outcome"]) == (
        "=ada",
        "1-optimal",
        "passed",
    )


def test_what_nobody_expected_ends_one_answer_only(folder, monkeypatch):
    def judge(exercise, answer):
        if answer.parent.name == "bob":
            raise RuntimeError("the reference was not proven")
        return Grade(False, 2.0, 1.0, None, ("the plan is feasible", "it costs 100 % more"))

    monkeypatch.setattr(classes, "grade", judge)
    found = classes.grade_all(classes.submissions(folder))
    assert [(g.submission.student, g.outcome) for g in found[:2]] == [
        ("=ada", "not yet"),
        ("bob", "refused"),
    ]
    assert found[0].remark == "it costs 100 % more"
    assert found[1].remark == "RuntimeError: the reference was not proven"


def test_of_two_files_for_an_exercise_the_better_counts(tmp_path):
    student = tmp_path / "eve"
    student.mkdir()
    names = ("1-optimal.json", "1-optimal.mps")
    files = [classes.Submission("eve", "1-optimal", student / name) for name in names]
    graded = [
        classes.Graded(files[0], "passed", None, ""),
        classes.Graded(files[1], "refused", None, ""),
    ]
    assert classes.table(graded) == [{"student": "eve", "1-optimal": "passed", "passed": 1}]


def test_files_without_folders_are_one_students(tmp_path):
    shutil.copy(SOLUTIONS / "4-fits.json", tmp_path)
    (found,) = classes.submissions(tmp_path)
    assert (found.student, found.exercise) == (tmp_path.name, "4-fits")


def test_an_empty_folder_and_a_file_for_one_answer_are_one_line(tmp_path):
    run = CliRunner().invoke
    empty = run(cli, ["grade", str(tmp_path)])
    assert (empty.exit_code, empty.stdout) == (2, "")
    assert "put the answers into it" in empty.stderr
    solution = str(SOLUTIONS / "1-optimal.json")
    one = run(cli, ["grade", "1-optimal", solution, "--out", str(tmp_path / "x.csv")])
    assert one.exit_code == 2
    assert "--out" in one.stderr
    assert not (tmp_path / "x.csv").exists()
