"""Sections of the page: one a claim, exits, CIFT, thresholds, assumptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SOURCES = {
    "001": "Ma, Wang, Tang 2025 (MEPRA)",
    "000": "Zhou et al. 2026 (CIFT)",
}


def percent(value: float, digits: int = 0) -> str:
    """Return a share as percent; what is above 0 or below 100 % never rounds to them."""
    text = f"{100 * value:.{digits}f}"
    if float(text) == 0 and abs(value) > 1e-12:
        return f"< {10.0**-digits:.{digits}f} %"
    if float(text) == 100 and value < 1 - 1e-12:
        return f"> {100 - 10.0**-digits:.{digits}f} %"
    return f"{text} %"


def short(level: str) -> str:
    """Return a level of an assumption as people write it."""
    try:
        return f"{float(level):g}"
    except ValueError:
        return level


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a Markdown table; bars in cells are escaped."""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}"


def _figures(finding: Mapping[str, Any] | None) -> str:
    if finding is None:
        return ""
    said = [
        f"{key.replace('_', ' ')} {_number(value)}" for key, value in finding["figures"].items()
    ]
    return ", ".join(said) + (f" ({finding['note']})" if finding["note"] else "")


def claim_section(claim: Mapping[str, Any]) -> Iterator[str]:
    """Yield the section of one claim: its parts with figures, and how they fare on the grid."""
    yield f"## Claim {claim['number']}: {claim['verdict']}"
    yield ""
    yield f"{claim['text']} *{_SOURCES[claim['source']]}*"
    yield ""
    grid = claim["grid"]
    both = claim["verdict_learner"] is not None
    rows = []
    for k, part in enumerate(claim["parts"]):
        finding = part["finding"]
        where = f"{part['table']}: " if part["table"] else ""
        row = [where + part["text"], "-" if finding is None else f"**{finding['verdict']}**"]
        row.append(_figures(finding))
        if both:
            ideal = part["finding_ideal"]
            row.append("" if ideal == finding else f"{ideal['verdict']}: {_figures(ideal)}")
        if grid is not None:
            mine = grid["parts"][k]
            row.append(" / ".join(percent(share) for share in mine["shares"].values()))
            row.append(_moved(mine))
        rows.append(row)
    heads = ["part", "verdict", "figures"]
    heads += ["ideal ACO-DRL, where it differs"] if both else []
    heads += ["grid: holds / in part / does not", "moved most by"] if grid is not None else []
    yield from table(heads, rows)
    yield ""


def _moved(said: Mapping[str, Any]) -> str:
    if said["assumption"] is None:
        return "nothing"
    levels = said["holds_by_level"][said["assumption"]]
    shown = ", ".join(f"{short(level)}: {percent(share)}" for level, share in levels.items())
    return f"{said['assumption']} ({said['assumption_word']}; {shown})"


