"""``splitopt generate``: a seeded instance of a family."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from splitopt.bench.commands.arguments import PATH, SEED, read_assignments
from splitopt.bench.commands.output import echo_json, echo_table, json_option, say, say_all

if TYPE_CHECKING:
    from splitopt.instances.generators import Family


def _complete_family(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from splitopt.instances.generators import families

    return [CompletionItem(f.name) for f in families() if f.name.startswith(incomplete)]


@click.command(
    epilog="""\b
Examples:
  splitopt generate                                    # the families
  splitopt generate cift-chain --knobs                 # what can be turned, and its default
  splitopt generate cift-chain --seed 3 --out my.json
  splitopt generate mepra-fleet --knob devices=50 --knob edge_share=0.5,2 > my.json
\b
A knob that holds several values takes them with commas; none stands for no value. The same
family, knobs and seed give the same bytes on any machine.
"""
)
@click.argument("family", required=False, shell_complete=_complete_family)
@click.option("--seed", type=SEED, default=0, help="Seed of the generator.")
@click.option(
    "-k",
    "--knob",
    "assignments",
    multiple=True,
    metavar="K=V",
    help="Turn a knob; may be repeated.",
)
@click.option("--knobs", "show_knobs", is_flag=True, help="Show the knobs of the family.")
@click.option("--name", help="Name of the instance; made from family, seed and knobs otherwise.")
@click.option(
    "--out", type=PATH, metavar="FILE", help="Write to FILE (.json or .json.gz) instead of stdout."
)
@json_option
def generate(
    family: str | None,
    seed: int,
    assignments: tuple[str, ...],
    show_knobs: bool,
    name: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Make an instance of FAMILY; without FAMILY, list the families."""
    from splitopt.instances import generators
    from splitopt.instances.core.documents import canonical, write_json
    from splitopt.instances.core.errors import InputError
    from splitopt.instances.generators.families import find

    if family is None:
        _families(as_json)
        return
    found = find(family)
    if show_knobs:
        _knobs(found, as_json)
        return
    turned = {
        knob: read_knob(found, knob, text)
        for knob, text in read_assignments("--knob", assignments).items()
    }
    try:
        instance = generators.generate(family, seed, name=name, **turned)
    except InputError as error:
        if error.field not in turned:
            raise
        raise error.named(f"--knob {error.field}") from None
    if out is None:
        say_all(canonical(instance.to_document(), indent=1).decode())
        return
    write_json(out, instance.to_document(), indent=None if out.suffix == ".gz" else 1)
    if as_json:
        echo_json(
            {"instance": instance.name, "content_hash": instance.content_hash, "file": str(out)}
        )
    else:
        say(f"{instance.name} written to {out}")


def read_knob(family: Family, knob: str, text: str) -> object:
    """Return the value that `text` means for a knob; its range is the generator's to check.

    The type is that of the knob's annotation: a whole number, a number, a word, several of one
    kind, or none.

    Raises
    ------
    InputError
        When there is no such knob, or the text is not of its type.
    """
    from splitopt.instances.core.errors import InputError

    kinds = {column.name: str(column.type) for column in dataclasses.fields(family.knobs)}
    if knob not in kinds:
        raise InputError(
            f"--knob {knob}",
            text,
            f"a knob of {family.name}",
            f"splitopt generate {family.name} --knobs lists them",
        )
    kind = kinds[knob]
    if "None" in kind and text == "none":
        return None
    if kind.startswith("tuple["):
        return tuple(_scalar(knob, kind[len("tuple[") :], part.strip()) for part in text.split(","))
    return _scalar(knob, kind, text)


def _scalar(knob: str, kind: str, text: str) -> object:
    from splitopt.instances.core.errors import InputError

    for start, convert, allowed in (("int", int, "a whole number"), ("float", float, "a number")):
        if kind.startswith(start):
            try:
                return convert(text)
            except ValueError:
                raise InputError(f"--knob {knob}", text, allowed, "correct the figure") from None
    return text


def _families(as_json: bool) -> None:
    from splitopt.instances.generators import families

    rows = [
        {"family": found.name, "problem": found.problem, "purpose": found.purpose}
        for found in families()
    ]
    if as_json:
        echo_json(rows)
        return
    echo_table(
        {"family": "family", "problem": "problem", "purpose": "what it is for"},
        [dict(row) for row in rows],
    )


def _knobs(family: Family, as_json: bool) -> None:
    knobs = dataclasses.asdict(family.knobs)
    if as_json:
        echo_json({"family": family.name, "problem": family.problem, "knobs": knobs})
        return
    say(f"{family.name} ({family.problem}): {family.purpose}")
    echo_table(
        {"knob": "knob", "value": "default"},
        [
            {
                "knob": knob,
                "value": ",".join(map(str, value)) if isinstance(value, tuple) else _word(value),
            }
            for knob, value in knobs.items()
        ],
    )


def _word(value: object) -> str:
    return "none" if value is None else str(value)
