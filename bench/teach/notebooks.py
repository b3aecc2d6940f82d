"""The lessons as notebooks: found, run from top to bottom, their cells and outputs collected."""

from __future__ import annotations

import ast
import importlib.util
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitopt.instances.core.errors import InputError

__all__ = ["FOLDER", "Cell", "lessons", "run", "title_of"]

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "lessons"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a lesson that was run.

    Attributes
    ----------
    code
        Its statements, without the ``return`` that hands names on.
    output
        The value of its last expression, None without one.
    """

    code: str
    output: Any


def lessons(folder: Path = FOLDER) -> list[Path]:
    """Return the notebooks of a checkout, in order.

    Raises
    ------
    InputError
        When there are none, as in an installed package: lessons are part of the repository.
    """
    found = sorted(folder.glob("lesson_*.py"))
    if not found:
        raise InputError("lessons", str(folder), "a checkout of the project", "clone it")
    return found


def _sources(path: Path) -> Iterator[str]:
    """Yield the code of each cell: the body of every function under ``@app.cell``."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and any(
            ast.unparse(d).startswith("app.cell") for d in node.decorator_list
        ):
            body = [part for part in node.body if not isinstance(part, ast.Return)]
            if not body:
                yield ""
                continue
            first = node.body[0].lineno - 1
            # Comments above the first statement belong to the cell.
            while lines[first - 1].lstrip().startswith("#"):
                first -= 1
            yield textwrap.dedent("\n".join(lines[first : body[-1].end_lineno]))


def title_of(path: Path) -> str:
    """Return the title that a notebook gives its app."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "app_title":
            return str(ast.literal_eval(node.value))
    raise InputError(path.name, "no app_title", "marimo.App(app_title=...)", "name the lesson")


def run(path: Path) -> list[Cell]:
    """Run a lesson from top to bottom and return its cells; its assertions hold or it raises.

    Raises
    ------
    InputError
        Without marimo.
    """
    if importlib.util.find_spec("marimo") is None:
        raise InputError(
            "lessons", "no package marimo", "marimo installed", "pip install 'splitopt[lessons]'"
        )
    import matplotlib as mpl

    mpl.use("agg")
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise InputError("lesson", str(path), "a Python file", "check its name")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    outputs, _ = module.app.run()
    return [Cell(*pair) for pair in zip(_sources(path), outputs, strict=True)]
