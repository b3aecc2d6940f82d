"""What ``splitopt conform --fuzz`` does and says."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.bench.commands.output import echo_json, echo_table, note, say

if TYPE_CHECKING:
    from splitopt.bench.methods.conformance.fuzz.campaign import Tally

_SHOWN = 20  # failures shrunk and written


def _document(problem: str, seed: int, start: int, tally: Tally) -> dict[str, object]:
    """Return what was tried and what failed, for JSON."""
    from splitopt.bench.methods.conformance.fuzz.campaign import rows_of

    return {
        "problem": problem,
        "seed": seed,
        "start": start,
        "instances": dict(tally.instances),
        "runs": rows_of(tally),
        "failures": [
            {"index": one.index, "run": one.attempt.label, **dataclasses.asdict(one.failure)}
            for one in tally.found
        ],
    }


def fuzz_and_tell(
    problems: Sequence[str],
    count: int,
    seed: int,
    start: int,
    methods: Sequence[str],
    jobs: int,
    out: Path | None,
    as_json: bool,
) -> bool:
    """Fuzz, print what was tried and what failed; return whether nothing did."""
    from splitopt.bench.methods.conformance.fuzz.campaign import fuzz, rows_of, save

    documents = []
    held = True
    for problem in problems:

        def tell(done: int, tally: Tally, problem: str = problem) -> None:
            if done % 1000 < 20:
                note(f"{problem}: {done} instances of {count}, {len(tally.found)} claims refuted")

        tally = fuzz(
            problem, count, seed=seed, start=start, methods=methods, jobs=jobs, on_chunk=tell
        )
        held &= not tally.found
        files = []
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            shown = [one for one in tally.found if one.failure.kind != "process"][:_SHOWN]
            files = [str(save(one, problem, seed, out)) for one in shown]
        rows = rows_of(tally)
        if as_json:
            documents.append(_document(problem, seed, start, tally) | {"files": files})
            continue
        kinds = ", ".join(f"{number} {kind}" for kind, number in tally.instances.items())
        echo_table({key: key for key in rows[0]} if rows else {}, rows, f"{problem}: {kinds}")
        for one in tally.found:
            say(f"FAILED {problem} {one.index}, {one.attempt.label}: {one.failure.statement}")
        for file in files:
            say(f"written {file}")
        runs = sum(int(row["runs"]) for row in rows)
        say(f"{runs} runs, {len(tally.found)} claims refuted")
    if as_json:
        echo_json(documents)
    return held
