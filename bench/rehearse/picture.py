"""A rehearsal as one SVG: predicted beside measured, stage by stage, and request by request."""

from __future__ import annotations

import io

from splitopt.bench.rehearse.rehearsal import Rehearsal
from splitopt.bench.report.style import HOSTS


def draw(title: str, seen: Rehearsal) -> bytes:
    """Return the picture as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    plain = title.replace("$", r"\$")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 8}):
        figure = Figure(figsize=(9.5, 4.2), layout="constrained")
        bars, dots = figure.subplots(2, 1, height_ratios=(1.3, 1))
        bottom = [0.0, 0.0]
        hosts = 0
        for stage in seen.stages:
            widths = [1e3 * stage.predicted_s, 1e3 * stage.median_s]
            hop = stage.kind == "hop"
            bars.barh(
                ["predicted", "measured"],
                widths,
                left=bottom,
                color="#dddddd" if hop else HOSTS[hosts % len(HOSTS)],
                hatch="///" if hop else None,
                edgecolor="white",
                label=stage.where.replace("$", r"\$"),
            )
            hosts += not hop
            bottom = [a + b for a, b in zip(bottom, widths, strict=True)]
        bars.invert_yaxis()
        bars.set_title("ms of a request by stage; medians", loc="left", fontsize=9)
        bars.legend(fontsize=7, frameon=False, ncols=4, loc="upper left", bbox_to_anchor=(0, -0.12))
        measured = [1e3 * x for x in seen.total.measured_s]
        dots.plot(range(1, len(measured) + 1), measured, ".", color=HOSTS[0], label="measured")
        dots.axhline(1e3 * seen.total.predicted_s, color=HOSTS[5], label="predicted")
        dots.set(
            xlabel="request",
            ylabel="ms",
            ylim=(0, 1.15 * max(*measured, 1e3 * seen.total.predicted_s)),
        )
        dots.legend(fontsize=7, frameon=False, loc="lower right")
        figure.suptitle(plain, x=0.01, ha="left", fontsize=11)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
