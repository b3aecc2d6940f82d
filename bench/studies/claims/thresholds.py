"""What the sources' words mean in figures, each with its reason.

Fixed and committed before anything was computed; the history of this file shows it. Whoever
disagrees with one changes it here and runs the study again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """One word of the sources in figures: the words, the figure, its unit, and why."""

    name: str
    words: str
    value: float
    unit: str
    reason: str

    def to_document(self) -> dict[str, object]:
        """Return it as plain data."""
        return asdict(self)


_ALL: list[Threshold] = []


def _fix(name: str, words: str, value: float, unit: str, reason: str) -> float:
    _ALL.append(Threshold(name, words, value, unit, reason))
    return value


VISIBLE = _fix(
    "visible",
    "better, lower, worse, higher",
    0.005,
    "relative",
    "Half a percent is two pixels of a figure 400 pixels high: the least difference that the "
    "source's reader or author can have seen in its figures.",
)
CONSISTENT = _fix(
    "consistent",
    "consistently, always, every",
    0.95,
    "share of points",
    "Three of the 60 bandwidths may differ: an author reading curves would not see them.",
)
PARTLY = _fix(
    "partly",
    "(for the verdict 'holds in part')",
    0.5,
    "share of points",
    "What is true at fewer than half of the points is not what the curves show.",
)
SLIGHT = _fix(
    "slight",
    "slightly",
    0.10,
    "relative, median over the points",
    "An advantage above a tenth would be called clear, or be given as a figure.",
)
SAME = _fix(
    "same",
    "comparable, about the same, matches",
    0.05,
    "relative",
    "Curves within 5 % of each other touch or overlap in a printed figure.",
)
LEVEL = _fix(
    "level",
    "levels off, tends to stabilize",
    0.10,
    "relative fall of a curve from 30 Mbit/s to the sweep's end",
    "Doubling the bandwidth halves a cost that is all transmission; one that falls by at most a "
    "tenth is flat to the eye beside its fall before.",
)
FAR = _fix(
    "far",
    "far above, significantly higher",
    1.5,
    "ratio",
    "Half as much again is the least that a reader would call far; twice would be beyond doubt, "
    "and the figures are reported.",
)
MOST = _fix(
    "most",
    "most, the majority",
    0.5,
    "share of the other methods, to be exceeded",
    "The plain meaning: more than half of the other five methods, so at least three.",
)
CONSIDERABLE = _fix(
    "considerable",
    "considerable delay, slow",
    2.0,
    "ratio to the fastest other method at the same bandwidth",
    "The source gives no figure; twice the delay of another method at the same bandwidth is the "
    "least for which the word is fair.",
)
SCARCE = _fix(
    "scarce",
    "limited bandwidth, short of bandwidth",
    10.0,
    "Mbit/s, at most",
    "The least bandwidth that the text names, as the one above which things change.",
)
PLENTY = _fix(
    "plenty",
    "sufficient bandwidth",
    40.0,
    "Mbit/s, at least",
    "The largest bandwidth that the text names.",
)
PROVED = _fix(
    "proved",
    "we prove",
    1.0,
    "share of runs",
    "A theorem has no exceptions: one run against it refutes it or our reading of it.",
)
SIZE_EXPONENT = _fix(
    "size-exponent",
    "polynomial in size",
    3.0,
    "slope of log labels over log stages",
    "Theory gives stages x cells = O(n x n log n / epsilon) labels with one deadline, a slope a "
    "little above 2; half of one is left for the fit, and the logarithm takes the other half.",
)
EPSILON_EXPONENT = _fix(
    "epsilon-exponent",
    "polynomial in 1 / epsilon",
    1.5,
    "slope of log labels over log 1 / epsilon",
    "Theory gives a slope of 1 with one deadline; half of one is left for the fit.",
)
ROBUST = _fix(
    "robust",
    "(a verdict that does not depend on what the source leaves open)",
    0.9,
    "share of the grid with the same verdict",
    "One point of ten in a grid with extreme corners may differ.",
)
DECIDES = _fix(
    "decides",
    "(an assumption decides a verdict)",
    0.5,
    "difference of the share that holds, between two levels of the assumption",
    "Choosing that one level or the other turns the verdict at every second point.",
)
MATTERS = _fix(
    "matters",
    "(an assumption matters to a verdict)",
    0.2,
    "difference of the share that holds, between two levels of the assumption",
    "Every fifth point: less than that is the grid's own grain.",
)

#: All of them, in order.
THRESHOLDS: tuple[Threshold, ...] = tuple(_ALL)
