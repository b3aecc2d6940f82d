"""What an instance of CIFT leaves to chance: epochs, rates of links, speeds of nodes.

Three kinds of doubt, and what is asked for:

``epochs``
    A distribution of K for a configuration: whole numbers with weights, or samples.
``scenarios``
    Finitely many ways the network can turn out, each with a weight and factors on rates and speeds.
``spread``
    Means and variances alone, of how much longer than nominal a link or a node takes; independent
    of each other, and any distribution that has them.

A deadline must hold with the probability that its confidence says, over everything in doubt; energy
counts in expectation. Epochs are independent of scenarios. The mathematics is in
``docs/uncertainty.md``.

Weights are rationals: decimals, or texts such as ``"1/3"``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple, TypeVar

from splitopt.instances.cift.distributions import (
    EpochsInDoubt,
    Factor,
    Key,
    Scenario,
    Spread,
    fraction_of,
    sum_to_one,
)
from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.core.parts import read_parts

__all__ = [
    "CERTAIN",
    "KINDS",
    "Doubt",
    "Draw",
    "EpochsInDoubt",
    "Factor",
    "Scenario",
    "Spread",
    "quantile",
    "refuse_doubt",
]

KINDS = frozenset(("epochs", "scenarios", "spread"))
_Value = TypeVar("_Value")


class Draw(NamedTuple):
    """One way the network can turn out, in rationals.

    Attributes
    ----------
    weight
        Its probability.
    rates, speeds
        Factors by (tail, head) and by node; 1 where absent.
    """

    weight: Fraction
    rates: Mapping[tuple[str, str], Fraction]
    speeds: Mapping[str, Fraction]

    def rate(self, tail: str, head: str) -> Fraction:
        """Return the factor on a link's rate."""
        return self.rates.get((tail, head), Fraction(1))

    def speed(self, node: str) -> Fraction:
        """Return the factor on a node's speed."""
        return self.speeds.get(node, Fraction(1))


CERTAIN = Draw(Fraction(1), {}, {})


