"""CIFT instances: collaborative inference and fine-tuning over end, edge and cloud nodes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TypeVar, cast

from splitopt.instances.cift.doubt import CERTAIN, Doubt, Draw, quantile
from splitopt.instances.cift.parts import (
    Compression,
    Configuration,
    Factors,
    Link,
    Node,
    SpeedInterval,
    Speeds,
    Training,
    read_factors,
)
from splitopt.instances.core import fields
from splitopt.instances.core.documents import content_hash
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import rational
from splitopt.instances.networks.curves import LearningCurve
from splitopt.instances.networks.downsets import downsets_of
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


Part = TypeVar("Part")
_GROUPS = (
    "nodes",
    "links",
    "models",
    "compressions",
    "configurations",
    "curves",
    "assumptions",
)


def _read_list(
    found: Mapping[str, object], name: str, read: Callable[[object], Part]
) -> tuple[Part, ...]:
    parts = []
    for index, entry in enumerate(fields.sequence(name, found[name])):
        try:
            parts.append(read(entry))
        except InputError as error:
            raise error.within(f"{name}[{index}]") from None
    return tuple(parts)


@dataclass(frozen=True)
class CiftInstance:
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
        fields.name("name", self.name)
        fields.text("description", self.description)
        for group in _GROUPS:
            object.__setattr__(self, group, tuple(getattr(self, group)))
        for index, line in enumerate(self.assumptions):
            fields.text(f"assumptions[{index}]", line)
        object.__setattr__(self, "requests", fields.integer("requests", self.requests, minimum=0))
        for column in ("inference_deadline_s", "fine_tuning_deadline_s"):
            if getattr(self, column) is not None:
                value = fields.number(
                    column, getattr(self, column), minimum=0, remedy="null for no deadline"
                )
                object.__setattr__(self, column, value)
        if self.throughput_per_s is not None:
            value = fields.number("throughput_per_s", self.throughput_per_s, above=0)
            object.__setattr__(self, "throughput_per_s", value)
        if self.error_target is not None:
            value = fields.number("error_target", self.error_target, minimum=0, maximum=1)
            object.__setattr__(self, "error_target", value)
        for group in ("nodes", "models", "compressions"):
            fields.names_differ(group, [part.name for part in getattr(self, group)])
        if not self.nodes:
            raise InputError("nodes", [], "at least one node", "add the nodes")
        object.__setattr__(self, "models", tuple(model.bare() for model in self.models))
        for model in self.models:
            if model.is_graph:
                downsets_of(model)
        self._check_factors([node.factors for node in self.nodes])
        self._check_links()
        self._check_curves()
        self._check_configurations()
        if self.doubt is not None:
            self._check_doubt(self.doubt)
            if self.doubt.network and self.beyond:
                raise InputError(
                    "doubt",
                    " and ".join(sorted(self.doubt.kinds)),
                    f"epochs alone, with {self.beyond[0]}",
                    "leave the doubt of the network out, or what it does not go with",
                )

    def _check_factors(self, given: Sequence[Factors]) -> None:
        for index, factors in enumerate(given):
            for model, blocks in factors:
                where = f"nodes[{index}].factors"
                self._check_known(where, model, self.model_index)
                profile = self.models[self.model_index[model]]
                names = {block.name: k for k, block in enumerate(profile.blocks)}
                for block, _ in blocks:
                    self._check_known(f"{where}.{model}", block, names)

    def _check_links(self) -> None:
        known = set(self.node_index)
        pairs: set[tuple[str, str]] = set()
        for index, link in enumerate(self.links):
            for end in ("tail", "head"):
                if getattr(link, end) not in known:
                    raise InputError(
                        f"links[{index}].{end}",
                        getattr(link, end),
                        "the name of a node",
                        "add the node or correct the name",
                    )
            if (link.tail, link.head) in pairs:
                raise InputError(
                    f"links[{index}]",
                    f"{link.tail} -> {link.head}",
                    "at most one link an ordered pair",
                    "remove one of the two",
                )
            pairs.add((link.tail, link.head))
        self._check_acyclic()

    def _check_acyclic(self) -> None:
        waiting = {node.name: 0 for node in self.nodes}
        for link in self.links:
            waiting[link.head] += 1
        ready = [name for name, count in waiting.items() if count == 0]
        order = []
        while ready:
            name = ready.pop()
            order.append(name)
            for link in self.links_from[name]:
                waiting[link.head] -= 1
                if waiting[link.head] == 0:
                    ready.append(link.head)
        if len(order) == len(self.nodes):
            return
        # Each node that is left has a link from another one: going back runs into the cycle.
        back = {
            link.head: (index, link)
            for index, link in enumerate(self.links)
            if waiting[link.tail] > 0 and waiting[link.head] > 0
        }
        node = next(iter(back))
        met: set[str] = set()
        while node not in met:
            met.add(node)
            node = back[node][1].tail
        index, link = back[node]
        raise InputError(
            f"links[{index}]",
            f"{link.tail} -> {link.head}",
            "links without a cycle",
            "remove a link of the cycle",
        )

    def _check_curves(self) -> None:
        seen: set[tuple[str, str]] = set()
        for index, curve in enumerate(self.curves):
            where = f"curves[{index}]"
            self._check_known(f"{where}.model", curve.model, self.model_index)
            self._check_known(f"{where}.compression", curve.compression, self.compression_index)
            if (curve.model, curve.compression) in seen:
                raise InputError(
                    where,
                    f"{curve.model}, {curve.compression}",
                    "one curve a model and compression",
                    "remove one of the two",
                )
            seen.add((curve.model, curve.compression))

    def _check_known(self, where: str, name: str, known: Mapping[str, int]) -> None:
        if name not in known:
            raise InputError(
                where, name, "one of " + ", ".join(known), "correct the name or add what it names"
            )

    def _check_configurations(self) -> None:
        curves = {(curve.model, curve.compression): curve for curve in self.curves}
        seen: set[tuple[str, str, str, float]] = set()
        for index, g in enumerate(self.configurations):
            where = f"configurations[{index}]"
            self._check_known(f"{where}.model", g.model, self.model_index)
            self._check_known(f"{where}.compression", g.compression, self.compression_index)
            self._check_known(f"{where}.source", g.source, self.node_index)
            node = self.nodes[self.node_index[g.source]]
            if node.tier != "end":
                raise InputError(
                    f"{where}.source", g.source, "an end node", "choose a node of tier end"
                )
            key = (g.model, g.compression, g.source, g.fraction)
            if key in seen:
                raise InputError(
                    where, ", ".join(map(str, key)), "each configuration once", "remove one"
                )
            seen.add(key)
            samples = self.samples_per_epoch(g)
            if self.error_target is None:
                if g.epochs > 0 and samples < 1:
                    raise InputError(
                        f"{where}.epochs", g.epochs, "0 for a source without data", "give it data"
                    )
                continue
            curve = curves.get((g.model, g.compression))
            if curve is None:
                raise InputError(
                    f"{where}",
                    f"{g.model}, {g.compression}",
                    "pairs with a learning curve",
                    "add the curve, or set error_target to null",
                )
            if samples < 1:
                raise InputError(
                    f"{where}.source", g.source, "a node with samples >= 1", "give it data"
                )
            if not curve.follows(g.epochs, samples, self.error_target):
                due = curve.epochs(samples, self.error_target)
                raise InputError(
                    f"{where}.epochs",
                    g.epochs,
                    "nothing, since the target is out of reach"
                    if due is None
                    else f"{due}, as it follows from the curve",
                    "remove the configuration" if due is None else f"write {due}",
                )

    def _check_doubt(self, doubt: Doubt) -> None:
        doubt.check_names(
            [g.key for g in self.configurations],
            [(link.tail, link.head) for link in self.links],
            [node.name for node in self.nodes],
        )
        for index, entry in enumerate(doubt.epochs):
            node = self.nodes[self.node_index[entry.source]]
            if max(entry.values) > 0 and math.ceil(rational(entry.fraction) * node.samples) < 1:
                raise InputError(
                    f"doubt.epochs[{index}]", entry.source, "a source with data", "give it data"
                )

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

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of what determines the optimum; name and annotations are left out."""
        document = self.to_document()
        for annotation in ("name", "description", "assumptions", "origin"):
            del document[annotation]
        return content_hash(document)

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
        try:
            training = Training.from_document(found["training"]) if "training" in found else None
        except InputError as error:
            raise error.within("training") from None
        try:
            doubt = Doubt.from_document(found["doubt"]) if "doubt" in found else None
        except InputError as error:
            raise error.within("doubt") from None
        instance = CiftInstance(
            name=fields.name("name", found["name"]),
            nodes=_read_list(found, "nodes", Node.from_document),
            links=_read_list(found, "links", Link.from_document),
            models=_read_list(found, "models", Profile.from_document),
            compressions=_read_list(found, "compressions", Compression.from_document),
            configurations=_read_list(found, "configurations", Configuration.from_document),
            requests=found["requests"],  # type: ignore[arg-type]
            error_target=found.get("error_target"),  # type: ignore[arg-type]
            curves=_read_list(found, "curves", LearningCurve.from_document)
            if "curves" in found
            else (),
            inference_deadline_s=found.get("inference_deadline_s"),  # type: ignore[arg-type]
            fine_tuning_deadline_s=found.get("fine_tuning_deadline_s"),  # type: ignore[arg-type]
            training=training or Training(),
            doubt=doubt,
            description=fields.text("description", found.get("description", "")),
            assumptions=fields.read_lines(found, "assumptions"),
            origin=fields.read_origin(found),
            throughput_per_s=found.get("throughput_per_s"),  # type: ignore[arg-type]
        )
        # Factors of 1 are dropped, but not before what they name is known.
        nodes = cast("list[dict[str, object]]", found["nodes"])
        instance._check_factors([read_factors(node.get("factors", {})) for node in nodes])
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
