"""Charts as SVG: axes, lines, steps, points; styled by the page, readable without colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.report.html import Markup, tag

__all__ = ["Chart", "Scale", "series_class"]

WIDTH, HEIGHT = 680, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 16, 52
_COLOURS = 8


def series_class(k: int) -> str:
    """Return the classes of series k: eight colours, then the same with another dash."""
    return f"series c{k % _COLOURS} d{k // _COLOURS % 4}"


def _nice_step(span: float, most: int) -> float:
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis: its range, whether logarithmic, and how its ticks are written.

    With `floor_label` the lower end of a logarithmic axis stands for everything below it.
    """

    low: float
    high: float
    log: bool = False
    unit: str = ""
    floor_label: str | None = None

    @staticmethod
    def over(
        values: Sequence[float], *, log: bool = False, floor: float = 1e-6, unit: str = ""
    ) -> Scale:
        """Return a scale that holds all finite `values`."""
        finite = [v for v in values if math.isfinite(v)]
        if log:
            finite = [max(v, floor) for v in finite] or [floor]
            low = 10.0 ** math.floor(math.log10(min(finite)) + 1e-9)
            high = 10.0 ** math.ceil(math.log10(max(finite)) - 1e-9)
            return Scale(low, max(high, 10 * low), True, unit)
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        pad = 0.04 * (high - low) or 0.5
        return Scale(low - pad, high + pad, False, unit)

    def place(self, value: float) -> float:
        """Return where `value` lies, 0 at the lower end and 1 at the upper."""
        if self.log:
            value = min(max(value, self.low), self.high)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the values of the ticks and what is written at them."""
        if self.log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            step = max(1, math.ceil((last - first) / 7))
            found = [(10.0**k, f"{10.0**k:g}") for k in range(first, last + 1, step)]
        else:
            step_size = _nice_step(self.high - self.low, 6)
            k = math.ceil(self.low / step_size - 1e-9)
            found = []
            while k * step_size <= self.high * (1 + 1e-12) + 1e-300:
                found.append((k * step_size, f"{k * step_size:.6g}"))
                k += 1
        if self.floor_label is not None and found:
            found[0] = (self.low, self.floor_label)
        return found


@dataclass
class Chart:
    """A chart under construction: add series, then `render`."""

    title: str
    description: str
    x: Scale
    y: Scale
    x_label: str
    y_label: str
    names: list[str] = field(default_factory=list)
    _marks: list[Markup] = field(default_factory=list)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (
            round(LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - self.y.place(y) * (HEIGHT - TOP - BOTTOM), 1),
        )

    def _series(self, name: str, marks: list[Markup]) -> None:
        if name in self.names:
            k = self.names.index(name)
        else:
            k = len(self.names)
            self.names.append(name)
        self._marks.append(tag("g", marks, class_=series_class(k), data_series=k))

    def line(
        self, name: str, points: Sequence[tuple[float, float]], *, steps: bool = False
    ) -> None:
        """Add a line through `points`; with `steps` each height holds until the next point."""
        if not points:
            return
        if steps and points[0][0] > self.x.low:
            points = [(self.x.low, self.y.low), *points]
        parts = []
        for k, (x, y) in enumerate(points):
            px, py = self._at(x, y)
            if k and steps:
                parts.append(f"H{px:g}V{py:g}")
            else:
                parts.append(f"{'L' if k else 'M'}{px:g} {py:g}")
        if steps:
            parts.append(f"H{WIDTH - RIGHT}")
        self._series(name, [tag("path", tag("title", name), d="".join(parts), class_="line")])

    def points(self, name: str, points: Sequence[tuple[float, float, str]]) -> None:
        """Add points, each with what is said of it when pointed at or focused."""
        shape = len(self.names) % 4 if name not in self.names else self.names.index(name) % 4
        marks = []
        for x, y, said in points:
            px, py = self._at(x, y)
            marks.append(_marker(shape, px, py, said))
        self._series(name, marks)

    def labels(self, labels: Sequence[tuple[float, float, str]]) -> None:
        """Write names beside points, moved apart where they would overlap."""
        taken: list[tuple[float, float, float]] = []
        for x, y, label in sorted(labels, key=lambda entry: -entry[1]):
            px, py = self._at(x, y)
            width = 6.6 * len(label)
            left = px + 8 + width > WIDTH - RIGHT
            x0 = px - 8 - width if left else px + 8
            y0 = py + 4
            while any(abs(y0 - b) < 12 and x0 < a + w and a < x0 + width for a, b, w in taken):
                y0 += 12
            taken.append((x0, y0, width))
            self._marks.append(tag("text", label, x=round(x0, 1), y=round(y0, 1), class_="name"))

    def name_lines(self) -> None:
        """Write the names of the series into the chart, where it has no legend."""
        widest = max((len(name) for name in self.names), default=0)
        x = WIDTH - RIGHT - 8 - 6.6 * widest
        y = HEIGHT - BOTTOM - 14 - 16 * (len(self.names) - 1)
        for k, name in enumerate(self.names):
            here = y + 16 * k
            line = tag("path", d=f"M{x - 32:g} {here - 4:g}h24", class_="line")
            self._marks.append(tag("g", line, class_=series_class(k)))
            self._marks.append(tag("text", name, x=round(x, 1), y=here, class_="name"))

    def _frame(self) -> list[Markup]:
        marks = []
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for value, label in self.x.ticks():
            px, _ = self._at(value, self.y.low)
            marks.append(tag("line", x1=px, x2=px, y1=TOP, y2=bottom, class_="grid"))
            marks.append(tag("text", label, x=px, y=bottom + 18, class_="tick middle"))
        for value, label in self.y.ticks():
            _, py = self._at(self.x.low, value)
            marks.append(tag("line", x1=LEFT, x2=right, y1=py, y2=py, class_="grid"))
            marks.append(tag("text", label, x=LEFT - 8, y=py + 4, class_="tick end"))
        middle = (LEFT + right) / 2
        marks.append(tag("text", self.x_label, x=middle, y=HEIGHT - 10, class_="axis middle"))
        half = (TOP + bottom) / 2
        turn = f"translate(16 {half:g}) rotate(-90)"
        marks.append(tag("text", self.y_label, transform=turn, class_="axis middle"))
        return marks

    def drawing(self, style: str | None = None) -> Markup:
        """Return the SVG element alone; with `style` it stands without a page."""
        return tag(
            "svg",
            tag("title", self.title),
            tag("desc", self.description),
            tag("style", Markup(style)) if style is not None else None,
            tag("rect", width=WIDTH, height=HEIGHT, class_="paper") if style is not None else None,
            tag("g", self._frame(), aria_hidden="true"),
            self._marks,
            viewbox=f"0 0 {WIDTH} {HEIGHT}",
            role="img",
            xmlns="http://www.w3.org/2000/svg",
            aria_label=self.title,
        )

    def render(self) -> Markup:
        """Return the chart with its caption and a legend whose entries switch series off."""
        legend = [
            tag(
                "button",
                tag(
                    "svg",
                    tag("path", d="M0 6H24", class_="line"),
                    _marker(k % 4, 12, 6, None),
                    viewbox="0 0 24 12",
                    class_=series_class(k),
                    aria_hidden="true",
                ),
                " " + name,
                type="button",
                aria_pressed="true",
                data_series=k,
            )
            for k, name in enumerate(self.names)
        ]
        caption = tag("figcaption", tag("strong", self.title), " ", self.description)
        keys = tag("div", legend, class_="legend", role="group", aria_label="Series shown")
        return tag("figure", self.drawing(), keys, caption, class_="chart")


def _marker(shape: int, x: float, y: float, said: str | None) -> Markup:
    title = tag("title", said) if said is not None else None
    more: dict[str, object] = {"class_": "mark"}
    if said is not None:
        more |= {"tabindex": "0", "role": "img", "aria_label": said}
    if shape == 0:
        return tag("circle", title, cx=x, cy=y, r=4, **more)
    if shape == 1:
        return tag("rect", title, x=x - 3.5, y=y - 3.5, width=7, height=7, **more)
    corners = (
        [(0, -5), (4.5, 3.5), (-4.5, 3.5)] if shape == 2 else [(0, -5), (5, 0), (0, 5), (-5, 0)]
    )
    joined = " ".join(f"{x + a:g},{y + b:g}" for a, b in corners)
    return tag("polygon", title, points=joined, **more)
