"""Put what was measured of JQODI into docs/jqodi.md: tables between marks, charts as figures.

Run ``python -m splitopt.bench.studies jqodi`` with what the measuring commands wrote:
``--verify`` and ``--stress`` take folders of ``splitopt verify --out``, ``--speed`` the file of
the study ``jqodi-speed``, ``--kernel`` that of ``kernels``. Parts that are not given stay as they
are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, cast

from splitopt.bench.studies.pages import markdown_table, replace_part
from splitopt.instances.core.documents import read_json, write_bytes
from splitopt.instances.core.errors import InputError

PAGE = Path(__file__).resolve().parents[3] / "docs" / "jqodi.md"
CHARTS = ("cift-ratio", "mepra-ratio", "cift-labels-epsilon", "cift-labels-size")

SUMMARY = {
    "problem": "problem",
    "form": "form",
    "epsilon": "epsilon",
    "runs": "runs",
    "ended": "in time",
    "ratio": "ratio, median",
    "worst": "worst",
    "allowed": "allowed",
    "certified": "certified, median",
    "labels": "labels, median",
    "time": "CPU ms, median",
    "violations": "violations",
}
FITS = {
    "problem": "problem",
    "form": "form",
    "labels_epsilon": "labels in 1/epsilon",
    "time_epsilon": "time in 1/epsilon",
    "labels_size": "labels in size",
    "time_size": "time in size",
    "labels_instances": "instances with labels",
    "instances": "instances",
}

Document = Mapping[str, Any]


def _read(path: Path, *needed: str) -> Document:
    found = read_json(path)
    if not isinstance(found, dict) or not found.keys() >= set(needed):
        raise InputError(str(path), "another file", "keys " + ", ".join(needed), "measure again")
    return cast(Document, found)


def _figure(value: object, digits: int = 4) -> str:
    if value is None:
        return ""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def verify_tables(document: Document) -> str:
    """Return the summary by form and epsilon, the exponents, and what they rest on."""
    rows = [[_figure(row[c]) for c in SUMMARY] for row in document["summary"]]
    slopes = [[_figure(row[c], 2) for c in FITS] for row in document["exponents"]]
    runs = document["runs"]
    proven = len({run["instance"] for run in runs if run["proven"]})
    said = (
        f"{proven} instances with a proven optimum, {len(document['open'])} open ones held against "
        f"what is known, {len(runs)} runs, {document['violations']} violations."
    )
    parts = [said, markdown_table([*SUMMARY.values()], rows)]
    parts += ["Fitted exponents:", markdown_table([*FITS.values()], slopes)]
    return "\n\n".join(parts)


def stress_table(document: Document) -> str:
    """Return the worst ratios that were found by search."""
    heads = ["epsilon", "form", "worst ratio found", "allowed", "evaluations", "restarts"]
    heads += ["evaluations by speeds"]
    rows = [
        [
            _figure(one["epsilon"]),
            one["form"],
            _figure(one["ratio"], 5),
            _figure(1.0 + one["epsilon"]),
            str(one["evaluations"]),
            str(one["restarts"]),
            ", ".join(f"{count} {kind}" for kind, count in sorted(one["kinds"].items())),
        ]
        for one in document["adversary"]
    ]
    return markdown_table(heads, rows)


def _ratios(rows: Sequence[Document], against: str) -> tuple[list[float], int]:
    ratios = [row[against] / row["jqodi_s"] for row in rows if row["jqodi_s"] > 0]
    return ratios, sum(ratio < 1 for ratio in ratios)


def _cift_line(
    rows: Sequence[Document], against: str, cut: str, of: str, document: Document
) -> str:
    ratios, lost = _ratios(rows, against)
    spent = [1e3 * row["jqodi_s"] for row in rows]
    censored = sum(row[cut] for row in rows)
    return (
        f"CIFT, {of}: {len(rows)} instances of listed speeds on which it takes "
        f"{document['least_s']:g} s or more ({censored} of them proved by none: their time is a "
        f"lower bound). Its time over that of JQODI at epsilon {document['epsilon']:g}: median "
        f"{median(ratios):.3g}, least {min(ratios):.3g}; slower on {lost}. JQODI's own time: "
        f"median {median(spent):.3g} ms, most {max(spent):.4g} ms."
    )


def speed_tables(document: Document) -> str:
    """Return the ratios of times on CIFT, and on MEPRA by number of devices."""
    parts = []
    for who, of in (
        ("exact", "the fastest exact method"),
        ("solver", "the fastest general solver"),
    ):
        cut = "censored" if who == "exact" else "solver_censored"
        slow = [row for row in document["cift"] if row[f"{who}_s"] >= document["least_s"]]
        if slow:
            parts.append(_cift_line(slow, f"{who}_s", cut, of, document))
    groups: dict[tuple[str, int], list[Document]] = {}
    for row in document["mepra"]:
        size = next(top for top in (10, 100, 1000, 10**9) if row["devices"] <= top)
        groups.setdefault((row["exits"], size), []).append(row)
    heads = ["exits", "devices", "instances", "tangents ms, median", "JQODI ms, median"]
    heads += ["ratio, median", "least", "JQODI slower on", "tangents without proof"]
    rows = []
    for (exits, _), group in sorted(groups.items()):
        ratios, lost = _ratios(group, "tangents_s")
        sizes = sorted(row["devices"] for row in group)
        rows.append(
            [
                exits,
                f"{sizes[0]} to {sizes[-1]}",
                str(len(group)),
                _figure(median(1e3 * row["tangents_s"] for row in group), 3),
                _figure(median(1e3 * row["jqodi_s"] for row in group), 3),
                _figure(median(ratios), 3),
                _figure(min(ratios), 3),
                str(lost),
                str(sum(not row["tangents_proved"] for row in group)),
            ]
        )
    if rows:
        parts.append("MEPRA, against the tangents in HiGHS:\n\n" + markdown_table(heads, rows))
    return "\n\n".join(parts)


def kernel_table(document: Document) -> str:
    """Return the kernel's times and its rivals' over them, by family, arcs and resources."""
    groups: dict[tuple[str, int, int], list[Document]] = {}
    for row in document["rows"]:
        groups.setdefault((row["family"], row["arcs"], row["resources"]), []).append(row)
    rivals = [name for name in ("cspy", "highs") if name in document["rows"][0]["solvers"]]
    heads = ["graph", "arcs", "resources", "graphs", "labels ms", "at 1 % ms"]
    heads += [f"{name} / labels" for name in rivals] + [f"{name} cut off" for name in rivals]
    every: dict[str, list[float]] = {name: [] for name in rivals}
    rows = []
    for (family, arcs, resources), group in groups.items():
        found = [row["solvers"] for row in group]
        line = [family, str(arcs), str(resources), str(len(group))]
        for name in ("labels", "labels at 1 %"):
            line.append(_figure(1e3 * median(one[name]["cpu_s"] for one in found), 3))
        cut = []
        for name in rivals:
            ratios = [one[name]["cpu_s"] / one["labels"]["cpu_s"] for one in found]
            every[name] += ratios
            line.append(_figure(median(ratios), 3))
            cut.append(str(sum(one[name]["censored"] for one in found)))
        rows.append(line + cut)
    said = []
    for name in rivals:
        ratios = every[name]
        cut_off = sum(row["solvers"][name]["censored"] for row in document["rows"])
        said.append(
            f"{name}: median ratio {median(ratios):.3g} over {len(ratios)} graphs, least "
            f"{min(ratios):.3g}, the kernel slower on {sum(ratio < 1 for ratio in ratios)}; "
            f"{cut_off} cut off at {document['cap_s']:g} processor seconds, counted with that."
        )
    return "\n\n".join([markdown_table(heads, rows), *said])


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the page from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("verify", "stress", "speed", "kernel"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    try:
        _fill(given)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _fill(given: argparse.Namespace) -> None:
    figures = given.page.parent / "figures"
    if given.verify is not None:
        found = _read(given.verify / "verify.json", "summary", "exponents", "runs", "open")
        replace_part(given.page, "jqodi-verify", verify_tables(found))
        for name in CHARTS:
            if (given.verify / f"{name}.svg").is_file():
                _copy(given.verify / f"{name}.svg", figures / f"verify-{name}.svg")
    if given.stress is not None:
        found = _read(given.stress / "verify.json", "adversary", "explosion")
        replace_part(given.page, "jqodi-adversary", stress_table(found))
        _copy(given.stress / "explosion.svg", figures / "explosion.svg")
    if given.speed is not None:
        found = _read(given.speed, "cift", "mepra", "least_s", "epsilon")
        replace_part(given.page, "jqodi-speed", speed_tables(found))
    if given.kernel is not None:
        found = _read(given.kernel, "rows", "cap_s")
        replace_part(given.page, "jqodi-kernel", kernel_table(found))


def _copy(source: Path, target: Path) -> None:
    write_bytes(target, source.read_bytes())
