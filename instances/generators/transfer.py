"""Learning curves for real networks, taken over from measured small ones by size class."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

from splitopt.instances.cift.model import Compression
from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.tolerances import TOLERANCES
from splitopt.instances.networks.curve_data import learning_data
from splitopt.instances.networks.curves import LearningCurve
from splitopt.instances.networks.profiles import Profile

TRANSFER_ASSUMPTION = (
    "Learning curves: measured on small networks fine-tuned on digits, taken over to this network "
    "by size class (small below 60 MB of parameters, medium below 300 MB, large above); measured "
    "for 30 to 600 images an epoch. That the figures carry over is assumed."
)
_MEDIUM_BYTES, _LARGE_BYTES = 60e6, 300e6


def size_class(profile: Profile) -> str:
    """Return ``small``, ``medium`` or ``large`` by parameter bytes."""
    size = profile.param_bytes
    return "small" if size < _MEDIUM_BYTES else "medium" if size < _LARGE_BYTES else "large"


def compression_names() -> tuple[str, ...]:
    """Return the compression levels that were measured, in the order measured."""
    return tuple(str(level["name"]) for level in learning_data("digits")["compressions"])


def compressions(names: tuple[str, ...]) -> tuple[Compression, ...]:
    """Return levels by name, with factors as measured (means over the measured networks)."""
    rows = {row["name"]: row for row in learning_data("digits")["compressions"]}
    levels = []
    for name in names:
        fields.one_of("compressions", name, list(rows))
        row = rows[name]
        levels.append(
            Compression(
                name, row["flops_factor"], row["param_factor"], min(1.0, row["activation_factor"])
            )
        )
    return tuple(levels)


def _measured_model(kind: str) -> str:
    """Return the measured network of a size class: its name ends in the class."""
    names = [str(model["name"]) for model in learning_data("digits")["models"]]
    for name in names:
        if name.endswith(kind):
            return name
    raise InputError("size class", kind, "one of " + ", ".join(names), "measure such a network")


def curve_for(profile: Profile, compression: str) -> LearningCurve:
    """Return the curve a profile takes over at a compression level."""
    source = _measured_model(size_class(profile))
    found: dict[str, Any] | None = None
    for fit in learning_data("digits-fits")["fits"]:
        if fit["model"] == source and fit["compression"] == compression:
            found = fit
    if found is None:
        raise InputError(
            "compression", compression, "one of " + ", ".join(compression_names()), "choose one"
        )
    return LearningCurve(
        profile.name,
        compression,
        found["floor"],
        found["data_scale"],
        found["data_exponent"],
        found["rate_scale"],
        found["rate_offset"],
    )


_CONTEXT = Context(prec=40)


def _exact(value: float) -> Decimal:
    return _CONTEXT.create_decimal_from_float(value)


def _data_term(curve: LearningCurve, samples: int) -> Decimal:
    """Return G N^-gamma; in decimals, since the C library's powers differ between machines."""
    power = _CONTEXT.power(Decimal(samples), _CONTEXT.minus(_exact(curve.data_exponent)))
    return _CONTEXT.multiply(_exact(curve.data_scale), power)


def error_after(curve: LearningCurve, epochs: int, samples: int) -> float:
    """Return the expected error after `epochs` epochs, the same on any machine."""
    passes = _CONTEXT.add(Decimal(epochs * samples), _exact(curve.rate_offset))
    rate = _CONTEXT.divide(_exact(curve.rate_scale), passes)
    error = _CONTEXT.add(_exact(curve.floor), _data_term(curve, samples))
    return float(_CONTEXT.add(error, rate))


def epochs_needed(curve: LearningCurve, samples: int, target: float) -> int | None:
    """Return the least k >= 0 at which the error meets `target`, None when out of reach.

    The rule of `LearningCurve.epochs`, the same on any machine.
    """
    slack = _CONTEXT.subtract(
        _CONTEXT.subtract(_exact(target), _exact(curve.floor)), _data_term(curve, samples)
    )
    if curve.rate_scale == 0:
        return 0 if slack >= 0 else None
    if slack <= 0:
        return None
    passes = _CONTEXT.subtract(
        _CONTEXT.divide(_exact(curve.rate_scale), slack), _exact(curve.rate_offset)
    )
    real = _CONTEXT.divide(passes, Decimal(samples))
    if real > 2**40:
        return None
    least = _CONTEXT.subtract(real, _exact(TOLERANCES.epochs))
    return max(0, int(least.to_integral_value("ROUND_CEILING")))
