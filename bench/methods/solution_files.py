"""Solutions that solvers wrote of our model files: parsed, made plans, for the judge to judge."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from splitopt.instances.core.documents import read_bytes
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.bench.methods.exporting import Formulated
    from splitopt.instances.contract.method import Instance, Plan

_LARGEST_BYTES = 256 << 20
_WHOLE = 1e-5  # how far from a whole number solvers leave an integer
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_OBJECTIVE = re.compile(rf"(?i)objective(?: value)?\s*[:=]?\s*({_NUMBER})")


@dataclass(frozen=True, slots=True)
class SolutionFile:
    """What a solver wrote.

    Attributes
    ----------
    program
        Whose format it is.
    values
        By name of a column, or by its number from 1 where the format has no names (``#12``);
        what is left out is 0.
    objective
        As the file says it, in the unit of the model's file; None where it does not.
    """

    program: str
    values: Mapping[str, float]
    objective: float | None


def parse_solution(path: Path) -> SolutionFile:
    """Read a solution file of HiGHS, SCIP, CBC, GLPK, Gurobi, CPLEX or COPT.

    Raises
    ------
    InputError
        For a file of none of them, one that is cut short, or one that says there is no solution.
    """
    text = read_bytes(path, _LARGEST_BYTES).decode("utf-8", "replace")
    lines = text.splitlines()
    start = text.lstrip()[:400]
    try:
        if start.startswith("<"):
            found = _cplex(text)
        elif start.startswith("Model status"):
            found = _highs(lines)
        elif start.startswith(("solution status:", "objective value:")):
            found = _scip(lines)
        elif start.startswith("Problem:"):
            found = _glpk_report(lines)
        elif any(line.startswith(("s mip ", "s bas ", "s ipt ")) for line in lines[:50]):
            found = _glpk(lines)
        elif re.match(r"[A-Z][a-z].* - objective value|[A-Z][a-z]+ - ", start):
            found = _cbc(lines)
        elif start.startswith("#"):
            found = _commented(lines)
        else:
            raise _MalformedError("a format of none of these solvers")
    except (_MalformedError, ElementTree.ParseError) as error:
        raise InputError(
            path.name,
            str(error),
            "a whole solution file of HiGHS, SCIP, CBC, GLPK, Gurobi, CPLEX or COPT",
            "let the solver write it again",
        ) from None
    if not found.values:
        raise InputError(path.name, "no value", "a solution", "solve until there is one")
    return found


class _MalformedError(ValueError):
    pass


def _number(text: str) -> float:
    if re.fullmatch(_NUMBER, text) is None:
        raise _MalformedError(f"{text!r} where a number belongs")
    return float(text)


def _pairs(lines: Iterator[str] | list[str]) -> Iterator[tuple[str, float]]:
    """Yield name and value of lines that begin with both."""
    for line in lines:
        parts = line.split()
        if not parts:
            continue
        if len(parts) < 2:
            raise _MalformedError(f"{line.strip()!r}, cut short")
        yield parts[0], _number(parts[1])


def _objective(text: str) -> float | None:
    found = _OBJECTIVE.search(text)
    return float(found[1]) if found else None


def _highs(lines: list[str]) -> SolutionFile:
    place = next((k for k, line in enumerate(lines) if line.startswith("# Columns")), None)
    if place is None:
        raise _MalformedError("no columns")
    count = int(_number(lines[place].split()[-1]))
    mine = lines[place + 1 : place + 1 + count]
    if len(mine) < count or any(line.startswith("#") for line in mine):
        raise _MalformedError(f"fewer than {count} columns")
    head = "\n".join(lines[:place])
    return SolutionFile("HiGHS", dict(_pairs(mine)), _objective(head))


def _scip(lines: list[str]) -> SolutionFile:
    objective = next((line for line in lines if line.startswith("objective value:")), None)
    if objective is None:
        raise _MalformedError(lines[0].strip())
    skipped = ("solution status:", "objective value:")
    mine = [line for line in lines if not line.startswith(skipped)]
    return SolutionFile("SCIP", dict(_pairs(mine)), _objective(objective))


def _cbc(lines: list[str]) -> SolutionFile:
    if "infeasible" in lines[0].lower() and "objective value" not in lines[0]:
        raise _MalformedError(lines[0].strip())
    values = {}
    for line in lines[1:]:
        parts = line.replace("**", " ").split()
        if not parts:
            continue
        if len(parts) < 3:
            raise _MalformedError(f"{line.strip()!r}, cut short")
        values[parts[1]] = _number(parts[2])
    return SolutionFile("CBC", values, _objective(lines[0]))


def _glpk(lines: list[str]) -> SolutionFile:
    """Read what ``glpsol --write`` writes, which numbers columns."""
    if not any(line.startswith("e o f") for line in lines):
        raise _MalformedError("no end, 'e o f'")
    objective, values, at = None, {}, 2
    for line in lines:
        parts = line.split()
        if parts[:1] == ["s"]:
            # Before the value of a basic solution stands its status.
            objective, at = _number(parts[-1]), 3 if parts[1] == "bas" else 2
        elif parts[:1] == ["j"]:
            if len(parts) <= at:
                raise _MalformedError(f"{line!r}, cut short")
            values[f"#{parts[1]}"] = _number(parts[at])
    return SolutionFile("GLPK", values, objective)


def _glpk_report(lines: list[str]) -> SolutionFile:
    """Read what ``glpsol -o`` writes, tables of rows and columns."""
    head = next((k for k, line in enumerate(lines) if "Column name" in line), None)
    if head is None:
        raise _MalformedError("no table of columns")
    if not any(line.startswith("End of output") for line in lines):
        raise _MalformedError("no 'End of output'")
    said = next((line for line in lines if line.startswith("Objective:")), "")
    found = re.search(rf"=\s*({_NUMBER})", said)
    values, name = {}, ""
    for line in lines[head + 2 :]:
        parts = line.split()
        if not parts:
            break
        if not name:
            # Number, name, a mark of integers or a status; a long name has its own line.
            if len(parts) < 2:
                raise _MalformedError(f"{line.strip()!r}, cut short")
            name, parts = parts[1], parts[2:]
        parts = [part for part in parts if re.fullmatch(_NUMBER, part)]
        if parts:
            values[name] = float(parts[0])
            name = ""
    return SolutionFile("GLPK", values, float(found[1]) if found else None)


def _commented(lines: list[str]) -> SolutionFile:
    """Read Gurobi's and COPT's: comments, then a name and a value a line."""
    comments = [line for line in lines if line.startswith("#")]
    program = "Gurobi" if any("Solution for model" in line for line in comments) else "COPT"
    mine = [line for line in lines if not line.startswith("#")]
    return SolutionFile(program, dict(_pairs(mine)), _objective("\n".join(comments)))


def _cplex(text: str) -> SolutionFile:
    if "<!" in text.replace("<!--", ""):
        raise _MalformedError(
            "a document type"
        )  # none of CPLEX's has one, and entities can explode
    root = ElementTree.fromstring(text)
    solution = root if root.tag == "CPLEXSolution" else root.find("CPLEXSolution")
    if solution is None:
        raise _MalformedError(f"an element {root.tag}")
    header = solution.find("header")
    said = None if header is None else header.get("objectiveValue")
    values = {
        variable.get("name", ""): _number(variable.get("value", ""))
        for variable in solution.iter("variable")
    }
    return SolutionFile("CPLEX", values, None if said is None else _number(said))


def plan_of_solution(
    instance: Instance, formulation: str, found: SolutionFile, source: str
) -> Plan:
    """Return the plan that values of a formulation's columns stand for; see `plan_of_values`."""
    from splitopt.bench.methods.exporting import formulate

    return plan_of_values(formulate(instance, formulation), found, source)


def plan_of_values(model: Formulated, found: SolutionFile, source: str) -> Plan:
    """Return the plan that values of a model's columns stand for.

    Raises
    ------
    InputError
        For names that the model does not have, integers that are far from whole, or values that
        are no plan: a solution of another model, or of this one cut short.
    """
    try:
        return model.plan(_by_name(found, model.whole(), source))
    except (KeyError, StopIteration, IndexError, ZeroDivisionError):
        pass
    except ValueError as error:
        if isinstance(error, InputError):
            raise
    raise InputError(
        source,
        "values that are no plan",
        f"a solution of {model.formulation} of {model.instance.name}",
        "check that the file is whole and of this model",
    )


def _by_name(found: SolutionFile, columns: Mapping[str, bool], source: str) -> dict[str, float]:
    """Return the values by name, those of whole columns rounded; `columns` says which are whole."""
    if any(name.startswith("#") for name in found.values):
        raise InputError(
            source, "columns by number", "columns by name", "write it by glpsol -o FILE"
        )
    # Of writers: columns that carry a constant of the objective.
    unknown = sorted(found.values.keys() - columns.keys() - {"constant", "ONE_VAR_CONSTANT"})
    if unknown:
        raise InputError(
            source,
            ", ".join(unknown[:3]) + (", ..." if len(unknown) > 3 else ""),
            "names of this model's columns",
            "name the instance and the formulation that the model was exported from",
        )
    values = {name: value for name, value in found.values.items() if name in columns}
    for name, value in values.items():
        if not math.isfinite(value) or (columns[name] and abs(value - round(value)) > _WHOLE):
            raise InputError(
                source, f"{name} = {value!r}", "a whole number", "solve it with integers"
            )
        if columns[name]:
            values[name] = float(round(value))
    return values
