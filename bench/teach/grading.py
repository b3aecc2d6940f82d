"""Grade an answer to an exercise: a plan by the judge, a model by its optimum and relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from splitopt.bench.methods.exporting import unit_of_file
from splitopt.bench.teach.exercises import Exercise
from splitopt.instances.contract.method import Budget, SolutionStatus
from splitopt.instances.core.errors import InputError

__all__ = ["Grade", "grade"]

# A model may come from any writer; what it claims is compared within what writers round.
_SAME = 1e-5
_LARGEST_FILE = 64 * 1024 * 1024
_SECONDS = 60.0


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


def _model(exercise: Exercise, answer: Path) -> Grade:
    import highspy

    if answer.suffix not in (".mps", ".gz"):
        raise InputError("answer", answer.name, "a file .mps or .mps.gz", "export the model")
    if not answer.is_file():
        raise InputError("answer", str(answer), "a file", "check the path")
    if answer.stat().st_size > _LARGEST_FILE:
        raise InputError("answer", answer.name, "at most 64 MiB", "hand in a smaller model")
    engine = highspy.Highs()
    engine.setOptionValue("output_flag", False)
    engine.setOptionValue("time_limit", _SECONDS)
    engine.setOptionValue("threads", 1)
    engine.setOptionValue("mip_rel_gap", 1e-7)
    engine.setOptionValue("mip_abs_gap", 0.0)
    if engine.readModel(str(answer)) == highspy.HighsStatus.kError:
        raise InputError("answer", answer.name, "a model that HiGHS can read", "write it as MPS")
    optimum, unit = _optimum(exercise), unit_of_file(answer)
    model = engine.getLp()
    integer = [
        k for k, kind in enumerate(model.integrality_) if kind != highspy.HighsVarType.kContinuous
    ]
    if not integer:
        return Grade(False, None, optimum, None, ("the model has no integer variable",))
    if model.sense_ != highspy.ObjSense.kMinimize:
        return Grade(False, None, optimum, None, ("the model maximises; energy is to be least",))
    engine.run()
    if engine.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        status = engine.modelStatusToString(engine.getModelStatus())
        return Grade(False, None, optimum, None, (f"HiGHS ends with: {status}",))
    objective = unit * float(engine.getInfo().objective_function_value)
    for column in integer:
        engine.changeColIntegrality(column, highspy.HighsVarType.kContinuous)
    engine.run()
    relaxed = unit * float(engine.getInfo().objective_function_value)
    root = relaxed / optimum
    right = abs(objective - optimum) <= _SAME * abs(optimum)
    remarks = [
        f"{model.num_row_} rows, {model.num_col_} columns, {len(integer)} of them integer",
        f"its optimum is {objective:.8g}, the right one {optimum:.8g}",
        f"its relaxation is {root:.3f} of the optimum",
    ]
    if not right:
        side = "some plans are missing" if objective > optimum else "it lets in what is no plan"
        remarks.append(f"the optimum is too {'high' if objective > optimum else 'low'}: {side}")
    strong = exercise.root is None or root >= exercise.root
    if not strong:
        remarks.append(f"asked for: {exercise.asked}")
    return Grade(right and strong, objective, optimum, root, tuple(remarks))


def grade(exercise: Exercise, answer: Path) -> Grade:
    """Return the grade of an answer.

    A plan is judged in exact arithmetic. A model is solved, and its relaxation, within a minute;
    that every plan is represented in it is not checked beyond its optimum.

    Raises
    ------
    InputError
        For a file that cannot be read.
    """
    return _plan(exercise, answer) if exercise.kind == "plan" else _model(exercise, answer)
