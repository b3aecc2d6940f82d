"""``splitopt train``: train a policy as the committed ones were trained."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from splitopt.bench.commands.arguments import PATH, SEED, Figure, Whole
from splitopt.bench.commands.output import check_writable, echo_json, json_option, note, say
from splitopt.bench.runs.lines import State, lines
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.heuristics.learner.training import Report

# Problem to the function that trains for it, and the variants it knows (the first by default).
TRAINERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "mepra": (
        "splitopt.heuristics.learner.mepra.training:train_mepra",
        ("closed-form", "own-shares"),
    ),
    "cift": ("splitopt.heuristics.learner.cift.training:train_cift", ("priced", "unpriced")),
}


@click.command(
    epilog="""\b
Examples:
  splitopt train mepra --out mine.npz
  splitopt train mepra --variant own-shares --seed 3 --minutes 5 --out mine.npz
  splitopt train mepra --resume --out mine.npz
  splitopt solve mepra-image-10mbps --method ppo --option policy=mine.npz
\b
A few minutes on two cores. The training's state is kept beside the policy, in
FILE.checkpoint.npz, at each evaluation; --resume goes on from it to the last bit. Needs JAX and
optax: pip install "splitopt[learn]".
"""
)
@click.argument("problem", type=click.Choice(list(TRAINERS)))
@click.option(
    "--variant",
    metavar="V",
    help="mepra: closed-form (default) or own-shares; cift: priced (default) or unpriced.",
)
@click.option("--seed", type=SEED, default=0, help="Seed of everything random.")
@click.option(
    "--updates", type=Whole(), metavar="N", help="Updates in all; left out: as committed."
)
@click.option(
    "--minutes",
    type=Figure(most=1e6),
    metavar="M",
    help="Stop after so many by the clock; --resume goes on.",
)
@click.option(
    "--out", type=PATH, metavar="FILE", required=True, help="Where the policy goes (.npz)."
)
@click.option("--resume", is_flag=True, help="Go on from FILE.checkpoint.npz.")
@json_option
def train(
    problem: str,
    variant: str | None,
    seed: int,
    updates: int | None,
    minutes: float | None,
    out: Path,
    resume: bool,
    as_json: bool,
) -> None:
    """Train a policy for the method ppo and write it to a file."""
    target, variants = TRAINERS[problem]
    variant = variants[0] if variant is None else variant
    if variant not in variants:
        raise InputError("--variant", variant, " or ".join(variants), "choose one of them")
    if not 0 <= seed < 2**32:
        raise InputError("--seed", seed, "a whole number from 0 to 2^32 - 1", "choose one")
    if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
        raise InputError("--minutes", minutes, "a number > 0", "leave it out for no limit")
    if updates is not None and updates < 1:
        raise InputError("--updates", updates, "a number >= 1", "leave it out")
    if out.suffix != ".npz":
        raise InputError("--out", str(out), "a file that ends in .npz", "name it so")
    check_writable("--out", out)
    checkpoint = out.with_name(out.stem + ".checkpoint.npz")
    if resume and not checkpoint.is_file():
        raise InputError("--resume", str(checkpoint), "a checkpoint that exists", "leave it out")
    module, function = _trainer(target)
    config = module.CONFIG
    if updates is not None:
        config = dataclasses.replace(config, updates=updates)
    from splitopt.heuristics.learner.training import Session, describe

    seconds = None if minutes is None else 60.0 * minutes
    with _bar(config.updates) as on_update:
        session = Session(checkpoint, resume, seconds=seconds, on_update=on_update)
        trained = function(variant, seed, out, session, config=config)
    outcome = trained.outcome
    if as_json:
        echo_json(
            {"problem": problem, "variant": variant, "seed": seed, "policy_sha256": trained.digest}
            | {"file": str(out), "checkpoint": str(checkpoint)}
            | describe(outcome)
        )
        return
    score = "-" if outcome.score is None else f"{outcome.score:.6g}"
    say(
        f"{outcome.updates} updates ({outcome.stopped}), {outcome.seconds:.0f} s "
        f"({outcome.processor_s:.0f} s of the processor), best validation score {score}"
        f" after {outcome.best_update} updates"
    )
    say(f"policy {trained.digest[:12]}: {out}")
    if outcome.stopped == "time":
        note(f"splitopt train {problem} --resume goes on from {checkpoint}")


def _trainer(target: str) -> tuple[Any, Callable[..., Any]]:
    """Return the module of a trainer, and the trainer."""
    module_name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name not in ("jax", "optax"):
            raise
        raise InputError(
            "train", f"no module {error.name}", "JAX and optax", 'pip install "splitopt[learn]"'
        ) from None
    return module, getattr(module, attribute)


@contextlib.contextmanager
def _bar(updates: int) -> Iterator[Callable[[Report], None]]:
    """Yield what to call with each update: a bar on a terminal, else lines."""
    if not sys.stderr.isatty():
        state = State("compiling")

        def note(report: Report) -> None:
            state.text = f"training, update {report.update} of {updates}, {_found(report)}"
            state.share = report.update / updates

        with lines(state):
            yield note
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[found]}", markup=False),
        console=Console(stderr=True),
    ) as bars:
        task = bars.add_task("training", total=updates, found="compiling")

        def show(report: Report) -> None:
            bars.update(task, completed=report.update, found=_found(report))

        yield show


def _found(report: Report) -> str:
    figures = report.diagnostics
    return (
        f"return {_short(figures['episode_return'])}, KL {_short(figures['kl'])}, "
        f"score {_short(report.best_score)}"
    )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
