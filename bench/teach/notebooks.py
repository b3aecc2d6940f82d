"""The lessons as notebooks: found, run from top to bottom, their cells and outputs collected."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitopt.instances.core.errors import InputError

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
    reads, defines
        Names it takes from other cells, and names it hands on.
    """

    code: str
    output: Any
    reads: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()


def lessons(folder: Path = FOLDER) -> list[Path]:
    """Return the notebooks of a checkout, in order.

    Raises
    ------
    InputError
        When there are none, as in an installed package: lessons are part of the repository.
    """
    found = sorted(folder.glob("lesson_*.py"), key=number_of)
    if not found:
        raise InputError("lessons", str(folder), "a checkout of the project", "clone it")
    return found


def number_of(path: Path) -> int:
    """Return the number of a lesson, which its file is called by: ``lesson_3_....py``."""
    found = re.match(r"lesson_(\d+)_", path.name)
    if found is None:
        raise InputError("lesson", path.name, "lesson_NUMBER_NAME.py", "rename it")
    return int(found[1])


def _cells(path: Path) -> Iterator[Cell]:
    """Yield each cell as it is written: the body of every function under ``@app.cell``."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and any(
            ast.unparse(d).startswith("app.cell") for d in node.decorator_list
        ):
            reads = tuple(argument.arg for argument in node.args.args)
            body = [part for part in node.body if not isinstance(part, ast.Return)]
            if not body:
                yield Cell("", None, reads)
                continue
            handed = [part.value for part in node.body if isinstance(part, ast.Return)]
            defines = tuple(
                name.id
                for value in handed
                if value
                for name in ast.walk(value)
                if isinstance(name, ast.Name)
            )
            first = node.body[0].lineno - 1
            # Comments above the first statement belong to the cell.
            while lines[first - 1].lstrip().startswith("#"):
                first -= 1
            code = textwrap.dedent("\n".join(lines[first : body[-1].end_lineno]))
            yield Cell(code, None, reads, defines)


def title_of(path: Path) -> str:
    """Return the title that a notebook gives its app."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "app_title":
            return str(ast.literal_eval(node.value))
    raise InputError(path.name, "no app_title", "marimo.App(app_title=...)", "name the lesson")


def run(path: Path) -> tuple[list[Cell], Mapping[str, Any]]:
    """Run a lesson from top to bottom; return its cells and what each name stands for at the end.

    Its assertions hold or it raises.

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
    outputs, names = module.app.run()
    cells = [
        dataclasses.replace(cell, output=output)
        for cell, output in zip(_cells(path), outputs, strict=True)
    ]
    return cells, names
