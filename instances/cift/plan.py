"""Plans of CIFT: decisions only; what they cost is for `evaluate` to say."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from splitopt.instances.cift.model import CiftInstance, Configuration
from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.parts import keep_names, keep_numbers, read_parts
from splitopt.instances.networks.downsets import Downsets, downsets_of
from splitopt.instances.networks.profiles import Profile, read_version

FORMAT = "splitopt-cift-plan"
VERSION = 1
GRAPH_VERSION = 2  # stops that name their blocks


@dataclass(frozen=True, slots=True)
class Stop:
    """One node on a plan's path.

    Attributes
    ----------
    node
        Its name.
    blocks
        How many consecutive blocks it hosts; 0 for a relay, and for a source that ships
        the raw input.
    names
        The blocks it hosts, where the network is a graph; empty for a chain.
    inference_speed_flop_per_s
        f_inf of a host, None otherwise.
    fine_tuning_speed_flop_per_s
        f_ft of a host, None for a relay and where the configuration needs no fine-tuning.
    """

    node: str
    blocks: int
    inference_speed_flop_per_s: float | None = None
    fine_tuning_speed_flop_per_s: float | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fields.name("node", self.node)
        object.__setattr__(self, "blocks", fields.integer("blocks", self.blocks, minimum=0))
        speeds = ("inference_speed_flop_per_s", "fine_tuning_speed_flop_per_s")
        keep_numbers(self, *speeds, optional=True, above=0)

    @staticmethod
    def from_document(document: object) -> Stop:
        """Return the stop in a JSON object."""
        found = fields.mapping(
            "",
            document,
            ("node", "blocks"),
            ("inference_speed_flop_per_s", "fine_tuning_speed_flop_per_s"),
        )
        given = found["blocks"]
        if not isinstance(given, list | tuple):
            return Stop(**dict(found))  # type: ignore[arg-type]
        names = tuple(fields.name(f"blocks[{k}]", one) for k, one in enumerate(given))
        if len(set(names)) < len(names):
            raise InputError("blocks", ", ".join(names), "each block once", "drop the repeated one")
        return Stop(**{**found, "blocks": len(names)}, names=names)  # type: ignore[arg-type]

    def to_document(self) -> dict[str, object]:
        """Return the stop as a JSON object."""
        return {
            "node": self.node,
            "blocks": list(self.names) or self.blocks,
            "inference_speed_flop_per_s": self.inference_speed_flop_per_s,
            "fine_tuning_speed_flop_per_s": self.fine_tuning_speed_flop_per_s,
        }


def stop_between(
    model: Profile,
    sets: Downsets,
    node: str,
    i: int,
    j: int,
    speeds: tuple[float | None, float | None] = (None, None),
) -> Stop:
    """Return the stop that leads from downset i of a model to j; a relay where they are equal."""
    if not sets.graph or i == j:
        return Stop(node, j - i, *speeds)
    names = tuple(model.blocks[b].name for b in sets.between(i, j))
    return Stop(node, len(names), *speeds, names)


def states_of(model: Profile, plan: CiftPlan) -> list[int]:
    """Return the downset that is done behind each stop of a plan.

    Raises
    ------
    KeyError
        When one is none.
    """
    sets = downsets_of(model)
    known = {block.name: b for b, block in enumerate(model.blocks)}
    done, states = 0, []
    for stop in plan.stops:
        if sets.graph:
            done = sets.after(done, tuple(known[name] for name in stop.names))
        else:
            done += stop.blocks
        states.append(done)
    return states


@dataclass(frozen=True, slots=True)
class CiftPlan:
    """A configuration and a path of stops that hosts its blocks in order.

    Attributes
    ----------
    model, compression, source, fraction
        The configuration chosen.
    stops
        The path from the source to the host of the last block; the blocks of the stops add
        up to the length of the chain, and are all those of a graph.
    """

    model: str
    compression: str
    source: str
    fraction: float
    stops: tuple[Stop, ...]

    def __post_init__(self) -> None:
        keep_names(self, "model", "compression", "source")
        keep_numbers(self, "fraction", above=0, maximum=1)
        if not self.stops:
            raise InputError("stops", [], "at least the source", "add the stops of the path")

    @staticmethod
    def of(configuration: Configuration, stops: tuple[Stop, ...]) -> CiftPlan:
        """Return the plan that serves `configuration` along `stops`."""
        g = configuration
        return CiftPlan(g.model, g.compression, g.source, g.fraction, stops)

    @property
    def is_graph(self) -> bool:
        """Whether the stops name their blocks."""
        return any(stop.names for stop in self.stops)

    @property
    def hosts(self) -> tuple[Stop, ...]:
        """The stops that host blocks."""
        return tuple(stop for stop in self.stops if stop.blocks > 0)

    def configuration(self, instance: CiftInstance) -> Configuration | None:
        """Return the instance's configuration the plan chose, None when it has none such."""
        key = self.model, self.compression, self.source, self.fraction
        return next((g for g in instance.configurations if g.key == key), None)

    def order(self, instance: CiftInstance) -> tuple[object, ...]:
        """Return the key of the lexicographic order that breaks ties between plans.

        Configurations in file order; then stop by stop: node in file order, blocks, their names
        where the network is a graph, speeds (an absent speed first).
        """
        chosen = self.configuration(instance)
        position = -1 if chosen is None else instance.configurations.index(chosen)
        return (
            position,
            tuple(
                (
                    instance.node_index.get(stop.node, -1),
                    stop.blocks,
                    stop.names,
                    stop.inference_speed_flop_per_s or 0.0,
                    stop.fine_tuning_speed_flop_per_s or 0.0,
                )
                for stop in self.stops
            ),
        )

    @staticmethod
    def from_document(document: object) -> CiftPlan:
        """Return the plan in a JSON object."""
        found = dict(
            fields.mapping(
                "",
                document,
                ("format", "version", "model", "compression", "source", "fraction", "stops"),
            )
        )
        given = fields.sequence("stops", found["stops"], minimum=1)
        named = any(isinstance(e, dict) and isinstance(e.get("blocks"), list) for e in given)
        read_version(found, FORMAT, GRAPH_VERSION if named else VERSION)
        chosen = {k: found[k] for k in ("model", "compression", "source", "fraction")}
        return CiftPlan(**chosen, stops=read_parts(found, "stops", Stop.from_document))  # type: ignore[arg-type]

    def to_document(self) -> dict[str, object]:
        """Return the plan as a JSON object."""
        return {
            "format": FORMAT,
            "version": GRAPH_VERSION if self.is_graph else VERSION,
            "model": self.model,
            "compression": self.compression,
            "source": self.source,
            "fraction": self.fraction,
            "stops": [stop.to_document() for stop in self.stops],
        }


def hosted_by(model: Profile, plan: CiftPlan) -> list[tuple[int, ...]]:
    """Return the blocks of a model that each stop of a plan hosts, by position."""
    if model.is_graph:
        known = {block.name: b for b, block in enumerate(model.blocks)}
        return [tuple(sorted(known[name] for name in stop.names)) for stop in plan.stops]
    ends = list(itertools.accumulate((stop.blocks for stop in plan.stops), initial=0))
    return [tuple(range(first, last)) for first, last in itertools.pairwise(ends)]
