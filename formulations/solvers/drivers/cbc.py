"""CBC, the program in PuLP's wheel; PuLP itself is not imported."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .common import ParameterError, UnsupportedError, answer, refuse, remaining_s

HELD = {
    "seconds": "--time-limit sets it",
    "sec": "--time-limit sets it",
    "threads": "--threads sets it",
    "randomCbcSeed": "--seed sets it",
    "ratioGap": "--gap sets it",
    "solve": "it solves once",
    "solution": "the solution comes back by itself",
    "import": "the file is the one written",
    "log": "solve --log, run --keep-logs set it",
}
# They change what is solved, or how the answer is written.
_OURS = ("direction", "outputFormat", "keepNames", "printingOptions", "messages", "verbose")
_OBJECTIVE = re.compile(r"objective value\s+(\S+)")
_ENDS = (
    ("Optimal", "optimal"),
    ("Infeasible", "infeasible"),
    ("Integer infeasible", "infeasible"),
    ("Stopped on time", "time"),
)
_program = Path("cbc")


def _find() -> Path:
    """Return the program of this system in PuLP's folder."""
    system = {"linux": "linux", "darwin": "osx", "win32": "win"}.get(sys.platform, sys.platform)
    machine = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "i64"
    name = "cbc.exe" if system == "win" else "cbc"
    for folder in sys.path:
        base = Path(folder) / "pulp" / "solverdir" / "cbc" / system
        for kind in (machine, "i64"):
            if (base / kind / name).is_file():
                return base / kind / name
    raise UnsupportedError(f"this version of PuLP brings no CBC for {system} {machine}")


def load() -> str:
    """Find the program and return its name."""
    global _program
    _program = _find()
    said = subprocess.run(
        [_program, "-quit"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    ).stdout
    found = re.search(r"Version:\s*(\S+)", said)
    return f"CBC {found[1] if found else 'of unknown version'}"


def _names() -> list[str]:
    """Return what CBC lists as its parameters."""
    said = subprocess.run(
        [_program], input="???\nquit\n", capture_output=True, text=True, check=False
    ).stdout
    listed = said.partition("commands is:")[2].partition("Actions or string parameters:")[0]
    words = re.findall(r"[A-Za-z0-9()]+", re.sub(r"(?m)^.*parameters:", "", listed))
    names = {word.replace("(", "").replace(")", "") for word in words}
    return sorted(names - set(_OURS))


# What CBC says of a word that it does not take; it goes on without it.
_REFUSED = (
    re.compile(r"<Possible options for (?P<name>\S+) are: *(?P<takes>[^;]*)"),
    re.compile(r"is illegal for \w+ parameter (?P<name>\S+)(?P<takes>)"),
    re.compile(r"was provided for (?P<name>\S+) - valid range is (?P<takes>.*)"),
    re.compile(r"No match for (?P<name>\S+)(?P<takes>)"),
)


def _refuse(said: str, parameters: Mapping[str, object]) -> None:
    for pattern in _REFUSED:
        found = pattern.search(said)
        if found:
            name = found["name"]
            value = parameters.get(name, name)
            takes = " ".join(found["takes"].split()) or "what CBC takes"
            raise ParameterError(name, value, takes, "correct the value")


def check(parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters as CBC gets them."""
    if not parameters:
        return {}
    refuse(parameters, HELD, _names())
    for name, value in parameters.items():
        if re.fullmatch(r"[A-Za-z0-9.+-]+", str(value)) is None:
            raise ParameterError(name, value, "a number or a word", "correct the value")
    words = [word for name, value in parameters.items() for word in (f"-{name}", str(value))]
    said = subprocess.run(
        [_program, *words, "-quit"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    ).stdout
    _refuse(said, parameters)
    return {name: str(value) for name, value in parameters.items()}


def solve(request: Mapping[str, Any]) -> dict[str, Any]:
    """Let the program read the file and solve it."""
    began = time.perf_counter()
    solution = Path(request["folder"]) / "cbc.sol"
    words = [
        "-timeMode",
        "elapsed",
        "-threads",
        str(request["threads"] if request["threads"] > 1 else 0),
    ]
    limit = remaining_s(request, began)
    if limit is not None:
        words += ["-seconds", f"{limit:.3f}"]
    words += ["-randomCbcSeed", str(request["seed"]), "-ratioGap", repr(request["relative_gap"])]
    words += ["-allowableGap", "0", "-primalTolerance", "1e-9", "-integerTolerance", "1e-9"]
    for name, value in check(request["parameters"]).items():
        words += [f"-{name}", value]
    done = subprocess.run(
        [_program, request["file"], *words, "-solve", "-solution", solution, "-quit"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    seconds = time.perf_counter() - began
    if request["log"]:
        sys.stdout.write(done.stdout)
        sys.stdout.flush()
    if not solution.is_file():
        raise RuntimeError(f"CBC ended with {done.returncode}: {done.stdout[-500:]}")
    head, *lines = solution.read_text().splitlines() or [""]
    ended = next((what for start, what in _ENDS if head.startswith(start)), "limit")
    values = None
    if ended != "infeasible" and "(no integer solution" not in head:
        parts = [line.replace("**", " ").split() for line in lines]
        values = {part[1]: float(part[2]) for part in parts if len(part) >= 3}
    objective = _OBJECTIVE.search(head)
    value = float(objective[1]) if objective and values is not None else None
    bound = re.search(r"Lower bound:\s+(\S+)", done.stdout)
    nodes = re.search(r"Enumerated nodes:\s+(\d+)", done.stdout)
    return answer(
        ended,
        objective=value,
        bound=value if ended == "optimal" else float(bound[1]) if bound else None,
        values=values,
        nodes=int(nodes[1]) if nodes else None,
        read_s=None,
        solve_s=seconds,
        said=head.partition(" - objective")[0],
    )
