"""The page that tells what the study found, in Markdown, every figure from its document.

Words around the figures are chosen by the figures, so that a page cannot say what its document
does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from splitopt.bench.studies.claims.page_parts import (
    assumptions_table,
    cift_section,
    claim_section,
    exits_section,
    percent,
    short,
    table,
    thresholds_table,
)
from splitopt.bench.studies.claims.statements import ACO, DEVICE, EDGE, FIXED, SPINN
from splitopt.bench.studies.claims.summary import FATES, fate, in_short, part_of_grid
from splitopt.bench.studies.claims.sweeps import CLOSED_FORM, FREE, IDEAL, LEARNER
from splitopt.bench.studies.claims.thresholds import VISIBLE


def page(document: Mapping[str, Any], command: str) -> str:
    """Return the page; `command` is the line that makes it again."""
    lines: list[str] = []
    for part in (
        _head(document, command),
        _verdicts(document),
        _story(document),
        _figures(document),
        (line for claim in document["claims"] for line in claim_section(claim)),
        exits_section(document),
        cift_section(document),
        thresholds_table(document),
        assumptions_table(document),
        _gaps(document),
    ):
        lines += part
    return "\n".join(lines).rstrip() + "\n"


def _head(document: Mapping[str, Any], command: str) -> Iterator[str]:
    yield "# The sources' claims, put to the test"
    yield ""
    yield from in_short(document)
    yield f"*Made by `{command}`; not edited by hand.*"
    yield ""
    yield (
        "The two sources claim eleven things. Here each is tested against proven optima. What "
        "their words mean in figures was fixed before anything was computed (see "
        "[thresholds](#thresholds) and the history of `bench/studies/claims/thresholds.py`)."
    )
    yield ""
    grid = document["grid"]
    if grid is not None:
        yield (
            "The article on MEPRA gives no edge capacity, weights, input size, feature width or "
            f"exits. Under *our* defaults its methods run as registered; over a {grid['kind']} "
            f"grid of {grid['points']:,} combinations of what it leaves open, at "
            f"{len(grid['bandwidths_mbit_per_s'])} bandwidths and for both tables, each claim is "
            "judged again. On the grid ACO-DRL is the *ideal* one: the proven optimum over splits "
            "and shares for ACO-EAR's exits. What it cannot do no learner can; what it does a "
            "learner may miss."
        )
        yield ""
    if _learner(document):
        yield (
            "Under the defaults ACO-DRL is the learner (`ppo`, its shares given by the policy as "
            "in the article), trained on none of these instances; the verdict with the ideal one "
            "stands beside it."
        )
    elif document["sweeps"]:
        yield (
            "No learner is registered yet: under the defaults too the ideal ACO-DRL stands for "
            "it, so a verdict in its favour is one that a perfect learner would earn."
        )
    yield ""


def _learner(document: Mapping[str, Any]) -> bool:
    return any(LEARNER in sweep["curves"] for sweep in document["sweeps"].values())


def _verdicts(document: Mapping[str, Any]) -> Iterator[str]:
    yield "## The claims in one line each"
    yield ""
    learner = _learner(document)
    rows = []
    for claim in document["claims"]:
        grid = claim["grid"]
        row = [str(claim["number"]), claim["text"], f"**{claim['verdict']}**"]
        if learner:
            row.append(claim["verdict_ideal"] if claim["source"] == "001" else "")
        if grid is None:
            row += ["", ""]
        else:
            row.append(" / ".join(percent(share) for share in grid["shares"].values()))
            row.append(_decided(grid))
        rows.append(row)
    heads = ["no.", "claim", "verdict"]
    heads += ["with the ideal ACO-DRL"] if learner else []
    heads += ["grid: holds / in part / does not", "assumption that moves it most"]
    yield from table(heads, rows)
    yield ""


def _decided(grid: Mapping[str, Any]) -> str:
    if grid["assumption"] is None:
        return "none"
    levels = grid["holds_by_level"][grid["assumption"]]
    low, high = min(levels, key=levels.__getitem__), max(levels, key=levels.__getitem__)
    return (
        f"{grid['assumption']} {grid['assumption_word']}: holds at {percent(levels[high])} with "
        f"{short(high)}, {percent(levels[low])} with {short(low)}"
    )


def _story(document: Mapping[str, Any]) -> Iterator[str]:
    yield "## What survives exact references"
    yield ""
    groups: dict[str, list[str]] = {}
    for claim in document["claims"]:
        for part in claim["parts"]:
            key = fate(claim, part)
            where = f"{part['table']}: " if part["table"] else ""
            line = f"({claim['number']}) {where}{part['text']}"
            grid = part_of_grid(claim, part)
            if grid is not None:
                line += f" (holds at {percent(grid['shares']['holds'])} of the grid)"
            groups.setdefault(key, []).append(line)
    for key in FATES:
        if key in groups:
            yield f"**{key}**"
            yield ""
            yield from (f"- {line}" for line in groups[key])
            yield ""
    yield from _gains(document)


def _gains(document: Mapping[str, Any]) -> Iterator[str]:
    """Say what joint optimisation is worth under the defaults, and how often it cuts inside."""
    for name, sweep in document["sweeps"].items():
        curves, bandwidths = sweep["curves"], sweep["bandwidth_mbit_per_s"]
        gain = [
            1.0 - a / b for a, b in zip(curves[IDEAL]["cost"], curves[ACO]["cost"], strict=True)
        ]
        most = max(range(len(gain)), key=gain.__getitem__)
        median = sorted(gain)[len(gain) // 2]
        line = (
            f"- {name.capitalize()} table: optimal splits and shares cost {percent(median, 2)} "
            f"less than ACO-EAR in the median over the sweep, {percent(gain[most], 1)} at best (at "
            f"{bandwidths[most]:g} Mbit/s); free exits would bring "
            f"{percent(_median_gain(curves, FREE, IDEAL), 3)} more in the median. "
            f"{percent(sweep['interior_split_share'][IDEAL])} of its splits cut inside the network."
        )
        line += "".join(_learned(curves, curve) for curve in (LEARNER, CLOSED_FORM))
        yield line
    grid = document["grid"]
    if grid is not None:
        inside = grid["interior_split_share"]
        gain = grid["free_exits_gain"]
        yield (
            f"- Over the grid {percent(inside['mean'])} of the ideal ACO-DRL's splits cut inside "
            f"the network; at {percent(1 - grid['points_with_interior_splits'])} of the points "
            "none does at any bandwidth: there the choice is device or edge. Exits chosen jointly "
            f"with splits and shares cost {percent(gain['mean'], 1)} less in the mean, "
            f"{percent(gain['most'], 0)} at most."
        )
        off = grid["stand_in_difference"]
        if off is not None:
            exact = max(off[m] for m in (DEVICE, EDGE, SPINN, ACO))
            yield (
                "- Where a colony sets exits the grid takes the exact best ones. Under the "
                f"defaults the costs of both differ by {exact:.1e} at most, relatively (FP-AR, "
                f"whose allocations are drawn, by {off[FIXED]:.1e})."
            )
    yield ""


def _learned(curves: Mapping[str, Any], curve: str) -> str:
    """Say how far a learner's curve is from the optimum for its exits, and where ACO-EAR wins."""
    if curve not in curves:
        return ""
    known = [
        (mine, best, even)
        for mine, best, even in zip(
            curves[curve]["cost"], curves[IDEAL]["cost"], curves[ACO]["cost"], strict=True
        )
        if mine is not None
    ]
    excess = [mine / best - 1.0 for mine, best, _ in known]
    worse = sum(mine > even * (1.0 + VISIBLE) for mine, _, even in known)
    name = "The learner" if curve == LEARNER else "Its variant with closed-form shares"
    return (
        f" {name} is {percent(sum(excess) / len(excess), 2)} above the optimum for its exits in "
        f"the mean, {percent(max(excess), 2)} at worst, and visibly dearer than ACO-EAR, a matter "
        f"of a millisecond, at {worse} of {len(known)} bandwidths."
    )


def _median_gain(curves: Mapping[str, Any], better: str, worse: str) -> float:
    gains = sorted(
        1.0 - a / b for a, b in zip(curves[better]["cost"], curves[worse]["cost"], strict=True)
    )
    return float(gains[len(gains) // 2])


def _figures(document: Mapping[str, Any]) -> Iterator[str]:
    if document["sweeps"]:
        yield "## The sweeps"
        yield ""
        for name in document["sweeps"]:
            yield (
                f"![Latency, energy and cost of every method over the bandwidth, {name} table]"
                f"(figures/claims-{name}.svg)"
            )
            yield ""


def _gaps(document: Mapping[str, Any]) -> Sequence[str]:
    if not document["gaps"]:
        return []
    return ["## What is missing", "", *(f"- {gap}" for gap in document["gaps"]), ""]
