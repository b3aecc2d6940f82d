"""What became of the claims, part by part, and the page's summary of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from splitopt.bench.studies.claims.page_parts import percent
from splitopt.bench.studies.claims.statements import ACO
from splitopt.bench.studies.claims.sweeps import IDEAL
from splitopt.bench.studies.claims.thresholds import MATTERS

_SURVIVES = "Holds here and at nine of ten points of the grid, whatever we assume"
_OURS = "Holds here, but by our assumptions: elsewhere on the grid it often does not"
_HERE = "Holds on what was run"
_PART = "Holds in part"
_NOT = "Does not hold here, by our assumptions: elsewhere on the grid it does"
_RARELY = "Does not hold here, and at less than a fifth of the grid"
_NEVER = "Does not hold, here or at nine of ten points of the grid"
_NOT_RUN = "Does not hold on what was run"
_UNTESTED = "Not tested"
FATES = (_SURVIVES, _OURS, _HERE, _PART, _NOT, _RARELY, _NEVER, _NOT_RUN, _UNTESTED)


def fate(claim: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    """Return under which heading a part of a claim goes."""
    finding = part["finding"]
    if finding is None or finding["verdict"] == "not tested":
        return _UNTESTED
    verdict = finding["verdict"]
    if verdict == "holds in part":
        return _PART
    grid = part_of_grid(claim, part)
    if grid is None:
        return _HERE if verdict == "holds" else _NOT_RUN
    if verdict == "holds":
        return _SURVIVES if grid["robust"] == "holds" else _OURS
    if grid["robust"] == "does not hold":
        return _NEVER
    return _RARELY if grid["shares"]["holds"] < MATTERS else _NOT


def part_of_grid(claim: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what the grid says of a part; None where it was not computed."""
    if claim["grid"] is None:
        return None
    found: Mapping[str, Any] = claim["grid"]["parts"][claim["parts"].index(part)]
    return found


# In the order in which they are counted.
_COUNTED = {
    "does not hold": ("does not hold", "do not hold"),
    "holds": ("holds", "hold"),
    "holds in part": ("holds in part", "hold in part"),
    "not tested": ("was not tested", "were not tested"),
}


def in_short(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the summary that opens the page, at most 120 words, and its figure."""
    claims = document["claims"]
    verdicts = Counter(claim["verdict"] for claim in claims)
    counted = ", ".join(
        f"{count} {_COUNTED[verdict][count > 1]}" for verdict, count in sorted(verdicts.items())
    )
    said = [f"**In short.** Of {len(claims)} claims, held against proven optima, {counted}."]
    fates: dict[str, list[str]] = {}
    for claim in claims:
        for part in claim["parts"]:
            where = f"{part['table']}: " if part["table"] else ""
            fates.setdefault(fate(claim, part), []).append(where + part["text"])
    if stands := fates.get(_SURVIVES):
        said.append(
            f"Whatever is assumed where the source is silent, this stands: {'; '.join(stands)}."
        )
    if ours := fates.get(_OURS):
        said.append(f"{len(ours)} more parts hold under our assumptions, and often not elsewhere.")
    gains = {
        name: sorted(
            1.0 - best / even
            for best, even in zip(
                sweep["curves"][IDEAL]["cost"], sweep["curves"][ACO]["cost"], strict=True
            )
        )
        for name, sweep in document["sweeps"].items()
    }
    if gains:
        middle = " and ".join(f"{percent(g[len(g) // 2], 2)} ({name})" for name, g in gains.items())
        most = percent(max(g[-1] for g in gains.values()), 1)
        said.append(
            f"Optimal splits and shares cost {middle} less than ACO-EAR's even shares in the "
            f"median over the bandwidths, {most} at most."
        )
    if ran := fates.get(_HERE):
        said.append(f"On what was run hold: {'; '.join(ran)}.")
    yield " ".join(said)
    yield ""
    if document["grid"] is not None:
        yield "![Share of the grid at which each claim holds](figures/claims-grid.svg)"
        yield ""
    elif document["sweeps"]:
        name = next(iter(document["sweeps"]))
        yield f"![Cost of every method over the bandwidth, {name} table](figures/claims-{name}.svg)"
        yield ""
