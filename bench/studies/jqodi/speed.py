"""Measure how much faster JQODI at epsilon 0.01 is than the exact methods.

Run ``python -m splitopt.bench.studies jqodi-speed STORE... --out FILE``. The stores hold runs of
exact methods (`splitopt run`); for each instance the fastest of them that shares nothing with the
label kernel counts, in processor seconds; where none proved its optimum, the largest time one was
given counts, a lower bound. JQODI is run as they were, in a store of this study (`--store`), a
process a run: the best of three in processor seconds.

CIFT: instances with listed speeds on which the fastest exact method takes `LEAST_S` or more; and
once more with general solvers alone (MILP, CP-SAT, SCIP), the suite's own fronts left out.
MEPRA: every instance, against ``highs-tangent``, run here as well; by number of devices.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.methods.registry import engine_of
from splitopt.bench.runs.spec import RunSpec
from splitopt.bench.store.rows import Limits, Row
from splitopt.bench.store.sources import load_instance
from splitopt.bench.studies.runs import RESULTS, rows_of
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.core.documents import write_json
from splitopt.instances.library.best_known import LABEL_ENGINE

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

LEAST_S = 1.0
EPSILON = 0.01
#: Engines that are general solvers.
SOLVERS = ("HiGHS", "CP-SAT", "SCIP")
ROUNDS = 3
LIMIT_S = 10.0


def fastest_exact(rows: Iterable[Row]) -> dict[str, tuple[str, float, str, bool]]:
    """Return name, processor seconds, method and whether it is censored, by instance hash.

    Only rows of exact methods of other engines than the label kernel, and none that is wrong.
    """
    proofs: dict[str, tuple[str, float, str, bool]] = {}
    tried: dict[str, tuple[str, float, str, bool]] = {}
    for row in rows:
        engine = engine_of(row.method)
        if engine is None or engine == LABEL_ENGINE or row.verdict == "wrong":
            continue
        if row.cpu_time_s is None:
            continue
        name, spent = row.instance_name, row.cpu_time_s
        if row.status in ("optimal", "infeasible"):
            best = proofs.get(row.instance_hash)
            if best is None or spent < best[1]:
                proofs[row.instance_hash] = (name, spent, row.method, False)
        elif row.termination in ("time", "killed"):
            most = tried.get(row.instance_hash)
            if most is None or spent > most[1]:
                tried[row.instance_hash] = (name, spent, row.method, True)
    return {**tried, **proofs}


def _fastest(rows: Iterable[Row]) -> dict[str, Row]:
    """Return the run of least processor seconds of each instance, by hash."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.cpu_time_s is not None and (
            row.instance_hash not in best or row.cpu_time_s < _spent(best[row.instance_hash])
        ):
            best[row.instance_hash] = row
    return best


def _spent(row: Row) -> float:
    return row.cpu_time_s or 0.0


def _runs(method: str, names: Sequence[str], store: Path) -> dict[str, Row]:
    """Return the fastest of three runs of a method on each instance, by hash."""
    options = {"jqodi": {"epsilon": EPSILON}} if method == "jqodi" else {}
    spec = RunSpec(
        instances=names,
        methods=(method,),
        limits=Limits.of(LIMIT_S),
        repetitions=ROUNDS,
        options=options,
    )
    return _fastest(rows_of(spec, store)) if names else {}


def measure(
    rows: Iterable[Row], store: Path, problems: Sequence[str] = ("cift", "mepra")
) -> dict[str, list[dict[str, Any]]]:
    """Return what `main` writes: a list of figures for each problem."""
    figures: dict[str, list[dict[str, Any]]] = {"cift": [], "mepra": []}
    wanted = [row for row in rows if row.problem in problems]
    by_solver = fastest_exact(row for row in wanted if engine_of(row.method) in SOLVERS)
    found: dict[str, tuple[Instance, dict[str, Any]]] = {}
    for key, (name, exact_s, method, censored) in fastest_exact(wanted).items():
        instance = load_instance(name)
        figure: dict[str, Any] = {"instance": name, "exact_s": exact_s, "exact": method}
        figure["censored"] = censored
        _, figure["solver_s"], figure["solver"], figure["solver_censored"] = by_solver.get(
            key, (name, 0.0, "", False)
        )
        if isinstance(instance, CiftInstance):
            if instance.has_continuous_speeds or max(exact_s, figure["solver_s"]) < LEAST_S:
                continue
        else:
            figure["devices"] = instance.devices
            figure["exits"] = instance.exits
        found[key] = (instance, figure)
    jqodi = _runs("jqodi", [figure["instance"] for _, figure in found.values()], store)
    mepra = [figure["instance"] for i, figure in found.values() if i.problem == "mepra"]
    tangents = _runs("highs-tangent", mepra, store)
    for key, (instance, figure) in found.items():
        if key in tangents:
            figure["tangents_s"] = _spent(tangents[key])
            figure["tangents_proved"] = tangents[key].status == "optimal"
        figure["jqodi_s"] = _spent(jqodi[key])
        figure["certified"] = jqodi[key].statistics.get("certified_ratio")
        figure["ended"] = jqodi[key].termination
        figures[instance.problem].append(figure)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure from the command line."""
    from splitopt.bench.store.store import Store

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("stores", type=Path, nargs="+", metavar="STORE")
    parser.add_argument("--out", type=Path, required=True, help="a JSON file")
    parser.add_argument("--problems", default="cift,mepra")
    parser.add_argument("--store", type=Path, default=RESULTS / "jqodi-speed")
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    for folder in given.stores:
        with Store(folder, readonly=True) as store:
            rows += store.rows(heavy=False)
    figures = measure(rows, given.store, given.problems.split(","))
    write_json(given.out, {"least_s": LEAST_S, "epsilon": EPSILON, **figures}, indent=1)
    sys.stdout.write(f"{sum(map(len, figures.values()))} instances measured: {given.out}\n")
    return 0
