"""Write a package to begin from."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from splitopt.bench.methods.byfile.names import Problem
from splitopt.bench.methods.plugins import all_entries
from splitopt.bench.methods.registry import references
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import families

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 60
# Of a package, by the template it is made from; {module} stands for the module's name.
_FILES: Mapping[str, Mapping[str, str]] = {
    "method": {
        "README.md": "method_readme",
        "pyproject.toml": "method_pyproject",
        "{module}/__init__.py": "method_init",
        "{module}/method.py": "method_{problem}",
        "tests/test_{module}.py": "method_test",
    },
    "family": {
        "README.md": "family_readme",
        "pyproject.toml": "family_pyproject",
        "{module}/__init__.py": "family_init",
        "{module}/__main__.py": "family_main",
        "{module}/family.py": "family_{problem}",
        "tests/test_{module}.py": "family_test",
    },
}


def _check_name(kind: str, name: str) -> str:
    """Return the name of the module of `name`.

    Raises
    ------
    InputError
        Unless it can be a module's, and nothing has it.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        allowed = "small letters, digits and single hyphens, a letter first"
        raise InputError("NAME", name, allowed, "such as my-method")
    module = name.replace("-", "_")
    taken = {entry.name for entry in all_entries()[0]} if kind == "method" else set()
    if kind == "family":
        taken = {family.name for family in families()}
    if name in taken:
        raise InputError("NAME", name, f"a name that no {kind} has", "choose another")
    if (
        keyword.iskeyword(module)
        or module in sys.stdlib_module_names
        or importlib.util.find_spec(module) is not None
    ):
        raise InputError("NAME", name, f"no module that is there: {module} is", "choose another")
    return module


def make(kind: str, name: str, problem: Problem, parent: Path) -> Path:
    """Write the package of a new method or family into a new folder below `parent`; return it.

    Parameters
    ----------
    kind
        ``method`` or ``family``.
    name
        Of the method or family, and of the folder; the module has ``_`` for ``-``.

    Raises
    ------
    InputError
        When the name cannot be a module's or is taken, or the folder is there.
    """
    module = _check_name(kind, name)
    folder = parent / name
    if folder.exists() or folder.is_symlink():
        raise InputError("NAME", name, "no folder of that name here", "choose another, or move it")
    words = {
        "name": name,
        "module": module,
        "title": name.replace("-", " ").capitalize(),
        "PROBLEM": problem.upper(),
        "exact": references(problem)[0],
    }
    templates = resources.files("splitopt.bench.methods.scaffold") / "templates"
    # Whole or not at all: made beside its place, then moved there.
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{name}.") as made:
        for path, template in _FILES[kind].items():
            text = (templates / f"{template.format(problem=problem)}.txt").read_text("utf-8")
            file = Path(made) / name / path.format(**words)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.format(**words), encoding="utf-8")
        shutil.move(Path(made) / name, folder)
    return folder
