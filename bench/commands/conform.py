"""``splitopt conform``: hold methods to what every method has to keep."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from splitopt.bench.commands.arguments import PATH, SEED, MethodName, Whole, plugin_option
from splitopt.bench.commands.output import echo_json, echo_table, json_option, note, say

if TYPE_CHECKING:
    from splitopt.bench.methods.conformance.trial import Finding
    from splitopt.bench.methods.registry import Entry

FAILED = 1


@click.command(
    epilog="""\b
Examples:
  splitopt conform --plugin my_package.my_module:METHOD
  splitopt conform jqodi --problem mepra
  splitopt conform --fuzz 1000 --seed 3 --jobs 2 --out failures      # random tiny instances
\b
Exit code 0: everything holds. 1: something does not; the last lines say what and on which case.
"""
)
@click.argument("methods", type=MethodName(), nargs=-1, metavar="[METHOD]...")
@click.option("--problem", type=click.Choice(["cift", "mepra"]), help="Only for this problem.")
@click.option(
    "--fuzz",
    type=Whole(1),
    metavar="N",
    help="Try N random tiny instances of each problem instead.",
)
@click.option("--seed", type=SEED, default=0, show_default=False, help="With --fuzz: which ones.")
@click.option(
    "--start",
    type=Whole(),
    default=0,
    show_default=False,
    help="With --fuzz: the first one's number.",
)
@click.option(
    "--jobs", type=Whole(1), default=1, show_default=False, help="With --fuzz: processes at a time."
)
@click.option(
    "--out",
    type=PATH,
    metavar="DIR",
    help="With --fuzz: write each failure's instance there, made small.",
)
@plugin_option
@json_option
@click.pass_context
def conform(
    ctx: click.Context,
    methods: tuple[str, ...],
    problem: str | None,
    fuzz: int | None,
    seed: int,
    start: int,
    jobs: int,
    out: Path | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Hold METHODs to the conformance suite; by default those of the plugins.

    Every claim of a result is compared with the data and with enumeration, on a fixed set of small
    cases: costs, bounds, guarantees, proofs, what happens without time, options, seeds and starts.
    With --fuzz the cases are random, plain and degenerate, and all methods of the suite are tried.
    """
    if fuzz is not None:
        from splitopt.bench.commands.fuzzing import fuzz_and_tell

        problems = (problem,) if problem else ("cift", "mepra")
        if not fuzz_and_tell(problems, fuzz, seed, start, methods, jobs, out, as_json):
            ctx.exit(FAILED)
        return
    entries = _chosen(methods, problem, plugins)
    from splitopt.bench.methods.conformance.trial import try_method

    findings = []
    for entry in entries:
        if not as_json:
            note(f"{entry.name} for {entry.problem}, held to be {entry.kind}")
        findings += try_method(entry)
    if as_json:
        echo_json([dataclasses.asdict(found) | {"passed": found.passed} for found in findings])
    else:
        _tell(findings)
    if not all(found.passed for found in findings):
        ctx.exit(FAILED)


def _chosen(methods: tuple[str, ...], problem: str | None, plugins: tuple[str, ...]) -> list[Entry]:
    from splitopt.bench.methods.plugins import all_entries
    from splitopt.bench.methods.registry import METHODS
    from splitopt.instances.core.errors import InputError

    if not methods and not plugins:
        raise InputError("METHOD", "none", "a method, or --plugin", "splitopt methods lists them")
    known, broken = all_entries(plugins)
    for line in broken:
        note(f"splitopt: {line}")
    names = [entry.name for entry in known]
    for name in methods:
        if name not in names:
            raise InputError("METHOD", name, "a method there is", "splitopt methods lists them")
    chosen = [
        entry
        for entry in known
        if problem in (None, entry.problem)
        and (entry.name in methods if methods else entry.target in plugins and entry not in METHODS)
    ]
    if not chosen:
        raise InputError("--problem", problem, "a problem that the method is for", "leave it out")
    return chosen


def _tell(findings: list[Finding]) -> None:
    echo_table(
        {
            "method": "method",
            "problem": "problem",
            "check": "check",
            "steps": "tried",
            "result": "result",
            "what": "what is checked",
        },
        [
            {
                "method": found.method,
                "problem": found.problem,
                "check": found.check,
                "steps": found.steps,
                "result": "passed" if found.passed else "FAILED",
                "what": found.what,
            }
            for found in findings
        ],
    )
    failed = [found for found in findings if not found.passed]
    for found in failed:
        say(f"FAILED {found.method} ({found.problem}), {found.check}: {found.failure}")
    say(f"{len(findings) - len(failed)} of {len(findings)} checks passed")
