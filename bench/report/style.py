"""What tells lines apart in figures drawn by matplotlib: colours, marks, dashes, hatches.

The colours are the report's, dark enough for print; with marks and dashes a figure is read in
black and white too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (
    "#0072b2",
    "#c8480a",
    "#00805e",
    "#b0508c",
    "#8a5c00",
    "#2f7f9e",
    "#6f4fa0",
    "#4d4d4d",
)
MARKS = ("o", "s", "^", "D", "v", "X", "P", "*")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)))
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo", "++", "---")
GRID = "#d5d5d5"
# Of a plan's hosts, as areas: colours that also differ in print (Okabe and Ito).
HOSTS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")


def for_slides() -> Any:
    """Return the settings of matplotlib for a figure read from afar; lines differ by themselves."""
    from cycler import cycler

    count = len(COLOURS)
    return {
        "axes.prop_cycle": cycler(color=COLOURS)
        + cycler(marker=MARKS)
        + cycler(linestyle=[DASHES[k % len(DASHES)] for k in range(count)]),
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "axes.titlesize": 13,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "grid.color": GRID,
        "grid.linewidth": 0.5,
        "figure.figsize": (7.0, 3.6),
        # Margins that stay: a figure that moves does not jump, and is laid out in half the time.
        "figure.subplot.left": 0.11,
        "figure.subplot.right": 0.96,
        "figure.subplot.bottom": 0.16,
        "figure.subplot.top": 0.9,
        "font.size": 11,
        "legend.frameon": False,
        "legend.handlelength": 3.2,
        "lines.linewidth": 1.8,
        "lines.markersize": 6,
        # Letters stay letters, and the same figure is the same file.
        "svg.fonttype": "none",
        "svg.hashsalt": "splitopt",
    }


def plain_numbers(axes: Axes) -> None:
    """Write 0.1, 1, 10 at the ticks of logarithmic axes, not powers: read sooner, drawn sooner."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
