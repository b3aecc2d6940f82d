"""The comparison of saved benchmarks, on files written here."""

import json

import compare
import pytest


def saved(times, brand="one"):
    return {
        "machine_info": {"cpu": {"brand_raw": brand, "count": 2}},
        "benchmarks": [
            {"name": name, "stats": {"data": data, "median": data[0]}, "extra_info": {}}
            for name, data in times.items()
        ],
    }


BEFORE = saved({"same": [1.0, 1.1, 0.9], "half": [2.0, 2.0], "twice": [1.0, 1.0], "gone": [1.0]})
AFTER = saved({"same": [1.0, 0.9, 1.1], "half": [1.0, 1.0], "twice": [2.0, 2.2], "new": [1.0]})


def test_ratios_and_what_is_said_of_them():
    found = {c.name: c for c in compare.compare(BEFORE, AFTER)}
    assert set(found) == {"same", "half", "twice"}
    assert found["same"].ratio == pytest.approx(1.0)
    assert (found["half"].ratio, found["half"].low, found["half"].high) == (0.5, 0.5, 0.5)
    # The lower quartile of 2 and 2.2, over 1; resamples lie between 2 and 2.2.
    assert found["twice"].ratio == pytest.approx(2.05)
    assert (found["twice"].low, found["twice"].high) == pytest.approx((2.0, 2.2))
    said = {name: c.statement(0.05) for name, c in found.items()}
    assert said == {"same": "-", "half": "faster", "twice": "slower"}
    # A change below the threshold is nothing, however sure it is.
    assert found["half"].statement(0.6) == "-"


def test_a_time_without_an_answer_is_no_time():
    censored = saved({"half": [30.0]})
    censored["benchmarks"][0]["extra_info"]["censored"] = True
    assert compare.compare(BEFORE, censored) == []


def test_the_last_two_runs_are_compared_and_a_slower_one_fails(tmp_path, capsys):
    folder = tmp_path / "machine"
    folder.mkdir()
    assert compare.main([str(tmp_path)]) == 0
    assert "nothing to compare" in capsys.readouterr().out
    for k, document in enumerate((AFTER, BEFORE, AFTER)):
        (folder / f"{k}.json").write_text(json.dumps(document))
    assert compare.main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[0].endswith("1.json")
    assert lines[3].startswith("twice")
    assert lines[3].endswith("slower")
    other = tmp_path / "other.json"
    other.write_text(json.dumps(saved({"twice": [9.0]}, brand="another")))
    assert compare.main([str(tmp_path), str(folder / "1.json"), str(other)]) == 0
    assert "DIFFERENT MACHINES" in capsys.readouterr().out


def test_a_burst_of_other_work_is_not_a_slower_program():
    steady = saved({"one": [1.0] * 10})
    disturbed = saved({"one": [1.0] * 6 + [9.0] * 4})
    (found,) = compare.compare(steady, disturbed)
    assert found.ratio == 1.0
    assert found.statement(0.05) == "-"
