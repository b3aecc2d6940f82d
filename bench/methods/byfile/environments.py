"""Versions of solvers beside each other, each in a virtual environment of its own.

An environment is a folder ``PACKAGE==VERSION`` of `cache_folder`, made under another name and
renamed when it is whole. Nothing here uses the network but `add`.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from splitopt.bench.isolation.boot import module_path
from splitopt.bench.methods.byfile.names import PACKAGES, Solver, is_version
from splitopt.instances.core.errors import InputError

_VARIABLE = "SPLITOPT_SOLVERS"
_DRAFT = ".adding-"


@dataclass(frozen=True, slots=True)
class Environment:
    """Where one version of a package can be imported.

    Attributes
    ----------
    folder
        Of the virtual environment; None for what is installed beside splitopt.
    """

    package: str
    version: str
    folder: Path | None = None

    def __str__(self) -> str:
        return f"{self.package}=={self.version}"

    @property
    def python(self) -> str:
        """The interpreter to run."""
        if self.folder is None:
            return sys.executable
        return str(self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))

    @property
    def paths(self) -> list[str]:
        """Where the interpreter finds the solver, beside its own standard library."""
        return module_path() if self.folder is None else [str(_site_packages(self.folder))]


def cache_folder() -> Path:
    """Return the folder of the environments: $SPLITOPT_SOLVERS, or one of the user's cache."""
    named = os.environ.get(_VARIABLE)
    if named:
        return Path(named).absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "splitopt" / "solvers"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "splitopt" / "solvers"


def _site_packages(folder: Path) -> Path:
    scheme = sysconfig.get_preferred_scheme("prefix")
    if "venv" in sysconfig.get_scheme_names():
        scheme = "venv"
    base = {"base": str(folder), "platbase": str(folder)}
    return Path(sysconfig.get_path("purelib", scheme, vars=base))


def beside(package: str) -> Environment | None:
    """Return what is installed beside splitopt itself, None without the package."""
    try:
        return Environment(package, importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return None


def installed(package: str | None = None) -> list[Environment]:
    """Return the environments that were added, by package, oldest version first."""
    from packaging.version import Version

    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for folder in cache_folder().iterdir():
            name, equals, version = folder.name.partition("==")
            if equals and name in PACKAGES and package in (None, name) and is_version(version):
                found.append(Environment(name, version, folder))
    return sorted(found, key=lambda e: (PACKAGES.index(e.package), Version(e.version)))


def find(solver: Solver, version: str | None) -> Environment:
    """Return where a solver is: that version, else the one beside splitopt, else the newest added.

    Raises
    ------
    InputError
        When it is not there.
    """
    here, added = beside(solver.package), installed(solver.package)
    known = [*added, *([] if here is None else [here])]
    if version is None and known:
        return known[-1]
    for environment in known:
        if environment.version == version:
            return environment
    spec = solver.package if version is None else f"{solver.package}=={version}"
    there = ", ".join(dict.fromkeys(e.version for e in known)) or "none"
    raise InputError(
        "solver",
        solver.name if version is None else f"{solver.name}=={version}",
        f"a version of {solver.package} that is installed: {there}",
        f"splitopt solvers add {spec}",
    )


def read_spec(spec: str) -> tuple[str, str | None]:
    """Return package and version of ``PACKAGE`` or ``PACKAGE==VERSION``.

    Raises
    ------
    InputError
        For anything else: nothing else reaches pip.
    """
    package, equals, version = spec.partition("==")
    if package not in PACKAGES or (equals and not is_version(version)):
        raise InputError(
            "solver",
            spec,
            f"PACKAGE or PACKAGE==VERSION, PACKAGE one of {', '.join(PACKAGES)}",
            "such as highspy==1.15.1",
        )
    return package, version if equals else None


def add(spec: str) -> tuple[Environment, bool]:
    """Install a package into an environment of its own; return it, and whether it is new.

    Raises
    ------
    InputError
        For a spec that is none, or that pip cannot install.
    """
    package, version = read_spec(spec)
    for environment in installed(package):
        if environment.version == version:
            return environment, False
    if importlib.util.find_spec("pip") is None:
        raise InputError(
            "solver", spec, "pip beside splitopt", "install it: python -m ensurepip --upgrade"
        )
    with _draft() as draft:
        venv.EnvBuilder(with_pip=False).create(draft)
        made = Environment(package, version or "", draft)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pip", "--python", made.python, "install", "--quiet",
             "--disable-pip-version-check", "--no-input", "--only-binary", ":all:", spec],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            why = said[-1].removeprefix("ERROR: ") if said else f"pip ended with {done.returncode}"
            raise InputError("solver", spec, "a version with a wheel for this Python", why)
        (found,) = importlib.metadata.distributions(name=package, path=[str(_site_packages(draft))])
        made = Environment(package, found.version, cache_folder() / f"{package}=={found.version}")
        assert made.folder is not None
        try:
            draft.rename(made.folder)
        except OSError:
            if not made.folder.is_dir():
                raise
            return made, False  # it was there, or another process was faster
    return made, True


@contextlib.contextmanager
def _draft() -> Iterator[Path]:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove(spec: str) -> Environment:
    """Remove an environment that was added.

    Raises
    ------
    InputError
        When there is none.
    """
    package, version = read_spec(spec)
    for environment in installed(package):
        if environment.version == version and environment.folder is not None:
            # In one step it is no longer found; then it goes.
            with _draft() as draft:
                environment.folder.rename(draft / "gone")
            return environment
    there = ", ".join(map(str, installed())) or "none"
    raise InputError("solver", spec, f"one that was added: {there}", "splitopt solvers list")
