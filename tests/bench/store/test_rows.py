"""The documentation of the row, held against the row."""

import dataclasses
import re
from pathlib import Path

import pytest

from splitopt.bench.store.rows import ROW_VERSION, Row
from splitopt.bench.store.schema import COLUMNS, HEAVY
from splitopt.instances.contract.method import SolutionStatus, Termination
from splitopt.instances.core.errors import InputError

DOCUMENT = Path(__file__).parents[3] / "docs" / "rows.md"


def test_every_field_is_documented_and_no_other():
    documented = set()
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("| `"):
            documented |= set(re.findall(r"`(\w+)`", line.split("|")[1]))
    assert documented == {field.name for field in dataclasses.fields(Row)}


def test_every_termination_and_status_is_documented():
    text = DOCUMENT.read_text()
    for value in (*Termination, *SolutionStatus):
        assert f"`{value}`" in text


def test_columns_and_payload_make_up_the_row():
    assert {*COLUMNS, *HEAVY} == {field.name for field in dataclasses.fields(Row)}


def test_a_row_of_another_version_is_refused():
    with pytest.raises(InputError, match="version"):
        Row.from_document({"version": ROW_VERSION + 1})
    with pytest.raises(InputError, match="surprise"):
        Row.from_document({"version": ROW_VERSION, "surprise": 1})
