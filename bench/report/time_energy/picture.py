"""The time-energy tree as a picture: labels, the best path, deadlines as walls.

Each label is a point (time, energy) of a prefix of a plan, tied to the label before by a line. With
two deadlines there are two panels over the same labels. Of many labels a part is drawn, the best
path always; what is left out is counted and said.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from splitopt.bench.report.html import Markup, tag
from splitopt.bench.report.svg import Scale
from splitopt.bench.report.time_energy.marks import (
    LEFT,
    PLOT_HEIGHT,
    STYLE,
    TOP,
    Panel,
    legend,
    panel_marks,
)

if TYPE_CHECKING:
    from splitopt.heuristics.jqodi.cift.steps import Steps
    from splitopt.heuristics.jqodi.cift.tree import Tree

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Labels drawn at most, and shut doors.
MARKS, DOORS = 2400, 500
_GAP, _RIGHT = 74, 26


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing and what it leaves out, in words; empty when it shows everything."""

    svg: str
    left_out: tuple[str, ...]


def draw(
    tree: Tree,
    title: str,
    subtitle: Sequence[str],
    optimum: Steps | None,
    optimum_name: str,
    key: Sequence[str],
    most: int = MARKS,
) -> Picture:
    """Draw a tree.

    Parameters
    ----------
    title, subtitle
        What stands above: a line, and two more.
    optimum, optimum_name
        The way of the optimal plan, drawn as a dashed line where the tree's best path is another,
        and what the line is called.
    key
        A line for each stop of the best path, numbered in the picture.
    most
        Labels to draw at most.
    """
    best = np.flatnonzero(tree.optimal)
    same = (
        optimum is not None
        and len(best) > 0
        and math.isclose(tree.energy_j[best[-1]], optimum.energy_j[-1], rel_tol=1e-9)
    )
    dashed = None if same else optimum
    shown = _thinned(tree, most)
    doors = _some(0 if tree.doors is None else len(tree.doors), DOORS)
    panels = _panels(tree, dashed)
    beyond = _beyond(tree, shown, panels)
    left_out = _left_out(tree, len(shown), len(doors), beyond)
    width = panels[-1].left + panels[-1].width + _RIGHT
    marks = [panel_marks(tree, panel, shown, doors, dashed) for panel in panels]
    text, below = _lines_below(key, left_out)
    svg = tag(
        "svg",
        tag("title", title),
        tag("desc", " ".join([*subtitle, *left_out])),
        tag("style", Markup(STYLE)),
        tag("rect", width=width, height=below, class_="paper"),
        tag("text", title, x=LEFT, y=26, class_="title"),
        [
            tag("text", line, x=LEFT, y=46 + 17 * k, class_="quiet")
            for k, line in enumerate(subtitle)
        ],
        tag("g", legend(tree, None if dashed is None else optimum_name)),
        tag("g", itertools.chain.from_iterable(marks)),
        tag("g", text),
        viewbox=f"0 0 {width:g} {below:g}",
        width=f"{width:g}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
        aria_label=title,
    )
    return Picture(svg + "\n", left_out)


def _lines_below(key: Sequence[str], left_out: Sequence[str]) -> tuple[list[Markup], int]:
    """Return the numbered lines and the quiet ones under the panels, and where they end."""
    below = TOP + PLOT_HEIGHT + 58
    text = []
    for k, line in enumerate(key):
        y = below + 20 * k
        text.append(tag("circle", cx=LEFT + 8, cy=y - 4, r=8, class_="badge"))
        text.append(tag("text", str(k + 1), x=LEFT + 8, y=y - 0.5, class_="number"))
        text.append(tag("text", line, x=LEFT + 24, y=y))
    below += 20 * len(key) + (6 if key else 0)
    for line in left_out:
        text.append(tag("text", line, x=LEFT, y=below, class_="quiet"))
        below += 17
    return text, below


def _some(count: int, most: int) -> Ints:
    """Return positions 0 .. count - 1, or at most so many of them, spread evenly."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


def _thinned(tree: Tree, most: int) -> Ints:
    """Return the labels drawn: the best path, and of each fate its share."""
    if len(tree) <= most:
        return np.arange(len(tree))
    chosen = [np.flatnonzero(tree.optimal)]
    counts = [int((tree.fate == fate).sum()) for fate in range(int(tree.fate.max(initial=0)) + 1)]
    present = sum(count > 0 for count in counts)
    # A tenth shared evenly, so that a rare fate stays in sight, the rest by number.
    for fate, count in enumerate(counts):
        share = int(0.1 * most / present + 0.9 * most * count / len(tree))
        chosen.append(np.flatnonzero(tree.fate == fate)[_some(count, share)])
    return np.unique(np.concatenate(chosen))


def _panels(tree: Tree, optimum: Steps | None) -> list[Panel]:
    """Return one panel for each deadline; without any, one of the latency."""
    axes = [
        ("time of inference, s", 0, tree.inference_deadline_s),
        ("time of fine-tuning, s", 1, tree.fine_tuning_deadline_s),
    ]
    with_deadline = [axis for axis in axes if axis[2] is not None]
    axes = with_deadline or axes[:1]
    best = np.flatnonzero(tree.optimal)
    doors = tree.doors
    made = tree.energy_j
    least = min(
        (e for e in (
            made[best[-1]] if len(best) else math.inf,
            math.inf if optimum is None else optimum.energy_j[-1],
        )),
    )  # fmt: skip
    top = float(made.max(initial=0.0))
    if math.isfinite(least):
        top = min(top, 2.5 * least)
        top = max(top, least, float(made[best].max(initial=0.0)))
    panels = []
    width = 780.0 if len(axes) == 1 else 530.0
    for k, (name, row, deadline) in enumerate(axes):
        pick = ("inference_latency_s", "fine_tuning_time_s")[row]
        times: Floats = getattr(tree, pick)
        behind: Floats = np.empty(0) if doors is None else getattr(doors, pick)
        way: Floats = np.empty(0) if optimum is None else getattr(optimum, pick)
        right = float(times.max(initial=0.0))
        if deadline is not None:
            right = 1.16 * deadline if right > 0.4 * deadline else 1.3 * right
        panels.append(
            Panel(
                name,
                times,
                behind,
                times[best],
                way,
                deadline,
                Scale(0.0, max(right, 1e-12) * (1.0 if deadline is not None else 1.04)),
                Scale(0.0, 1.06 * (top or 1.0)),
                LEFT + k * (width + _GAP),
                width,
            )
        )
    return panels


def _beyond(tree: Tree, shown: Ints, panels: Sequence[Panel]) -> int:
    """Return how many labels to be drawn lie off every plot."""
    inside = np.zeros(len(shown), dtype=np.bool_)
    for panel in panels:
        inside |= (panel.times[shown] <= panel.x.high) & (tree.energy_j[shown] <= panel.y.high)
    return int((~inside).sum())


def _left_out(tree: Tree, shown: int, doors: int, beyond: int) -> tuple[str, ...]:
    lines = []
    if not tree.complete:
        lines.append(
            f"The tree is cut short after {len(tree)} labels; what later labels would be is "
            "not shown."
        )
    if shown < len(tree):
        lines.append(f"{shown} of {len(tree)} labels are drawn, of each kind its share.")
    if beyond:
        lines.append(f"{beyond} labels lie beyond the frame.")
    if tree.doors is None:
        lines.append("Choices that the deadlines rule out beforehand are not drawn.")
    elif doors < len(tree.doors):
        lines.append(f"{doors} of {len(tree.doors)} choices that the deadlines rule out are drawn.")
    return tuple(lines)
