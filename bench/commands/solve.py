"""``splitopt solve``: one method on one instance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.arguments import InstanceName, MethodName, open_instance, read_assignments
from bench.commands.output import echo_json, figure, json_option, note, stdout_to_stderr

if TYPE_CHECKING:
    from instances.interface import Instance, Option, Result
    from instances.violations import Violation


@click.command(
    epilog="""\b
Examples:
  splitopt solve mepra-image-10mbps --method highs-tangent
  splitopt solve my.json --method jqodi --epsilon 0.05 --time-limit 10 --json
  splitopt solve my.json --method random --seed 7 --option samples=1000 --out plan.json
\b
--json prints one object: instance, method, termination, solution_status, objective, bound,
guarantee, violations, runtime_s, plan. What is unknown is null.
"""
)
@click.argument("instance", type=InstanceName())
@click.option("-m", "--method", required=True, type=MethodName(), help="Method to use.")
@click.option(
    "--epsilon", type=float, metavar="E", help="Short for --option epsilon=E, where there is one."
)
@click.option("--time-limit", type=float, metavar="S", help="Wall-clock seconds; none by default.")
@click.option("--threads", type=int, default=1, show_default=True, help="Threads of the solver.")
@click.option("--gap", type=float, metavar="G", help="Relative gap at which to stop.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is random.")
@click.option(
    "-o",
    "--option",
    "assignments",
    multiple=True,
    metavar="K=V",
    help="An option of the method; may be repeated.",
)
@click.option(
    "--warm-start",
    type=click.Path(path_type=Path),
    metavar="PLAN",
    help="A plan to start from, where the method can use one.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="PLAN", help="Write the plan to this file."
)
@json_option
def solve(
    instance: str,
    method: str,
    epsilon: float | None,
    time_limit: float | None,
    threads: int,
    gap: float | None,
    seed: int,
    assignments: tuple[str, ...],
    warm_start: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Solve INSTANCE, a file or a name in the library, with one method."""
    from bench import registry
    from bench.commands.solving import run_method
    from instances.documents import write_json
    from instances.errors import InputError
    from instances.interface import Budget, read_options
    from instances.judge import check, read_plan
    from instances.tolerances import TOLERANCES

    problem_instance = open_instance(instance)
    solver = registry.load(method, problem_instance.problem)
    given: dict[str, object] = dict(read_assignments("--option", assignments))
    if epsilon is not None:
        given = _with_epsilon(method, solver.options, given, epsilon)
    read_options(method, solver.options, given)
    budget = Budget(
        time_limit_s=time_limit,
        threads=threads,
        relative_gap=TOLERANCES.optimality if gap is None else gap,
    )
    if seed < 0:
        raise InputError("--seed", seed, "an integer >= 0", "give 0")
    support = solver.supports(problem_instance)
    if not support:
        raise InputError(
            "method", method, f"a method that takes {problem_instance.name}", str(support.reason)
        )
    start = None if warm_start is None else read_plan(warm_start)
    if start is not None and type(start).__name__.lower() != f"{problem_instance.problem}plan":
        raise InputError(
            "--warm-start",
            str(warm_start),
            f"a plan of {problem_instance.problem}",
            "give a plan of this instance",
        )
    with stdout_to_stderr():
        result = run_method(solver, problem_instance, budget, seed, given, start)
    violations = [] if result.plan is None else check(problem_instance, result.plan)
    if out is not None and result.plan is not None:
        write_json(out, result.plan.to_document())
    if as_json:
        echo_json(_document(problem_instance, method, result, violations))
    else:
        _tell(problem_instance, method, result, violations)
    if out is not None:
        if result.plan is None:
            note(f"splitopt: no plan found, {out} is not written")
        elif not as_json:
            click.echo(f"plan         {out}")


def _with_epsilon(
    method: str, options: tuple[Option, ...], given: dict[str, object], epsilon: float
) -> dict[str, object]:
    """Return the options with epsilon added."""
    from instances.errors import InputError

    if "epsilon" not in [option.name for option in options]:
        raise InputError(
            "--epsilon",
            epsilon,
            f"methods with an option epsilon; {method} has none",
            "leave it out or choose another method",
        )
    if "epsilon" in given:
        raise InputError(
            "--epsilon", epsilon, "epsilon given once", "drop --epsilon or --option epsilon=..."
        )
    return {**given, "epsilon": epsilon}


def _document(
    instance: Instance, method: str, result: Result, violations: list[Violation]
) -> dict[str, object]:
    """Return the object that ``--json`` prints."""
    return {
        "instance": instance.name,
        "method": method,
        "termination": str(result.termination),
        "solution_status": str(result.status),
        "objective": result.objective,
        "bound": result.bound,
        "guarantee": None if result.guarantee is None else result.guarantee.to_document(),
        "violations": [violation.to_document() for violation in violations],
        "runtime_s": result.runtime_s,
        "plan": None if result.plan is None else result.plan.to_document(),
    }


def _tell(instance: Instance, method: str, result: Result, violations: list[Violation]) -> None:
    """Print a result for people."""
    from instances.tolerances import gap

    unit = "J" if instance.problem == "cift" else ""
    distance = gap(result.objective, result.bound)
    lines = {
        "instance": f"{instance.name} ({instance.problem})",
        "method": method,
        "status": f"{result.status} (termination: {result.termination})",
        "objective": f"{_precise(result.objective)} {unit}".rstrip(),
        "bound": f"{_precise(result.bound)} {unit}".rstrip(),
        "gap": "-" if distance is None else f"{100 * distance:.3g} %",
        "guarantee": "-" if result.guarantee is None else result.guarantee.statement,
        "time": f"{result.runtime_s:.3f} s",
    }
    for name, value in lines.items():
        click.echo(f"{name:<12} {value}")
    for violation in violations:
        click.echo(f"{'violation':<12} {violation.constraint}: {violation.statement}")
    if result.statistics:
        text = ", ".join(f"{k} {figure(v)}" for k, v in result.statistics.items())
        click.echo(f"{'statistics':<12} {text}")


def _precise(value: float | None) -> str:
    return "-" if value is None else f"{value:.10g}"
