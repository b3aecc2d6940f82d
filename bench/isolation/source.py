"""What the source of a user's method is, read without importing it."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.machinery
import importlib.util
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

_MOST_FILES = 10_000


def source_hash(target: str) -> str | None:
    """Return the SHA-256 of the source of the method at ``module:object``.

    That is every Python file of the package it is in. A module that stands alone counts with the
    modules and packages beside it that it imports, anywhere and through each other; beside what is
    installed by others it counts alone. Data files do not count.

    Returns
    -------
    str or None
        Hexadecimal; None where there is no such module, or no file to read.
    """
    importlib.invalidate_caches()  # a file that was written a moment ago counts
    files = _files(target.partition(":")[0].partition(".")[0])
    for module in [path for name, path in files.items() if name == path.name]:
        files = _beside(module)  # it is no package
    if not files:
        return None
    digest = hashlib.sha256()
    for name in sorted(files):
        found = files[name].stat()
        content = _digest(files[name], found.st_mtime_ns, found.st_size)
        digest.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@lru_cache(maxsize=_MOST_FILES)
def _digest(path: Path, _changed_ns: int, _size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _files(module: str, folder: Path | None = None) -> dict[str, Path]:
    """Return the Python files of a top-level module or package, by their names below its folder.

    With `folder`, those that stand there alone: none of what is found elsewhere.
    """
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return {}
    if spec is None:
        return {}
    if spec.submodule_search_locations is None:
        file = Path(spec.origin or "")
        return {file.name: file} if folder in (None, file.parent) and file.is_file() else {}
    suffixes = tuple(importlib.machinery.all_suffixes())
    return {
        str(path.relative_to(place.parent)): path
        for place in map(Path, spec.submodule_search_locations)
        if folder in (None, place.parent)
        for path in place.rglob("*")
        if path.name.endswith(suffixes) and "__pycache__" not in path.parts and path.is_file()
    }


def _beside(module: Path) -> dict[str, Path]:
    """Return a module's file and those in its folder that it imports, through each other."""
    folder = module.parent
    files = {module.name: module}
    if folder in {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")}:
        return files
    waiting = [module]
    while waiting:
        for name in _imported(waiting.pop()):
            new = _files(name, folder)
            waiting += [path for key, path in new.items() if key not in files]
            files |= new
    return files


def _imported(path: Path) -> Iterable[str]:
    """Return the top-level names that a file imports, inside functions too."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()  # compiled, or broken: whoever imports it says so
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= dict.fromkeys(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found[node.module.partition(".")[0]] = None
    return found
