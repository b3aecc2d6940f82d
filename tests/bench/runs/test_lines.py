"""What a log hears of long work: little, and never nothing."""

import re
import time

import pytest

from splitopt.bench.runs import lines as module
from splitopt.bench.runs.lines import State, is_due, lines


@pytest.mark.parametrize(
    ("waited_s", "more", "due"),
    [
        (9.9, None, False),  # quick work says nothing
        (10.0, None, True),
        (10.0, 0.05, False),
        (10.0, 0.1, True),
        (5.0, 0.5, False),  # a tenth a second is no reason for a line a second
        (60.0, 0.0, True),  # a single long step is told of too
    ],
)
def test_a_line_is_due(waited_s, more, due):
    assert is_due(waited_s, more) is due


def test_lines_tell_what_goes_on_and_escape_it(monkeypatch, capsys):
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(module, "_FIRST_S", 0.02)
    state = State("one\x1b[2J")
    with lines(state):
        deadline = time.monotonic() + 20
        while not (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert re.match(r"splitopt: 0 s: one\\x1b\[2J\n", said)
