"""The hard part of ``splitopt verify``: instances made to be bad, and labels made to explode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from splitopt.bench.commands.output import echo_table, say

if TYPE_CHECKING:
    from splitopt.bench.verify.adversary import Worst
    from splitopt.bench.verify.explosion import Point

_STAGES = (4, 8, 12, 16, 20, 24, 28, 32, 40, 60)
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Stress:
    """What the search for bad instances and the exploding family gave; empty where not asked."""

    worst: Sequence[Worst]
    points: Sequence[Point]

    @staticmethod
    def run(
        epsilons: Sequence[float], evaluations: int, explode: bool, time_limit_s: float
    ) -> Stress:
        """Search and grow, as far as asked for."""
        worst: Sequence[Worst] = ()
        points: Sequence[Point] = ()
        if evaluations:
            from splitopt.bench.verify.adversary import search

            worst = search(epsilons, evaluations, seed=0)
        if explode:
            from splitopt.bench.verify.explosion import measure

            points = measure(_STAGES, epsilons, 0, time_limit_s)
        return Stress(worst, points)

    def beyond(self) -> list[Worst]:
        """Return the worst instances that exceed what is guaranteed: one deadline, 1 + epsilon."""
        return [one for one in self.worst if one.ratio > (1 + one.epsilon) * (1 + _TOLERANCE)]

    def to_document(self) -> dict[str, object]:
        """Return it as plain data."""
        found: dict[str, object] = {}
        if self.worst:
            found["adversary"] = [one.to_document() for one in self.worst]
        if self.points:
            found["explosion"] = [one.to_document() for one in self.points]
        return found

    def tell(self) -> None:
        """Print tables."""
        if self.worst:
            say("")
            echo_table(
                {
                    "epsilon": "epsilon",
                    "form": "form",
                    "ratio": "worst ratio",
                    "allowed": "allowed",
                    "evaluations": "evaluations",
                    "restarts": "restarts",
                    "kinds": "evaluations by speeds",
                },
                [
                    {
                        "epsilon": one.epsilon,
                        "form": one.form,
                        "ratio": one.ratio,
                        "allowed": 1 + one.epsilon,
                        "evaluations": one.evaluations,
                        "restarts": one.restarts,
                        "kinds": ", ".join(f"{n} {kind}" for kind, n in one.kinds.items()),
                    }
                    for one in self.worst
                ],
                "adversarial search: small CIFT instances with one deadline",
            )
        if self.points:
            say("")
            epsilons = list(dict.fromkeys(one.epsilon for one in self.points))
            rows = []
            for n in dict.fromkeys(one.stages for one in self.points):
                row: dict[str, int | str] = {"stages": n}
                for one in self.points:
                    if one.stages == n:
                        mark = " (cut)" if one.cut else ""
                        row[f"{one.epsilon:g}"] = f"{one.labels}{mark}"
                rows.append(row)
            heading = {f"{e:g}": "exact" if e == 0 else f"epsilon {e:g}" for e in epsilons}
            echo_table({"stages": "stages", **heading}, rows, "labels made on chains of choices")

    def write(self, folder: Path) -> list[Path]:
        """Draw the exploding family."""
        if not self.points:
            return []
        from splitopt.bench.report.figures import write_chart
        from splitopt.bench.report.svg import Chart, Scale

        chart = Chart(
            "Labels made on chains of choices (PARTITION as CIFT)",
            "What the exact program makes, its bounds and its tolerance included, until the time "
            "is up, and the trimmed one on dominance and trimming alone.",
            Scale.over([one.stages for one in self.points]),
            Scale.over([max(one.labels, 1) for one in self.points], log=True, floor=1.0),
            "stages",
            "labels",
        )
        names: list[tuple[float, float, str]] = []
        for epsilon in dict.fromkeys(one.epsilon for one in self.points):
            name = "exact" if epsilon == 0 else f"epsilon {epsilon:g}"
            mine = [one for one in self.points if one.epsilon == epsilon]
            whole = [(one.stages, max(one.labels, 1)) for one in mine if not one.cut]
            chart.line(name, whole)
            cut = [
                (one.stages, max(one.labels, 1), f"{one.stages} stages: more than {one.labels}")
                for one in mine
                if one.cut
            ]
            if cut:
                chart.points(f"{name}, cut off", cut)
                stages, labels, _ = cut[-1]
                names.append((stages, 2.2 * labels, f"{name}, cut off at these"))
            else:
                stages, labels = whole[-1]
                names.append((stages, 2.2 * labels, name))
        chart.labels(names)
        path = folder / "explosion.svg"
        write_chart(chart, path, named=True)
        return [path]
