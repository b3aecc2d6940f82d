"""Marks of the time-energy tree: axes, walls, labels with their ties, paths, legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from splitopt.bench.report.html import Markup, tag
from splitopt.bench.report.svg import Scale

if TYPE_CHECKING:
    from splitopt.heuristics.jqodi.cift.steps import Steps
    from splitopt.heuristics.jqodi.cift.tree import Tree

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PLOT_HEIGHT, TOP, LEFT = 430, 110, 74
_TOLD = 800  # labels up to which each says what it is when pointed at: a hundred bytes each
_FATES = ("kept", "dominated", "trimmed", "over", "dear")
_NAMES = ("kept", "dominated", "trimmed", "over a deadline", "too dear")
STYLE = """
svg { --ink: #1c2126; --quiet: #5a6470; --paper: #ffffff; --rule: #dfe4e9; --kept: #0072b2;
  --dominated: #8a949e; --trimmed: #c8480a; --over: #b3123a; --dear: #6f4fa0; --best: #00805e; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6e9ec; --quiet: #a5afba; --paper: #14181c; --rule: #2f373f; --kept: #58b0e8;
    --dominated: #7d8893; --trimmed: #ff9360; --over: #ff6b8b; --dear: #bda0ec; --best: #3fcfa4; }
}
.paper { fill: var(--paper); }
text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.title { font-size: 15px; font-weight: 600; } .quiet, .tick { fill: var(--quiet); }
.middle { text-anchor: middle; } .end { text-anchor: end; } .bold { font-weight: 600; }
.grid { stroke: var(--rule); } .tie { fill: none; stroke-width: .8; stroke-opacity: .45; }
.kept { fill: var(--kept); } .tie.kept { fill: none; stroke: var(--kept); }
.dominated { fill: none; stroke: var(--dominated); } .trimmed { fill: var(--trimmed); }
.tie.trimmed { fill: none; stroke: var(--trimmed); }
.over { fill: none; stroke: var(--over); stroke-width: 1.4; } .tie.over { stroke-width: .8; }
.dear { fill: none; stroke: var(--dear); stroke-width: 1.4; } .tie.dear { stroke-width: .8; }
.door { fill: none; stroke: var(--over); stroke-width: .8; stroke-opacity: .4;
  stroke-dasharray: 2 3; }
