"""What is in doubt of single configurations, links and nodes, as documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.core.parts import keep_names, keep_numbers, read_parts

Weight = float | str
Key = tuple[str, str, str, float]


def _weight(where: str, value: object) -> Weight:
    """Return a weight as it is written, a positive rational."""
    if isinstance(value, str):
        over, slash, under = value.partition("/")
        whole = over.isdecimal() and under.isdecimal() and over.isascii() and under.isascii()
        if slash and whole and int(over) and int(under) and len(value) < 40:
            return value
        raise InputError(where, value, 'a number > 0, or a text such as "1/3"', "correct it")
    return fields.number(where, value, above=0)


def fraction_of(weight: Weight) -> Fraction:
    """Return a weight as the rational it is."""
    return Fraction(weight) if isinstance(weight, str) else rational(weight)


def sum_to_one(where: str, weights: Iterable[Weight]) -> None:
    """Raise unless weights sum to 1, exactly."""
    total = sum(map(fraction_of, weights), Fraction(0))
    if total != 1:
        raise InputError(
            where, str(total), "weights that sum to 1", 'correct them; thirds are written "1/3"'
        )


@dataclass(frozen=True, slots=True)
class EpochsInDoubt:
    """The distribution of K of one configuration.

    Attributes
    ----------
    model, compression, source, fraction
        The configuration.
    values
        Numbers of epochs.
    weights
        Of the values; None where these are samples, all of the same weight.
    """

    model: str
    compression: str
    source: str
    fraction: float
    values: tuple[int, ...]
    weights: tuple[Weight, ...] | None = None

    def __post_init__(self) -> None:
        keep_names(self, "model", "compression", "source")
        keep_numbers(self, "fraction", above=0, maximum=1)
        if not fields.sequence("values", self.values):
            raise InputError("values", [], "at least one number of epochs", "add what K may be")
        values = tuple(
            fields.integer(f"values[{i}]", k, minimum=0) for i, k in enumerate(self.values)
        )
        object.__setattr__(self, "values", values)
        if self.weights is None:
            return
        weights = tuple(
            _weight(f"weights[{i}]", w)
            for i, w in enumerate(fields.sequence("weights", self.weights))
        )
        if len(weights) != len(values):
            raise InputError(
                "weights", len(weights), f"{len(values)} weights, one a value", "add or remove some"
            )
        if len(set(values)) < len(values):
            raise InputError("values", max(values, key=values.count), "each value once", "merge")
        sum_to_one("weights", weights)
        object.__setattr__(self, "weights", weights)

    @property
    def key(self) -> Key:
        """Names of the configuration."""
        return self.model, self.compression, self.source, self.fraction

    def distribution(self) -> dict[int, Fraction]:
        """Return the weight of each value, values ascending."""
        found: dict[int, Fraction] = {}
        weights = self.weights or [f"1/{len(self.values)}"] * len(self.values)
        for k, weight in sorted(zip(self.values, weights, strict=True), key=lambda pair: pair[0]):
            found[k] = found.get(k, Fraction(0)) + fraction_of(weight)
        return found

    @staticmethod
    def from_document(document: object) -> EpochsInDoubt:
        """Return the distribution in a JSON object; ``samples`` stands for values alone."""
        names = ("model", "compression", "source", "fraction")
        found = fields.mapping("", document, names, ("values", "weights", "samples"))
        four = {name: found[name] for name in names}
        if ("samples" in found) == ("values" in found):
            said = "beside samples" if "values" in found else "nothing"
            raise InputError("values", said, "values with weights, or samples", "give one")
        if "samples" in found:
            if "weights" in found:
                raise InputError("weights", "given", "no weights of samples", "name them values")
            samples = fields.sequence("samples", found["samples"])
            return EpochsInDoubt(**four, values=tuple(samples))  # type: ignore[arg-type]
        values = fields.sequence("values", found["values"])
        weights = fields.sequence("weights", found.get("weights"))
        return EpochsInDoubt(**four, values=tuple(values), weights=tuple(weights))  # type: ignore[arg-type]

    def to_document(self) -> dict[str, object]:
        """Return the distribution as a JSON object."""
        document = dataclasses.asdict(self)
        del document["weights"]
        values = list(document.pop("values"))
        if self.weights is None:
            return document | {"samples": values}
        return document | {"values": values, "weights": list(self.weights)}


@dataclass(frozen=True, slots=True)
class Factor:
    """What multiplies the rate of a link, or the speed of a node in `tail` where `head` is None."""

    tail: str
    head: str | None
    factor: float

    def __post_init__(self) -> None:
        fields.name("node" if self.head is None else "tail", self.tail)
        if self.head is not None:
            fields.name("head", self.head)
        keep_numbers(self, "factor", above=0)

    @staticmethod
    def of_link(document: object) -> Factor:
        """Return the factor on a link's rate in a JSON object."""
        return Factor(**fields.mapping("", document, ("tail", "head", "factor")))  # type: ignore[arg-type]

    @staticmethod
    def of_node(document: object) -> Factor:
        """Return the factor on a node's speed in a JSON object."""
        found = fields.mapping("", document, ("node", "factor"))
        return Factor(found["node"], None, found["factor"])  # type: ignore[arg-type]

    def to_document(self) -> dict[str, object]:
        """Return the factor as a JSON object."""
        if self.head is None:
            return {"node": self.tail, "factor": self.factor}
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way the network can turn out; what it does not name is as nominal."""

    weight: Weight
    rates: tuple[Factor, ...] = ()
    speeds: tuple[Factor, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _weight("weight", self.weight))

    @staticmethod
    def from_document(document: object) -> Scenario:
        """Return the scenario in a JSON object."""
        found = fields.mapping("", document, ("weight",), ("rates", "speeds"))
        return Scenario(
            found["weight"],  # type: ignore[arg-type]
            read_parts(found, "rates", Factor.of_link),
            read_parts(found, "speeds", Factor.of_node),
        )

    def to_document(self) -> dict[str, object]:
        """Return the scenario as a JSON object."""
        return {
            "weight": self.weight,
            "rates": [factor.to_document() for factor in self.rates],
            "speeds": [factor.to_document() for factor in self.speeds],
        }


@dataclass(frozen=True, slots=True)
class Spread:
    """How much longer than nominal a link (or, without `head`, a node) takes: mean and variance."""

    tail: str
    head: str | None
    mean: float
    variance: float

    def __post_init__(self) -> None:
        fields.name("node" if self.head is None else "tail", self.tail)
        if self.head is not None:
            fields.name("head", self.head)
        keep_numbers(self, "mean", above=0)
        keep_numbers(self, "variance", minimum=0)

    @staticmethod
    def from_document(document: object) -> Spread:
        """Return the spread in a JSON object, which names a node, or a link's two ends."""
        if isinstance(document, dict) and "node" in document:
            found = dict(fields.mapping("", document, ("node", "mean", "variance")))
            return Spread(found["node"], None, found["mean"], found["variance"])  # type: ignore[arg-type]
        found = dict(fields.mapping("", document, ("tail", "head", "mean", "variance")))
        return Spread(**found)  # type: ignore[arg-type]

    def to_document(self) -> dict[str, object]:
        """Return the spread as a JSON object."""
        if self.head is None:
            return {"node": self.tail, "mean": self.mean, "variance": self.variance}
        return dataclasses.asdict(self)
