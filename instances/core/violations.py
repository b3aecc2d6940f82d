"""A broken constraint, with the amount by which it is broken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint.

    Attributes
    ----------
    constraint
        Name of the constraint, such as ``inference-deadline``.
    where
        Node, device or link it is about.
    value, limit
        What was found and what is allowed; None where the constraint is no number.
    statement
        One line for people.
    """

    constraint: str
    where: str
    value: float | None
    limit: float | None
    statement: str

    @property
    def amount(self) -> float | None:
        """By how much the limit is exceeded, None where the constraint is no number."""
        if self.value is None or self.limit is None:
            return None
        return self.value - self.limit

    def to_document(self) -> dict[str, object]:
        """Return the violation as a JSON object."""
        return {
            "constraint": self.constraint,
            "where": self.where,
            "value": self.value,
            "limit": self.limit,
            "amount": self.amount,
            "statement": self.statement,
        }
