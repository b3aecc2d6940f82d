"""Picture of what `standard-v1` covers: chosen and unchosen candidates over their features.

Run ``python -m splitopt.bench.studies coverage``; it writes ``docs/figures/standard-v1.svg``
from the committed table of candidates.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from splitopt.instances.core.documents import write_bytes
from splitopt.instances.library.standard import Row, cell, chosen, read_table

FIGURE = Path(__file__).resolve().parents[3] / "docs" / "figures" / "standard-v1.svg"
# Two features a panel, with their labels.
PANELS = {
    "cift": (
        ("log_links", "log_blocks", "links (log10)", "blocks (log10)"),
        (
            "log_send_over_compute",
            "log_energy_spread",
            "send over compute time (log10)",
            "spread of J/FLOP (log10)",
        ),
        (
            "pressure_inference",
            "pressure_fine_tuning",
            "pressure of the inference deadline",
            "... of the fine-tuning deadline",
        ),
        (
            "log_model_over_memory",
            "cheapest_hosts",
            "model over memory (log10)",
            "hosts of the cheapest plan",
        ),
    ),
    "mepra": (
        ("log_devices", "log_layers", "devices (log10)", "layers (log10)"),
        (
            "log_send_over_compute",
            "log_edge_over_devices",
            "send over compute time (log10)",
            "edge over devices (log10)",
        ),
        (
            "log_smallest_over_input",
            "exits_on",
            "smallest feature over input (log10)",
            "share of exits on",
        ),
        (
            "log_speed_spread",
            "energy_weight",
            "spread of speeds (log10)",
            "weight of energy (log10)",
        ),
    ),
}
# Colours of Okabe and Ito, told apart by the colour-blind.
GROUPS = (
    ("one node", "#999999", "o"),
    ("few hosts, or no split inside", "#E69F00", "s"),
    ("four hosts or more, or splits inside", "#0072B2", "D"),
    ("unproven by MILP after 10 s", "#D55E00", "^"),
    ("infeasible", "#000000", "x"),
)


def _group(row: Row) -> str:
    name = cell(row) or ""
    if "unproven" in name:
        return "unproven by MILP after 10 s"
    if name == "cift-infeasible":
        return "infeasible"
    if row["problem"] == "cift":
        hosts = row["hosts"]
        many, one = hosts >= 4, hosts == 1
    else:
        many, one = row["interior"] > 0, row["one_node"]
    if one:
        return "one node"
    return "four hosts or more, or splits inside" if many else "few hosts, or no split inside"


def _draw(rows: Sequence[Row], picked: Sequence[Row]) -> bytes:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # Text stays text, and identifiers do not change from run to run.
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "standard-v1", "font.size": 8}
    with matplotlib.rc_context(settings):
        figure, axes = pyplot.subplots(2, 4, figsize=(12, 6), layout="constrained")
        for line, (problem, panels) in zip(axes, PANELS.items(), strict=True):
            every = [row for row in rows if row["problem"] == problem]
            some = [row for row in picked if row["problem"] == problem]
            for axis, (x, y, x_label, y_label) in zip(line, panels, strict=True):
                axis.scatter(
                    [row["features"][x] for row in every],
                    [row["features"][y] for row in every],
                    s=4,
                    color="#dddddd",
                    zorder=1,
                )
                for label, colour, marker in GROUPS:
                    part = [row for row in some if _group(row) == label]
                    axis.scatter(
                        [row["features"][x] for row in part],
                        [row["features"][y] for row in part],
                        s=14,
                        color=colour,
                        marker=marker,
                        linewidths=0.8,
                        label=label,
                        zorder=2,
                    )
                axis.set_xlabel(x_label)
                axis.set_ylabel(y_label)
            line[0].set_title(f"{problem.upper()}: {len(some)} chosen of {len(every)}", loc="left")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    return stream.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FIGURE, help="SVG file to write")
    given = parser.parse_args(arguments)
    rows = read_table()
    write_bytes(given.out, _draw(rows, chosen(rows)))
