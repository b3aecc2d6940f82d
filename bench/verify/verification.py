"""Hold JQODI's guarantee against proven optima.

For an instance with a proven optimum OPT (or a proof that there is no plan) and each epsilon, each
form of the method is run and must satisfy, within the suite's tolerances::

    bound <= OPT <= value          value <= (1 + epsilon) REF          deadlines kept as promised

REF is OPT, or, where the run's guarantee says so, the optimum of the instance with tightened
deadlines. Relaxed forms may go below OPT, since they may exceed a deadline. References come from
exact methods that share nothing with the label kernel (`splitopt.bench.verdicts.optimum`). Where
OPT is open, what is known of it takes its place: a bound must not lie above the best plan, a value
not below the best bound nor above 1 + epsilon times the best plan.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from splitopt.bench.methods.registry import load
from splitopt.bench.verdicts.optimum import Truth, solved_truth
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.contract.method import Budget, Result, SolutionStatus, Termination
from splitopt.instances.core.tolerances import TOLERANCES, not_above
from splitopt.instances.judge import check

if TYPE_CHECKING:
    from splitopt.bench.verify.journal import Journal
    from splitopt.instances.contract.method import Instance

METHOD = "jqodi"
_COLUMN = {"inference": "inference_deadline_s", "fine-tuning": "fine_tuning_deadline_s"}


@dataclass(frozen=True, slots=True)
class Form:
    """One way to run the method.

    Attributes
    ----------
    name
        ``default``; ``labels`` (no reduction: the label program alone); with two deadlines also
        ``relaxed`` and ``relaxed labels``.
    options
        Options besides epsilon.
    """

    name: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One run held against the truth.

    Attributes
    ----------
    size
        Configurations times links and blocks, or devices times layers: a rough size.
    proven
        Whether the optimum is; else it is the best value known.
    ratio, certified_ratio
        value / OPT, and value / bound; None where unknown.
    guaranteed
        The factor promised; None when the run was interrupted or found nothing.
    labels, label_bound
        Labels made and the polynomial bound on them, where the run states them.
    cpu_time_s
        Processor seconds of the run.
    violations
        What is broken; empty when all holds.
    """

    instance: str
    problem: str
    size: int
    deadlines: int
    form: str
    epsilon: float
    status: str
    termination: str
    optimum: float | None
    proven: bool
    value: float | None
    bound: float | None
    ratio: float | None
    certified_ratio: float | None
    guaranteed: float | None
    labels: int | None
    label_bound: float | None
    cpu_time_s: float
    violations: tuple[str, ...]

    def to_document(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return {**asdict(self), "violations": list(self.violations)}

    @staticmethod
    def from_document(document: Mapping[str, Any] | None) -> Verdict | None:
        """Return the verdict in plain data; None where it is none, or of another version."""
        names = Verdict.__dataclass_fields__.keys()
        if document is None or document.keys() != names:
            return None
        return Verdict(**{**document, "violations": tuple(document["violations"])})


def forms_of(instance: Instance, *, labels: bool) -> tuple[Form, ...]:
    """Return the forms in which the method is run on an instance."""
    forms = [Form("default", {})]
    if labels:
        forms.append(Form("labels", {"reduction": False}))
    if instance.deadlines == 2:
        forms.append(Form("relaxed", {"deadlines": "relaxed"}))
        if labels:
            forms.append(Form("relaxed labels", {"deadlines": "relaxed", "reduction": False}))
    return tuple(forms)


def _size(instance: Instance) -> int:
    if isinstance(instance, CiftInstance):
        blocks = max((len(model.blocks) for model in instance.models), default=0)
        return len(instance.configurations) * (len(instance.links) + len(instance.nodes)) * blocks
    return int(instance.devices * instance.layers.max())


def _tightened(instance: CiftInstance, factors: Mapping[str, float]) -> CiftInstance:
    changes = {
        _COLUMN[name]: getattr(instance, _COLUMN[name]) / factor for name, factor in factors.items()
    }
    return instance.replace(**changes)


def _broken_deadlines(instance: Instance, found: Result) -> list[str]:
    """Return what the plan breaks beyond what its guarantee allows."""
    if found.plan is None:
        return []
    relaxed = found.guarantee.relaxed_deadlines if found.guarantee is not None else {}
    if relaxed:
        # The factor itself is met in floating point: once more the tolerance.
        factors = {name: 1 / (factor * (1 + 1e-9)) for name, factor in relaxed.items()}
        instance = _tightened(instance, factors)  # type: ignore[arg-type]
    return [f"{v.constraint} at {v.where}: {v.statement}" for v in check(instance, found.plan)]


def _too_many(found: Result) -> Iterator[str]:
    labels, most = found.statistics.get("labels"), found.statistics.get("label_bound")
    if isinstance(labels, int) and isinstance(most, int | float) and labels > most > 0:
        yield f"{labels} labels made, more than the {most:g} stated"


def _violations(
    instance: Instance, found: Result, truth: Truth, reference: float | None
) -> Iterator[str]:
    guarantee = found.guarantee
    may_exceed = found.status is SolutionStatus.RELAXED
    if truth.proven and truth.optimum is None:
        if found.status in (SolutionStatus.OPTIMAL, SolutionStatus.FEASIBLE):
            yield "a plan is claimed where none is feasible"
        return
    if found.status is SolutionStatus.INFEASIBLE:
        if truth.optimum is not None:
            yield f"claimed infeasible; {truth.method} has a plan of {truth.optimum:g}"
        return
    highest, above = truth.optimum, "the best plan known,"
    lowest, below = truth.bound, "the best bound known,"
    if truth.proven:
        lowest, above, below = truth.optimum, "the optimum", "the optimum"
    if (
        found.bound is not None
        and highest is not None
        and not not_above(found.bound, highest, TOLERANCES.bound)
    ):
        yield f"bound {found.bound!r} above {above} {highest!r}"
    if found.termination is not Termination.SOLVED and found.status is SolutionStatus.NONE:
        return  # interrupted with an attempt of which nothing is claimed
    yield from _broken_deadlines(instance, found)
    value = found.objective
    if (
        value is not None
        and lowest is not None
        and not may_exceed
        and not not_above(lowest, value, TOLERANCES.agreement)
    ):
        yield f"value {value!r} below {below} {lowest!r}"
    if found.termination is not Termination.SOLVED:
        return
    if value is None:
        if reference is not None:
            yield f"no plan, though one of {reference:g} keeps what the guarantee refers to"
        return
    if guarantee is None or guarantee.factor is None:
        yield "a run that ended in order without a guarantee"
    elif reference is not None and not not_above(
        value, guarantee.factor * reference, TOLERANCES.bound
    ):
        yield f"value {value!r} above {guarantee.factor:g} x {reference!r}"


def verify_instance(
    instance: Instance,
    epsilons: Sequence[float],
    *,
    truth: Truth,
    time_limit_s: float,
    labels: bool = True,
    journal: Journal | None = None,
) -> list[Verdict]:
    """Run every form at every epsilon on an instance and hold it against the truth.

    Parameters
    ----------
    truth
        Something must be known.
    time_limit_s
        Seconds a run, of the method and of each further reference.
    labels
        Whether the label program is also run alone.
    journal
        What is done already, and where the rest is put down.
    """
    method = load(METHOD, instance.problem)
    ready = getattr(method, "prepare", None)
    if ready is not None:
        ready()  # or the first run's time is that of loading the kernels
    verdicts = []
    for form in forms_of(instance, labels=labels):
        for epsilon in epsilons:
            key, known = "", None
            if journal is not None:
                known_truth = (truth.optimum, truth.bound, truth.proven)
                key = journal.key(
                    instance.content_hash, form.name, epsilon, time_limit_s, *known_truth
                )
                known = Verdict.from_document(journal.find(key))
            if known is None:
                began = time.process_time()
                found = method.solve(
                    instance, Budget(time_limit_s), 0, {**form.options, "epsilon": epsilon}
                )
                spent = time.process_time() - began
                reference = _reference(instance, found, epsilon, truth, time_limit_s, journal)
                known = _judge(instance, found, form, epsilon, truth, reference, spent)
                if journal is not None:
                    journal.note(key, known.to_document())
            verdicts.append(known)
    return verdicts


def _reference(
    instance: Instance,
    found: Result,
    epsilon: float,
    truth: Truth,
    time_limit_s: float,
    journal: Journal | None,
) -> float | None:
    """Return what the guarantee holds the value against, None when that is unknown or not there.

    The optimum is below every tightened one: where the value is good against it, no other is
    needed.
    """
    guarantee = found.guarantee
    factors = {} if guarantee is None else guarantee.reference_deadlines
    if found.plan is None and instance.deadlines == 2:
        # Nothing found: in order only where nothing keeps the tightened deadlines either.
        factors = {"inference": 1.0 + epsilon}
    if truth.optimum is None or not factors:
        return truth.optimum
    if found.objective is not None and found.objective <= (1.0 + epsilon) * truth.optimum:
        return truth.optimum
    if not truth.proven:
        return None  # open already as given, and harder to prove tightened
    tight = _tightened(instance, factors)  # type: ignore[arg-type]
    if journal is None:
        again = solved_truth(tight, time_limit_s)
        return again.optimum if again.proven else None
    key = journal.key(tight.content_hash, "truth", time_limit_s)
    known = journal.truth(key) or solved_truth(tight, time_limit_s)
    journal.note_truth(key, known)
    return known.optimum if known.proven else None


def _ratio(value: float | None, other: float | None) -> float | None:
    if value is None or other is None:
        return None
    if value == other:
        return 1.0
    return value / other if other > 0 else None


def _judge(
    instance: Instance,
    found: Result,
    form: Form,
    epsilon: float,
    truth: Truth,
    reference: float | None,
    spent: float,
) -> Verdict:
    labels, label_bound = found.statistics.get("labels"), found.statistics.get("label_bound")
    factor = None if found.guarantee is None else found.guarantee.factor
    return Verdict(
        instance=instance.name,
        problem=instance.problem,
        size=_size(instance),
        deadlines=instance.deadlines,
        form=form.name,
        epsilon=epsilon,
        status=str(found.status),
        termination=str(found.termination),
        optimum=truth.optimum,
        proven=truth.proven,
        value=found.objective,
        bound=found.bound if found.bound is None or math.isfinite(found.bound) else None,
        ratio=_ratio(found.objective, truth.optimum) if truth.proven else None,
        certified_ratio=_ratio(found.objective, found.bound),
        guaranteed=factor,
        labels=labels if isinstance(labels, int) else None,
        label_bound=float(label_bound) if isinstance(label_bound, int | float) else None,
        cpu_time_s=spent,
        violations=(*_violations(instance, found, truth, reference), *_too_many(found)),
    )
