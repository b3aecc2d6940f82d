"""Figures of the study: the sweeps in the article's manner, and the verdicts over the grid."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splitopt.bench.studies.claims.statements import ACO, DEVICE, EDGE, FIXED, SPINN
from splitopt.bench.studies.claims.sweeps import ALL_EXITS, CLOSED_FORM, FREE, IDEAL, LEARNER
from splitopt.instances.core.documents import write_bytes

# Colours of Okabe and Ito, told apart by the colour-blind; name, colour, line, marker.
_CURVES = (
    (DEVICE, "ACO-device-only-EAR", "#56B4E9", "-", "s"),
    (EDGE, "ACO-edge-only-EAR", "#0072B2", "-", "D"),
    (SPINN, "SPINN-EAR", "#CC79A7", "-", "^"),
    (ACO, "ACO-EAR", "#009E73", "-", "v"),
    (FIXED, "FP-AR", "#999999", "-", "x"),
    (LEARNER, "ACO-DRL (PPO)", "#D55E00", "-", "o"),
    (CLOSED_FORM, "PPO, closed-form shares", "#E69F00", "-", "."),
    (IDEAL, "ideal ACO-DRL: optimum for its exits", "#D55E00", "--", ""),
    (ALL_EXITS, "optimum, all exits on", "#000000", ":", ""),
    (FREE, "optimum, exits free", "#000000", "-.", ""),
)
_MEASURES = (
    ("latency_s", "latency in s"),
    ("energy_j", "energy in J"),
    ("cost", "cost"),
)
_VERDICTS = (("holds", "#009E73"), ("holds in part", "#F0E442"), ("does not hold", "#D55E00"))
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "claims",
    "font.size": 8,
    "path.simplify": True,
}


def write_pictures(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write ``claims-<table>.svg`` and ``claims-grid.svg``, where there is something to show."""
    written = []
    for table, sweep in document["sweeps"].items():
        path = folder / f"claims-{table}.svg"
        write_bytes(path, _sweep(table, sweep))
        written.append(path)
    if document["grid"] is not None:
        path = folder / "claims-grid.svg"
        write_bytes(path, _grid(document))
        written.append(path)
    return written


def _sweep(table: str, sweep: Mapping[str, Any]) -> bytes:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    x = sweep["bandwidth_mbit_per_s"]
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = pyplot.subplots(1, 4, figsize=(12.5, 3.7), layout="constrained")
        _over_optimum(axes[3], sweep)
        for axis, (measure, label) in zip(axes[:3], _MEASURES, strict=True):
            for curve, name, colour, line, marker in _CURVES:
                if curve not in sweep["curves"]:
                    continue
                values = [float("nan") if v is None else v for v in sweep["curves"][curve][measure]]
                axis.plot(
                    x,
                    values,
                    line,
                    color=colour,
                    marker=marker,
                    markevery=max(1, len(x) // 12),
                    markersize=3.5,
                    linewidth=1.2,
                    label=name,
                )
            axis.set_yscale("log")
            axis.set_xlabel("bandwidth in Mbit/s")
            axis.set_ylabel(f"{label}, sum over devices")
            axis.grid(color="#dddddd", linewidth=0.5)
        figure.suptitle(f"{table} table, default assumptions", x=0.01, ha="left")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        return _bytes(figure, pyplot)


def _over_optimum(axis: Any, sweep: Mapping[str, Any]) -> None:
    """Draw each curve's cost over the optimum with exits free; far ones leave the picture."""
    best = sweep["curves"][FREE]["cost"]
    for curve, _, colour, line, _ in _CURVES:
        if curve in sweep["curves"]:
            costs = sweep["curves"][curve]["cost"]
            ratios = [
                float("nan") if c is None else c / b for c, b in zip(costs, best, strict=True)
            ]
            axis.plot(sweep["bandwidth_mbit_per_s"], ratios, line, color=colour, linewidth=1.2)
    axis.set_ylim(0.99, 1.2)
    axis.set_xlabel("bandwidth in Mbit/s")
    axis.set_ylabel("cost / optimum with exits free")
    axis.grid(color="#dddddd", linewidth=0.5)


def _grid(document: Mapping[str, Any]) -> bytes:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    claims = [claim for claim in document["claims"] if claim["grid"] is not None]
    with matplotlib.rc_context(_SETTINGS):
        figure, axis = pyplot.subplots(figsize=(7, 3), layout="constrained")
        names = [f"claim {claim['number']}" for claim in claims]
        left = [0.0] * len(claims)
        for verdict, colour in _VERDICTS:
            widths = [claim["grid"]["shares"][verdict] for claim in claims]
            axis.barh(names, widths, left=left, color=colour, label=verdict)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axis.invert_yaxis()
        axis.set_xlim(0, 1)
        axis.set_xlabel(f"share of the {document['grid']['points']} points of the grid")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
        return _bytes(figure, pyplot)


def _bytes(figure: Any, pyplot: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return stream.getvalue()
