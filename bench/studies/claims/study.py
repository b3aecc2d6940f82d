"""The whole study: sweeps, grid, exits, CIFT; one document that says what was found.

Each part is plain data, kept in a folder where one is given, so that a study that was interrupted
goes on with the part it was at. The document holds no times: the same seed gives the same
document, as long as every proof comes in its time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from splitopt.bench.methods.registry import METHODS
from splitopt.bench.studies.claims.assumptions import AXES, GRID_MBPS, SWEEP_MBPS, Assumptions
from splitopt.bench.studies.claims.cift import CHAIN_STAGES, judge_cift, run_cift, tested_document
from splitopt.bench.studies.claims.exit_study import exit_study, instances_of_study, rows
from splitopt.bench.studies.claims.methods import menu_of, run
from splitopt.bench.studies.claims.robustness import blocks_of, judge_claims, judge_grid
from splitopt.bench.studies.claims.scenes import Points, scene_of
from splitopt.bench.studies.claims.statements import CLAIMS, OURS, RIVALS
from splitopt.bench.studies.claims.sweeps import IDEAL, LEARNER, Swept, sweep_table
from splitopt.bench.studies.claims.thresholds import THRESHOLDS
from splitopt.bench.studies.claims.verdicts import Finding, Verdict, combine
from splitopt.heuristics.baselines.mepra.exits import exit_options
from splitopt.instances.core.documents import read_json, write_json

FORMAT, VERSION = "splitopt-claims", 1
PARTS = ("sweeps", "grid", "exits", "cift")
TABLES = ("image", "video")
Document = dict[str, Any]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to compute.

    Attributes
    ----------
    parts
        Of `PARTS`.
    full
        Whether the grid takes every level of every axis.
    names
        CIFT instances for the first source's claims.
    bandwidths_mbps
        Of the default sweep.
    generated
        Instances with free exits to generate for the study of exits.
    """

    parts: tuple[str, ...] = PARTS
    full: bool = True
    names: tuple[str, ...] = ()
    bandwidths_mbps: tuple[float, ...] = SWEEP_MBPS
    generated: int = 12
    seed: int = 0
    time_limit_s: float = 10.0

    def key(self, part: str) -> str:
        """Return what a part's result depends on, as a hash."""
        depends: dict[str, Any] = {
            "sweeps": [self.bandwidths_mbps, _policies()],
            "grid": [self.full, [axis.levels for axis in AXES], GRID_MBPS],
            "exits": self.generated,
            "cift": [self.names, self.time_limit_s, RIVALS],
        }
        rules = [
            [threshold.value for threshold in THRESHOLDS],
            [repr(claim) for claim in CLAIMS],
            [[entry.name, entry.problem] for entry in METHODS],
        ]
        text = json.dumps([VERSION, part, depends[part], self.seed, rules], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _policies() -> list[str]:
    """Return hashes of the committed policies: what the learner does depends on them."""
    folder = resources.files("splitopt.heuristics.learner") / "data"
    files = sorted((f for f in folder.iterdir() if f.is_file()), key=lambda f: f.name)
    return [hashlib.sha256(f.read_bytes()).hexdigest() for f in files]


def steps_of(request: Request) -> int:
    """Return how many times `study` tells of a step."""
    steps = {
        "sweeps": len(TABLES) * len(request.bandwidths_mbps),
        "grid": blocks_of(full=request.full),
        "exits": instances_of_study(request.generated),
        "cift": len(request.names) + len(CHAIN_STAGES),
    }
    return sum(steps[part] for part in request.parts)


def study(
    request: Request, on_step: Tell = lambda what: None, kept_in: Path | None = None
) -> Document:
    """Compute what is asked for and return the document.

    Parameters
    ----------
    on_step
        Told what is done next.
    kept_in
        Folder of parts: those of the same request are taken from it, new ones put there.
    """
    makers: dict[str, Callable[[Request, Tell], Any]] = {
        "sweeps": _sweeps,
        "grid": _grid,
        "exits": _exits,
        "cift": _cift,
    }
    parts = dict.fromkeys(PARTS)
    for part in request.parts:
        path = None if kept_in is None else kept_in / f"{part}.json"
        found = None if path is None else _kept(path, request.key(part))
        if found is None:
            found = makers[part](request, on_step)
            if path is not None:
                write_json(path, {"key": request.key(part), "found": found})
        parts[part] = found
    return _document(request, parts)


def _kept(path: Path, key: str) -> Any:
    if not path.is_file():
        return None
    document = read_json(path)
    if not isinstance(document, dict) or document.get("key") != key:
        return None
    return document.get("found")


def _sweeps(request: Request, tell: Tell) -> Document:
    swept = {
        table: sweep_table(table, request.bandwidths_mbps, request.seed, tell) for table in TABLES
    }
    learner = all(LEARNER in found.figures for found in swept.values())
    return {
        "tables": {table: found.to_document() for table, found in swept.items()},
        "ideal": _findings(swept, learner=False),
        "learner": _findings(swept, learner=True) if learner else None,
        "stand_in_difference": _difference(swept, request.seed),
    }


def _findings(swept: Mapping[str, Swept], *, learner: bool) -> dict[str, list[Document]]:
    sweeps = {table: found.of_source(learner=learner) for table, found in swept.items()}
    return {
        str(judged.claim.number): _documents(judged.findings) for judged in judge_claims(sweeps)
    }


def _documents(findings: Iterable[Finding]) -> list[Document]:
    return [finding.to_document() for finding in findings]


def _grid(request: Request, tell: Tell) -> Document:
    return judge_grid(
        full=request.full,
        seed=request.seed,
        on_block=lambda done, total: tell(f"grid, block {done + 1} of {total}"),
    ).to_document()


def _exits(request: Request, tell: Tell) -> list[dict[str, str | float | int]]:
    return rows(exit_study(request.generated, request.seed, tell))


def _cift(request: Request, tell: Tell) -> Document:
    tested = run_cift(request.names, request.seed, request.time_limit_s, tell)
    return {
        "document": dict(tested_document(tested)),
        "findings": {str(n): _documents(found) for n, found in judge_cift(tested).items()},
    }


def _difference(swept: Mapping[str, Swept], seed: int) -> dict[str, float] | None:
    """Return by method the largest relative difference of cost, grid against default sweep."""
    default = Assumptions()
    worst: dict[str, float] = {}
    for table, found in swept.items():
        known = [b for b in GRID_MBPS if b in found.bandwidth_mbit_per_s]
        if not known:
            return None
        scene = scene_of(table, default)
        menu = menu_of(scene, exit_options(scene.devices), default.exits)
        prices = Points.product([default.edge_capacity_flop_per_s], [default.energy_weight], known)
        outcome = run(menu, prices, seed)
        here = np.isin(found.bandwidth_mbit_per_s, known)
        for method, measures in outcome.figures.items():
            other = found.figures[IDEAL if method == OURS else method]["cost"][here]
            off = float(np.abs(measures["cost"] / other - 1.0).max())
            worst[method] = max(worst.get(method, 0.0), off)
    return worst


def _document(request: Request, parts: Mapping[str, Any]) -> Document:
    sweeps, grid, cift = parts["sweeps"], parts["grid"], parts["cift"]
    tables = sweeps["tables"] if sweeps else {}
    said = None
    if grid:
        said = {key: value for key, value in grid.items() if key != "claims"}
        said["stand_in_difference"] = sweeps["stand_in_difference"] if sweeps else None
    gaps = [f"not computed: {part}" for part in PARTS if part not in request.parts]
    gaps += [gap for table in tables.values() for gap in table["gaps"]]
    if cift:
        gaps += [f"CIFT: {n} is not registered" for n in cift["document"]["missing_rivals"]]
        gaps += [f"CIFT: no proof for {n} in the time" for n in cift["document"]["unproven"]]
    return {
        "format": FORMAT,
        "version": VERSION,
        "seed": request.seed,
        "parts": list(request.parts),
        "thresholds": [threshold.to_document() for threshold in THRESHOLDS],
        "assumptions": [
            {
                "name": axis.name,
                "text": axis.text,
                "levels": list(axis.levels),
                "quick_levels": axis.quick,
                "reason": axis.reason,
            }
            for axis in AXES
        ],
        "claims": _claims(sweeps, grid, cift),
        "sweeps": tables,
        "grid": said,
        "exits": parts["exits"],
        "cift": cift["document"] if cift else None,
        "gaps": gaps,
    }


def _claims(sweeps: Any, grid: Any, cift: Any) -> list[Document]:
    """Return each claim with its parts; the learner's findings beside those of the ideal method."""
    over_grid = {entry["number"]: entry for entry in grid["claims"]} if grid else {}
    found = []
    for claim in CLAIMS:
        number = str(claim.number)
        learner = sweeps["learner"].get(number) if sweeps and sweeps["learner"] else None
        ideal = (sweeps["ideal"].get(number) if sweeps else None) or (
            cift["findings"].get(number) if cift else None
        )
        of_record = learner or ideal
        found.append(
            {
                "number": claim.number,
                "source": claim.source,
                "text": claim.text,
                "verdict": _verdict(of_record),
                "verdict_ideal": _verdict(ideal),
                "verdict_learner": _verdict(learner) if learner else None,
                "parts": [
                    {
                        "table": part.table,
                        "text": part.text,
                        "finding": of_record[k] if of_record else None,
                        "finding_ideal": ideal[k] if ideal else None,
                    }
                    for k, part in enumerate(claim.parts)
                ],
                "grid": over_grid.get(claim.number),
            }
        )
    return found


def _verdict(findings: Sequence[Mapping[str, Any]] | None) -> str:
    if not findings:
        return str(Verdict.UNTESTED)
    return str(combine([Verdict(finding["verdict"]) for finding in findings]))
