"""``splitopt verify``: hold JQODI's guarantee against proven optima."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from splitopt.bench.commands.arguments import FOLDER, Figure, SetOrInstance, Whole, open_instance
from splitopt.bench.commands.output import echo_json, json_option, note
from splitopt.bench.commands.selection import select_instances
from splitopt.bench.commands.step_progress import progress
from splitopt.bench.commands.verify_stress import Stress
from splitopt.bench.commands.verify_tell import document_of, tell

if TYPE_CHECKING:
    from splitopt.bench.verify.verification import Verdict
    from splitopt.instances.contract.method import Instance

FAILED = 1
_SMALL: dict[str, dict[str, Any]] = {
    "cift": {"blocks": 6, "levels": 3, "compressions": 2},
    "mepra": {"devices": 5, "layers": 5},
}


@click.command(
    epilog="""\b
Examples:
  splitopt verify
  splitopt verify --set tiny --epsilon 1,0.1 --seeds 5
  splitopt verify --set standard-v1 --out verified
  splitopt verify --set tiny --adversary 300 --explode --out verified
\b
For every instance with a proven optimum and every epsilon: bound <= optimum <= value <=
(1 + epsilon) x optimum, or the stated form for two deadlines, and deadlines by the judge.
Optima come from the best-known registry, else from exact methods other than the label program.
Where the optimum is open, bound and value are held against the best plan and bound known.
With --out, the same command again does what is left. Exit code 1: something is violated.
"""
)
@click.option(
    "--set",
    "references",
    multiple=True,
    type=SetOrInstance(),
    default=("quick",),
    metavar="SET|INSTANCE",
    help="What to verify on; may be repeated.",
)
@click.option(
    "--epsilon", "epsilons", default="1,0.5,0.1,0.01", help="Relative errors, with commas."
)
@click.option(
    "--seeds",
    type=Whole(),
    default=0,
    metavar="N",
    help="Also verify on N small generated instances of each family.",
)
@click.option(
    "--time-limit",
    type=Figure(),
    default=10.0,
    metavar="S",
    help="Seconds a run, of the method and of each reference.",
)
@click.option(
    "--labels/--no-labels",
    default=True,
    help="Run the label program alone too, without what bounds cut.",
)
@click.option(
    "--adversary",
    type=Whole(),
    default=0,
    metavar="N",
    help="Also search for bad instances: so many evaluations an epsilon and form.",
)
@click.option(
    "--explode", is_flag=True, help="Also grow a family on which the exact program explodes."
)
@click.option(
    "--out",
    type=FOLDER,
    metavar="DIR",
    help="Write verdicts as they come (verdicts.jsonl), then verify.json and charts, into DIR.",
)
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    references: tuple[str, ...],
    epsilons: str,
    seeds: int,
    time_limit: float,
    labels: bool,
    adversary: int,
    explode: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Check that JQODI keeps what it guarantees, on instances whose optimum is proven."""
    from splitopt.bench.verdicts.optimum import truth_of
    from splitopt.bench.verify.journal import Journal
    from splitopt.bench.verify.verification import verify_instance
    from splitopt.instances.core.errors import InputError

    wanted = _read_epsilons(epsilons)
    if not time_limit > 0:
        raise InputError("--time-limit", time_limit, "seconds > 0", "leave it out for 10")
    names = select_instances(references)
    drawn = _drawn(seeds)
    verdicts: list[Verdict] = []
    unknown: list[str] = []
    journal = Journal(out)
    if journal.damaged:
        note(f"splitopt: note: {journal.damaged} damaged lines in {out}'s journal are done again")
    with progress(len(names) + len(drawn)) as at:
        for make in [*(_opener(name) for name in names), *drawn]:
            instance = make()
            at(instance.name)
            key = journal.key(instance.content_hash, "truth", time_limit)
            truth = journal.truth(key)
            if truth is None:
                truth = truth_of(instance, time_limit)
                if truth.method != "registry":
                    journal.note_truth(key, truth)
            if not truth.known:
                unknown.append(instance.name)
                continue
            verdicts += verify_instance(
                instance,
                wanted,
                truth=truth,
                time_limit_s=time_limit,
                labels=labels,
                journal=journal,
            )
    stress = Stress.run(wanted, adversary, explode, time_limit)
    document = {**document_of(verdicts, unknown), **stress.to_document()}
    written = []
    if out is not None:
        from splitopt.bench.verify.figures import write_charts
        from splitopt.instances.core.documents import write_json

        write_json(out / "verify.json", document)
        written = [out / "verify.json", *write_charts(verdicts, out), *stress.write(out)]
    if as_json:
        echo_json(document)
    else:
        tell(verdicts, unknown)
        stress.tell()
        for path in written:
            note(f"written: {path}")
    if _tell_broken(verdicts, stress):
        ctx.exit(FAILED)


def _tell_broken(verdicts: Sequence[Verdict], stress: Stress) -> bool:
    """Tell each guarantee that was not kept; return whether there is one."""
    lines = [
        f"adversary, {one.form}, epsilon {one.epsilon:g}: {one.ratio!r}" for one in stress.beyond()
    ]
    lines += [
        f"{verdict.instance}, {verdict.form}, epsilon {verdict.epsilon:g}: {line}"
        for verdict in verdicts
        for line in verdict.violations
    ]
    for line in lines:
        note(f"splitopt: violation: {line}")
    return bool(lines)


def _read_epsilons(text: str) -> tuple[float, ...]:
    from splitopt.instances.core.errors import InputError

    found = []
    for part in text.split(","):
        try:
            value = float(part)
        except ValueError:
            value = -1.0
        if not 1e-6 <= value < float("inf"):
            raise InputError("--epsilon", part.strip(), "numbers >= 1e-6", "such as 1,0.1,0.01")
        found.append(value)
    return tuple(dict.fromkeys(sorted(found, reverse=True)))


def _opener(name: str) -> Callable[[], Instance]:
    return lambda: open_instance(name)


def _drawn(seeds: int) -> list[Callable[[], Instance]]:
    """Return makers of small instances of each family."""
    if not seeds:
        return []
    from splitopt.instances.core.errors import InputError
    from splitopt.instances.generators import Family, families, generate

    def maker(family: Family, seed: int) -> Callable[[], Instance]:
        def make() -> Instance:
            try:
                return generate(family.name, seed, **_SMALL[family.problem])
            except InputError:  # a family that has its own size
                return generate(family.name, seed, devices=5)

        return make

    return [maker(family, seed) for family in families() for seed in range(seeds)]
