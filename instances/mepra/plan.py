"""Plans of MEPRA: a split and a share for each device, and its exits where they are free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from splitopt.instances.core import fields
from splitopt.instances.core.arrays import Floats, Ints
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.exact import sum_at_most_one
from splitopt.instances.mepra.columns import bits_column, column, read_exit_sets, write_exit_sets
from splitopt.instances.networks.profiles import read_version

FORMAT = "splitopt-mepra-plan"
VERSION = 1

_MANY = 10_000


def shares_from_weights(weights: npt.ArrayLike) -> Floats:
    """Return shares proportional to `weights` that sum to at most one as rationals.

    Parameters
    ----------
    weights
        Numbers >= 0, shape (n,); all zero gives all zero.
    """
    array = np.asarray(weights, dtype=np.float64)
    top = float(array.max(initial=0.0))
    if top == 0.0:
        return np.zeros_like(array)
    array = array / top
    shares: Floats = array / array.sum()
    # Rounding errors of n quotients and a sum stay far below these margins. Of many shares the
    # exact sum takes seconds: a margin that rounding cannot hide is decided without it.
    margins = (1e-15, 1e-14, 1e-13, 1e-12, 1e-11)
    for margin in margins if len(array) > _MANY else (0.0, *margins):
        candidate = shares * (1.0 - margin)
        if sum_at_most_one(candidate):
            return candidate
    raise AssertionError("rounding errors of a sum are below 1e-11")


@dataclass(frozen=True, eq=False)
class MepraPlan:
    """Decisions of MEPRA.

    Attributes
    ----------
    splits
        s_i in 0..L_i: layers computed on the device, int64, shape (n,).
    shares
        alpha_i >= 0 of the edge capacity, float64, shape (n,).
    exit_set
        X_i as bits where exits are free, int64, shape (n,); None where they are fixed.
    """

    splits: Ints
    shares: Floats
    exit_set: Ints | None = None

    def __post_init__(self) -> None:
        splits = column("splits", self.splits, integer=True).astype(np.int64)
        splits.flags.writeable = False
        object.__setattr__(self, "splits", splits)
        object.__setattr__(self, "shares", column("shares", self.shares))
        lengths = {len(self.splits), len(self.shares)}
        if self.exit_set is not None:
            bits = bits_column("exit_set", self.exit_set)
            object.__setattr__(self, "exit_set", bits)
            lengths.add(len(bits))
        if len(lengths) != 1:
            raise InputError(
                "splits", f"columns of {sorted(lengths)} entries", "columns of one length", "pad it"
            )

    @staticmethod
    def from_document(document: object) -> MepraPlan:
        """Return the plan in a JSON object."""
        found = fields.mapping(
            "", document, ("format", "version", "splits", "shares"), ("exit_sets", "exit_set")
        )
        read_version(found, FORMAT, VERSION)
        free = "exit_sets" in found or "exit_set" in found
        if free:
            fields.mapping("", document, (*found, "exit_sets", "exit_set"))
        return MepraPlan(
            splits=found["splits"],  # type: ignore[arg-type]
            shares=found["shares"],  # type: ignore[arg-type]
            exit_set=read_exit_sets(found) if free else None,
        )

    def to_document(self) -> dict[str, object]:
        """Return the plan as a JSON object."""
        document: dict[str, object] = {
            "format": FORMAT,
            "version": VERSION,
            "splits": self.splits.tolist(),
            "shares": self.shares.tolist(),
        }
        if self.exit_set is not None:
            document |= write_exit_sets(self.exit_set)
        return document
