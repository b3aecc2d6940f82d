"""``splitopt show``: an instance, and a plan on it, as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from splitopt.bench.commands.arguments import PATH, Figure, InstanceName, Whole, open_instance
from splitopt.bench.commands.output import (
    check_writable,
    echo_json,
    json_option,
    note,
    say,
    say_all,
)

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance, Plan


@click.command(
    epilog="""\b
Examples:
  splitopt show mepra-image-10mbps
  splitopt show my.json --plan plan.json     # time and energy by stage
  splitopt show my.json --json               # the whole instance
  splitopt show my.json --plan plan.json --out plan.svg
  splitopt show cift-quick-chain --tree --epsilon 0.1 --out tree.svg
"""
)
@click.argument("instance", type=InstanceName())
@click.option("--plan", type=PATH, metavar="PLAN", help="A plan to evaluate stage by stage.")
@click.option(
    "--tree", is_flag=True, help="The time-energy tree of JQODI (CIFT): labels and their fates."
)
@click.option(
    "--epsilon",
    type=Figure(most=1e30),
    metavar="E",
    help="With --tree: the error within which labels are trimmed; 0, the default, trims none.",
)
@click.option(
    "--configuration",
    type=Whole(1),
    metavar="N",
    help="With --tree: the configuration, counted from 1; by default that of the best plan.",
)
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    help="Draw it (SVG): network, blocks on hosts, time and energy; with --tree the tree.",
)
@json_option
def show(
    instance: str,
    plan: Path | None,
    tree: bool,
    epsilon: float | None,
    configuration: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Show what an instance holds, what a plan costs on it, or the tree JQODI searches."""
    from splitopt.instances.core.errors import InputError
    from splitopt.instances.judge import read_plan, require_match

    given = {"--epsilon": epsilon, "--configuration": configuration}
    for option, value in given.items():
        if value is not None and not tree:
            raise InputError(option, str(value), "nothing without --tree", "add --tree")
    if tree and plan is not None:
        raise InputError("--plan", str(plan), "nothing with --tree", "leave one of them out")
    if out is not None:
        check_writable("--out", out)
    problem_instance = open_instance(instance)
    if tree:
        from splitopt.bench.commands.show_tree import show_tree

        show_tree(problem_instance, epsilon or 0.0, configuration, out, as_json)
        return
    decisions = None if plan is None else read_plan(plan)
    if decisions is not None:
        require_match(problem_instance, decisions)
    if out is not None:
        from splitopt.bench.report.drawing import draw
        from splitopt.instances.core.documents import write_bytes

        write_bytes(out, draw(problem_instance, decisions))
        note(f"drawn: {out}")
    if as_json:
        echo_json(_document(problem_instance, decisions))
        return
    _heading(problem_instance)
    from splitopt.instances.cift.model import CiftInstance

    if isinstance(problem_instance, CiftInstance):
        from splitopt.bench.commands import show_cift

        show_cift.show_instance(problem_instance)
        if decisions is not None:
            say("")
            show_cift.show_plan(problem_instance, decisions)
        return
    from splitopt.bench.commands import show_mepra

    show_mepra.show_instance(problem_instance)
    if decisions is not None:
        say("")
        show_mepra.show_plan(problem_instance, decisions)


def _heading(instance: Instance) -> None:
    say(f"{instance.name} ({instance.problem})  {instance.content_hash[:12]}")
    if instance.description:
        say_all(instance.description)
    for line in instance.assumptions:
        say(f"  assumed: {line}")
    if instance.origin:
        made = ", ".join(f"{key} {value}" for key, value in instance.origin.items())
        say(f"  made by: {made}")


def _document(instance: Instance, plan: Plan | None) -> dict[str, object]:
    """Return the instance's document, and with a plan its evaluation."""
    document: dict[str, object] = {
        "content_hash": instance.content_hash,
        "instance": instance.to_document(),
    }
    if plan is not None:
        import dataclasses

        import numpy as np

        from splitopt.instances.judge import check, evaluate

        figures = dataclasses.asdict(evaluate(instance, plan))
        document["plan"] = plan.to_document()
        document["evaluation"] = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in figures.items()
        }
        document["violations"] = [v.to_document() for v in check(instance, plan)]
    return document
