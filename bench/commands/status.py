"""``splitopt status``: how far a set of runs is."""

from __future__ import annotations

from pathlib import Path

import click

from splitopt.bench.commands.arguments import PATH
from splitopt.bench.commands.output import echo_json, echo_table, json_option, say


@click.command(
    epilog="""\b
Examples:
  splitopt status results/quick
  splitopt status results/quick --json
"""
)
@click.argument("directory", metavar="DIR", type=PATH)
@json_option
def status(directory: Path, as_json: bool) -> None:
    """Say which runs are recorded in DIR, how they ended, and whether some are in progress."""
    from splitopt.bench.store.store import Store

    with Store(directory, readonly=True) as store:
        outcomes = store.outcomes()
        claimed = store.claimed()
        calls = store.calls()
        known = len(store.instances())
        done, planned = store.progress()
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for found in outcomes:
        line = counts.setdefault((found.problem, found.method), {})
        for name in ("runs", found.ending, f"judged {found.verdict}"):
            line[name] = line.get(name, 0) + found.runs
    recorded = sum(found.runs for found in outcomes)
    table = [{"method": m, "problem": p, **line} for (p, m), line in sorted(counts.items())]
    if as_json:
        echo_json(
            {
                "out": str(directory),
                "runs": recorded,
                "in_progress": claimed,
                "planned": planned,
                "left": planned - done,
                "instances": known,
                "methods": table,
                "calls": calls,
            }
        )
        return
    seen = {name for line in counts.values() for name in line}
    ends = [name for name in _ENDS if name in seen]
    echo_table(
        {"method": "method", "problem": "problem", **{name: name for name in ("runs", *ends)}},
        [
            {"method": method, "problem": problem}
            | {name: line.get(name, 0) for name in ("runs", *ends)}
            for (problem, method), line in sorted(counts.items())
        ],
    )
    say(f"{recorded} runs recorded, {claimed} in progress, {known} instances")
    if calls:
        last = calls[-1]
        say(f"last started {last['started_at']}: {' '.join(last.get('command', []))}")
    if planned:
        say(f"of its {planned} runs {done} are done, {planned - done} are left")


_ENDS = (
    "solved",
    "late",
    "time",
    "memory",
    "limit",
    "killed",
    "crashed",
    "unsupported",
    "judged right",
    "judged wrong",
    "judged not claimed",
)
