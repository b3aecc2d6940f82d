"""``splitopt solve``: one method on one instance."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from splitopt.bench.commands.arguments import (
    PATH,
    SEED,
    Figure,
    InstanceName,
    MethodName,
    Whole,
    open_instance,
    plugin_option,
    read_assignments,
)
from splitopt.bench.commands.output import check_writable, echo_json, figure, json_option, note, say
from splitopt.bench.commands.selection import read_bytes_limit
from splitopt.bench.commands.signals import NUMBERS, hear, interruption

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan, Result
    from splitopt.instances.core.violations import Violation

FAILED = 1
IN_ORDER = ("solved", "time", "limit")


@click.command(
    epilog="""\b
Examples:
  splitopt solve mepra-image-10mbps --method highs-tangent
  splitopt solve my.json --method jqodi --epsilon 0.05 --time-limit 10 --json
  splitopt solve my.json --method random --seed 7 --option samples=1000 --out plan.json
\b
--json prints one object: instance, method, termination, solution_status, objective, bound,
guarantee, violations, runtime_s, plan. What is unknown is null.
\b
Exit code 0: ended in order, at the time limit or with a proof of infeasibility too. 1: crashed,
killed, out of memory, or the judge refutes what the method claims. 2: bad input. 130: Ctrl-C, 143:
SIGTERM; the last incumbent and bound that the method had sent are judged and printed.
"""
)
@click.argument("instance", type=InstanceName())
@click.option("-m", "--method", required=True, type=MethodName(), help="Method to use.")
@click.option(
    "--epsilon",
    type=Figure(most=1e30),
    metavar="E",
    help="Short for --option epsilon=E, where there is one.",
)
@click.option(
    "--time-limit", type=Figure(), metavar="S", help="Wall-clock seconds; none by default."
)
@click.option("--threads", type=Whole(1, 100_000), default=1, help="Threads of the solver.")
@click.option("--gap", type=Figure(most=1e30), metavar="G", help="Relative gap at which to stop.")
@click.option("--seed", type=SEED, default=0, help="Seed of what is random.")
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
    type=PATH,
    metavar="PLAN",
    help="A plan to start from, where the method can use one.",
)
@click.option("--out", type=PATH, metavar="PLAN", help="Write the plan to this file.")
@click.option("--memory-limit", metavar="SIZE", help="Bytes the run may hold, such as 2GiB.")
@click.option("--log", is_flag=True, help="Show the solver's log on stderr.")
@plugin_option
@json_option
@click.pass_context
def solve(
    ctx: click.Context,
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
    memory_limit: str | None,
    log: bool,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Solve INSTANCE, a file or a name in the library, with one method."""
    from splitopt.bench.isolation.client import Zygote

    # It starts, and imports what a run needs, beside all that follows.
    zygote = Zygote(threads)
    ctx.call_on_close(zygote.close)
    from splitopt.bench.commands.solve_progress import progress
    from splitopt.bench.methods import registry
    from splitopt.bench.methods.byfile.names import is_by_file
    from splitopt.bench.runs.solve_once import solve_once
    from splitopt.instances.core.documents import write_json

    problem_instance = open_instance(instance)
    given = _read_options(assignments, epsilon)
    ours = any(entry.name == method for entry in registry.METHODS)
    if is_by_file(method) or (not plugins and ours):
        _check_method(problem_instance, method, given, epsilon)
    if out is not None:
        check_writable("--out", out)
    start = None if warm_start is None else _read_start(warm_start, problem_instance)
    shown = _Log() if log else None
    with progress(time_limit) as on_progress, _stopped_by_interrupt() as stop:
        result = solve_once(
            problem_instance,
            method,
            time_limit_s=time_limit,
            seed=seed,
            options=given,
            warm_start=start,
            on_progress=on_progress,
            on_log=shown,
            threads=threads,
            memory_limit_bytes=read_bytes_limit("--memory-limit", memory_limit),
            relative_gap=gap,
            plugins=plugins,
            stop=stop,
            zygote=zygote,
        )
    if shown is not None:
        shown.end()
    if out is not None and result.plan is not None:
        write_json(out, result.plan.to_document())
    _tell_all(problem_instance, method, result, out, as_json=as_json)
    if stop.is_set():
        said, code = interruption()
        note(said)
        ctx.exit(code)
    detail = result.statistics.get("detail")
    if str(result.termination) not in IN_ORDER or result.statistics.get("verdict") == "wrong":
        note(f"splitopt: {method} did not end in order ({result.termination}): {detail}")
        ctx.exit(FAILED)


