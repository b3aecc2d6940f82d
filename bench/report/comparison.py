"""A comparison of two stores as tables for people."""

from __future__ import annotations

import textwrap

from splitopt.bench.compare.paired import CLOCK_S
from splitopt.bench.compare.stores import Comparison, MethodComparison
from splitopt.bench.report.numbers import time_text
from splitopt.bench.report.text import table
from splitopt.instances.core.printable import printable

_WIDTH = 96
_CHANGES_SHOWN = 200
HEADER = (
    "method",
    "pairs",
    "right A",
    "right B",
    "interval of B - A",
    "wrong A",
    "wrong B",
    "better",
    "worse",
    "timed",
    "time B / A",
    "interval",
    "time",
)


def _line(m: MethodComparison) -> list[str]:
    ratio, interval = "-", "-"
    if m.ratio is not None:
        ratio = f"{m.ratio.estimate:.3g}"
        interval = f"{m.ratio.low:.3g} to {m.ratio.high:.3g}"
    return [
        f"{m.problem} {m.method}",
        str(m.pairs),
        str(m.right_before),
        str(m.right_after),
        f"{100 * m.right.low:+.0f} to {100 * m.right.high:+.0f} %",
        str(m.wrong_before),
        str(m.wrong_after),
        str(m.better),
        str(m.worse),
        str(m.timed),
        ratio,
        interval,
        m.statement,
    ]


def comparison_text(found: Comparison) -> str:
    """Return a comparison as tables for people, what must be known first."""
    parts = []
    if found.caveats:
        parts.append("\n".join(textwrap.fill(printable(note), _WIDTH) for note in found.caveats))
    lines = [_line(m) for m in found.methods]
    parts.append(table(HEADER, lines) if lines else "No run is in both stores.")
    if found.changes:
        shown = [
            [c.instance_name, c.method, str(c.seed), c.before, c.after]
            for c in found.changes[:_CHANGES_SHOWN]
        ]
        more = len(found.changes) - len(shown)
        parts.append(
            f"Outcomes that changed: {len(found.changes)}\n"
            + table(("instance", "method", "seed", "A", "B"), shown)
            + (f"\nand {more} more; --json has them all" if more else "")
        )
    levels = sorted({m.right.level for m in found.methods})
    terms = (
        f"Only in A: {found.only_before} runs; only in B: {found.only_after}. right: every claim "
        "holds. better, worse: the objective fell or rose by more than 1e-6. timed: right in both "
        "and measured alike (machine, runs at a time). time: geometric mean of B / A over those, "
        f"times below {time_text(CLOCK_S)} taken as that. Intervals: bootstrap"
        + (f" at {', '.join(f'{100 * level:g}' for level in levels)} %" if levels else "")
        + " over seeds, over instances where most have one seed; faster and slower are said where "
        "the interval leaves out 1."
    )
    parts.append(textwrap.fill(terms, _WIDTH))
    return "\n\n".join(parts)
