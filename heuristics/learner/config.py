"""The configuration of a training run: typed, frozen, checked, and JSON in and out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError

_WHOLE = (
    "environments",
    "steps",
    "updates",
    "epochs",
    "minibatches",
    "evaluate_every",
    "patience",
)


@dataclass(frozen=True, slots=True)
class PpoConfig:
    """Proximal policy optimisation (J. Schulman et al. 2017, arXiv 1707.06347).

    Attributes
    ----------
    environments, steps
        B environments side by side, T steps of each an update: T x B transitions.
    updates
        Updates in all; learning rate and entropy coefficient fall linearly over them.
    epochs, minibatches
        Passes over the transitions of an update, and parts of each pass.
    learning_rate, final_learning_rate
        Adam's step size at the first and at the last update.
    discount, gae_lambda
        gamma and lambda of generalised advantage estimation (J. Schulman et al. 2016, arXiv
        1506.02438).
    clip
        The ratio of new to old probability counts within 1 - clip to 1 + clip.
    entropy_coefficient, final_entropy_coefficient
        Weight of the entropy in the loss at the first and at the last update.
    value_coefficient
        Weight of the critic's squared error.
    max_gradient_norm
        Longer gradients are shortened to this.
    target_kl
        The rest of an update is skipped once a minibatch's estimate of KL(old || new) exceeds
        this; 0 for never.
    evaluate_every, patience
        Updates between two evaluations, and evaluations without a better one after which training
        stops; patience 0 for never.
    """

    environments: int = 256
    steps: int = 16
    updates: int = 500
    epochs: int = 3
    minibatches: int = 4
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.0
    discount: float = 1.0
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy_coefficient: float = 0.01
    final_entropy_coefficient: float = 0.0
    value_coefficient: float = 0.5
    max_gradient_norm: float = 0.5
    target_kl: float = 0.0
    evaluate_every: int = 50
    patience: int = 0

    def __post_init__(self) -> None:
        for column in _WHOLE:
            least = 0 if column == "patience" else 1
            fields.integer(column, getattr(self, column), minimum=least, maximum=10**9)
        for column in ("learning_rate", "max_gradient_norm", "clip"):
            fields.number(column, getattr(self, column), above=0)
        for column in ("discount", "gae_lambda"):
            fields.number(column, getattr(self, column), minimum=0, maximum=1)
        for column in (
            "final_learning_rate",
            "entropy_coefficient",
            "final_entropy_coefficient",
            "value_coefficient",
            "target_kl",
        ):
            fields.number(column, getattr(self, column), minimum=0)
        if self.environments * self.steps % self.minibatches:
            raise InputError(
                "minibatches",
                self.minibatches,
                f"a divisor of environments x steps = {self.environments * self.steps}",
                "choose a divisor",
            )

    @property
    def transitions(self) -> int:
        """T x B, transitions of one update."""
        return self.environments * self.steps

    def to_document(self) -> dict[str, int | float]:
        """Return the configuration as plain data."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_document(document: Mapping[str, object]) -> PpoConfig:
        """Return the configuration in a JSON object.

        Raises
        ------
        InputError
            For a field that is unknown or out of range.
        """
        known = [column.name for column in dataclasses.fields(PpoConfig)]
        for name in document:
            if name not in known:
                raise InputError(name, document[name], "fields " + ", ".join(known), "correct it")
        return PpoConfig(**document)  # type: ignore[arg-type]