@dataclass(frozen=True)
class Doubt:
    """All that an instance leaves to chance.

    Attributes
    ----------
    epochs
        At most one distribution a configuration; K is certain where there is none.
    scenarios
        Joint scenarios of the network; none where it is certain, or its spread is given.
    spread
        Means and variances; none beside scenarios or epochs in doubt.
    inference_confidence, fine_tuning_confidence
        Probability with which each deadline must hold, 0 < p <= 1 (< 1 for a spread).
    """

    epochs: tuple[EpochsInDoubt, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    spread: tuple[Spread, ...] = ()
    inference_confidence: float = 1.0
    fine_tuning_confidence: float = 1.0
    kinds: frozenset[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        groups = {name: tuple(getattr(self, name)) for name in sorted(KINDS)}
        for name, parts in groups.items():
            object.__setattr__(self, name, parts)
        object.__setattr__(self, "kinds", frozenset(n for n, parts in groups.items() if parts))
        if not self.kinds:
            raise InputError(
                "epochs", [], "epochs, scenarios or spread", "add what is in doubt, or drop doubt"
            )
        if self.spread and len(self.kinds) > 1:
            raise InputError(
                "spread",
                "given",
                "means and variances alone: of epochs or scenarios too, no bound is known here",
                "write the links as scenarios",
            )
        for column in ("inference_confidence", "fine_tuning_confidence"):
            value = fields.number(column, getattr(self, column), above=0, maximum=1)
            object.__setattr__(self, column, value)
            if self.spread and value == 1:
                raise InputError(
                    column, value, "a number < 1: no bound on any distribution", "lower it"
                )
        if self.scenarios:
            sum_to_one("scenarios", [scenario.weight for scenario in self.scenarios])

    # -- against an instance ---------------------------------------------------------------

    def check_names(self, configurations: Iterable[Key], links: Iterable[tuple[str, str]],
                    nodes: Iterable[str]) -> None:  # fmt: skip
        """Raise where something named is not there, or stands twice."""
        self._named("epochs", [entry.key for entry in self.epochs], set(configurations))
        pairs, names = set(links), set(nodes)
        for index, scenario in enumerate(self.scenarios):
            where = f"scenarios[{index}]"
            self._named(f"{where}.rates", [(f.tail, f.head) for f in scenario.rates], pairs)
            self._named(f"{where}.speeds", [f.tail for f in scenario.speeds], names)
        ends = [s.tail if s.head is None else (s.tail, s.head) for s in self.spread]
        self._named("spread", ends, pairs | names)

    @staticmethod
    def _named(where: str, given: Iterable[object], known: Collection[object]) -> None:
        seen: set[object] = set()
        for index, key in enumerate(given):
            shown = key if isinstance(key, str) else ", ".join(map(str, key))  # type: ignore[call-overload]
            if key not in known:
                raise InputError(
                    f"doubt.{where}[{index}]", shown, "what the instance has", "correct the name"
                )
            if key in seen:
                raise InputError(f"doubt.{where}[{index}]", shown, "each one once", "remove one")
            seen.add(key)

    def only_for(self, configurations: Collection[Key]) -> Doubt | None:
        """Return what is left of it with these configurations; None where nothing is."""
        epochs = tuple(entry for entry in self.epochs if entry.key in configurations)
        if not (epochs or self.scenarios or self.spread):
            return None
        return replace(self, epochs=epochs)

    # -- derived ---------------------------------------------------------------------------

    @cached_property
    def distributions(self) -> Mapping[Key, Mapping[int, Fraction]]:
        """The weight of each K, ascending, by configuration."""
        return {entry.key: entry.distribution() for entry in self.epochs}

    @cached_property
    def draws(self) -> tuple[Draw, ...]:
        """The network's scenarios; one, of the means, where its spread is given."""
        if self.spread:
            means = {(s.tail, s.head): 1 / rational(s.mean) for s in self.spread}
            return (
                Draw(
                    Fraction(1),
                    {(t, h): x for (t, h), x in means.items() if h is not None},
                    {t: x for (t, h), x in means.items() if h is None},
                ),
            )
        if not self.scenarios:
            return (CERTAIN,)
        return tuple(
            Draw(
                fraction_of(scenario.weight),
                {(f.tail, str(f.head)): rational(f.factor) for f in scenario.rates},
                {f.tail: rational(f.factor) for f in scenario.speeds},
            )
            for scenario in self.scenarios
        )

    @cached_property
    def variances(self) -> Mapping[tuple[str, str | None], Fraction]:
        """Variances by (tail, head), and by (node, None)."""
        return {(s.tail, s.head): rational(s.variance) for s in self.spread}

    @property
    def network(self) -> bool:
        """Whether links or nodes are in doubt."""
        return bool(self.scenarios or self.spread)

    def busy(self, node: str) -> Fraction:
        """Return the expected time of a node over its nominal time."""
        if node not in self._busy:
            parts = (draw.weight / draw.speed(node) for draw in self.draws)
            self._busy[node] = sum(parts, Fraction(0))
        return self._busy[node]

    @cached_property
    def _busy(self) -> dict[str, Fraction]:
        return {}

    def confidences(self) -> tuple[Fraction, Fraction]:
        """Return the probability asked of each deadline."""
        return rational(self.inference_confidence), rational(self.fine_tuning_confidence)

    # -- documents -------------------------------------------------------------------------

    @staticmethod
    def from_document(document: object) -> Doubt:
        """Return the doubt in a JSON object."""
        confidences = ("inference_confidence", "fine_tuning_confidence")
        found = fields.mapping("", document, (), ("epochs", "scenarios", "spread", *confidences))
        return Doubt(
            read_parts(found, "epochs", EpochsInDoubt.from_document),
            read_parts(found, "scenarios", Scenario.from_document),
            read_parts(found, "spread", Spread.from_document),
            **{name: found[name] for name in confidences if name in found},  # type: ignore[arg-type]
        )

    def to_document(self) -> dict[str, object]:
        """Return the doubt as a JSON object."""
        document: dict[str, object] = {
            name: [part.to_document() for part in getattr(self, name)]
            for name in ("epochs", "scenarios", "spread")
            if getattr(self, name)
        }
        document["inference_confidence"] = self.inference_confidence
        document["fine_tuning_confidence"] = self.fine_tuning_confidence
        return document


def refuse_doubt(
    instance: object,
    who: str,
    taken: Iterable[str] = (),
    remedy: str = "solve it with jqodi or highs-flow",
) -> None:
    """Raise where an instance has a kind of doubt that what is asked of it cannot tell anything of.

    Raises
    ------
    InputError
        Naming the kinds.
    """
    doubt = getattr(instance, "doubt", None)
    kinds = sorted(doubt.kinds - set(taken)) if doubt is not None else []
    if kinds:
        raise InputError(
            "doubt",
            ", ".join(kinds),
            f"an instance without it for {who}",
            f"drop doubt from the instance, or {remedy}",
        )


def quantile(weighted: Iterable[tuple[_Value, Fraction]], share: Fraction) -> _Value:
    """Return the least value that at least `share` of the weight does not exceed."""
    total, ascending = Fraction(0), sorted(weighted, key=lambda pair: pair[0])  # type: ignore[arg-type,return-value]
    for value, weight in ascending:
        total += weight
        if total >= share:
            return value
    return ascending[-1][0]
