"""What a report is made from: a store, read once, with everything that follows from it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.compare.summary import (
    BestOfTask,
    Figures,
    MethodSummary,
    Names,
    RunFigures,
    best_of_tasks,
    by_variant,
    summarise_variants,
    summary_of_best,
)
from splitopt.bench.compare.variants import variant_names
from splitopt.bench.store.rows import Row, Verdict
from splitopt.bench.store.store import BestKnown, Store
from splitopt.bench.verdicts.crosscheck import Contradiction, cross_check
from splitopt.bench.verdicts.references import Reference, references
from splitopt.instances.core.documents import parse_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import instance_from_document

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

PROBLEMS = {
    "cift": "CIFT: collaborative inference and fine-tuning",
    "mepra": "MEPRA: multi-exit partitioning and resource allocation",
}
_MACHINE = ("processor", "cores_usable", "machine")


@dataclass(frozen=True, slots=True)
class InstanceEntry:
    """An instance in a store; `document` is None where the store has only its name."""

    hash: str
    name: str
    problem: str
    source: str
    document: bytes | None

    @property
    def slug(self) -> str:
        """Name of its page; the start of the hash keeps equal names apart."""
        return f"{self.name}-{self.hash[:8]}"

    def instance(self) -> Instance | None:
        """Return the instance itself, None where the store does not hold it."""
        if self.document is None:
            return None
        try:
            return instance_from_document(parse_json(self.document, self.name))
        except InputError:
            return None


@dataclass(frozen=True)
class ReportData:
    """A store as a report sees it."""

    out: Path
    rows: list[Row]
    instances: dict[str, InstanceEntry]
    environments: dict[str, dict[str, Any]]
    calls: list[dict[str, Any]]
    best_known: dict[str, BestKnown]
    contradictions: list[Contradiction] = field(default_factory=list)
    # What stands on several pages, as HTML: lines of runs by their key, charts by their name.
    drawn: dict[object, str] = field(default_factory=dict)

    @cached_property
    def refuted(self) -> frozenset[str]:
        """Keys of rows that are wrong, by the judge or by the cross-check."""
        return frozenset(c.refuted for c in self.contradictions if c.refuted is not None)

    @cached_property
    def references(self) -> dict[str, Reference]:
        """What is known of each instance, by hash."""
        return references(self.rows, self.best_known, self.refuted)

    @cached_property
    def figures(self) -> Figures:
        """What tables count of each run."""
        return Figures(self.references, self.refuted)

    @cached_property
    def variants(self) -> dict[str, str]:
        """What a run's method is called, by key of the run; see `variant_names`."""
        return variant_names(self.rows)

    def plans(self, rows: Sequence[Row]) -> dict[str, bytes | None]:
        """Return the plans of rows as JSON texts, by key; None for one without."""
        return self._store.plans([row.key for row in rows])

    def whole(self, row: Row) -> Row:
        """Return a row with its plan and what it printed."""
        return self._store.rows(key=row.key)[0]

    @cached_property
    def _store(self) -> Store:
        return Store(self.out, readonly=True)

    def close(self) -> None:
        """Close the store, where a row was read again."""
        if "_store" in self.__dict__:
            self._store.close()

    def name(self, row: Row) -> str:
        """Return what the row's method is called."""
        return self.variants[row.key]

    @cached_property
    def summaries(self) -> list[MethodSummary]:
        """Every method on all its instances, by problem the one that proves most first.

        Then the one that is right most often, then the quickest.
        """
        order = list(PROBLEMS)
        return sorted(
            summarise_variants(self._variants_found),
            key=lambda s: (
                order.index(s.problem) if s.problem in order else len(order),
                -s.proved,
                -s.right,
                math.inf if s.time_s is None else s.time_s,
                s.variant,
            ),
        )

    @cached_property
    def _variants_found(self) -> dict[Names, list[tuple[int, str, RunFigures]]]:
        return by_variant(self.rows, self.figures, self.variants)

    def summarised(self, problem: str, hashes: Collection[str]) -> list[MethodSummary]:
        """Return every method of a problem on the instances with these hashes."""
        mine = {names: runs for names, runs in self._variants_found.items() if names[0] == problem}
        return summarise_variants(mine, hashes)

    @cached_property
    def _best_of_tasks(self) -> dict[str, list[tuple[str, BestOfTask]]]:
        return {
            problem: best_of_tasks(self.of_problem(problem), self.figures, self.variants)
            for problem in self.problems
        }

    def virtual_best(
        self, problem: str, hashes: Collection[str] | None = None
    ) -> MethodSummary | None:
        """Return what choosing the best method for each task would give.

        Of all instances, or of those with a hash in `hashes`.
        """
        best = self._best_of_tasks[problem]
        tasks = [found for key, found in best if hashes is None or key in hashes]
        return summary_of_best(problem, tasks)

    def of(self, problem: str) -> list[MethodSummary]:
        """Return the summaries of a problem, the best first."""
        return [summary for summary in self.summaries if summary.problem == problem]

    def ranked_names(self, problem: str) -> list[str]:
        """Return what the methods of a problem are called, the best first."""
        return [summary.variant for summary in self.of(problem)]

    def colours(self, problem: str) -> dict[str, int]:
        """Return the colour of each method of a problem, the same in every chart.

        Methods keep the order of their first run: a rank would change colours with each run.
        """
        return self._colours[problem]

    @cached_property
    def _colours(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {problem: {} for problem in self.problems}
        for row in self.rows:
            names = found[row.problem]
            names.setdefault(self.variants[row.key], len(names))
        return found

    @cached_property
    def problems(self) -> list[str]:
        """The problems that have rows, in the order of `PROBLEMS`."""
        there = {row.problem for row in self.rows}
        return [*(p for p in PROBLEMS if p in there), *sorted(there - set(PROBLEMS))]

    @cached_property
    def machines(self) -> dict[str, str]:
        """What tells the machines apart that rows were measured on, by environment.

        That is the processor, how many of its cores, and the system.
        """
        found = {}
        for key in {row.environment_hash for row in self.rows}:
            said = self.environments.get(key, {})
            found[key] = ", ".join(str(said.get(name)) for name in _MACHINE)
        return found

    @cached_property
    def by_instance(self) -> dict[str, list[Row]]:
        """Rows by instance hash."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            found[row.instance_hash].append(row)
        return dict(found)

    @cached_property
    def _by_problem(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            found[row.problem].append(row)
        return dict(found)

    def of_problem(self, problem: str) -> list[Row]:
        """Return the rows of a problem."""
        return self._by_problem.get(problem, [])

    @cached_property
    def _by_method(self) -> dict[tuple[str, str], list[Row]]:
        found: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.rows:
            found[row.problem, row.method].append(row)
        return dict(found)

    def of_method(self, problem: str, method: str) -> list[Row]:
        """Return the rows of a method."""
        return self._by_method.get((problem, method), [])

    def counted(self, problem: str) -> tuple[int, int]:
        """Return how many instances a problem has, and of how many the answer is proven."""
        hashes = {row.instance_hash for row in self.of_problem(problem)}
        return len(hashes), sum(self.references[key].proven for key in hashes)

    def state(self, instance_hash: str) -> str:
        """Return what is known of an instance in a word: optimal, infeasible, open."""
        reference = self.references[instance_hash]
        if reference.infeasible:
            return "infeasible"
        return "optimal" if reference.proven else "open"

    def methods(self, problem: str) -> list[str]:
        """Return the methods with rows of a problem, in the order of their first row."""
        return [name for there, name in self._by_method if there == problem]

    def verdict(self, row: Row) -> str:
        """Return the verdict on a row after the cross-check."""
        return str(Verdict.WRONG) if row.key in self.refuted else row.verdict

    @cached_property
    def caveats(self) -> list[str]:
        """What a reader must know before comparing times."""
        notes = []
        for what, values in (
            ("runs at a time", {row.parallelism for row in self.rows}),
            ("time limits in s", {f"{row.time_limit_s:g}" for row in self.rows}),
            ("numbers of threads", {str(row.threads) for row in self.rows}),
            ("processors", {e.get("processor") or "?" for e in self.environments.values()}),
            ("commits", {str(e.get("commit"))[:12] for e in self.environments.values()}),
        ):
            if len(values) > 1:
                notes.append(
                    f"Rows with different {what} stand together: {', '.join(sorted(values))}."
                )
        changed = [e for e in self.environments.values() if e.get("commit_changed")]
        if changed:
            notes.append("The working tree had uncommitted changes.")
        loose = sorted({f"{k}: {v}" for row in self.rows for k, v in row.not_enforced.items()})
        if loose:
            notes.append("Not enforced in some runs: " + "; ".join(loose) + ".")
        return notes


def load(out: Path, *, heavy: bool = True) -> ReportData:
    """Read the store in a folder.

    Rows have their trajectories where `heavy` holds, and neither plans nor what runs printed:
    `ReportData.whole` reads those of a row that is shown.

    Raises
    ------
    InputError
        When there is none, or a row is of an instance that it does not name.
    """
    with Store(out, readonly=True) as store:
        rows = store.rows(heavy=heavy, output=False, plans=False)
        used = {row.environment_hash for row in rows}
        known = store.best_known()
        instances = {
            entry["hash"]: InstanceEntry(
                **entry,
                document=store.instance_document(entry["hash"]) if heavy else None,
            )
            for entry in store.instances()
        }
        for row in rows:
            if row.instance_hash not in instances:
                field = f"{out}: runs: {row.key[:12]}: instance_hash"
                allowed = "one of the store's instances"
                raise InputError(field, row.instance_hash, allowed, "restore a backup")
        return ReportData(
            out,
            rows,
            instances,
            {k: v for k, v in store.environments().items() if k in used},
            store.calls(),
            known,
            cross_check(rows, known),
        )
