"""``splitopt claims``: put the sources' claims to the test."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import click

from splitopt.bench.commands.arguments import FOLDER, SEED, Figure, SetOrInstance, Whole
from splitopt.bench.commands.output import (
    check_writable,
    echo_json,
    echo_table,
    json_option,
    note,
    say,
)
from splitopt.bench.commands.selection import select_instances
from splitopt.bench.commands.step_progress import progress

# Of `splitopt.bench.studies.claims.study.PARTS`, which imports numpy.
_PARTS = ("sweeps", "grid", "exits", "cift")
_OF_PROBLEM = {"mepra": ("sweeps", "grid", "exits"), "cift": ("cift",)}


@click.command(
    epilog="""\b
Examples:
  splitopt claims
  splitopt claims --quick --out claimed
  splitopt claims --only sweeps --bandwidths 1,5,10,20,30,40,50,60 --json
  splitopt claims --problem cift --set cift-quick-tiers --time-limit 30
\b
Eleven claims, each with a verdict (holds, holds in part, does not hold) and its figures: on the
bandwidth sweeps of the article under our defaults, over a grid of what it leaves open, and for the
CIFT source on instances with a proven optimum. docs/claims.md is the page of the full run. The
whole takes a few minutes of one core, most of it the grid; --quick about one.
"""
)
@click.option(
    "--only",
    "only",
    multiple=True,
    type=click.Choice(_PARTS),
    help="Compute this part alone; may be repeated.",
)
@click.option(
    "--problem", type=click.Choice(("mepra", "cift")), help="Only the claims on this problem."
)
@click.option("--quick", is_flag=True, help="The quick grid: fewer levels of each assumption.")
@click.option(
    "--bandwidths",
    default="1:60",
    metavar="LIST",
    help="Mbit/s of the sweeps, with commas; 1:60 is every whole number from 1 to 60.",
)
@click.option(
    "--set",
    "references",
    multiple=True,
    type=SetOrInstance(),
    default=("quick",),
    metavar="SET|INSTANCE",
    help="CIFT instances for claims 10 and 11; may be repeated.",
)
@click.option(
    "--generated",
    type=Whole(),
    default=12,
    metavar="N",
    help="Instances to generate for the study of exit setting.",
)
@click.option("--seed", type=SEED, default=0, help="Of colonies and draws.")
@click.option(
    "--time-limit",
    type=Figure(),
    default=10.0,
    metavar="S",
    help="Seconds a run on CIFT, of the method and of each reference.",
)
@click.option(
    "--out",
    type=FOLDER,
    metavar="DIR",
    help="Write claims.json, claims.md and figures into DIR; run again to go on.",
)
@click.option(
    "--docs",
    type=FOLDER,
    metavar="DIR",
    help="Write claims.md and figures alone into DIR: how docs/claims.md is made.",
)
@json_option
def claims(
    only: tuple[str, ...],
    problem: str | None,
    quick: bool,
    bandwidths: str,
    references: tuple[str, ...],
    generated: int,
    seed: int,
    time_limit: float,
    out: Path | None,
    docs: Path | None,
    as_json: bool,
) -> None:
    """Test what the two sources claim: verdicts, figures, and what decides them."""
    from splitopt.bench.studies.claims.study import Request, steps_of, study
    from splitopt.instances.core.errors import InputError

    if not 0 < time_limit < math.inf:
        raise InputError("--time-limit", time_limit, "seconds > 0", "leave it out for 10")
    if generated < 0:
        raise InputError("--generated", generated, "a number >= 0", "leave it out for 12")
    if seed < 0:
        raise InputError("--seed", seed, "a whole number >= 0", "leave it out for 0")
    parts = _parts(only, problem)
    swept = _read_bandwidths(bandwidths)
    for option, folder in (("--out", out), ("--docs", docs)):
        if folder is not None:
            check_writable(option, folder / "claims.md")
    names: tuple[str, ...] = ()
    if "cift" in parts:
        # Sets hold both problems; a file or a generated name may be of either.
        names = tuple(n for n in select_instances(references) if _is_cift(n))
        if not names:
            raise InputError(
                "--set", ", ".join(references), "a set or instances of CIFT", "such as quick"
            )
    request = Request(parts, not quick, names, swept, generated, seed, time_limit)
    with progress(steps_of(request)) as tell:
        document = study(request, tell, None if out is None else out / "parts")
    written = []
    for folder in (out, docs):
        if folder is not None:
            written += _write(document, folder, _command_line(), with_json=folder is out)
    if as_json:
        echo_json(document)
    else:
        _tell(document)
    for path in written:
        note(f"written: {path}")


def _is_cift(name: str) -> bool:
    """Return whether an instance is one of CIFT: by the library's index, or by its file."""
    from splitopt.bench.store.sources import load_instance
    from splitopt.instances.library.index import find

    return (find(name) or load_instance(name)).problem == "cift"


