"""Numeric options: what is out of range is refused by name, before anything is written."""

import click
import pytest
from click.testing import CliRunner

from splitopt.bench.cli import COMMANDS, cli

WRONG = ("nan", "inf", "-1", "1e400", str(10**30), "9" * 5000)


def numeric_options():
    """Yield each command's words and an option of its that takes a number."""

    def walk(command, words):
        if isinstance(command, click.Group):
            for name in command.list_commands(None):
                yield from walk(command.get_command(None, name), (*words, name))
            return
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.type.name in (
                *("float", "integer", "float range", "integer range"),
            ):
                yield words, parameter

    for name in COMMANDS:
        yield from walk(cli.get_command(None, name), (name,))


OPTIONS = {
    " ".join((*words, option.opts[-1])): (words, option) for words, option in numeric_options()
}


def test_there_are_such_options():
    assert len(OPTIONS) >= 40
    assert {"run --gap", "solve --time-limit", "verify --adversary"} <= set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_number_out_of_range_is_refused_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, option = OPTIONS[name]
    large = 1e25 <= getattr(option.type, "_most", 0.0) <= 1e31  # figures of physics, gaps, units
    for value in WRONG:
        if large and value == str(10**30):
            continue
        done = CliRunner().invoke(cli, [*words, option.opts[-1], value])
        assert done.exit_code == 2, (value, done.output)
        assert option.opts[-1] in done.stderr, (value, done.output)
        assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


TEXTS = {
    "--memory-limit": ("nan", "inf", "-1", "1e400", "0", "9" * 400 + "GiB", f"{10**30}"),
    "--seeds": ("nan", "-1", "1e400", f"{10**30}", "0..999999999", "9" * 5000),
}


@pytest.mark.parametrize("option", TEXTS)
def test_a_size_or_seeds_out_of_range_are_refused_by_name(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = ("run", "mepra-image-10mbps", "-m", "even-shares", "--out", "new")
    for value in TEXTS[option]:
        done = CliRunner().invoke(cli, [*run, option, value])
        assert done.exit_code == 2, (value, done.output)
        assert option in done.stderr
    assert list(tmp_path.iterdir()) == []