def exits_section(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of exit rules."""
    if not document["exits"]:
        return
    yield "## Exit setting: how far from exact"
    yield ""
    yield (
        "Excess over the exact choice of exits, on instances with exits free. *Even shares*: best "
        "splits at 1/n, exits by the rule against exits by dynamic programming. *Joint*: the "
        "proven "
        "optimum over splits and shares for the rule's exits, against the proven optimum over "
        "exits "
        'as well. "ACO" is not expanded in the article; the ant colony is our reading.'
    )
    yield ""
    rows = [
        [
            row["group"],
            row["rule"],
            str(row["instances"]),
            percent(row["even_shares_mean"], 3),
            percent(row["even_shares_worst"], 3),
            percent(row["even_shares_exact"]),
            percent(row["joint_mean"], 3),
            percent(row["joint_worst"], 3),
            percent(row["joint_exact"]),
        ]
        for row in document["exits"]
    ]
    yield from table(
        [
            "instances",
            "rule",
            "number",
            "even shares: mean",
            "worst",
            "exact",
            "joint: mean",
            "worst",
            "exact",
        ],
        rows,
    )
    yield ""


def cift_section(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was run for the first source, and what cannot be tested."""
    found = document["cift"]
    if found is None:
        return
    yield "## The first source: what can be tested and what cannot"
    yield ""
    yield (
        "Only an abstract is known to us. Its method is tested as our reconstruction, `jqodi`; its "
        "theorem as the guarantee that `jqodi` states, run by run, against optima proven by "
        "methods that share no code with it. That the article's own algorithm keeps its promise, "
        "which rivals it was compared with and on what data cannot be tested. Where plans are "
        "compared, `jqodi` runs at its default epsilon, and a rival without a plan that keeps the "
        "deadlines loses."
    )
    yield ""
    yield (
        f"{len(found['instances'])} instances with a proven optimum, {len(found['infeasible'])} "
        f"proven to have no plan, {found['runs']} runs, {len(found['violations'])} violations. "
        "Largest value / optimum with all deadlines kept: "
        + ", ".join(f"{r:.6g} at epsilon {e}" for e, r in found["worst_ratio"].items())
        + "."
    )
    yield ""
    epsilons = sorted({row["epsilon"] for row in found["chain"]})
    stages = sorted({row["stages"] for row in found["chain"]})
    labels = {(row["stages"], row["epsilon"]): row["labels"] for row in found["chain"]}
    yield "Labels on a chain of choices (PARTITION in disguise), by stages:"
    yield ""
    yield from table(
        ["stages", *("untrimmed" if e == 0 else f"epsilon {e:g}" for e in epsilons)],
        [[str(n), *(str(labels.get((n, e), "-")) for e in epsilons)] for n in stages],
    )
    yield ""
    yield "Energy and latency of a request, over `jqodi`'s, median over the instances; plans found:"
    yield ""
    yield from table(["method", "energy", "latency", "fine-tuning time", "plans"], _rivals(found))
    yield ""


def _rivals(found: Mapping[str, Any]) -> list[list[str]]:
    mine = {p["instance"]: p for p in found["plans"] if p["method"] == "jqodi"}
    rows = []
    for method in dict.fromkeys(p["method"] for p in found["plans"]):
        theirs = [p for p in found["plans"] if p["method"] == method]
        done = [p for p in theirs if p["energy_j"] is not None]
        row = [method]
        for measure in ("energy_j", "latency_s", "fine_tuning_s"):
            ratios = sorted(
                p[measure] / mine[p["instance"]][measure]
                for p in done
                if mine[p["instance"]][measure]
            )
            row.append(f"{ratios[len(ratios) // 2]:.3g}" if ratios else "-")
        row.append(f"{len(done)} of {len(theirs)}")
        rows.append(row)
    return rows


def thresholds_table(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the thresholds with their reasons."""
    yield "## Thresholds"
    yield ""
    yield from table(
        ["name", "words", "figure", "of what", "reason"],
        [
            [t["name"], t["words"], f"{t['value']:g}", t["unit"], t["reason"]]
            for t in document["thresholds"]
        ],
    )
    yield ""
    yield (
        "A part over points (bandwidths, instances, runs) *holds* from the share `consistent` on "
        "and "
        '*in part* from `partly` on. "Beats" holds with wins at `partly` of the points and losses '
        "at no more than 1 - `consistent`, in part where wins exceed losses and 1 - `consistent`; "
        "a "
        "difference of less than `visible` is neither. A claim holds where all its parts do, does "
        "not where none does even in part, and holds in part otherwise."
    )
    yield ""


def assumptions_table(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the axes of the grid."""
    yield "## The grid"
    yield ""
    yield from table(
        ["assumption", "what", "levels, the default first", "reason"],
        [
            [
                axis["name"],
                axis["text"],
                ", ".join(f"{x:g}" if isinstance(x, float) else str(x) for x in axis["levels"]),
                axis["reason"],
            ]
            for axis in document["assumptions"]
        ],
    )
    yield ""
