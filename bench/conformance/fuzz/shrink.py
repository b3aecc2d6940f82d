"""Make an instance that fails smaller while it fails in the same way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from instances.cift import CiftInstance, SpeedInterval
from instances.errors import InputError
from instances.mepra import MepraInstance

if TYPE_CHECKING:
    from instances.interface import Instance

__all__ = ["shrunk"]

_MOST = 400  # smaller instances tried


def shrunk(instance: Instance, fails: Callable[[Instance], bool]) -> Instance:
    """Return a smaller instance for which `fails` holds too; greedy, the first that does."""
    tried = 0
    smaller = True
    while smaller and tried < _MOST:
        smaller = False
        for candidate in _smaller(instance):
            tried += 1
            if fails(candidate):
                instance, smaller = candidate, True
                break
            if tried >= _MOST:
                break
    return instance


def _smaller(instance: Instance) -> Iterator[Instance]:
    makers = _cift(instance) if isinstance(instance, CiftInstance) else _mepra(instance)
    for make in makers:
        try:
            candidate = make()
        except (InputError, ValueError, KeyError, IndexError):
            continue
        if candidate.content_hash != instance.content_hash:
            yield candidate


def _without(parts: tuple[Any, ...], k: int) -> tuple[Any, ...]:
    return parts[:k] + parts[k + 1 :]


def _put(parts: tuple[Any, ...], k: int, part: Any) -> tuple[Any, ...]:
    return (*parts[:k], part, *parts[k + 1 :])


def _cift(instance: CiftInstance) -> Iterator[Callable[[], CiftInstance]]:
    for k in range(len(instance.configurations)):
        yield lambda k=k: instance.replace(configurations=_without(instance.configurations, k))  # type: ignore[misc]
    for k, node in enumerate(instance.nodes):
        yield lambda k=k, name=node.name: instance.replace(  # type: ignore[misc]
            nodes=_without(instance.nodes, k),
            links=tuple(e for e in instance.links if name not in (e.tail, e.head)),
            configurations=tuple(g for g in instance.configurations if g.source != name),
        )
    for k in range(len(instance.links)):
        yield lambda k=k: instance.replace(links=_without(instance.links, k))  # type: ignore[misc]
    for k, model in enumerate(instance.models):
        for b in range(len(model.blocks)):
            yield lambda k=k, b=b, model=model: instance.replace(  # type: ignore[misc]
                models=_put(
                    instance.models, k, dataclasses.replace(model, blocks=_without(model.blocks, b))
                )
            )
    for column in ("inference_deadline_s", "fine_tuning_deadline_s"):
        if getattr(instance, column) is not None:
            yield lambda column=column: instance.replace(**{column: None})  # type: ignore[misc]
    if instance.requests > 1:
        yield lambda: instance.replace(requests=1)
    for k, g in enumerate(instance.configurations):
        for epochs in (0, 1):
            if g.epochs > epochs:
                yield lambda k=k, g=g, epochs=epochs: instance.replace(  # type: ignore[misc]
                    configurations=_put(
                        instance.configurations, k, dataclasses.replace(g, epochs=epochs)
                    )
                )
    used = {g.compression for g in instance.configurations}
    if len(used) < len(instance.compressions):
        yield lambda: instance.replace(
            compressions=tuple(c for c in instance.compressions if c.name in used)
        )
    for k, node in enumerate(instance.nodes):
        speeds = node.speeds_flop_per_s
        if not isinstance(speeds, SpeedInterval) and len(speeds) > 1:
            for level in range(len(speeds)):
                yield lambda k=k, node=node, level=level, speeds=speeds: instance.replace(  # type: ignore[misc]
                    nodes=_put(
                        instance.nodes,
                        k,
                        dataclasses.replace(node, speeds_flop_per_s=_without(speeds, level)),
                    )
                )
        for column in ("kappa_j_s2_per_flop3", "busy_power_w", "memory_bytes"):
            yield from _rounded(instance, "nodes", k, column)
    for k in range(len(instance.links)):
        for column in ("rate_bit_per_s", "delay_s", "energy_j_per_bit"):
            yield from _rounded(instance, "links", k, column)


def _rounded(
    instance: CiftInstance, group: str, k: int, column: str
) -> Iterator[Callable[[], CiftInstance]]:
    """Yield copies with a figure at 0, 1, or one digit."""
    part = getattr(instance, group)[k]
    value = getattr(part, column)
    for simple in (0.0, 1.0, float(f"{value:.0e}")):
        if simple != value and value not in (0.0, 1.0):
            yield lambda simple=simple: instance.replace(  # type: ignore[misc]
                **{
                    group: _put(
                        getattr(instance, group), k, dataclasses.replace(part, **{column: simple})
                    )
                }
            )


def _mepra(instance: MepraInstance) -> Iterator[Callable[[], MepraInstance]]:
    columns = ("speed_flop_per_s", "power_w", "transmit_power_w", "profile", "exit_row", "exit_set")
    for k in range(instance.devices if instance.devices > 1 else 0):
        rest = [i for i in range(instance.devices) if i != k]
        yield lambda rest=rest: instance.replace(  # type: ignore[misc]
            **{
                column: getattr(instance, column)[rest]
                for column in columns
                if getattr(instance, column) is not None
            }
        )
    for column in ("weight_time_per_s", "weight_energy_per_j"):
        for simple in (0.0, 1.0):
            yield lambda column=column, simple=simple: instance.replace(**{column: simple})  # type: ignore[misc]