def _parts(only: tuple[str, ...], problem: str | None) -> tuple[str, ...]:
    """Return the parts to compute, in their order."""
    wanted = only or _PARTS
    allowed = _OF_PROBLEM[problem] if problem else _PARTS
    found = tuple(part for part in _PARTS if part in wanted and part in allowed)
    if not found:
        from splitopt.instances.core.errors import InputError

        raise InputError(
            "--only", ", ".join(only), f"parts of {problem}: " + ", ".join(allowed), "leave one out"
        )
    return found


def _read_bandwidths(text: str) -> tuple[float, ...]:
    """Return the bandwidths in Mbit/s, ascending, each once."""
    from splitopt.instances.core.errors import InputError

    if text == "1:60":
        return tuple(float(b) for b in range(1, 61))
    found = set()
    for part in text.split(","):
        try:
            value = float(part)
        except ValueError:
            value = -1.0
        if not 1e-3 <= value <= 1e6:
            raise InputError(
                "--bandwidths", part.strip(), "numbers from 0.001 to 1e6", "such as 1,10,30,60"
            )
        found.add(value)
    return tuple(sorted(found))


def _command_line() -> str:
    """Return the command as the user gave it, without where things are written."""
    import shlex

    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word in ("--out", "--docs"):
            next(words, None)
        elif not word.startswith(("--out=", "--docs=")) and word != "--json":
            kept.append(shlex.quote(word))
    return "splitopt " + (" ".join(kept) if "claims" in kept else "claims")


def _write(document: dict[str, Any], folder: Path, command: str, *, with_json: bool) -> list[Path]:
    from splitopt.bench.studies.claims.page import page
    from splitopt.bench.studies.claims.pictures import write_pictures
    from splitopt.instances.core.documents import write_bytes, write_json

    written = write_pictures(document, folder / "figures")
    write_bytes(folder / "claims.md", page(document, command).encode())
    written.append(folder / "claims.md")
    if with_json:
        write_json(folder / "claims.json", document)
        written.append(folder / "claims.json")
    return written


def _tell(document: dict[str, Any]) -> None:
    rows: list[dict[str, str | int]] = []
    for claim in document["claims"]:
        grid = claim["grid"]
        row: dict[str, str | int] = {
            "number": claim["number"],
            "verdict": claim["verdict"],
            "ideal": claim["verdict_ideal"] if claim["verdict_learner"] is not None else "",
            "text": claim["text"],
        }
        if grid is not None:
            row["grid"] = "/".join(f"{100 * share:.0f}" for share in grid["shares"].values())
            row["assumption"] = (
                f"{grid['assumption']} {grid['assumption_word']}" if grid["assumption"] else "none"
            )
        rows.append(row)
    columns = {"number": "no.", "verdict": "verdict"}
    if any(row["ideal"] for row in rows):
        columns["ideal"] = "ideal ACO-DRL"
    if document["grid"] is not None:
        columns |= {"grid": "grid: yes/part/no %", "assumption": "moved most by"}
    echo_table({**columns, "text": "claim"}, rows)
    for gap in document["gaps"]:
        say(f"missing: {gap}")
