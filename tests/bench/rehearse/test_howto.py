"""The page from a model file to a rehearsal: its lines run, one after another, in one folder."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from splitopt.bench.cli import cli  # noqa: E402

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "from-a-model-to-a-rehearsal.md"


def test_the_lines_of_the_page_run(tmp_path, monkeypatch):
    text = PAGE.read_text()
    monkeypatch.chdir(tmp_path)
    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    shutil.copy(light / "light_squeezenet.onnx", "squeezenet.onnx")
    files = re.findall(r"^`(\w+\.csv)`.*?```text\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    assert [name for name, _ in files] == ["nodes.csv", "links.csv"]
    for name, content in files:
        Path(name).write_text(content)
    lines = re.findall(r"^\$ splitopt (.*)$", text, re.MULTILINE)
    assert [shlex.split(line)[0] for line in lines] == [
        "import", "import", "solve", "show", "rehearse",
    ]  # fmt: skip
    for line in lines:
        done = CliRunner().invoke(cli, shlex.split(line), prog_name="splitopt")
        assert done.exit_code == 0, f"{line}\n{done.output}"
    # The optimum uses both nodes, and the last line measured both and the hop between them.
    assert re.search(r"^board -> server .*\nserver ", done.stdout, re.MULTILINE)
    assert {"plan.svg", "seen.svg", "times.csv"} <= {path.name for path in tmp_path.iterdir()}
