"""Every command line in docs/commands.md runs, and every command is there."""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

from click.testing import CliRunner

from splitopt.bench.cli import COMMANDS, cli

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "commands.md"
# What is made of a model file, and what is made of that.
NEEDS_MODELS = re.compile(r"camera|row\.json")


def test_the_lines_of_the_page_run(tmp_path, monkeypatch):
    data = ROOT / "tests" / "data"
    models = importlib.util.find_spec("onnxruntime") is not None
    others = (data / "solutions" / "flow.scip.sol", data / "onnx" / "camera.onnx")
    for path in (*data.glob("csv/*.csv"), *others):
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"^\$ splitopt (.*)$", PAGE.read_text(), re.MULTILINE)
    used = set()
    for line in lines:
        arguments = shlex.split(line)
        used.add(arguments[0])
        if not models and NEEDS_MODELS.search(line):
            continue
        result = CliRunner().invoke(cli, arguments, prog_name="splitopt")
        assert result.exit_code == 0, f"{line}\n{result.output}"
    # Training compiles for half a minute before its first step: its lines are on the page, and run
    # by tests of the learner.
    assert used | {"train"} == set(COMMANDS)
    assert re.search(r"^splitopt train mepra --out", PAGE.read_text(), re.MULTILINE)


def test_the_files_of_the_page_are_those_of_the_tests():
    """What the page prints of a CSV file is the file."""
    texts = re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    files = {p.read_text() for p in (ROOT / "tests" / "data" / "csv").glob("*.csv")}
    assert len(texts) == 5
    assert set(texts) <= files
