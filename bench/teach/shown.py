"""What a cell of a lesson shows, as a page keeps it: a picture in SVG, or HTML."""

from __future__ import annotations

import html
import io
import re
from dataclasses import dataclass
from typing import Any

# Of a coordinate in a picture: a hundredth of a point is less than a screen shows.
_LONG = re.compile(r"(-?\d+\.\d\d)\d+")
_COORDINATES = re.compile(r' (?:d|x|y|points|transform)="[^"]*"')


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure.

    Attributes
    ----------
    svg
        The drawing.
    alt
        What stands for it where it is not seen.
    """

    svg: str
    alt: str


def _said(figure: Any) -> str:
    """Return what a figure shows: its title, its axes, its lines."""
    parts = []
    for axes in figure.axes:
        title = next((axes.get_title(at) for at in ("left", "center") if axes.get_title(at)), "")
        over = f"{axes.get_ylabel()} over {axes.get_xlabel()}" if axes.get_ylabel() else ""
        _, names = axes.get_legend_handles_labels()
        parts.append(": ".join(filter(None, [title, over or axes.get_xlabel(), ", ".join(names)])))
    return "; ".join(filter(None, parts)) or "figure"


def _picture(figure: Any) -> Picture:
    from matplotlib import pyplot

    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(stream, format="svg", metadata=nothing)
    alt = _said(figure)
    pyplot.close(figure)
    drawn = stream.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<!--.*?-->", "", drawn, flags=re.DOTALL)
    shorter = _COORDINATES.sub(lambda found: _LONG.sub(r"\1", found[0]), drawn)
    return Picture(re.sub(r"\s*\n\s*", "\n", shorter).strip(), alt)


def shown(output: Any) -> Picture | str:
    """Return the picture of a figure, HTML of anything else that is no control."""
    import matplotlib.figure
    import pandas as pd

    if isinstance(output, matplotlib.figure.Figure):
        return _picture(output)
    if isinstance(output, pd.DataFrame):
        return output.to_html(border=0, classes="docutils")
    text = getattr(output, "text", None)
    if isinstance(text, str):
        # The class `contents` of marimo's wrapper means a table of contents to themes.
        inner = re.sub(r'^<span class="markdown[^"]*">', "<span>", text)
        return f"<blockquote>{inner}</blockquote>"
    return f"<pre>{html.escape(str(output))}</pre>"
