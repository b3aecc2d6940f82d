"""From a selection of instances, methods and seeds to the runs to do."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from splitopt.bench.methods.plugins import Catalogue
from splitopt.bench.methods.registry import Entry
from splitopt.bench.runs.spec import RunSpec
from splitopt.bench.store.rows import PlannedRun
from splitopt.bench.store.sources import load_instance, resolve
from splitopt.bench.store.store import Store
from splitopt.instances.core.documents import canonical
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

_MOST_DEVICES = 100_000


@dataclass(frozen=True, slots=True)
class Skipped:
    """An instance that a method is not even asked about, with the reason."""

    instance_name: str
    method: str
    reason: str


class RunPlan(list[PlannedRun]):
    """The runs of a selection, in the order they are done.

    Attributes
    ----------
    skipped
        Pairs for which there is no run, with the reason.
    done
        Keys of runs that the store holds already.
    changed
        Keys of rows in the store that are of these runs but for other code of a user's method,
        with its name. They stay, as those of another version of the method.
    jobs
        Runs at a time.
    """

    def __init__(self, runs: Iterable[PlannedRun], jobs: int = 1) -> None:
        super().__init__(runs)
        self.skipped: list[Skipped] = []
        self.done: set[str] = set()
        self.changed: dict[str, str] = {}
        self.jobs = jobs

    def look_up(self, store: Store) -> None:
        """Note which of the runs a store holds."""
        self.done = set(store.keys()) & {run.key for run in self}
        self.changed = store.other_code(self)

    @property
    def left(self) -> list[PlannedRun]:
        """The runs still to do."""
        return [run for run in self if run.key not in self.done]

    @property
    def worst_case_s(self) -> float:
        """Seconds the rest takes when every run is killed at its limit."""
        return sum(run.limits.kill_after_s for run in self.left) / self.jobs


def put_instance(store: Store, instance: Instance, source: str) -> None:
    """Store an instance; of a large one the name and the source only."""
    document = None
    if getattr(instance, "devices", 0) <= _MOST_DEVICES:
        document = canonical(instance.to_document())
    store.put_instance(instance.content_hash, instance.name, instance.problem, source, document)


def _whole(name: str, values: Sequence[int]) -> tuple[int, ...]:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            raise InputError(name, value, "integers >= 0", "give 0, 1, 2, ...")
    if not values:
        raise InputError(name, "none", "at least one", "give 0")
    return tuple(dict.fromkeys(values))


def _options(catalogue: Catalogue, entry: Entry, spec: RunSpec) -> dict[str, object]:
    """Return every option of a method with its value in these runs."""
    own = spec.options.get(entry.name, {})
    resolved = catalogue.options(entry, own)
    shared = {k: v for k, v in spec.shared.items() if k in resolved and k not in own}
    return dict(catalogue.options(entry, {**own, **shared}) if shared else resolved)


def plan_runs(
    catalogue: Catalogue,
    spec: RunSpec,
    *,
    jobs: int,
) -> RunPlan:
    """Return the runs of a selection: by instance, then method, seed and repetition.

    Instances that are the same but for their names are run once.

    Raises
    ------
    InputError
        When an instance, a method or an option is not what it should be.
    """
    seeds = check_selection(spec, jobs)
    _check(catalogue, spec)
    find = functools.cache(catalogue.find)  # of methods by file it looks at what is installed
    resolved: dict[tuple[str, str], dict[str, object]] = {}
    plan = RunPlan([], jobs)
    seen: dict[str, str] = {}
    for given in dict.fromkeys(map(resolve, spec.instances)):
        instance = load_instance(given)
        if instance.content_hash in seen:
            same = f"the same as {seen[instance.content_hash]}"
            plan.skipped.append(Skipped(instance.name, "all", same))
            continue
        seen[instance.content_hash] = instance.name
        for method in dict.fromkeys(spec.methods):
            entry = find(method, instance.problem)
            if entry is None:
                reason = f"{method} is no method for {instance.problem}"
                plan.skipped.append(Skipped(instance.name, method, reason))
                continue
            key = (method, instance.problem)
            if key not in resolved:
                resolved[key] = _options(catalogue, entry, spec)
            plan += [
                PlannedRun(
                    given,
                    instance.content_hash,
                    instance.name,
                    instance.problem,
                    method,
                    entry.target,
                    resolved[key],
                    seed,
                    repetition,
                    spec.limits,
                    entry.source,
                    entry.version,
                )
                for seed in seeds
                for repetition in range(spec.repetitions)
            ]
    if not plan:
        served = [entry.problem for entry in catalogue.entries if entry.name in spec.methods]
        raise InputError(
            "methods",
            ", ".join(dict.fromkeys(spec.methods)),
            "a method for the problem of one of the instances",
            f"these are for {' and '.join(sorted(set(served)))}; splitopt methods lists others",
        )
    for name, value in spec.shared.items():
        if not any(name in options for options in resolved.values()):
            raise InputError(
                name, value, "a method that has this option", "leave it out, or add such a method"
            )
    return plan


def check_selection(spec: RunSpec, jobs: int) -> tuple[int, ...]:
    """Return the seeds, each once; raise for what is wrong whatever the methods are."""
    for name, count in (("jobs", jobs), ("repetitions", spec.repetitions)):
        if count < 1:
            raise InputError(name, count, "an integer >= 1", "give 1")
    for kind, chosen in (("instances", spec.instances), ("methods", spec.methods)):
        if not chosen:
            raise InputError(kind, "none", "at least one", "name some")
    return _whole("seeds", spec.seeds)


def _check(catalogue: Catalogue, spec: RunSpec) -> None:
    """Raise where a selection names a method that is not there."""
    for method in (*spec.methods, *spec.options):
        catalogue.require(method)
    for method in spec.options:
        if method not in spec.methods:
            raise InputError(
                f"options of {method}", method, "methods that are run", "add it to the methods"
            )
