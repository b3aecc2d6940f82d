"""Charts of a set of runs as files that stand alone, for a README or a paper."""

from __future__ import annotations

from pathlib import Path

from splitopt.bench.compare.data import load
from splitopt.bench.report.plots import profile_chart, quality_chart, time_quality_chart
from splitopt.bench.report.svg import Chart
from splitopt.instances.core.documents import write_bytes

# The report's colours, here in the file itself: an image in a README has no page around it.
_STYLE = """
svg { --ink: #1c2126; --quiet: #5a6470; --paper: #ffffff; --rule: #d5dbe1; }
.c0 { color: #0072b2; } .c1 { color: #c8480a; } .c2 { color: #00805e; } .c3 { color: #b0508c; }
.c4 { color: #a66f00; } .c5 { color: #2f7f9e; } .c6 { color: #6f4fa0; } .c7 { color: #4d4d4d; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6e9ec; --quiet: #a5afba; --paper: #14181c; --rule: #39424b; }
  .c0 { color: #58b0e8; } .c1 { color: #ff9360; } .c2 { color: #3fcfa4; } .c3 { color: #e79ac8; }
  .c4 { color: #ecb544; } .c5 { color: #86cde6; } .c6 { color: #bda0ec; } .c7 { color: #c4c4c4; }
}
.paper { fill: var(--paper); }
text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.tick { fill: var(--quiet); } .name { font-weight: 600; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.grid { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke: currentColor; stroke-width: 2; }
.mark { fill: currentColor; stroke: var(--paper); stroke-width: 1; }
.plain { color: var(--quiet); } .plain .line { stroke-dasharray: 2 3; }
.bound .line, .median .line { stroke-width: 1; opacity: .7; }
.d1 .line { stroke-dasharray: 7 3; } .d2 .line { stroke-dasharray: 2 3; }
.d3 .line { stroke-dasharray: 9 3 2 3; }
"""


def write_chart(chart: Chart, path: Path, *, named: bool = False) -> None:
    """Write one chart as an SVG file that stands alone, the names of its lines in it.

    With `named` it has names already.
    """
    if not named:
        chart.name_lines()
    write_bytes(path, (chart.drawing(_STYLE) + "\n").encode())


def write_figures(out: Path, folder: Path) -> list[Path]:
    """Write the charts of the store at `out` as SVG files into `folder`; return their paths.

    For each problem ``<problem>-time-quality.svg``, ``<problem>-profile.svg`` and
    ``<problem>-quality.svg``, as far as there is something to show.

    Raises
    ------
    InputError
        When there is no store.
    """
    data = load(out)
    written = []
    for problem in data.problems:
        for name, make in (
            ("time-quality", time_quality_chart),
            ("profile", profile_chart),
            ("quality", quality_chart),
        ):
            chart = make(data, problem)
            if chart is None:
                continue
            if name != "time-quality":  # its points carry their names
                chart.name_lines()
            path = folder / f"{problem}-{name}.svg"
            write_bytes(path, (chart.drawing(_STYLE) + "\n").encode())
            written.append(path)
    return written
