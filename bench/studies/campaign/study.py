"""The campaign: every exact method on `standard-v1`, in passes, and what came of it.

Run ``python -m splitopt.bench.studies campaign --out DIR``: each pass is a set of runs in a
folder of its own, ``DIR/NAME``, resumed where it stopped when the command is given again; the last
passes take only what fewer than two solvers have settled by then. ``--only NAME,...`` does some
passes, ``--dry-run`` says what there is to do. ``--page`` writes the tables of docs/campaign.md
from the folders (and from ``--also`` other folders of results) and runs nothing.

``python -m splitopt.bench.verdicts.update_best_known DIR/*`` then takes plans, bounds and proofs
into the registry.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from splitopt.bench.store.rows import Limits
from splitopt.bench.store.store import FILE_NAME, Store
from splitopt.bench.studies.campaign.passes import PASSES, Pass
from splitopt.instances import library
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.printable import printable

SET = "standard-v1"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "campaign.md"


def unsettled(folders: Sequence[Path], names: Sequence[str]) -> tuple[str, ...]:
    """Return the instances that fewer than two solvers have settled, by the rows of the folders.

    Label programs do not count: see `splitopt.bench.verdicts.known`.
    """
    from splitopt.bench.verdicts.crosscheck import cross_check
    from splitopt.bench.verdicts.known import opinion_of
    from splitopt.instances.library.best_known import LABEL_ENGINE

    rows = []
    for folder in folders:
        if (folder / FILE_NAME).is_file():
            with Store(folder, readonly=True) as store:
                rows += store.rows(heavy=False)
    refuted = {one.refuted for one in cross_check(rows)}
    settled: dict[str, set[str]] = {}
    for row in rows:
        engine = opinion_of(row)
        proves = row.status in ("optimal", "infeasible") and row.verdict == "right"
        if proves and row.key not in refuted and engine not in (None, LABEL_ENGINE):
            settled.setdefault(row.instance_hash, set()).add(str(engine))
    return tuple(
        name for name in names if len(settled.get(library.entry(name).content_hash, ())) < 2
    )


def _run(out: Path, chosen: Sequence[Pass], jobs: int, dry: bool) -> bool:
    """Do passes in order; return whether nothing contradicts anything."""
    from splitopt.bench.runs import runner
    from splitopt.bench.runs.progress import progress

    fine = True
    names = library.names(SET)
    for one in chosen:
        done = [out / other.name for other in PASSES if other.name != one.name]
        taken = unsettled(done, names) if one.unsettled else names
        if not taken:
            sys.stdout.write(f"{one.name}: nothing to do\n")
            continue
        folder = out / one.name
        spec = runner.RunSpec(
            instances=taken, methods=one.methods, limits=Limits.of(one.time_limit_s)
        )
        if dry:
            plan = runner.plan(spec, folder, jobs=jobs)
            sys.stdout.write(
                f"{one.name}: {len(taken)} instances, {len(plan)} runs, {len(plan.left)} left, "
                f"at worst {plan.worst_case_s / 60:.0f} min\n"
            )
            continue
        with progress() as on_event:
            summary = runner.run_set(
                spec,
                folder,
                jobs=jobs,
                on_event=on_event,
                command=["python", "-m", "splitopt.bench.studies", "campaign", "--only", one.name],
            )
        for contradiction in summary.contradictions:
            said = f"contradiction: {contradiction.instance_name}: {contradiction.statement}"
            sys.stderr.write(printable(said) + "\n")
        fine = fine and summary.ok
        if summary.interrupted:
            raise KeyboardInterrupt
        sys.stdout.write(f"{one.name}: {summary.done_now} runs, {summary.done_before} before\n")
    return fine


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m splitopt.bench.studies campaign", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the passes' folders")
    parser.add_argument("--only", default="", help="passes with commas; all unless given")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--dry-run", action="store_true", help="say what there is to do")
    parser.add_argument("--page", action="store_true", help="write the page's tables, run nothing")
    parser.add_argument("--also", type=Path, action="append", default=[], help="more results")
    given = parser.parse_args(arguments)
    known = [one.name for one in PASSES]
    wanted = [name for name in given.only.split(",") if name] or known
    try:
        for name in wanted:
            if name not in known:
                raise InputError("--only", name, "passes: " + ", ".join(known), "correct the name")
        if given.page:
            from splitopt.bench.studies.campaign.page import write_page

            write_page(PAGE, [(one, given.out / one.name) for one in PASSES], given.also)
            return 0
        chosen = [one for one in PASSES if one.name in wanted]
        return 0 if _run(given.out, chosen, given.jobs, given.dry_run) else 1
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command goes on\n")
        return 130
