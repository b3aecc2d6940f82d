"""The figures beside the summaries that open pages of results, drawn from the pages' own tables.

``python -m splitopt.bench.studies summaries``: a page that is measured anew gets a new figure by
this command, and a figure shows nothing that its page does not say.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from splitopt.bench.report.style import HATCHES, for_slides, plain_numbers
from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.errors import InputError

DOCS = Path(__file__).resolve().parents[3] / "docs"
Table = list[dict[str, str]]
# The formulations, from weak to strong.
_FORMULATIONS = ("gdp-bigm", "assignment", "gdp-hull", "flow")
_SETS = ("image", "video", "image-compressed", "image-slow-edge", "video-slow-edge", "test")
_LEAST = 0.01  # percent; less is drawn as this


def tables(page: Path, *columns: str) -> list[Table]:
    """Return the tables of a page that have these columns, each as rows by column.

    Of columns of one name the first counts; an empty first cell means the one above.

    Raises
    ------
    InputError
        When there is none.
    """
    found: list[Table] = []
    heads: list[str] | None = None
    for line in [*page.read_text(encoding="utf-8").splitlines(), ""]:
        if not line.startswith("|"):
            heads = None
            continue
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if heads is None:
            heads = cells
            if set(columns) <= set(heads):
                found.append([])
        elif set(columns) <= set(heads) and not set("".join(cells)) <= set("-: "):
            row = dict(zip(reversed(heads), reversed(cells), strict=True))
            if not row[heads[0]] and found[-1]:
                row[heads[0]] = found[-1][-1][heads[0]]
            found[-1].append(row)
    if not found:
        raise InputError(page.name, "no such table", ", ".join(columns), "see what was renamed")
    return found


def _bars(axes: Any, names: Sequence[str], parts: Mapping[str, Sequence[float]]) -> None:
    """Draw bars of several parts each, told apart by hatches too."""
    left = [0.0] * len(names)
    for hatch, (part, widths) in zip(HATCHES, parts.items(), strict=False):
        axes.barh(names, widths, left=left, label=part, hatch=hatch, edgecolor="white", height=0.7)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)


def _campaign(page: Path, figure: Any) -> None:
    figure.set_size_inches(7.0, 3.6)
    both = tables(page, "method", "pass", "proven", "instances taken")
    for axes, table, problem in zip(figure.subplots(1, 2), both, ("CIFT", "MEPRA"), strict=True):
        rows = [row for row in table if row["pass"] in ("fast", "slow")]
        rows.sort(key=lambda row: -int(row["proven"]) / int(row["instances taken"]))
        shares = [100 * int(row["proven"]) / int(row["instances taken"]) for row in rows]
        _bars(axes, [row["method"] for row in rows], {"proven": shares})
        for k, row in enumerate(rows):
            axes.text(
                3,
                k,
                f"{row['proven']} of {row['instances taken']}",
                va="center",
                fontsize=9,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
        axes.set(xlim=(0, 100), xlabel="proven within 10 s, %", title=problem)
    figure.subplots_adjust(left=0.23, wspace=0.75)


def _strength(page: Path, figure: Any) -> None:
    rows = [
        row
        for table in tables(page, "instance", "formulation", "solver", "root / optimum")
        for row in table
        if row["solver"] == "HiGHS" and row["root / optimum"]
    ]
    names = list(dict.fromkeys(r["instance"] for r in rows if r["formulation"] == "flow"))
    axes = figure.subplots()
    for k, formulation in enumerate(_FORMULATIONS):
        points = [
            (100 * float(row["root / optimum"]), names.index(row["instance"]) + 0.12 * (k - 1.5))
            for row in rows
            if row["formulation"] == formulation and row["instance"] in names
        ]
        axes.plot(*zip(*points, strict=True), linestyle="none", markersize=9, label=formulation)
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel="root bound, % of the optimum")
    axes.set(xlim=(-3, 103), ylim=(len(names) - 0.5, -0.5), title="What is known before branching")
    axes.legend(loc="center left", bbox_to_anchor=(0.1, 0.5))
    figure.subplots_adjust(left=0.25)


def _baselines(page: Path, figure: Any) -> None:
    head = "cift, 38 instances"
    (table,) = tables(page, head, "takes", "no feasible plan", "optimal", "within 1 %")
    counts = [
        [int(row[key]) for key in ("optimal", "within 1 %", "no feasible plan", "takes")]
        for row in table
    ]
    axes = figure.subplots()
    _bars(
        axes,
        [row[head] for row in table],
        {
            "optimal": [c[0] for c in counts],
            "within 1 %": [c[1] - c[0] for c in counts],
            "dearer": [c[3] - c[2] - c[1] for c in counts],
            "no feasible plan": [c[2] for c in counts],
        },
    )
    axes.set(xlabel="instances of CIFT", xlim=(0, 38), title="What a baseline finds")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.17), ncols=4, columnspacing=1)
    figure.set_size_inches(7.0, 4.2)
    figure.subplots_adjust(left=0.29, bottom=0.22)


def _learner(page: Path, figure: Any) -> None:
    (table,) = tables(page, "set", "PPO, best shares", "worst seed", "even-shares")
    by_set = {row["set"]: row for row in table}
    axes = figure.subplots()
    for column, label in (
        ("PPO, best shares", "PPO, mean of five seeds"),
        ("worst seed", "PPO, worst seed"),
        ("even-shares", "even shares, nothing learned"),
    ):
        values = [max(_LEAST, float(by_set[name][column].split()[0])) for name in _SETS]
        axes.plot(values, range(len(_SETS)), linestyle="none", markersize=9, label=label)
    axes.set(xscale="log", yticks=range(len(_SETS)), yticklabels=_SETS)
    axes.set(xlabel="mean gap to the proven optimum, %", ylim=(len(_SETS) - 0.5, -0.5))
    axes.set_title("MEPRA: how far from the optimum")
    plain_numbers(axes)
    axes.legend(loc="upper right", fontsize=9)
    figure.subplots_adjust(left=0.24)


FIGURES: Mapping[str, Callable[[Path, Any], None]] = {
    "campaign": _campaign,
    "strength": _strength,
    "baselines": _baselines,
    "learner": _learner,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figures into ``figures`` below the documentation."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    parser = argparse.ArgumentParser(prog="python -m splitopt.bench.studies summaries")
    parser.add_argument("--docs", type=Path, default=DOCS)
    parser.add_argument("--out", type=Path, help="folder of the figures; docs/figures without it")
    options = parser.parse_args(arguments)
    for name, draw in FIGURES.items():
        with mpl.rc_context(for_slides()):
            figure, stream = Figure(), io.BytesIO()
            draw(options.docs / f"{name}.md", figure)
            figure.savefig(stream, format="svg", metadata={"Date": None})
        path = (options.out or options.docs / "figures") / f"short-{name}.svg"
        write_bytes(path, stream.getvalue())
        sys.stdout.write(f"{path}\n")
    return 0