.best { fill: none; stroke: var(--best); stroke-width: 3; stroke-linejoin: round; }
.optimum { fill: none; stroke: var(--ink); stroke-width: 1.6; stroke-dasharray: 6 4; }
.badge { fill: var(--best); stroke: var(--paper); stroke-width: 1.5; }
.number { fill: var(--paper); font-size: 10px; font-weight: 700; text-anchor: middle; }
.wall { stroke: var(--over); stroke-width: 3; } .behind { fill: var(--over); fill-opacity: .09; }
.walled { fill: var(--over); font-weight: 600; }
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: times of labels, of doors, of the two paths, and the deadline."""

    name: str
    times: Floats
    doors: Floats
    best: Floats
    optimum: Floats
    deadline: float | None
    x: Scale
    y: Scale
    left: float
    width: float

    def at(self, time: float, energy: float) -> tuple[float, float]:
        """Return where a point lies on the paper."""
        return (
            round(self.left + self.x.place(time) * self.width, 1),
            round(TOP + (1.0 - self.y.place(energy)) * PLOT_HEIGHT, 1),
        )

    def inside(self, time: float, energy: float) -> bool:
        """Tell whether a point lies on the plot."""
        return time <= self.x.high and energy <= self.y.high


def panel_marks(
    tree: Tree, panel: Panel, shown: Ints, doors: Ints, optimum: Steps | None
) -> list[Markup]:
    """Return all that a panel shows, what matters most on top."""
    best = np.flatnonzero(tree.optimal)
    return [
        *_frame(panel),
        *_wall(panel),
        *_shut(tree, panel, doors),
        *_labels(tree, panel, shown),
        *_paths(tree, panel, best, optimum),
    ]


def _frame(panel: Panel) -> list[Markup]:
    bottom, right = TOP + PLOT_HEIGHT, panel.left + panel.width
    marks = []
    for value, label in panel.x.ticks():
        px, _ = panel.at(value, 0.0)
        marks.append(tag("line", x1=px, x2=px, y1=TOP, y2=bottom, class_="grid"))
        marks.append(tag("text", label, x=px, y=bottom + 17, class_="tick middle"))
    for value, label in panel.y.ticks():
        _, py = panel.at(0.0, value)
        marks.append(tag("line", x1=panel.left, x2=right, y1=py, y2=py, class_="grid"))
        marks.append(tag("text", label, x=panel.left - 7, y=py + 4, class_="tick end"))
    middle = panel.left + panel.width / 2
    marks.append(tag("text", panel.name, x=middle, y=bottom + 34, class_="middle"))
    half, edge = TOP + PLOT_HEIGHT / 2, panel.left - 58
    turn = f"translate({edge:g} {half:g}) rotate(-90)"
    marks.append(tag("text", "energy, J", transform=turn, class_="middle"))
    return marks


def _wall(panel: Panel) -> list[Markup]:
    if panel.deadline is None:
        return []
    right = panel.left + panel.width
    if panel.deadline > panel.x.high:
        said = f"deadline {panel.deadline:.4g} s, far to the right \u2192"
        return [tag("text", said, x=right, y=TOP - 7, class_="walled end")]
    px, _ = panel.at(panel.deadline, 0.0)
    said = f"deadline {panel.deadline:.4g} s"
    return [
        tag("rect", x=px, y=TOP, width=round(right - px, 1), height=PLOT_HEIGHT, class_="behind"),
        tag("line", x1=px, x2=px, y1=TOP, y2=TOP + PLOT_HEIGHT, class_="wall"),
        tag("text", said, x=px, y=TOP - 7, class_="walled middle"),
    ]


def _cross(x: float, y: float, r: float) -> str:
    return f"M{x - r:g} {y - r:g}L{x + r:g} {y + r:g}M{x - r:g} {y + r:g}L{x + r:g} {y - r:g}"


def _mark(fate: int, x: float, y: float, said: str | None, r: float = 3.0) -> Markup:
    title = None if said is None else tag("title", said)
    name = _FATES[fate]
    if name == "kept":
        return tag("circle", title, cx=x, cy=y, r=r, class_=name)
    if name == "dominated":
        return tag("circle", title, cx=x, cy=y, r=0.9 * r, class_=name)
    if name == "trimmed":
        a, b = 1.17 * r, 1.33 * r
        corners = f"{x:g},{y - b:g} {x + a:g},{y:g} {x:g},{y + b:g} {x - a:g},{y:g}"
        return tag("polygon", title, points=corners, class_=name)
    if name == "over":
        return tag("path", title, d=_cross(x, y, r), class_=name)
    return tag("path", title, d=f"M{x - 4:g} {y:g}h8M{x:g} {y - 4:g}v8", class_=name)


def _labels(tree: Tree, panel: Panel, shown: Ints) -> list[Markup]:
    """Return the labels of the panel, kept ones on top, with their ties beneath."""
    ties: dict[int, list[str]] = {}
    points: list[tuple[int, Markup]] = []
    told = len(shown) <= _TOLD
    size = 3.0 if told else 2.0
    for label in shown.tolist():
        time, energy = float(panel.times[label]), float(tree.energy_j[label])
        if not panel.inside(time, energy):
            continue
        fate = int(tree.fate[label])
        x, y = panel.at(time, energy)
        before = int(tree.parent[label])
        if before >= 0:
            px, py = panel.at(float(panel.times[before]), float(tree.energy_j[before]))
            ties.setdefault(fate, []).append(f"M{px:g} {py:g}L{x:g} {y:g}")
        said = None
        if told:
            number = tree.blocks[label]
            done = f"downset {number} done" if tree.graph else f"{number} blocks done"
            said = (
                f"{tree.node[label]}, {tree.phase[label]}, {done}: "
                f"{energy:.5g} J, {time:.4g} s ({_NAMES[fate]})"
            )
        points.append((fate, _mark(fate, x, y, said, size)))
    marks = [
        tag("path", d="".join(parts), class_=f"tie {_FATES[fate]}")
        for fate, parts in sorted(ties.items(), reverse=True)
    ]
    order = (1, 3, 4, 2, 0)
    return marks + [mark for fate in order for f, mark in points if f == fate]


def _shut(tree: Tree, panel: Panel, doors: Ints) -> list[Markup]:
    """Return the choices ruled out, each a dotted stub from its label."""
    if tree.doors is None or not len(doors):
        return []
    parts = []
    for door in doors.tolist():
        label = int(tree.doors.parent[door])
        x, y = panel.at(float(panel.times[label]), float(tree.energy_j[label]))
        time, energy = float(panel.doors[door]), float(tree.doors.energy_j[door])
        # A stub in the right direction, or it would cross the picture.
        tx, ty = panel.at(min(time, 10 * panel.x.high), min(energy, 10 * panel.y.high))
        dx, dy = tx - x, ty - y
        length = math.hypot(dx, dy)
        if length > 0:
            cut = min(1.0, 26.0 / length)
            parts.append(f"M{x:g} {y:g}l{dx * cut:.1f} {dy * cut:.1f}")
    return [tag("path", d="".join(parts), class_="door")]


def _polyline(panel: Panel, times: Floats, energies: Floats) -> str:
    places = [panel.at(float(t), float(e)) for t, e in zip(times, energies, strict=True)]
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in places)


def _paths(tree: Tree, panel: Panel, best: Ints, optimum: Steps | None) -> list[Markup]:
    marks = []
    if optimum is not None:
        way = _polyline(panel, panel.optimum, optimum.energy_j)
        marks.append(tag("path", d=way, class_="optimum"))
    if len(best):
        way = _polyline(panel, panel.best, tree.energy_j[best])
        marks.append(tag("path", tag("title", "the best path"), d=way, class_="best"))
        ends = [
            k
            for k, label in enumerate(best.tolist())
            if k + 1 == len(best) or tree.node[best[k + 1]] != tree.node[label]
        ]
        places = [panel.at(float(panel.best[k]), float(tree.energy_j[best[k]])) for k in ends]
    elif optimum is not None:
        last = [
            int(np.flatnonzero(optimum.stop == k)[-1]) for k in range(int(optimum.stop[-1]) + 1)
        ]
        places = [panel.at(float(panel.optimum[k]), float(optimum.energy_j[k])) for k in last]
    else:
        return marks
    for number, (x, y) in enumerate(_apart(places)):
        marks.append(tag("circle", cx=x, cy=y, r=8, class_="badge"))
        marks.append(tag("text", str(number + 1), x=x, y=y + 3.5, class_="number"))
    return marks


def _apart(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the places of badges, moved up and left where they would cover each other."""
    found: list[tuple[float, float]] = []
    for x, y in places:
        while any(math.hypot(x - a, y - b) < 15 for a, b in found):
            x, y = x - 6.0, y - 14.0
        found.append((round(x, 1), round(y, 1)))
    return found


def legend(tree: Tree, dashed: str | None) -> list[Markup]:
    """Return what the marks mean, with how many labels there are of each."""
    marks: list[Markup] = []
    x = float(LEFT)
    counts = list(tree.counts().values())

    def entry(mark: Markup, name: str) -> None:
        nonlocal x
        marks.append(mark)
        marks.append(tag("text", name, x=round(x + 12, 1), y=TOP - 26))
        x += 12 + 6.6 * len(name) + 18

    if tree.optimal.any():
        entry(tag("path", d=f"M{x - 8:g} {TOP - 30}h16", class_="best"), "the best path")
    if dashed is not None:
        entry(tag("path", d=f"M{x - 8:g} {TOP - 30}h16", class_="optimum"), dashed)
    for fate, count in enumerate(counts):
        if count:
            entry(_mark(fate, x, TOP - 30.0, None), f"{_NAMES[fate]} {count}")
    if tree.doors is not None and len(tree.doors):
        line = tag("path", d=f"M{x - 8:g} {TOP - 30}h16", class_="door")
        entry(line, f"ruled out by a deadline {len(tree.doors)}")
    return marks
