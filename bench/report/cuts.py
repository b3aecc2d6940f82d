"""The cuts of a plan through a network that is a graph: in words, and drawn."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.networks.profiles import Profile

_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Cut:
    """What a hop carries.

    Attributes
    ----------
    where
        The hop, ``a -> b``.
    tensors
        Name and bits of each tensor before compression, the largest first.
    """

    where: str
    tensors: tuple[tuple[str, float], ...]

    @property
    def bits(self) -> float:
        """Bits of all tensors."""
        return sum(bits for _, bits in self.tensors)

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {bits / 1e6:.4g}" for name, bits in self.tensors[:_MOST_NAMED])
        more = len(self.tensors) - _MOST_NAMED
        shown += f" and {more} more" if more > 0 else ""
        many = f"{len(self.tensors)} tensor{'s' * (len(self.tensors) != 1)}"
        return f"{self.where}: {many}, {self.bits / 1e6:.4g} Mbit ({shown})"


def span(names: tuple[str, ...]) -> str:
    """Return blocks of a graph in a few words."""
    if len(names) <= _MOST_NAMED:
        return ", ".join(names)
    return f"{names[0]}, {names[1]} .. {names[-1]} ({len(names)})"


def cuts_of(instance: CiftInstance, plan: CiftPlan) -> tuple[Cut, ...]:
    """Return what the hops of a plan carry; nothing where the network is a chain."""
    model = instance.models[instance.model_index[plan.model]]
    if not model.is_graph:
        return ()
    place = {block.name: b for b, block in enumerate(model.blocks)}
    done: set[int] = set()
    cuts = []
    for here, there in itertools.pairwise(plan.stops):
        done |= {place[name] for name in here.names}
        crossing = [
            (tensor.name, tensor.bits)
            for tensor in model.tensors
            if (tensor.producer is None or tensor.producer in done)
            and not done.issuperset(tensor.consumers)
        ]
        crossing.sort(key=lambda pair: (-pair[1], pair[0]))
        cuts.append(Cut(f"{here.node} -> {there.node}", tuple(crossing)))
    return tuple(cuts)


def _depths(model: Profile) -> list[int]:
    """Return how many blocks stand before each at least, on the longest way to it."""
    depth = [0] * len(model.blocks)
    for b in range(len(model.blocks)):
        for tensor in model.tensors:
            if tensor.producer is not None and b in tensor.consumers:
                depth[b] = max(depth[b], depth[tensor.producer] + 1)
    return depth


def draw_graph(axes: Any, model: Profile, plan: CiftPlan, colours: tuple[str, ...]) -> None:
    """Draw the blocks of a graph, coloured by host, and its tensors; those cut stand out."""
    host = {
        name: k for k, stop in enumerate(s for s in plan.stops if s.names) for name in stop.names
    }
    depth = _depths(model)
    columns: dict[int, list[int]] = {}
    for b, column in enumerate(depth):
        columns.setdefault(column, []).append(b)
    places = {
        b: (float(column), (len(blocks) - 1) / 2 - rank)
        for column, blocks in columns.items()
        for rank, b in enumerate(blocks)
    }
    of = [host[block.name] for block in model.blocks]
    for tensor in model.tensors:
        for b in tensor.consumers:
            if tensor.producer is None:
                continue
            cut = of[b] != of[tensor.producer]
            # Skips bend, so that they do not run through the blocks between.
            bend = -0.25 if depth[b] - depth[tensor.producer] > 1 else 0
            axes.annotate(
                "",
                places[b],
                places[tensor.producer],
                arrowprops={
                    "arrowstyle": "-",
                    "color": "#d55e00" if cut else "#bbbbbb",
                    "linewidth": 1.8 if cut else 0.6,
                    "linestyle": "--" if cut else "-",
                    "connectionstyle": f"arc3,rad={bend}",
                },
            )
    for k, stop in enumerate(s for s in plan.stops if s.names):
        mine = [b for b in places if of[b] == k]
        axes.scatter(
            [places[b][0] for b in mine],
            [places[b][1] for b in mine],
            s=36,
            color=colours[k % len(colours)],
            zorder=3,
            label=f"{stop.node}, {(stop.inference_speed_flop_per_s or 0.0) / 1e9:.4g} GFLOP/s",
        )
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 0.95))
    axes.margins(0.03, 0.25)
    axes.axis("off")
    axes.set_title(
        f"{plan.model}, compression {plan.compression}: blocks and tensors, those cut dashed",
        loc="left",
        y=1.12,
    )