class _Log:
    """What a solver writes, shown line by line on stderr."""

    def __init__(self) -> None:
        self._rest = b""

    def __call__(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            note(line.decode("utf-8", "replace"))

    def end(self) -> None:
        """Show what came without an end of line: the last words of a run that was killed."""
        if self._rest:
            self(b"\n")


@contextlib.contextmanager
def _stopped_by_interrupt() -> Iterator[threading.Event]:
    """Yield an event that the first signal to stop sets; a second one ends the command at once."""
    stop = threading.Event()

    def on_signal(number: int, frame: object) -> None:
        hear(number)
        stop.set()
        signal.signal(number, before[number])

    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _read_options(assignments: tuple[str, ...], epsilon: float | None) -> dict[str, object]:
    """Return the options of the method as they were typed, with --epsilon among them."""
    from splitopt.instances.core.errors import InputError

    given: dict[str, object] = dict(read_assignments("--option", assignments))
    if epsilon is None:
        return given
    if "epsilon" in given:
        raise InputError(
            "--epsilon", epsilon, "epsilon given once", "drop --epsilon or --option epsilon=..."
        )
    return {**given, "epsilon": epsilon}


def _check_method(
    instance: Instance, name: str, given: Mapping[str, object], epsilon: float | None
) -> None:
    """Raise where a method of the registry does not take these options or this instance."""
    from splitopt.bench.methods import registry
    from splitopt.instances.contract.method import read_options
    from splitopt.instances.contract.supports import supported
    from splitopt.instances.core.errors import InputError

    method = registry.load(name, instance.problem)
    if epsilon is not None and "epsilon" not in [option.name for option in method.options]:
        raise InputError(
            "--epsilon",
            epsilon,
            f"a method with an option epsilon, which {name} has not",
            "leave it out",
        )
    read_options(name, method.options, given, getattr(method, "parameters", None))
    support = supported(method, instance)
    if not support:
        raise InputError(
            "method", name, f"a method that takes {instance.name}", f"{support.reason}"
        )


def _read_start(path: Path, instance: Instance) -> Plan:
    """Return the plan to start from, of the instance's problem."""
    from splitopt.instances.judge import read_plan, require_match

    plan = read_plan(path)
    require_match(instance, plan)
    return plan


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


def _tell_all(
    instance: Instance, method: str, result: Result, out: Path | None, *, as_json: bool
) -> None:
    """Print a result for people or programs, and what became of the file of its plan."""
    from splitopt.instances.judge import check

    violations = [] if result.plan is None else check(instance, result.plan)
    if as_json:
        echo_json(_document(instance, method, result, violations))
    else:
        _tell(instance, method, result, violations)
    if out is not None and result.plan is None:
        note(f"splitopt: no plan found, {out} is not written")
    elif out is not None and not as_json:
        say(f"plan         {out}")


def _tell(instance: Instance, method: str, result: Result, violations: list[Violation]) -> None:
    """Print a result for people."""
    from splitopt.instances.problems import problem_of

    unit = problem_of(instance).unit
    relaxed = result.status == "relaxed"
    lines = {
        "instance": f"{instance.name} ({instance.problem})",
        "method": method,
        **result.summary(unit),
    }
    for name, value in lines.items():
        say(f"{name:<12} {value}")
    told = result.trajectory[-1].objective if result.trajectory else None
    if result.plan is None and told is not None:
        shown = f"{told:.10g}{unit}, as the method told; its plan was not sent"
        say(f"{'incumbent':<12} {shown}")
    for violation in violations:
        by = ""
        if relaxed and violation.value is not None and violation.limit:
            by = f", {violation.value / violation.limit:.6g} times"
        what = "exceeded" if relaxed else "violation"
        say(f"{what:<12} {violation.constraint}: {violation.statement}{by}")
    say(f"{'verdict':<12} {_verdict(result)}")
    # What was guaranteed and certified stands in a line of its own.
    said = ("guaranteed", "certified", "certified_ratio", "verdict", "checked_by", "detail")
    rest = {k: v for k, v in result.statistics.items() if k not in said}
    if rest:
        text = ", ".join(f"{k} {figure(v)}" for k, v in rest.items())
        say(f"{'statistics':<12} {text}")


def _verdict(result: Result) -> str:
    """Return what one run can know: whether what it claims was refuted, and by what."""
    verdict = result.statistics.get("verdict")
    if verdict == "wrong":
        return f"wrong: {result.statistics.get('detail')}"
    if verdict != "right":
        return "nothing is claimed"
    checked = result.statistics.get("checked_by")
    return f"not refuted by {checked}; run more methods to hold them against each other"
