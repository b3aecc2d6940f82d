"""Grade an answer to an exercise: a plan by the judge, a model by its optimum and relaxation.

An answer is read and solved in a process of its own, under limits.

A model is a file for one instance, and its optimum is in every textbook of answers. So it is also
solved with decisions forbidden that its optimum takes, one after another, at random: the least
energy of the plans that are left is the cost of a plan again, another one before long. A number
that a file holds stays what it is. What the variables mean nobody needs to know for that.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitopt.bench.isolation.apart import ApartError, apart
from splitopt.bench.methods.exporting import unit_of_file, write
from splitopt.bench.teach.exercises import Exercise, find
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.core.errors import InputError

# A model may come from any writer; what it claims is compared within what writers round.
_SAME = 1e-5
_LARGEST_FILE = 64 * 1024 * 1024
_SECONDS = 60.0
# Of the whole grading, with what is forbidden and the reference.
_LIMIT_S = 180.0
_MEMORY_BYTES = 2 << 30
# So many costs, the optimum among them, show that they come from decisions.
_COSTS = 4
_MOST_SOLVES = 80
_LONGEST_WALK = 12
_TARGET = "splitopt.bench.teach.grading:graded"


@dataclass(frozen=True, slots=True)
class Grade:
    """The outcome.

    Attributes
    ----------
    passed
        Whether the answer does what was asked.
    objective, optimum
        Cost of the plan or optimum of the model, and the reference; None where unknown.
    root
        Of a model: its relaxation over the optimum.
    remarks
        Lines for the student: what is right, what is wrong, what to look at.
    """

    passed: bool
    objective: float | None
    optimum: float
    root: float | None
    remarks: tuple[str, ...]


def _optimum(exercise: Exercise) -> float:
    from splitopt.bench.methods.registry import load
    from splitopt.instances import library

    instance = library.load(exercise.instance)
    result = load(exercise.reference, instance.problem).solve(instance, Budget(), 0, {})
    if result.status is not SolutionStatus.OPTIMAL or result.objective is None:
        raise RuntimeError(f"{exercise.reference} did not prove an optimum of {exercise.instance}")
    return result.objective


def _plan(exercise: Exercise, answer: Path) -> Grade:
    from splitopt.instances import library
    from splitopt.instances.core.tolerances import TOLERANCES
    from splitopt.instances.judge import certify, evaluate, read_plan

    instance = library.load(exercise.instance)
    plan = read_plan(answer)
    verdict = certify(instance, plan)
    optimum = _optimum(exercise)
    if not verdict.feasible:
        broken = [f"{v.constraint} at {v.where}: {v.statement}" for v in verdict.violations[:5]]
        return Grade(False, None, optimum, None, ("the plan breaks a constraint", *broken))
    objective = evaluate(instance, plan).objective
    above = objective / optimum - 1 if optimum else 0.0
    remarks = ["the plan is feasible", f"it costs {100 * max(0.0, above):.4g} % above the optimum"]
    passed = exercise.factor is None or objective <= optimum * (
        exercise.factor + TOLERANCES.optimality
    )
    if not passed:
        remarks.append(f"asked for: {exercise.asked}")
    return Grade(passed, objective, optimum, None, tuple(remarks))


def _unpacked(answer: Path) -> Path:
    """Return the file of a model; a packed one is unpacked into the current folder.

    Raises
    ------
    InputError
        When it is none, or too large.
    """
    if not answer.name.endswith((".mps", ".mps.gz")):
        raise InputError("answer", answer.name, "a file .mps or .mps.gz", "export the model")
    if not answer.is_file():
        raise InputError("answer", str(answer), "a file", "check the path")
    if answer.stat().st_size > _LARGEST_FILE:
        raise InputError("answer", answer.name, "at most 64 MiB", "hand in a smaller model")
    if answer.suffix != ".gz":
        return answer
    plain = Path("answer.mps")
    try:
        with gzip.open(answer) as packed, plain.open("wb") as stream:
            while piece := packed.read(1 << 20):
                stream.write(piece)
                if stream.tell() > _LARGEST_FILE:
                    raise InputError(
                        "answer", answer.name, "at most 64 MiB unpacked", "hand in a smaller model"
                    )
    except (OSError, EOFError, zlib.error):
        raise InputError("answer", answer.name, "a whole gzip file", "pack it again") from None
    return plain


def _engine(path: Path) -> Any:
    """Return HiGHS with the model in a file, None where it cannot read it."""
    import highspy

    engine = highspy.Highs()
    engine.setOptionValue("output_flag", False)
    engine.setOptionValue("time_limit", _SECONDS)
    engine.setOptionValue("threads", 1)
    engine.setOptionValue("mip_rel_gap", 1e-7)
    engine.setOptionValue("mip_abs_gap", 0.0)
    return None if engine.readModel(str(path)) == highspy.HighsStatus.kError else engine


def _value(engine: Any) -> float | None:
    """Return the optimum of a model as it stands, None where HiGHS does not prove one."""
    import highspy

    engine.run()
    if engine.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return float(engine.getInfo().objective_function_value)


def _relaxed(engine: Any, integer: Sequence[int]) -> float | None:
    import highspy

    every = engine.getLp().integrality_  # once: each call copies the model
    kinds = [every[column] for column in integer]
    for column in integer:
        engine.changeColIntegrality(column, highspy.HighsVarType.kContinuous)
    found = _value(engine)
    for column, kind in zip(integer, kinds, strict=True):
        engine.changeColIntegrality(column, kind)
    return found


def _model(exercise: Exercise, answer: Path) -> Grade:
    import highspy

    path = _unpacked(answer)
    engine = _engine(path)
    if engine is None:
        raise InputError("answer", answer.name, "a model that HiGHS can read", "write it as MPS")
    optimum, unit = _optimum(exercise), unit_of_file(path)
    model = engine.getLp()
    integer = [
        k for k, kind in enumerate(model.integrality_) if kind != highspy.HighsVarType.kContinuous
    ]
    if not integer:
        return Grade(False, None, optimum, None, ("the model has no integer variable",))
    if model.sense_ != highspy.ObjSense.kMinimize:
        return Grade(False, None, optimum, None, ("the model maximises; energy is to be least",))
    value = _value(engine)
    if value is None:
        status = engine.modelStatusToString(engine.getModelStatus())
        return Grade(False, None, optimum, None, (f"HiGHS ends with: {status}",))
    objective = unit * value
    relaxation = _relaxed(engine, integer)
    root = None if relaxation is None else unit * relaxation / optimum
    remarks = [
        f"{model.num_row_} rows, {model.num_col_} columns, {len(integer)} of them integer",
        f"its optimum is {objective:.8g}, the right one {optimum:.8g}",
        "its relaxation has no optimum"
        if root is None
        else f"its relaxation is {root:.3f} of the optimum",
    ]
    if not _same(objective, optimum):
        side = "some plans are missing" if objective > optimum else "it lets in what is no plan"
        remarks.append(f"the optimum is too {'high' if objective > optimum else 'low'}: {side}")
        return Grade(False, objective, optimum, root, tuple(remarks))
    strong = exercise.root is None or (root is not None and root >= exercise.root)
    if not strong:
        remarks.append(f"asked for: {exercise.asked}")
    rng = random.Random(hashlib.sha256(path.read_bytes()).hexdigest())
    forbidden = _forbid(engine, integer, unit, rng)
    wrong = _constant(exercise, optimum, forbidden)
    if wrong is not None:
        remarks.append(wrong)
    return Grade(strong and wrong is None, objective, optimum, root, tuple(remarks))


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME * abs(other)


def _forbid(
    engine: Any, integer: Sequence[int], unit: float, rng: random.Random
) -> list[tuple[float, float]]:
    """Return optima and relaxations of the model with decisions forbidden that it took.

    Each walk forbids one after another, until no plan is left or it is long enough.
    """
    bounds = engine.getLp()
    lower, upper = list(bounds.col_lower_), list(bounds.col_upper_)
    found: list[tuple[float, float]] = []
    solves = 0
    while solves < _MOST_SOLVES and _distinct([value for value, _ in found]) < _COSTS:
        changed = []
        for _ in range(_LONGEST_WALK):
            value = _value(engine)
            taken = list(engine.getSolution().col_value)
            solves += 1
            if value is None:
                break
            relaxation = _relaxed(engine, integer)
            if relaxation is not None:
                found.append((unit * value, unit * relaxation))
            choices = [k for k in integer if taken[k] > lower[k] + 0.5]
            if not choices:
                break
            column = rng.choice(choices)
            changed.append(column)
            engine.changeColBounds(column, lower[column], round(taken[column]) - 1)
        for column in changed:
            engine.changeColBounds(column, lower[column], upper[column])
    return found


def _distinct(values: Sequence[float]) -> int:
    """Return how many of the values are apart."""
    ordered = sorted(values)
    return sum(k == 0 or not _same(ordered[k - 1], value) for k, value in enumerate(ordered))


def _constant(
    exercise: Exercise, optimum: float, forbidden: Sequence[tuple[float, float]]
) -> str | None:
    """Return what shows that a model holds figures that do not come from its decisions."""
    if _distinct([value for value, _ in forbidden]) < _COSTS:
        return "its optimum stays when decisions of it are forbidden: it does not come from them"
    costs = _PlanCosts(exercise)
    for value in sorted({value for value, _ in forbidden}):
        if not costs.has(value):
            return f"with decisions forbidden its optimum is {value:.8g}, which no plan costs"
    dearer = [
        relaxation
        for value, relaxation in forbidden
        if value > optimum and not _same(value, optimum)
    ]
    if exercise.root is not None and _distinct(dearer) < 2:
        return "its relaxation stays when decisions are forbidden: it holds a figure"
    return None


class _PlanCosts:
    """What plans of an instance cost, by a model of ours in which every column is a decision."""

    def __init__(self, exercise: Exercise) -> None:
        from splitopt.instances import library

        path = Path("reference.mps")
        write(library.load(exercise.instance), "flow", "mps", path)
        self._unit = unit_of_file(path)
        self._engine = _engine(path)
        costs = self._engine.getLp().col_cost_
        used = [k for k, cost in enumerate(costs) if cost]
        infinite = 1e30
        self._engine.addRow(-infinite, infinite, len(used), used, [costs[k] for k in used])
        self._row = self._engine.getNumRow() - 1

    def has(self, value: float) -> bool:
        """Return whether a plan costs that."""
        width = _SAME * abs(value)
        low, high = ((value + side) / self._unit for side in (-width, width))
        self._engine.changeRowBounds(self._row, low, high)
        return _value(self._engine) is not None


def graded(request: dict[str, Any]) -> dict[str, Any]:
    """Return the grade of an answer as a JSON object; called in a process of its own."""
    exercise, answer = find(request["exercise"]), Path(request["answer"])
    found = _plan(exercise, answer) if exercise.kind == "plan" else _model(exercise, answer)
    return dataclasses.asdict(found)


def grade(exercise: Exercise, answer: Path) -> Grade:
    """Return the grade of an answer.

    A plan is judged in exact arithmetic. A model is solved, its relaxation too, and both again
    with decisions forbidden; that every plan is represented in it is not checked beyond that.

    Raises
    ------
    InputError
        For a file that cannot be read, or not within memory and time.
    """
    request = {"exercise": exercise.name, "answer": str(answer.absolute())}
    try:
        found = apart(_TARGET, request, limit_s=_LIMIT_S, memory_bytes=_MEMORY_BYTES)
    except ApartError as error:
        raise InputError(
            "answer", answer.name, "a file that is read and solved in order", f"it {error}"
        ) from None
    return Grade(**{**found, "remarks": tuple(found["remarks"])})
