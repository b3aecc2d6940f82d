"""Charts as SVG: axes, lines, steps, points; styled by the page, readable without colour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from splitopt.bench.report.html import Markup, tag
from splitopt.bench.report.numbers import axis_text
from splitopt.bench.report.scale import Scale

__all__ = [
    "MOST_POINTS",
    "NARROW",
    "WIDE",
    "Chart",
    "Layout",
    "Scale",
    "Series",
    "marker",
    "series_class",
]

_COLOURS = 8
_LETTER = 6.9  # width of a letter in a name, in units of the drawing


# No screen shows more of a line.
MOST_POINTS = 1000


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return as many points of a line as are drawn, evenly by number, its ends among them."""
    last = len(points) - 1
    return [points[round(k * last / (MOST_POINTS - 1))] for k in range(MOST_POINTS)]


@dataclass(frozen=True, slots=True)
class Layout:
    """Size of a drawing and of the margins around its frame."""

    name: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    ticks: int


WIDE = Layout("wide", 680, 400, 84, 16, 16, 52, 7)
# For a phone: drawn at about its own size, so that letters stay letters.
NARROW = Layout("narrow", 400, 340, 80, 14, 12, 50, 4)


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one name, and how they are drawn.

    Attributes
    ----------
    k
        Place of the name in the chart's `names`.
    style
        ``line`` joins the points; ``hold`` keeps each height until the next; ``step`` does so
        too, rises from the corner and runs to the edge, as a distribution does; ``points``
        draws them apart.
    part
        What of the name it is, where a name has several, such as ``bound``.
    said
        What is said of each point when it is pointed at; empty for its coordinates.
    """

    k: int
    style: Literal["line", "hold", "step", "points"]
    points: tuple[tuple[float, float], ...]
    part: str = ""
    said: tuple[str, ...] = ()


def series_class(k: int) -> str:
    """Return the classes of colour k: eight colours, then the same with another dash."""
    return "series plain" if k < 0 else f"series c{k % _COLOURS} d{k // _COLOURS % 4}"


@dataclass
class Chart:
    """A chart under construction: add series, then draw it.

    `colours` gives names their colour, so that a method looks the same in every chart; other
    names take the next. -1 is for what is no method, such as a line of what is promised.
    """

    title: str
    description: str
    x: Scale
    y: Scale
    x_label: str
    y_label: str
    colours: Mapping[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    # By name, one cost a task: what a performance profile is computed from, and its floor.
    costs: Mapping[str, Sequence[float]] | None = None
    floor: float = 0.0
    # Whether a line was drawn through fewer points than it has.
    thinned: bool = False
    _labels: list[tuple[float, float, str]] = field(default_factory=list)
    _named: bool = False

    def colour(self, k: int) -> int:
        """Return the colour of the k-th name."""
        return self.colours.get(self.names[k], k)

    def _add(
        self,
        name: str,
        style: Literal["line", "hold", "step", "points"],
        points: Sequence[tuple[float, float]],
        part: str = "",
        said: Sequence[str] = (),
    ) -> None:
        if not points:
            return
        if name not in self.names:
            self.names.append(name)
        k = self.names.index(name)
        if style != "points" and len(points) > MOST_POINTS:
            points = _thinned(points)
            self.thinned = True
        self.series.append(Series(k, style, tuple(points), part, tuple(said)))

    def line(
        self,
        name: str,
        points: Sequence[tuple[float, float]],
        *,
        steps: bool = False,
        hold: bool = False,
        part: str = "",
    ) -> None:
        """Add a line through `points`; see `Series` for `steps` and `hold`."""
        self._add(name, "step" if steps else "hold" if hold else "line", points, part)

    def points(self, name: str, points: Sequence[tuple[float, float, str]]) -> None:
        """Add points, each with what is said of it when pointed at."""
        self._add(name, "points", [(x, y) for x, y, _ in points], said=[s for *_, s in points])

    def labels(self, labels: Sequence[tuple[float, float, str]]) -> None:
        """Write names beside points, moved apart where they would overlap."""
        self._labels += labels

    def name_lines(self) -> None:
        """Write the names of the series into the chart, where it has no legend."""
        self._named = True

    # -- drawing -------------------------------------------------------------------------

    def _at(self, x: float, y: float, to: Layout) -> tuple[float, float]:
        return (
            round(to.left + self.x.place(x) * (to.width - to.left - to.right), 1),
            round(to.height - to.bottom - self.y.place(y) * (to.height - to.top - to.bottom), 1),
        )

    def _path(self, series: Series, to: Layout) -> str:
        points = series.points
        if series.style == "step" and points[0][0] > self.x.low:
            points = ((self.x.low, self.y.low), *points)
        parts = []
        for k, (x, y) in enumerate(points):
            px, py = self._at(x, y, to)
            if k and series.style != "line":
                parts.append(f"H{px:g}V{py:g}")
            else:
                parts.append(f"{'L' if k else 'M'}{px:g} {py:g}")
        if series.style == "step":
            parts.append(f"H{to.width - to.right}")
        return "".join(parts)

    def _marks(self, series: Series, to: Layout) -> Markup:
        name, colour = self.names[series.k], self.colour(series.k)
        if series.style == "points":
            marks = [
                marker(colour, *self._at(*point, to), said)
                for point, said in zip(series.points, series.said, strict=True)
            ]
        else:
            said = f"{name}, {series.part}" if series.part else name
            marks = [tag("path", tag("title", said), d=self._path(series, to), class_="line")]
        classes = " ".join(filter(None, [series_class(colour), series.part]))
        return tag("g", marks, class_=classes, data_series=series.k)

    def _label_marks(self, to: Layout) -> list[Markup]:
        taken = []
        for x, y, _ in self._labels:
            px, py = self._at(x, y, to)
            taken.append((px - 5, py - 5, px + 5, py + 5))
        marks = []
        for x, y, label in sorted(self._labels, key=lambda entry: (-entry[1], entry[0])):
            px, py = self._at(x, y, to)
            width = _LETTER * len(label)
            for dy in (0, -13, 13, -26, 26, -39, 39):
                for x0 in (px + 8, px - 8 - width):
                    box = (x0, py + dy - 7, x0 + width, py + dy + 6)
                    inside = to.left <= box[0] and box[2] <= to.width - to.right
                    inside = inside and box[1] >= to.top and box[3] <= to.height - to.bottom + 8
                    if inside and not any(_meet(box, other) for other in taken):
                        break
                else:
                    continue
                break
            else:
                continue  # no room: the legend and the table name it
            taken.append(box)
            k = self.names.index(label) if label in self.names else None
            written = tag("text", label, x=round(x0, 1), y=round(py + dy + 4, 1), class_="name")
            marks.append(tag("g", written, data_series=k))
        return marks

    def _name_marks(self, to: Layout) -> list[Markup]:
        widest = max((len(name) for name in self.names), default=0)
        x = to.width - to.right - 8 - _LETTER * widest
        y = to.height - to.bottom - 14 - 16 * (len(self.names) - 1)
        marks = []
        for k, name in enumerate(self.names):
            here = y + 16 * k
            line = tag("path", d=f"M{x - 32:g} {here - 4:g}h24", class_="line")
            marks.append(tag("g", line, class_=series_class(self.colour(k))))
            marks.append(tag("text", name, x=round(x, 1), y=here, class_="name"))
        return marks

    def _frame(self, to: Layout) -> list[Markup]:
        marks = []
        bottom, right = to.height - to.bottom, to.width - to.right
        for value, label in self.x.ticks(to.ticks):
            px, _ = self._at(value, self.y.low, to)
            marks.append(tag("line", x1=px, x2=px, y1=to.top, y2=bottom, class_="grid"))
            # A long label at the edge keeps within the drawing.
            over = px + _LETTER * len(label) / 2 > to.width
            at, anchor = (to.width - 1, "end") if over else (px, "middle")
            marks.append(tag("text", label, x=at, y=bottom + 18, class_=f"tick {anchor}"))
        for value, label in self.y.ticks(to.ticks):
            _, py = self._at(self.x.low, value, to)
            marks.append(tag("line", x1=to.left, x2=right, y1=py, y2=py, class_="grid"))
            marks.append(tag("text", label, x=to.left - 8, y=py + 4, class_="tick end"))
        middle = (to.left + right) / 2
        marks.append(tag("text", self.x_label, x=middle, y=to.height - 10, class_="axis middle"))
        half = (to.top + bottom) / 2
        turn = f"translate(14 {half:g}) rotate(-90)"
        marks.append(tag("text", self.y_label, transform=turn, class_="axis middle"))
        return marks

    def drawing(self, style: str | None = None, to: Layout = WIDE) -> Markup:
        """Return the SVG element alone; with `style` it stands without a page."""
        alone = style is not None
        return tag(
            "svg",
            tag("title", self.title),
            tag("desc", self.description),
            tag("style", Markup(style)) if alone else None,
            tag("rect", width=to.width, height=to.height, class_="paper") if alone else None,
            tag("g", self._frame(to), aria_hidden="true"),
            [self._marks(series, to) for series in self.series],
            self._label_marks(to),
            self._name_marks(to) if self._named else None,
            viewbox=f"0 0 {to.width} {to.height}",
            role="img",
            xmlns="http://www.w3.org/2000/svg",
            aria_label=self.title,
            class_=None if alone else f"drawing {to.name}",
        )

    # -- in words ------------------------------------------------------------------------

    def value_at(self, series: Series, x: float) -> float | None:
        """Return the height of a line at `x`; None where it is not drawn."""
        before = [y for px, y in series.points if px <= x * (1 + 1e-12)]
        if series.style == "step":
            return before[-1] if before else self.y.low
        after = [y for px, y in series.points if px >= x * (1 - 1e-12)]
        return before[-1] if before and after else None

    def figures(self) -> tuple[list[str], list[list[str]]]:
        """Return the chart as a table: its header, and a line a series or a point."""
        lines = [series for series in self.series if series.style != "points"]
        if not lines:
            body = [
                [self.names[s.k], axis_text(x, self.x.kind), self._height(y)]
                for s in self.series
                for x, y in s.points
            ]
            return ["series", self.x_label, self.y_label], body
        at = sorted({x for series in lines for x, _ in series.points if math.isfinite(x)})
        if len(at) > 10:
            at = [value for value, _ in self.x.ticks(WIDE.ticks)]
        header = ["series", *(axis_text(x, self.x.kind) for x in at)]
        body = []
        for series in lines:
            name = self.names[series.k]
            heights = [self.value_at(series, x) for x in at]
            shown = ["-" if y is None else self._height(y) for y in heights]
            body.append([f"{name}, {series.part}" if series.part else name, *shown])
        return header, body

    def _height(self, y: float) -> str:
        if self.y.floor_label is not None and y <= self.y.low * 1.001:
            return self.y.floor_label
        digits = float(f"{y:.3g}") if self.y.kind != "number" else float(f"{y:.6g}")
        return axis_text(digits, self.y.kind)


Box = tuple[float, float, float, float]


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def marker(colour: int, x: float, y: float, said: str | None) -> Markup:
    """Return the mark of a colour: its shape tells colours apart too."""
    shape = (colour % _COLOURS + colour // _COLOURS) % 4
    title = tag("title", said) if said is not None else None
    if shape == 0:
        return tag("circle", title, cx=x, cy=y, r=4.5, class_="mark")
    if shape == 1:
        return tag("rect", title, x=x - 4, y=y - 4, width=8, height=8, class_="mark")
    corners = (
        [(0, -5.5), (5, 4), (-5, 4)] if shape == 2 else [(0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)]
    )
    joined = " ".join(f"{x + a:g},{y + b:g}" for a, b in corners)
    return tag("polygon", title, points=joined, class_="mark")
