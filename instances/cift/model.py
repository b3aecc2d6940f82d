"""CIFT instances: collaborative inference and fine-tuning over end, edge and cloud nodes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import cast

from splitopt.instances.cift.checks import check_factors, check_whole
from splitopt.instances.cift.doubt import CERTAIN, Doubt, Draw, quantile
from splitopt.instances.cift.parts import (
    Compression,
    Configuration,
    Link,
    Node,
    SpeedInterval,
    Speeds,
    Training,
    read_factors,
)
from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.core.parts import (
    Annotated,
    keep_numbers,
    read_annotations,
    read_parts,
    within,
)
from splitopt.instances.networks.curves import LearningCurve
from splitopt.instances.networks.profiles import Profile, read_version

__all__ = [
    "BEYOND",
    "FACTORS",
    "GRAPHS",
    "THROUGHPUT",
    "CiftInstance",
    "Compression",
    "Configuration",
    "Link",
    "Node",
    "SpeedInterval",
    "Speeds",
    "Training",
]

FORMAT = "splitopt-cift"
VERSION = 1
NEXT_VERSION = 2  # what version 1 cannot say: `CiftInstance.beyond`
# What not every method takes, in words that follow "does not take".
GRAPHS, FACTORS, THROUGHPUT = (
    "networks that are graphs",
    "factors of single blocks",
    "a throughput",
)
BEYOND = frozenset((GRAPHS, FACTORS, THROUGHPUT))


_GROUPS = ("nodes", "links", "models", "compressions", "configurations", "curves")


@dataclass(frozen=True)
class CiftInstance(Annotated):
    """One instance of CIFT, checked when it is built and never changed.

    Attributes
    ----------
    name
        Name, safe in paths.
    nodes, links
        The network; links are acyclic, at most one an ordered pair.
    models, compressions
        Profiles and compression levels to choose from.
    configurations
        The (model, compression, source, fraction) to choose from; one whose target is out
        of reach is absent. The order is the order of ties.
    requests
        R >= 0 inference requests.
    error_target
        1 - A, the error fine-tuning must reach; None when epochs are given, not derived.
    curves
        Learning curves the epochs follow from.
    inference_deadline_s, fine_tuning_deadline_s
        tau_inf a request and tau_ft in all; None where absent.
    training
        Training factors.
    doubt
        What is left to chance; None where every figure is certain. `Configuration.epochs` is then
        the nominal number, on which nothing depends where K is in doubt.
    description, assumptions, origin
        Annotations; they do not enter the content hash.
    throughput_per_s
        Requests a second that the plan must sustain: no host and no link on it may be busy longer
        than the inverse for one request; None where nothing is asked.
    in_units
        FLOP, bit and s that the figures are in, powers of two, where they are not those of a file:
        verdicts within a rounding of a limit are of the file's. In no document.
    """

    name: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    models: tuple[Profile, ...]
    compressions: tuple[Compression, ...]
    configurations: tuple[Configuration, ...]
    requests: int
    error_target: float | None = None
    curves: tuple[LearningCurve, ...] = ()
    inference_deadline_s: float | None = None
    fine_tuning_deadline_s: float | None = None
    training: Training = field(default_factory=Training)
    doubt: Doubt | None = None
    description: str = ""
    assumptions: tuple[str, ...] = ()
    origin: Mapping[str, fields.Scalar] = field(default_factory=dict)
    throughput_per_s: float | None = None
    in_units: tuple[float, float, float] = field(default=(1.0, 1.0, 1.0), compare=False, repr=False)

    problem = "cift"

    def __post_init__(self) -> None:
        self.keep_annotations(*_GROUPS)
        object.__setattr__(self, "requests", fields.integer("requests", self.requests, minimum=0))
        deadlines = ("inference_deadline_s", "fine_tuning_deadline_s")
        remedy = "null for no deadline"
        keep_numbers(self, *deadlines, optional=True, minimum=0, remedy=remedy)
        keep_numbers(self, "throughput_per_s", optional=True, above=0)
        keep_numbers(self, "error_target", optional=True, minimum=0, maximum=1)
        object.__setattr__(self, "models", tuple(model.bare() for model in self.models))
        check_whole(self)

    # -- derived ---------------------------------------------------------------------------

    @cached_property
    def node_index(self) -> Mapping[str, int]:
        """Node name to position."""
        return {node.name: index for index, node in enumerate(self.nodes)}

    @cached_property
    def model_index(self) -> Mapping[str, int]:
        """Model name to position."""
        return {model.name: index for index, model in enumerate(self.models)}

    @cached_property
    def compression_index(self) -> Mapping[str, int]:
        """Compression name to position."""
        return {level.name: index for index, level in enumerate(self.compressions)}

    @cached_property
    def links_from(self) -> Mapping[str, tuple[Link, ...]]:
        """Node name to the links that leave it, in file order."""
        leaving: dict[str, list[Link]] = {node.name: [] for node in self.nodes}
        for link in self.links:
            leaving[link.tail].append(link)
        return {name: tuple(links) for name, links in leaving.items()}

    @property
    def beyond(self) -> tuple[str, ...]:
        """What the instance has that not every method takes, in words."""
        found = {
            GRAPHS: any(model.is_graph for model in self.models),
            FACTORS: any(node.factors for node in self.nodes),
            THROUGHPUT: self.throughput_per_s is not None,
        }
        return tuple(name for name, there in found.items() if there)

    def require_plain(self, user: str) -> None:
        """Raise where the instance has what `user` cannot say."""
        if self.beyond:
            raise InputError(
                "instance",
                self.name,
                f"chains of blocks alone: {user} does not take {' or '.join(self.beyond)}",
                "solve it with jqodi, highs-flow or fronts",
            )

    def factors(self, node: Node, model: Profile) -> tuple[float, ...] | None:
        """Return the factor of each block of a model on a node; None where all are 1."""
        given = dict(dict(node.factors).get(model.name, ()))
        return tuple(given.get(block.name, 1.0) for block in model.blocks) if given else None

    @property
    def has_continuous_speeds(self) -> bool:
        """Whether any node's speeds form an interval."""
        return any(isinstance(node.speeds_flop_per_s, SpeedInterval) for node in self.nodes)

    @property
    def deadlines(self) -> int:
        """How many deadlines there are: 0, 1 or 2."""
        return (self.inference_deadline_s is not None) + (self.fine_tuning_deadline_s is not None)

    def samples_per_epoch(self, configuration: Configuration) -> int:
        """Return N_g = ceil(q * D_u), exactly."""
        node = self.nodes[self.node_index[configuration.source]]
        return math.ceil(rational(configuration.fraction) * node.samples)

    def sample_passes(self, configuration: Configuration) -> int:
        """Return S_g = K_g * N_g, of the nominal K_g."""
        return configuration.epochs * self.samples_per_epoch(configuration)

    def epochs_in_doubt(self, configuration: Configuration) -> Mapping[int, Fraction]:
        """Return the weight of each number of epochs there may be, ascending."""
        known = {} if self.doubt is None else self.doubt.distributions
        return known.get(configuration.key) or {configuration.epochs: Fraction(1)}

    @property
    def draws(self) -> tuple[Draw, ...]:
        """The ways the network can turn out."""
        return (CERTAIN,) if self.doubt is None else self.doubt.draws

    @cached_property
    def _passes_in_doubt(self) -> Mapping[tuple[str, str, str, float], tuple[Fraction, int]]:
        """Passes expected and assured of the configurations whose K is in doubt."""
        if self.doubt is None:
            return {}
        share, found = self.doubt.confidences()[1], {}
        for g in self.configurations:
            epochs = self.doubt.distributions.get(g.key)
            if epochs is not None:
                mean = sum((k * weight for k, weight in epochs.items()), Fraction(0))
                most = quantile(epochs.items(), share)
                samples = self.samples_per_epoch(g)
                found[g.key] = mean * samples, most * samples
        return found

    def expected_passes(self, configuration: Configuration) -> Fraction | int:
        """Return E[K_g] N_g, the sample passes that energy counts; S_g where K is certain.

        Positive wherever there may be any fine-tuning at all.
        """
        found = self._passes_in_doubt.get(configuration.key)
        return self.sample_passes(configuration) if found is None else found[0]

    def assured_passes(self, configuration: Configuration) -> int:
        """Return the passes the fine-tuning deadline counts: of the quantile of K asked for.

        S_g where K is certain.
        """
        found = self._passes_in_doubt.get(configuration.key)
        return self.sample_passes(configuration) if found is None else found[1]

    def rival(self, configuration: Configuration) -> tuple[object, ...]:
        """Return what configurations share of which the one with the fewest passes is enough.

        They differ in q alone. With epochs in doubt each is its own: fewer passes expected need not
        be fewer assured.
        """
        key = configuration.key
        return key if self.doubt is not None and self.doubt.epochs else key[:3]

    def replace(self, **changes: object) -> CiftInstance:
        """Return a copy with some fields changed, checked like any other instance.

        Doubt in the epochs of configurations that go, goes with them.
        """
        if self.doubt is not None and "configurations" in changes and "doubt" not in changes:
            kept = changes["configurations"]
            changes["doubt"] = self.doubt.only_for({g.key for g in kept})  # type: ignore[attr-defined]
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    # -- documents -------------------------------------------------------------------------

    @staticmethod
    def from_document(document: object) -> CiftInstance:
        """Return the instance in a JSON object.

        Raises
        ------
        InputError
            Naming the field, the value, what is allowed and the remedy.
        """
        found = fields.mapping(
            "",
            document,
            (
                "format",
                "version",
                "name",
                "requests",
                "nodes",
                "links",
                "models",
                "compressions",
                "configurations",
            ),
            (
                "description",
                "assumptions",
                "origin",
                "error_target",
                "inference_deadline_s",
                "fine_tuning_deadline_s",
                "training",
                "curves",
                "throughput_per_s",
                "doubt",
            ),
        )
        # Each document says the lowest version that holds it; a higher one is read as well.
        newer = found["version"] == NEXT_VERSION
        read_version(found, FORMAT, VERSION, NEXT_VERSION)
        with within("training"):
            training = Training.from_document(found["training"]) if "training" in found else None
        with within("doubt"):
            doubt = Doubt.from_document(found["doubt"]) if "doubt" in found else None
        instance = CiftInstance(
            **read_annotations(found),
            nodes=read_parts(found, "nodes", Node.from_document),
            links=read_parts(found, "links", Link.from_document),
            models=read_parts(found, "models", Profile.from_document),
            compressions=read_parts(found, "compressions", Compression.from_document),
            configurations=read_parts(found, "configurations", Configuration.from_document),
            requests=found["requests"],  # type: ignore[arg-type]
            error_target=found.get("error_target"),  # type: ignore[arg-type]
            curves=read_parts(found, "curves", LearningCurve.from_document),
            inference_deadline_s=found.get("inference_deadline_s"),  # type: ignore[arg-type]
            fine_tuning_deadline_s=found.get("fine_tuning_deadline_s"),  # type: ignore[arg-type]
            training=training or Training(),
            doubt=doubt,
            throughput_per_s=found.get("throughput_per_s"),  # type: ignore[arg-type]
        )
        # Factors of 1 are dropped, but not before what they name is known.
        nodes = cast("list[dict[str, object]]", found["nodes"])
        check_factors(instance, [read_factors(node.get("factors", {})) for node in nodes])
        later = (*instance.beyond, *(("doubt",) if doubt is not None else ()))
        if not newer and later:
            raise InputError(
                "version", VERSION, f"{NEXT_VERSION} for {later[0]}", f"write {NEXT_VERSION}"
            )
        return instance

    def to_document(self) -> dict[str, object]:
        """Return the instance as a JSON object, in the lowest version that holds it."""
        document = self._document()
        if self.throughput_per_s is not None:
            document["throughput_per_s"] = self.throughput_per_s
        if self.doubt is not None:
            document["doubt"] = self.doubt.to_document()
        return document

    def _document(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "version": NEXT_VERSION if self.beyond or self.doubt is not None else VERSION,
            "name": self.name,
            "description": self.description,
            "assumptions": list(self.assumptions),
            "origin": dict(self.origin),
            "requests": self.requests,
            "error_target": self.error_target,
            "inference_deadline_s": self.inference_deadline_s,
            "fine_tuning_deadline_s": self.fine_tuning_deadline_s,
            "training": self.training.to_document(),
            "nodes": [node.to_document() for node in self.nodes],
            "links": [link.to_document() for link in self.links],
            "models": [model.chain_document() for model in self.models],
            "compressions": [level.to_document() for level in self.compressions],
            "curves": [curve.to_document() for curve in self.curves],
            "configurations": [g.to_document() for g in self.configurations],
        }
