"""What ``splitopt verify`` prints and writes of the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from splitopt.bench.commands.output import echo_table, say, say_all

if TYPE_CHECKING:
    from splitopt.bench.verify.verification import Verdict


def document_of(verdicts: Sequence[Verdict], unknown: Sequence[str]) -> dict[str, object]:
    """Return the whole verification as plain data."""
    from splitopt.bench.verify.figures import exponents, summary

    return {
        "violations": sum(bool(v.violations) for v in verdicts),
        "instances": len({v.instance for v in verdicts}),
        "open": list(_open(verdicts)),
        "unknown": list(unknown),
        "summary": summary(verdicts),
        "exponents": exponents(verdicts),
        "runs": [v.to_document() for v in verdicts],
    }


def _open(verdicts: Sequence[Verdict]) -> dict[str, None]:
    """Return the names of instances whose optimum is open."""
    return dict.fromkeys(v.instance for v in verdicts if not v.proven)


def tell(verdicts: Sequence[Verdict], unknown: Sequence[str]) -> None:
    """Print tables and what they rest on."""
    from splitopt.bench.verify.figures import COLUMNS, exponents, summary

    echo_table(COLUMNS, summary(verdicts))
    say("")
    echo_table(
        {
            "problem": "problem",
            "form": "form",
            "labels_epsilon": "labels ~ (1/epsilon)^",
            "time_epsilon": "time ~ (1/epsilon)^",
            "labels_size": "labels ~ size^",
            "time_size": "time ~ size^",
            "labels_instances": "with labels",
            "instances": "instances",
        },
        exponents(verdicts),
    )
    shares = [v.labels / v.label_bound for v in verdicts if v.label_bound and v.labels]
    if shares:
        say_all(f"\nlabels made come to {max(shares):.3g} of the polynomial bound stated, at most")
    count = len({v.instance for v in verdicts if v.proven})
    broken = sum(bool(v.violations) for v in verdicts)
    say(f"{count} instances with a proven optimum, {len(verdicts)} runs, {broken} violated")
    left = list(_open(verdicts))
    if left:
        say(f"{len(left)} open, held against the best plan and bound known: {_some(left)}")
    if unknown:
        say(f"{len(unknown)} of which nothing is known: {_some(unknown)}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
