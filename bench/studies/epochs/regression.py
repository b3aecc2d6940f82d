"""First epochs carried on as other curves went on: a linear regression across pairs.

The logarithm of the error after k epochs is predicted from the logarithms of the first n errors
and of N, for each k > n by a ridge regression over the whole curves of other pairs (network, level)
at all N. The idea is that of Baker et al. 2017 (performance prediction for architecture search),
with curves where they have final scores; features are standardised, the penalty is 1.

What is fitted to other curves must not have seen those that it is calibrated on, either; so a
prediction can leave out further pairs (the jackknife+ of Barber et al. 2021).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from splitopt.instances.networks.curve_data import Floats

Pair = tuple[str, str]

#: Other pairs below which nothing is fitted.
LEAST_PAIRS = 3
_PENALTY = 1.0
_LEAST_ERROR = 5e-4


@dataclass(frozen=True, eq=False, slots=True)
class Regression:
    """Mean curves of all pairs, split after n epochs.

    Attributes
    ----------
    pairs
        In the order of the rows.
    means
        For each pair and N the errors after 0, 1, 2, ... epochs, all of one length.
    first
        n.
    """

    pairs: Sequence[Pair]
    means: Mapping[Pair, Mapping[int, Floats]]
    first: int

    def _features(self, pair: Pair) -> Floats:
        return np.array(
            [
                [*np.log(np.maximum(errors[1 : self.first + 1], _LEAST_ERROR)), np.log(samples)]
                for samples, errors in self.means[pair].items()
            ]
        )

    def _ahead(self, pair: Pair) -> Floats:
        rows = [errors[self.first + 1 :] for errors in self.means[pair].values()]
        return np.log(np.maximum(np.array(rows), _LEAST_ERROR))

    def predict(self, pair: Pair, leaving: Collection[Pair] = ()) -> dict[int, Floats]:
        """Return for each N the errors of a pair: as measured up to n, as predicted after.

        Neither this pair nor those in `leaving` are fitted.
        """
        others = [other for other in self.pairs if other != pair and other not in leaving]
        features = np.concatenate([self._features(other) for other in others])
        ahead = np.concatenate([self._ahead(other) for other in others])
        middle, width = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
        level = ahead.mean(axis=0)
        x = (features - middle) / width
        slopes = np.linalg.solve(x.T @ x + _PENALTY * np.eye(x.shape[1]), x.T @ (ahead - level))
        found = np.exp(level + (self._features(pair) - middle) / width @ slopes)
        return {
            samples: np.concatenate([errors[: self.first + 1], row])
            for (samples, errors), row in zip(self.means[pair].items(), found, strict=True)
        }
