"""What ``splitopt check --library`` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from splitopt.bench.commands.output import echo_json, echo_table, say


def check_and_tell(
    sets: tuple[str, ...], results: tuple[Path, ...], as_json: bool, each: bool
) -> bool:
    """Check the registry and print what was found; return whether something cannot stand.

    Parameters
    ----------
    each
        Whether to print the programs behind each value, not only how many values have which.
    """
    from splitopt.bench.verdicts.library_check import check_library
    from splitopt.bench.verdicts.update_best_known import SETS

    found = check_library(sets or SETS, results)
    if as_json:
        echo_json(
            {
                "checked": found.checked,
                "closed": found.closed,
                "closed_by_two_solvers": found.twice,
                "open": list(found.open),
                "rows": found.rows,
                "programs": {name: list(found.programs[name]) for name in sorted(found.programs)},
                "findings": [
                    {"instance": one.instance, "kind": one.kind, "statement": one.statement}
                    for one in found.findings
                ],
            }
        )
        return bool(found.findings)
    say(
        f"{found.checked} instances checked: {found.closed} closed, {found.twice} of them by two "
        f"solvers or more, {len(found.open)} open"
    )
    if found.open:
        say("open: " + ", ".join(found.open))
    _tell_programs(found.programs, each)
    if results:
        say(f"{found.rows} rows of results held against them")
    if found.findings:
        columns = {"instance": "instance", "kind": "kind", "statement": "what is wrong"}
        echo_table(
            columns,
            [
                {"instance": one.instance, "kind": one.kind, "statement": one.statement}
                for one in found.findings
            ],
        )
    else:
        say("nothing contradicts anything")
    return bool(found.findings)


def _tell_programs(programs: Mapping[str, tuple[str, ...]], each: bool) -> None:
    """Print which programs that share no code stand behind the values."""
    if each:
        rows = [
            {"instance": name, "programs": "; ".join(programs[name]) or "none"}
            for name in sorted(programs)
        ]
        echo_table({"instance": "instance", "programs": "proven by"}, rows)
        return
    engines = Counter(
        " + ".join(one.partition(" (")[0] for one in behind) or "no program"
        for behind in programs.values()
    )
    for names, count in engines.most_common():
        say(f"  {count:4} by {names}")
