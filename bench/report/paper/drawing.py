"""The charts of the report as figures for print: PDF and SVG, readable in black and white."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from splitopt.bench.report.paper.latex import western
from splitopt.bench.report.scale import Scale
from splitopt.bench.report.style import COLOURS, DASHES, GRID, MARKS
from splitopt.bench.report.svg import Chart, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("pdf", "svg")
_SIZE_IN = (5.9, 3.3)
_SETTINGS: Any = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9,
    "legend.fontsize": 8,
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,  # publishers refuse the other kind
    "svg.fonttype": "none",
    "svg.hashsalt": "splitopt",
}
_PLAIN: Mapping[str, Any] = {"color": "#4d4d4d", "linestyle": (0, (1, 1.5)), "linewidth": 1.2}
_TICKS = 6
_ALL_MARKED = 6  # points of a line that are all marked


def _style(k: int, part: str, points: int) -> dict[str, Any]:
    """Return how the k-th method is drawn; `part` sets its thinner line apart."""
    main = part in ("", "incumbent", "worst")
    place = k % len(COLOURS)
    return {
        "color": COLOURS[place],
        "marker": MARKS[place],
        # Hollow from the second round on: points have no dashes.
        "markerfacecolor": COLOURS[place] if k < len(COLOURS) else "white",
        "markersize": 4 if main else 2.5,
        "linestyle": DASHES[(k + k // len(COLOURS)) % len(DASHES)],
        "linewidth": 1.4 if main else 0.7,
        # Marks of different lines at different places, a few on each.
        "markevery": (0.03 + 0.017 * place, 0.17) if points > _ALL_MARKED else None,
        "clip_on": False,
    }


def _number(value: float) -> str:
    """Return a tick: plain where it is short, else a power of ten."""
    if value == 0 or 1e-3 <= abs(value) <= 1e3:
        return f"{value:g}"
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    factor = value / 10.0**exponent
    power = f"10^{{{exponent}}}"
    return f"${power}$" if math.isclose(factor, 1) else f"${factor:g}\\cdot {power}$"


def _factor(scale: Scale) -> float:
    return 100.0 if scale.kind in ("gap", "share") else 1.0


def _label(label: str, scale: Scale) -> str:
    unit = {"time": " (s)", "gap": " (%)", "share": " (%)"}.get(scale.kind, "")
    return f"{label}{unit}"


def _axis(axes: Axes, which: str, scale: Scale, label: str) -> None:
    if scale.log:
        getattr(axes, f"set_{which}scale")("log")
    getattr(axes, f"set_{which}lim")(scale.low, scale.high)
    ticks = [(value, _number(_factor(scale) * value)) for value, _ in scale.ticks(_TICKS)]
    if scale.floor_label is not None and ticks:
        ticks[0] = (scale.low, scale.floor_label)
    getattr(axes, f"set_{which}ticks")([v for v, _ in ticks], [text for _, text in ticks])
    getattr(axes, f"set_{which}ticks")([], minor=True)
    getattr(axes, f"set_{which}label")(_label(label, scale))


def _held(value: float, scale: Scale) -> float:
    """Return a value on the axis: what lies beyond an end is drawn at it, as in the report."""
    return min(max(value, scale.low), scale.high)


def _points(chart: Chart, series: Series) -> tuple[list[float], list[float]]:
    points = list(series.points)
    if series.style == "step":
        # From the corner to the edge, as a distribution runs.
        if points[0][0] > chart.x.low:
            points.insert(0, (chart.x.low, chart.y.low))
        points.append((chart.x.high, points[-1][1]))
    return [_held(x, chart.x) for x, _ in points], [_held(y, chart.y) for _, y in points]


def _series(axes: Axes, chart: Chart, series: Series, styles: Mapping[str, int]) -> None:
    name = chart.names[series.k]
    x, y = _points(chart, series)
    if name not in styles:
        if chart.colours.get(name) == -1:  # no method: a line of what is promised
            axes.plot(x, y, label=name, **_PLAIN)
        elif series.style == "points":
            axes.plot(
                x, y, linestyle="none", marker=".", markersize=5, color="#a0a0a0", clip_on=False
            )
        return
    style = _style(styles[name], series.part, len(x))
    if series.style == "points":
        style |= {"linestyle": "none", "markersize": 5.5}
    elif series.style != "line":
        style["drawstyle"] = "steps-post"
    label = f"{name}, {series.part}" if series.part else name
    axes.plot(x, y, label=label, zorder=3 - 0.01 * styles[name], **style)


def draw(chart: Chart, styles: Mapping[str, int]) -> dict[str, bytes]:
    """Return the chart in each of `FORMATS`; the same chart gives the same bytes.

    Parameters
    ----------
    styles
        The methods shown, by name, and the number of each one's style. Points of the others
        are grey, lines of the others left out.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=_SIZE_IN, layout="constrained")
        axes = figure.subplots()
        axes.grid(color=GRID, linewidth=0.4)
        axes.spines[["top", "right"]].set_visible(False)
        _axis(axes, "x", chart.x, chart.x_label)
        _axis(axes, "y", chart.y, chart.y_label)
        lines = {series.k for series in chart.series if series.style != "points"}
        for series in chart.series:
            # A line has marks of its own.
            if series.style != "points" or series.k not in lines:
                _series(axes, chart, series, styles)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(
            handles,
            # Names come from stores: no formula is read into them.
            [western(label).replace("$", r"\$") for label in labels],
            loc="outside right upper",
            frameon=False,
            handlelength=3.2,
        )
        written = {}
        for kind in FORMATS:
            stream = io.BytesIO()
            dated = "CreationDate" if kind == "pdf" else "Date"
            figure.savefig(stream, format=kind, metadata={dated: None})
            written[kind] = stream.getvalue()
    return written
